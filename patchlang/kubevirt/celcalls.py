"""Operations on values of the VMI: comparisons, arithmetic, calls, checked against the types of their operands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from itertools import pairwise
from typing import NamedTuple

from .. import rules
from ..cel.syntax import Token, tokens
from ..cel.tree import Call, Ident, Literal, Node, Select
from ..diagnostics import Rule, Severity, closest
from .celwords import (
    NOWHERE,
    Typed,
    Way,
    boolean_of,
    called,
    converting,
    list_of,
    number_of,
    of_machines,
    shown,
    source,
    text_of,
    what,
)
from .vmitypes import INTEGER, NUMBER, QUANTITY, TEXT, VmiField, VmiTypes, kinds, words

# what functions take, and the word for it
TAKES = {
    **dict.fromkeys(("double", "quantity", "uint"), (frozenset({"text", "number"}), "a string or a number")),
    "int": (frozenset({"text", "number", "boolean"}), "a string or a number"),
    "string": (frozenset({"text", "number", "boolean"}), "a string, a number, true or false"),
    **dict.fromkeys(("capture", "parseJSON"), (frozenset({"text"}), "a string")),
    **dict.fromkeys(("hex", "range"), (frozenset({"number"}), "a number")),
    "flatten": (frozenset({"list"}), "a list"),
    "keys": (frozenset({"map"}), "a map"),
}
NUMERIC = frozenset({"double", "hex", "int", "range", "uint"})


class Slip(NamedTuple):
    """A finding in an expression, at the characters ``start`` to ``end``; ``way`` is what may be missing."""

    rule: Rule
    message: str
    start: int
    end: int
    help: str
    severity: Severity
    way: Way = NOWHERE


def way_to(node: Node) -> Way:
    """The way to a chain of members and entries; empty for anything else."""
    match node:
        case Ident(name):
            return (name,)
        case Select(field, children=(of,)):
            above = way_to(of)
            return (*above, field) if above else NOWHERE
        case Call("_[_]" | "_?._" | "_[?_]", children=(of, key)):
            above = way_to(of)
            return (*above, key_of(key)) if above else NOWHERE
        case _:
            return NOWHERE


def key_of(node: Node) -> str:
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else f"[{source(node)}]"


class Judge:
    """Collects the problems of an expression."""

    def __init__(self, text: str, types: VmiTypes) -> None:
        self.types = types
        self.found: list[Slip] = []
        self.tokens: list[Token] = [token for token in tokens(text) if token.kind != "comment"]

    def unknown(self, node: Node, of: Typed, type: str, name: str, fields: Mapping[str, VmiField]) -> None:
        owner = f"`{shown(of.way)}`, {words(type)}," if of.way else words(type)
        near = closest(name, sorted(fields))
        help = f"did you mean `{near}`?" if near is not None else f"it has {', '.join(sorted(fields)[:20])}"
        if ways := [f"`{shown(way)}`" for way in self.elsewhere(of, name, near)]:
            help = f"{', '.join(ways)} {'has' if len(ways) == 1 else 'have'} it"
        help = of_machines(type, name) or help
        message = f"{owner} has no field `{name}`"
        self.slip(rules.UNKNOWN_VMI_FIELD, message[0].upper() + message[1:], self.name(node, name), help)

    def elsewhere(self, of: Typed, name: str, near: str | None) -> Iterator[Way]:
        """A field of this very name one level up or down."""
        if near is not None and near.lower() == name.lower():
            return
        type = of.type.removeprefix("?")
        for field, one in sorted(self.types[type].items()):
            if of.way and name in self.types.get(one.type, ()):
                yield (*of.way, field, name)

    def compared(self, node: Call, left: Typed, right: Typed) -> None:
        ours, theirs = kinds(left.type), kinds(right.type)
        if ours and theirs and not ours & theirs and "null" not in ours | theirs:
            message = f"{what(left)} is never equal to {what(right)}"
            self.slip(rules.VMI_TYPE, message, self.at(node), converting(node, left, right))
        self.with_number(node, "is never equal to", left, right)

    def ordered(self, node: Call, left: Typed, right: Typed) -> None:
        ours, theirs = kinds(left.type), kinds(right.type)
        if ours and theirs and not ours & theirs:
            message = f"{what(left)} cannot be compared with {what(right)}"
            self.slip(rules.VMI_TYPE, message, self.at(node), converting(node, left, right))
        elif (both := ours & theirs) and both <= {"list", "map", "null"}:
            sign = node.function.strip("_")
            help = "compare their members" if both == {"map"} else "compare their sizes or entries"
            self.slip(rules.VMI_TYPE, f"`{sign}` cannot compare {what(left)}", self.at(node), help)
        elif QUANTITY in (left.type, right.type) and {left.type, right.type} <= {QUANTITY, TEXT}:
            one = 0 if left.type == QUANTITY else 1
            help = number_of(node.children[one], (left, right)[one])
            self.of_quantity(node, "is compared character by character", (left, right)[one], help)
        self.with_number(node, "cannot be compared with", left, right)

    def with_number(self, node: Call, says: str, left: Typed, right: Typed) -> None:
        """A quantity used with a number: Kubernetes writes it as a string."""
        pair = {left.type, right.type}
        if QUANTITY in pair and len(pair) == 2 and pair <= {QUANTITY, INTEGER, NUMBER}:
            one, other = (left, right) if left.type == QUANTITY else (right, left)
            self.of_quantity(node, f"{says} {what(other)}", one, converting(node, left, right))

    def of_quantity(self, node: Call, says: str, value: Typed, help: str) -> None:
        name = f"`{shown(value.way)}`" if value.way else "a quantity"
        message = f"{name} {says}: when a VM starts, a quantity is a string such as '2Gi'"
        self.found.append(Slip(rules.VMI_TYPE, message, *self.at(node), help, Severity.ADVICE))

    def condition(self, node: Node, value: Typed) -> None:
        """A value where only true or false is allowed."""
        if kinds(value.type) and not kinds(value.type) & {"boolean", "null"}:
            message = f"a condition must be true or false, but {what(value)} is neither"
            self.slip(rules.VMI_TYPE, message, self.whole(node), boolean_of(node, value))

    def wanted(self, node: Node, value: Typed, kind: str) -> None:
        """The result of an expression as a whole, where a ``boolean``, a ``list``, a ``map`` or a ``text`` is needed.

        An ``argument`` is a text in a list, a ``part`` the part of a text; only a whole ``text`` may be an optional.
        """
        found = kinds(value.type)
        if kind not in ("", "text") and value.type.startswith("?"):
            self.slip(rules.VMI_TYPE, "the result is an optional", self.whole(node), "end it with `.orValue(…)`")
        elif kind == "boolean":
            self.condition(node, value)
        elif kind == "list" and found and "list" not in found:
            self.slip(
                rules.VMI_TYPE, f"expected a list, but {what(value)} is not one", self.whole(node), list_of(node, value)
            )
        elif kind == "map" and found and "map" not in found:
            help = "give names and values, such as `{'NAME': 'value'}`"
            self.slip(rules.VMI_TYPE, f"expected a map, but {what(value)} is not one", self.whole(node), help)
        elif kind in ("argument", "part", "text") and found and found <= {"list", "map", "boolean"}:
            message = f"text takes strings and numbers, but {what(value)} is neither"
            help = text_of(node, value)
            if kind == "argument" and found == {"list"}:
                help = 'make it the entire value, without a YAML list around it: `args: "$[ … ]"`'
            self.slip(rules.VMI_TYPE, message, self.whole(node), help)

    def added(self, node: Call, left: Typed, right: Typed) -> None:
        ours, theirs = kinds(left.type), kinds(right.type)
        if ours and theirs and not ours & theirs:
            message = f"{what(left)} and {what(right)} cannot be joined by `+`"
            help = "convert both with `string(…)`, or both with `int(…)`"
            self.slip(rules.VMI_TYPE, message, self.at(node), help)
        elif (both := ours & theirs) and both <= {"boolean", "map", "null"}:
            message = f"`+` adds numbers and joins strings or lists, but {what(left)} is none of these"
            self.slip(
                rules.VMI_TYPE,
                message,
                self.at(node),
                "name their members" if both == {"map"} else "use `&&` or `||`",
            )
        self.with_number(node, "cannot be added to", left, right)

    def calculated(self, node: Call, given: list[Typed]) -> None:
        for number, one in enumerate(given):
            if kinds(one.type) and "number" not in kinds(one.type):
                sign = node.function.strip("_")
                help = number_of(node.children[number], one)
                self.slip(
                    rules.VMI_TYPE, f"`{sign}` takes numbers, but {what(one)} is not a number", self.at(node), help
                )
                return
            if one.type == QUANTITY:
                self.of_quantity(node, "is not a number", one, number_of(node.children[number], one))

    def within(self, node: Call, left: Typed, right: Typed) -> None:
        type = right.type
        key = node.children[0]
        if kinds(type) == {"map"} and kinds(left.type) and "text" not in kinds(left.type):
            message = f"the keys of {what(right)} are strings, but {what(left)} is not a string"
            self.slip(rules.VMI_TYPE, message, self.at(node), "test for a key by its name")
            return
        if (fields := self.types.get(type)) is not None:
            if isinstance(key, Literal) and isinstance(key.value, str) and key.value not in fields:
                self.unknown(key, right, type, key.value, fields)
        elif type.startswith("["):
            ours, theirs = kinds(left.type), kinds(type[1:-1])
            if ours and theirs and not ours & theirs:
                field = "name" if "name" in self.types.get(type[1:-1], ()) else "…"
                help = f"test its entries: `{called(right)}.exists(v, v.{field} == {source(key)})`"
                if not theirs & {"map", "list"}:
                    help = converting(node, left, Typed(type[1:-1]))
                self.slip(rules.VMI_TYPE, f"{what(left)} is never in {words(type)}", self.at(node), help)
        elif kinds(type) & {"text", "number", "boolean"} == kinds(type) and kinds(type):
            help = f"for a string, use `{called(right)}.contains(…)`"
            self.slip(rules.VMI_TYPE, f"`in` needs a list or a map, but {what(right)} is neither", self.at(node), help)

    def takes(self, node: Call, of: Typed, wanted: Set[str], words: str) -> None:
        found = kinds(of.type)
        if not found or found & wanted:
            return
        if found == {"map"} and "text" in wanted and node.function == "contains":
            help = f"test for a key: `{source(node.children[1])} in {called(of)}`" if of.way else "test with `in`"
        elif wanted == {"list"}:
            help = list_of(node.children[0], of)
        elif found == {"list"} and node.function == "contains":
            help = f"test its entries: `{called(of)}.exists(v, v == …)`"
        elif found & {"map", "list"}:
            help = "select one of its members" if found == {"map"} else "select an entry: `[0]`, or `.filter(v, …)[0]`"
        elif wanted == {"number"}:
            help = number_of(node.children[0], of)
        else:
            help = "convert it with `string(…)`" if "text" in wanted else "use the value itself"
        self.slip(rules.VMI_TYPE, f"`{node.function}` takes {words}, but {what(of)} is not one", self.at(node), help)

    # -- places ----------------------------------------------------------------------------------------------------

    def slip(self, rule: Rule, message: str, place: tuple[int, int], help: str) -> None:
        self.found.append(Slip(rule, message, *place, help, Severity.ERROR))

    def at(self, node: Node) -> tuple[int, int]:
        """The token that CEL gives for a node; for a function, its name."""
        for number, token in enumerate(self.tokens):
            if token.start == node.position:
                if token.text == "(" and number and self.tokens[number - 1].kind == "name":
                    token = self.tokens[number - 1]
                length = 2 if token.text in "<>=!&|" and self.starts(token.end, "=&|") else len(token.text)
                return token.start, token.start + length
        return 0, self.tokens[-1].end if self.tokens else 0

    def starts(self, at: int, characters: str) -> bool:
        return any(token.start == at and token.text in characters for token in self.tokens)

    def whole(self, node: Node) -> tuple[int, int]:
        """The last name of a chain of members, otherwise what CEL gives for a node."""
        way = way_to(node)
        return self.name(node, way[-1]) if way else self.at(node)

    def name(self, node: Node, name: str) -> tuple[int, int]:
        """Where a member is named: after the dot or between the brackets."""
        dot = node.position if isinstance(node, Select) and not node.tested else -1
        after = max(dot, node.children[0].position if node.children else node.position)
        for before, token in pairwise(self.tokens):
            is_name = token.text == name and before.text in (".", "?") and token.start > after
            if is_name or (token.kind == "string" and token.start >= after and token.text[1:-1] == name):
                return token.start, token.end
        return self.at(node)
