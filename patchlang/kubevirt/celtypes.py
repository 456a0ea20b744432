"""A CEL expression with the types of the VMI: its result, and what in it is impossible.

Derived from CEL's own tree. What is unknown has the type ``any``, which allows anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from .. import rules
from ..cel.tree import Call, Ident, ListExpr, Literal, Macro, MapExpr, Node, Select, walk
from ..cel.words import member_help
from ..diagnostics import Severity
from ..xpath.parser import XPathSyntaxError, parse
from ..xpath.tree import Call as XPathCall
from ..xpath.tree import result_kind
from .celcalls import NUMERIC, TAKES, Judge, Slip, key_of, way_to
from .celwords import KEYED, NOWHERE, Typed, Way, called, named, number_of, optional_of, shown, what
from .vmitypes import ANY, BOOLEAN, INTEGER, NULL, NUMBER, QUANTITY, ROOT, TEXT, VmiTypes, kinds, words

_LITERALS = {
    "string": TEXT, "int": INTEGER, "uint": INTEGER, "double": NUMBER, "bool": BOOLEAN, "null_type": NULL,
}  # fmt: skip
_RESULTS = {
    TEXT: "annotation charAt format hex join label lowerAscii replace string substring trim upperAscii",
    INTEGER: "indexOf int lastIndexOf quantity size uint",
    NUMBER: "double math.abs math.ceil math.floor math.greatest math.least math.round math.trunc",
    BOOLEAN: "!_ @in _!=_ _&&_ _<=_ _<_ _==_ _>=_ _>_ _||_ contains endsWith hasValue matches startsWith",
    "[string]": "capture keys split",
    "[integer]": "range",
}
_RESULT = {name: type for type, names in _RESULTS.items() for name in names.split()}
_OF_TEXT = frozenset(
    "charAt contains endsWith indexOf lastIndexOf lowerAscii matches replace split startsWith substring trim "
    "upperAscii".split()
)
_SAME = frozenset({"distinct", "reverse", "slice", "sort"})
_ORDER = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_ARITHMETIC = frozenset({"_-_", "_*_", "_/_", "_%_"})
# arguments that are checked here, including the one before a method's dot
_LEAST = {"contains": 2, "optional.of": 1, "optional.ofNonZeroValue": 1, "orValue": 2, "size": 1}
_OVER = frozenset({"all", "exists", "exists_one", "filter", "map", "sortBy"})
_ORDERED = frozenset({"filter", "map", "sortBy"})


class Scope(NamedTuple):
    """What is known where an expression is: types by name, and the paths that certainly exist."""

    types: VmiTypes
    names: Mapping[str, Typed]
    there: frozenset[Way] = frozenset()

    def behind(self, condition: Node) -> Scope:
        """What is known once a condition is true: everything that it tests for, and reads without a test."""
        found = {way[:end] for way in _asked(condition) | _read(condition) for end in range(1, len(way) + 1)}
        return self._replace(there=self.there | found)


ROOTS = {"vmi": Typed(ROOT, ("vmi",))}


def typed(tree: Node, scope: Scope) -> Typed:
    """What an expression gives."""
    return _Reader("", scope, _asked(tree)).value(tree, scope.names)


def slips(text: str, tree: Node, scope: Scope, wanted: str = "") -> list[Slip]:
    """What in an expression is impossible or may be missing; ``wanted`` is its required type:
    ``argument boolean list map part text``."""
    reader = _Reader(text, scope, _asked(tree))
    found = reader.value(tree, scope.names)
    if not any(one.severity is Severity.ERROR for one in reader.found):
        reader.wanted(tree, found, wanted)
    return reader.found


def _asked(tree: Node) -> frozenset[Way]:
    """The paths that an expression tests: with ``has``, ``in`` or an optional."""
    found = set()
    for node in walk(tree):
        match node:
            case Select(_, True) | Call("_?._" | "_[?_]"):
                found.add(way_to(node))
            case Call("@in", children=(Literal("string", str(key)), of)):
                above = way_to(of)
                found.add((*above, key) if above else NOWHERE)
    return frozenset(found - {NOWHERE})


def _read(tree: Node) -> frozenset[Way]:
    return frozenset(way for node in walk(tree) if (way := way_to(node)))


class _Reader(Judge):
    def __init__(self, text: str, scope: Scope, asked: frozenset[Way]) -> None:
        super().__init__(text, scope.types)
        self.there = scope.there | asked

    # -- values ----------------------------------------------------------------------------------------------------

    def value(self, node: Node, names: Mapping[str, Typed]) -> Typed:
        match node:
            case Literal(kind):
                return Typed(_LITERALS.get(kind, ANY))
            case Ident(name):
                return names.get(name, Typed())
            case Select(field, tested, children=(of,)):
                found = self.member(node, self.value(of, names), field, asks=tested)
                return Typed(BOOLEAN) if tested else found
            case Call("_?._" | "_[?_]" | "_[_]" as function, children=(of, key)):
                asks = function != "_[_]"
                found = self.entry(node, self.value(of, names), key, self.value(key, names), asks=asks)
                return found._replace(type=f"?{found.type.removeprefix('?')}") if asks else found
            case Macro():
                return self.macro(node, names)
            case ListExpr(children=entries):
                return Typed(f"[{self.joined([self.value(entry, names).type for entry in entries])}]")
            case MapExpr(message, children=children):
                for child in children:
                    self.value(child, names)
                return Typed(ANY if message else "{any}" if children else "{none}")
            case Call():
                return self.call(node, [self.value(child, names) for child in node.children])
            case _:
                for child in node.children:
                    self.value(child, names)
                return Typed()

    def joined(self, found: Iterable[str]) -> str:
        """The common type of these values; of nothing if there are none."""
        several = {*found}
        if several == {INTEGER, NUMBER}:
            return NUMBER
        # an empty one is of the type of the others
        filled = several - {"[none]", "{none}"}
        if len(filled) == 1 and all(kinds(one) == kinds(*filled) for one in several):
            return filled.pop()
        return several.pop() if len(several) == 1 else ANY if several else "none"

    # -- members ---------------------------------------------------------------------------------------------------

    def member(self, node: Node, of: Typed, name: str, *, asks: bool) -> Typed:
        """A member by name; ``asks``: it may be missing."""
        type = of.type.removeprefix("?")
        optional = type != of.type
        way = (*of.way, name) if of.way else NOWHERE
        if fields := self.types.get(type):
            field = fields.get(name)
            if field is None:
                self.unknown(node, of, type, name, fields)
                return Typed()
            if not (field.always or asks or optional or way in self.there):
                self.absent(node, name, way or (type, name))
            return Typed(f"?{field.type}" if optional else field.type, way, self.below(way))
        if type.startswith("{"):
            return Typed(f"?{type[1:-1]}" if optional else type[1:-1], way)
        if type.startswith("["):
            if method := member_help(name):
                help = method
            elif name in self.types.get(type[1:-1], ()):
                help = f"select an entry: `{called(of)}[0].{name}`, or all of them: `{called(of)}.map(v, v.{name})`"
            else:
                entry = "v.name" if "name" in self.types.get(type[1:-1], ()) else "v"
                help = (
                    f"select an entry: `{called(of)}.filter(v, {entry} == '{name}')[0]`, or test with `.exists(v, …)`"
                )
            message = f"{named(of)} is {words(type)} and has no member `{name}`"
            self.slip(rules.VMI_TYPE, message, self.name(node, name), help)
        elif kinds(type) & {"text", "number", "boolean"}:
            message = f"{named(of)} is {words(type)} and has no member `{name}`"
            help = member_help(name) or self.dotted_key(node, of) or "use the value itself"
            self.slip(rules.VMI_TYPE, message, self.name(node, name), help)
        return Typed(way=way)

    def dotted_key(self, node: Node, of: Typed) -> str | None:
        """For an entry of a map of strings: the key may have been meant to continue after the dot."""
        map = of.way[:-1]
        if not (map and isinstance(node, Select) and map[-1] in KEYED):
            return None
        return f"write a key with `.`, `/` or `-` in brackets: `{shown(map)}['{of.way[-1]}.{node.field}…']`"

    def below(self, way: Way) -> frozenset[Way]:
        size = len(way)
        return frozenset(one[size:] for one in self.there if way and one[:size] == way and len(one) > size)

    def entry(self, node: Node, of: Typed, key: Node, kind: Typed, *, asks: bool) -> Typed:
        """``of[key]``."""
        type = of.type.removeprefix("?")
        if isinstance(key, Literal) and isinstance(key.value, str):
            return self.member(node, of, key.value, asks=asks)
        way = (*of.way, key_of(key)) if of.way else NOWHERE
        if type.startswith("[") and kinds(kind.type) and "number" not in kinds(kind.type):
            help = "an entry has an index, from 0; use `.filter(v, …)` to find it by its content"
            self.slip(rules.VMI_TYPE, f"{named(of)} is {words(type)}, but the key is not a number", self.at(node), help)
        if kinds(type) and kinds(type) <= {"text", "number", "boolean"}:
            help = "take part of a string with `substring(0, 1)`, or split it with `split(…)`"
            self.slip(rules.VMI_TYPE, f"{named(of)} is {words(type)} and has no entries", self.at(node), help)
            return Typed()
        if kinds(type) == {"map"} and kinds(kind.type) and "text" not in kinds(kind.type):
            message = f"{named(of)} is {words(type)}, but the key is not a string"
            self.slip(rules.VMI_TYPE, message, self.at(node), "name a member; `keys(…)` lists them")
        if type.startswith(("[", "{")):
            return Typed(type[1:-1] if type == of.type else f"?{type[1:-1]}", way, of.known)
        return Typed(way=way)

    def absent(self, node: Node, name: str, way: Way) -> None:
        start, end = self.name(node, name)
        written, above = shown(way), shown(way[:-1])
        if written.endswith(f".{name}"):
            help = f"guard it with `has({written})`, or read `{above}.?{name}` and end it with `.orValue(…)`"
        else:
            help = f"guard it with `'{name}' in {above}`, or read `{above}[?'{name}']` and end it with `.orValue(…)`"
        message = f"`{written}` may be missing: then the expression fails"
        self.found.append(Slip(rules.UNGUARDED_FIELD, message, start, end, help, Severity.ADVICE, way))

    # -- calls -----------------------------------------------------------------------------------------------------

    def call(self, node: Call, given: list[Typed]) -> Typed:
        if len(given) < _LEAST.get(node.function, 0):
            return Typed()  # CEL's own check finds this
        match node.function:
            case "_?_:_" if len(given) == 3:
                self.condition(node.children[0], given[0])
                return Typed(self.joined(one.type for one in given[1:]))
            case "orValue" if node.is_method:
                if kinds(given[0].type):
                    message = f"`orValue` needs an optional, but {what(given[0])} is not one"
                    self.slip(rules.VMI_TYPE, message, self.at(node), optional_of(node))
                return Typed(self.joined([given[0].type.removeprefix("?"), given[1].type]), given[0].way)
            case "or" if node.is_method:
                return Typed(self.joined(one.type for one in given))
            case "value" if node.is_method:
                return Typed(given[0].type.removeprefix("?"), given[0].way)
            case "optional.of" | "optional.ofNonZeroValue":
                return Typed(f"?{given[0].type}", given[0].way)
            case "_==_" | "_!=_":
                self.compared(node, *given)
            case function if function in _ORDER:
                self.ordered(node, *given)
            case function if function in _ARITHMETIC:
                self.calculated(node, given)
                return Typed(self.joined(one.type for one in given) if function != "_-_" or _numbers(given) else ANY)
            case "_+_":
                self.added(node, *given)
                return Typed(self.joined(one.type for one in given))
            case "-_":
                self.calculated(node, given)
                return Typed(given[0].type)
            case "@in":
                self.within(node, *given)
            case "_&&_" | "_||_" | "!_":
                for child, one in zip(node.children, given, strict=True):
                    self.condition(child, one)
            case "xpath" if node.children and not node.is_method:
                return Typed(_of_xpath(node.children[0]))
            case "size":
                self.takes(node, given[0], {"text", "list", "map"}, "a string, a list or a map")
            case function if node.is_method and function in _OF_TEXT:
                self.takes(node, given[0], {"text"}, "a string")
            case function if node.is_method and function in _SAME:
                # `reverse` also takes a string
                wanted = {"list", "text"} if function == "reverse" else {"list"}
                self.takes(node, given[0], wanted, "a list")
                return Typed(given[0].type if kinds(given[0].type) & wanted else ANY)
            case function if not node.is_method and function in TAKES and given:
                self.takes(node, given[0], *TAKES[function])
                if function in NUMERIC and given[0].type == QUANTITY:
                    help = number_of(node.children[0], given[0])
                    self.of_quantity(node, f"cannot be read by `{function}`", given[0], help)
        return Typed(_RESULT.get(node.function, ANY))

    # -- macros ----------------------------------------------------------------------------------------------------

    def macro(self, node: Macro, names: Mapping[str, Typed]) -> Typed:
        of = self.value(node.children[0], names)
        others = node.children[1:]
        if node.name == "cel.bind":
            return self.value(others[0], {**names, node.variable: of})
        if node.name in ("optMap", "optFlatMap"):
            inner = Typed(of.type.removeprefix("?"), of.way) if of.type.startswith("?") else Typed()
            opened = self.value(others[0], {**names, node.variable: inner})
            return Typed(f"?{opened.type.removeprefix('?')}")
        if node.name not in _OVER:
            return Typed()
        if node.name in _ORDERED and kinds(of.type) == {"map"}:
            message = f"`{node.name}` iterates over a list, but {what(of)} has no order"
            self.slip(
                rules.VMI_TYPE, message, self.at(node), f"use its keys, sorted: `keys({called(of)}).{node.name}(…)`"
            )
        if kinds(of.type) and not kinds(of.type) & {"list", "map"}:
            message = f"`{node.name}` iterates over a list, but {what(of)} is not one"
            self.slip(rules.VMI_TYPE, message, self.at(node), "use a list")
        type = of.type[1:-1] if of.type.startswith("[") else TEXT if kinds(of.type) == {"map"} else ANY
        asked = {way for way in _asked(node) if way[0] == node.variable}
        before = self.there
        # what is known of the entries is known of the variable, but nothing about another variable of its name
        self.there = frozenset(way for way in before if way[0] != node.variable) | asked
        self.there |= {(node.variable, *way) for way in of.known}
        inside = {**names, node.variable: Typed(type, (node.variable,))}
        made = [self.value(other, inside) for other in others]
        self.there = before
        if node.name == "sortBy":
            return Typed(of.type if of.type.startswith("[") else ANY, of.way, of.known)
        if node.name != "map" or len(others) > 1:
            self.condition(others[0], made[0])
        if node.name == "filter":
            known = of.known | {way[1:] for way in _asked(others[0]) if way[0] == node.variable}
            return Typed(of.type if of.type.startswith("[") else ANY, of.way, known)
        return Typed(f"[{made[-1].type}]" if node.name == "map" else BOOLEAN)


@lru_cache(maxsize=1024)
def _of_xpath(query: Node) -> str:
    """What an XPath gives that is written out."""
    if not isinstance(query, Literal) or not isinstance(query.value, str):
        return ANY
    try:
        tree = parse(query.value)
    except XPathSyntaxError:
        return ANY
    if isinstance(tree, XPathCall) and tree.name in ("count", "string-length"):
        return INTEGER
    return {"nodes": "[string]", "text": TEXT, "boolean": BOOLEAN}.get(result_kind(tree) or "", ANY)


def _numbers(given: list[Typed]) -> bool:
    return all(kinds(one.type) == {"number"} for one in given)
