"""An expression of CEL with the types of the VMI: what it gives, and what in it cannot be.

Told from CEL's own tree. What nobody can tell is of the type ``any``, of which anything may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from .. import rules
from ..cel.syntax import Token, tokens
from ..cel.tree import Call, Ident, ListExpr, Literal, Macro, MapExpr, Node, Select, walk
from ..cel.unparse import write
from ..diagnostics import Rule, Severity, closest
from .vmitypes import ANY, BOOLEAN, INTEGER, NULL, NUMBER, ROOT, TEXT, VmiField, VmiTypes, kinds, words

# a value by the way to it: the name it starts at, and members
Way = tuple[str, ...]
_NOWHERE: Way = ()

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
# maps whose keys are written in brackets
_KEYED = frozenset({"annotations", "labels"})
_OVER = frozenset({"all", "exists", "exists_one", "filter", "map"})


class Typed(NamedTuple):
    """A value: its type, the way to it, and which ways below its entries are there for sure."""

    type: str = ANY
    way: Way = _NOWHERE
    known: frozenset[Way] = frozenset()


class Slip(NamedTuple):
    """What was found in an expression, at the characters ``start`` to ``end``; ``way`` is what may be absent."""

    rule: Rule
    message: str
    start: int
    end: int
    help: str
    severity: Severity
    way: Way = _NOWHERE


class Scope(NamedTuple):
    """What is known where an expression stands: types by name, and the ways that are there for sure."""

    types: VmiTypes
    names: Mapping[str, Typed]
    there: frozenset[Way] = frozenset()

    def behind(self, condition: Node) -> Scope:
        """What is known where a condition has held: all that it asks for, and reads without asking."""
        found = {way[:end] for way in _asked(condition) | _read(condition) for end in range(1, len(way) + 1)}
        return self._replace(there=self.there | found)


ROOTS = {"vmi": Typed(ROOT, ("vmi",))}


def typed(tree: Node, scope: Scope) -> Typed:
    """What an expression gives."""
    return _Reader("", scope, _asked(tree)).value(tree, scope.names)


def slips(text: str, tree: Node, scope: Scope) -> list[Slip]:
    """What in an expression cannot be, or may be absent."""
    reader = _Reader(text, scope, _asked(tree))
    reader.value(tree, scope.names)
    return reader.found


def shown(way: Way) -> str:
    """A way as CEL."""
    text = way[0]
    for above, name in pairwise(way):
        if name.startswith("["):
            text += name
        else:
            text += f".{name}" if name.isidentifier() and above not in _KEYED else f"['{name}']"
    return text


def _way(node: Node) -> Way:
    """The way to a chain of members and entries; empty for anything else."""
    match node:
        case Ident(name):
            return (name,)
        case Select(field, children=(of,)):
            above = _way(of)
            return (*above, field) if above else _NOWHERE
        case Call("_[_]" | "_?._" | "_[?_]", children=(of, key)):
            above = _way(of)
            return (*above, _key(key)) if above else _NOWHERE
        case _:
            return _NOWHERE


def _key(node: Node) -> str:
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else f"[{_source(node)}]"


def _asked(tree: Node) -> frozenset[Way]:
    """The ways that an expression asks about: by ``has``, ``in`` or an optional."""
    found = set()
    for node in walk(tree):
        match node:
            case Select(_, True) | Call("_?._" | "_[?_]"):
                found.add(_way(node))
            case Call("@in", children=(Literal("string", str(key)), of)):
                above = _way(of)
                found.add((*above, key) if above else _NOWHERE)
    return frozenset(found - {_NOWHERE})


def _read(tree: Node) -> frozenset[Way]:
    return frozenset(way for node in walk(tree) if (way := _way(node)))


class _Reader:
    def __init__(self, text: str, scope: Scope, asked: frozenset[Way]) -> None:
        self.types = scope.types
        self.there = scope.there | asked
        self.found: list[Slip] = []
        self.tokens: list[Token] = [token for token in tokens(text) if token.kind != "comment"]

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
        """The type of a value that is of one of these; of none where there are none."""
        several = {*found}
        if several == {INTEGER, NUMBER}:
            return NUMBER
        # what is empty is of the kind of the others
        filled = several - {"[none]", "{none}"}
        if len(filled) == 1 and all(kinds(one) == kinds(*filled) for one in several):
            return filled.pop()
        return several.pop() if len(several) == 1 else ANY if several else "none"

    # -- members ---------------------------------------------------------------------------------------------------

    def member(self, node: Node, of: Typed, name: str, *, asks: bool) -> Typed:
        """A member by its name; ``asks``: it need not be there."""
        type = of.type.removeprefix("?")
        optional = type != of.type
        way = (*of.way, name) if of.way else _NOWHERE
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
            what = "v.name" if "name" in self.types.get(type[1:-1], ()) else "v"
            help = f"choose an entry: `{_called(of)}.filter(v, {what} == '{name}')[0]`, or ask by `.exists(v, …)`"
            message = f"`{_called(of)}` is {words(type)}, which has no member `{name}`"
            self.slip(rules.VMI_TYPE, message, self.name(node, name), help)
        elif kinds(type) & {"text", "number", "boolean"}:
            message = f"`{_called(of)}` is {words(type)}, which has no member `{name}`"
            self.slip(rules.VMI_TYPE, message, self.name(node, name), "read the value itself")
        return Typed(way=way)

    def below(self, way: Way) -> frozenset[Way]:
        size = len(way)
        return frozenset(one[size:] for one in self.there if way and one[:size] == way and len(one) > size)

    def entry(self, node: Node, of: Typed, key: Node, kind: Typed, *, asks: bool) -> Typed:
        """``of[key]``."""
        type = of.type.removeprefix("?")
        if isinstance(key, Literal) and isinstance(key.value, str):
            return self.member(node, of, key.value, asks=asks)
        way = (*of.way, _key(key)) if of.way else _NOWHERE
        if type.startswith("[") and kinds(kind.type) and "number" not in kinds(kind.type):
            help = "an entry has a number, from 0; `.filter(v, …)` finds it by what it is"
            self.slip(rules.VMI_TYPE, f"`{_called(of)}` is {words(type)}, and the key is none", self.at(node), help)
        if type.startswith(("[", "{")):
            return Typed(type[1:-1] if type == of.type else f"?{type[1:-1]}", way, of.known)
        return Typed(way=way)

    def unknown(self, node: Node, of: Typed, type: str, name: str, fields: Mapping[str, VmiField]) -> None:
        what = f"`{shown(of.way)}`, {words(type)}," if of.way else words(type)
        near = closest(name, sorted(fields))
        help = f"did you mean `{near}`?" if near is not None else f"it has {', '.join(sorted(fields)[:20])}"
        if (way := next(self.elsewhere(of, name, near), None)) is not None:
            help = f"`{shown(way)}` has it"
        message = f"{what} has no field `{name}`"
        self.slip(rules.UNKNOWN_VMI_FIELD, message[0].upper() + message[1:], self.name(node, name), help)

    def elsewhere(self, of: Typed, name: str, near: str | None) -> Iterator[Way]:
        """A field of this very name one level up or down."""
        if near is not None and near.lower() == name.lower():
            return
        type = of.type.removeprefix("?")
        for field, one in sorted(self.types[type].items()):
            if of.way and name in self.types.get(one.type, ()):
                yield (*of.way, field, name)

    def absent(self, node: Node, name: str, way: Way) -> None:
        start, end = self.name(node, name)
        what, above = shown(way), shown(way[:-1])
        if what.endswith(f".{name}"):
            help = f"guard it by `has({what})`, or read `{above}.?{name}` and end it with `.orValue(…)`"
        else:
            help = f"guard it by `'{name}' in {above}`, or read `{above}[?'{name}']` and end it with `.orValue(…)`"
        message = f"`{what}` may be absent: then the expression fails"
        self.found.append(Slip(rules.UNGUARDED_FIELD, message, start, end, help, Severity.ADVICE, way))

    # -- calls -----------------------------------------------------------------------------------------------------

    def call(self, node: Call, given: list[Typed]) -> Typed:
        match node.function:
            case "_?_:_" if len(given) == 3:
                return Typed(self.joined(one.type for one in given[1:]))
            case "orValue" if node.is_method:
                if kinds(given[0].type):
                    message = f"`orValue` ends an optional, and {_what(given[0])} is none"
                    self.slip(
                        rules.VMI_TYPE, message, self.at(node), "a member behind `?` makes one: `vmi.spec.?hostname`"
                    )
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
            case "size":
                self.takes(node, given[0], {"text", "list", "map"}, "a text, a list or a map")
            case function if node.is_method and function in _OF_TEXT:
                self.takes(node, given[0], {"text"}, "a text")
            case function if node.is_method and function in _SAME:
                return Typed(given[0].type)
        return Typed(_RESULT.get(node.function, ANY))

    def compared(self, node: Call, left: Typed, right: Typed) -> None:
        ours, theirs = kinds(left.type), kinds(right.type)
        if ours and theirs and not ours & theirs and "null" not in ours | theirs:
            message = f"{_what(left)} is never equal to {_what(right)}"
            self.slip(rules.VMI_TYPE, message, self.at(node), self.converting(node, left, right))

    def ordered(self, node: Call, left: Typed, right: Typed) -> None:
        ours, theirs = kinds(left.type), kinds(right.type)
        if ours and theirs and not ours & theirs:
            message = f"{_what(left)} cannot be compared with {_what(right)}"
            self.slip(rules.VMI_TYPE, message, self.at(node), self.converting(node, left, right))

    def added(self, node: Call, left: Typed, right: Typed) -> None:
        ours, theirs = kinds(left.type), kinds(right.type)
        if ours and theirs and not ours & theirs:
            message = f"{_what(left)} and {_what(right)} cannot be joined by `+`"
            help = "make both texts by `string(…)`, or both numbers by `int(…)`"
            self.slip(rules.VMI_TYPE, message, self.at(node), help)

    def calculated(self, node: Call, given: list[Typed]) -> None:
        for number, one in enumerate(given):
            if kinds(one.type) and "number" not in kinds(one.type):
                sign = node.function.strip("_")
                help = self.number_of(node.children[number], one)
                self.slip(rules.VMI_TYPE, f"`{sign}` takes numbers, and {_what(one)} is none", self.at(node), help)
                return

    def within(self, node: Call, left: Typed, right: Typed) -> None:
        type = right.type
        key = node.children[0]
        if (fields := self.types.get(type)) is not None:
            if isinstance(key, Literal) and isinstance(key.value, str) and key.value not in fields:
                self.unknown(key, right, type, key.value, fields)
        elif type.startswith("["):
            ours, theirs = kinds(left.type), kinds(type[1:-1])
            if ours and theirs and not ours & theirs:
                field = "name" if "name" in self.types.get(type[1:-1], ()) else "…"
                help = f"ask its entries: `{_called(right)}.exists(v, v.{field} == {_source(key)})`"
                self.slip(rules.VMI_TYPE, f"{_what(left)} is never in {words(type)}", self.at(node), help)
        elif kinds(type) & {"text", "number", "boolean"} == kinds(type) and kinds(type):
            help = f"of a text ask `{_called(right)}.contains(…)`"
            self.slip(rules.VMI_TYPE, f"`in` asks a list or a map, and {_what(right)} is none", self.at(node), help)

    def takes(self, node: Call, of: Typed, wanted: set[str], what: str) -> None:
        if kinds(of.type) and not kinds(of.type) & wanted:
            help = "make it a text by `string(…)`" if "text" in wanted else "take the value itself"
            self.slip(rules.VMI_TYPE, f"`{node.function}` is of {what}, and {_what(of)} is none", self.at(node), help)

    def converting(self, node: Call, left: Typed, right: Typed) -> str:
        both = kinds(left.type) | kinds(right.type)
        if both == {"text", "number"}:
            number = 0 if "text" in kinds(left.type) else 1
            return self.number_of(node.children[number], (left, right)[number])
        if both == {"text", "boolean"}:
            return "annotations and labels are texts: compare with 'true', not with true"
        return "compare what is of one type"

    def number_of(self, node: Node, value: Typed) -> str:
        if kinds(value.type) != {"text"}:
            return "take a number"
        return f"annotations, labels and names are texts: write `int({_source(node)})`"

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
        if kinds(of.type) and not kinds(of.type) & {"list", "map"}:
            message = f"`{node.name}` goes through a list, and {_what(of)} is none"
            self.slip(rules.VMI_TYPE, message, self.at(node), "take a list")
        type = of.type[1:-1] if of.type.startswith("[") else TEXT if kinds(of.type) == {"map"} else ANY
        asked = {way for way in _asked(node) if way[0] == node.variable}
        before = self.there
        # what is known of the entries is known of the variable, but nothing that is known of another one of its name
        self.there = frozenset(way for way in before if way[0] != node.variable) | asked
        self.there |= {(node.variable, *way) for way in of.known}
        inside = {**names, node.variable: Typed(type, (node.variable,))}
        made = [self.value(other, inside) for other in others]
        self.there = before
        if node.name == "filter":
            known = of.known | {way[1:] for way in _asked(others[0]) if way[0] == node.variable}
            return Typed(of.type if of.type.startswith("[") else ANY, of.way, known)
        return Typed(f"[{made[-1].type}]" if node.name == "map" else BOOLEAN)

    # -- places ----------------------------------------------------------------------------------------------------

    def slip(self, rule: Rule, message: str, place: tuple[int, int], help: str) -> None:
        self.found.append(Slip(rule, message, *place, help, Severity.ERROR))

    def at(self, node: Node) -> tuple[int, int]:
        """The token that CEL names for a node; of a function its name."""
        for number, token in enumerate(self.tokens):
            if token.start == node.position:
                if token.text == "(" and number and self.tokens[number - 1].kind == "name":
                    token = self.tokens[number - 1]
                length = 2 if token.text in "<>=!&|" and self.starts(token.end, "=&|") else len(token.text)
                return token.start, token.start + length
        return 0, self.tokens[-1].end if self.tokens else 0

    def starts(self, at: int, characters: str) -> bool:
        return any(token.start == at and token.text in characters for token in self.tokens)

    def name(self, node: Node, name: str) -> tuple[int, int]:
        """Where a member is named: behind the dot or between the brackets."""
        dot = node.position if isinstance(node, Select) and not node.tested else -1
        after = max(dot, node.children[0].position if node.children else node.position)
        for before, token in pairwise(self.tokens):
            is_name = token.text == name and before.text in (".", "?") and token.start > after
            if is_name or (token.kind == "string" and token.start >= after and token.text[1:-1] == name):
                return token.start, token.end
        return self.at(node)


def _numbers(given: list[Typed]) -> bool:
    return all(kinds(one.type) == {"number"} for one in given)


def _called(of: Typed) -> str:
    return shown(of.way) if of.way else "it"


def _what(of: Typed) -> str:
    return f"`{shown(of.way)}` ({words(of.type)})" if of.way else words(of.type)


def _source(node: Node) -> str:
    try:
        return write(node)
    except ValueError:
        return "…"
