"""Values of the VMI in words: their names, and what to write instead if they do not fit."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ..cel.tree import Call, Literal, Node, Select
from ..cel.unparse import write
from ..patterns import pattern
from .vmitypes import ANY, QUANTITY, kinds, words

# a value as its path: the name it starts at, and members
Way = tuple[str, ...]
NOWHERE: Way = ()
KEYED = frozenset({"annotations", "labels"})
"""Maps whose keys are written in brackets."""
_OF_MACHINES = frozenset("dataVolumeTemplates instancetype preference runStrategy running template".split())


class Typed(NamedTuple):
    """A value: its type, its path, and which paths below its entries certainly exist."""

    type: str = ANY
    way: Way = NOWHERE
    known: frozenset[Way] = frozenset()


def shown(way: Way) -> str:
    """A way as CEL."""
    text = way[0]
    for above, name in pairwise(way):
        if name.startswith("["):
            text += name
        else:
            text += f".{name}" if name.isidentifier() and above not in KEYED else f"['{name}']"
    return text


def called(of: Typed) -> str:
    """The value as CEL, as far as it comes from the VMI."""
    return shown(of.way) if of.way else "it"


def named(of: Typed) -> str:
    """The value as the subject of a sentence."""
    return f"`{shown(of.way)}`" if of.way else "this"


def what(of: Typed) -> str:
    """The value, and what it is."""
    return f"`{shown(of.way)}` ({words(of.type)})" if of.way else words(of.type)


def source(node: Node) -> str:
    """A piece of an expression."""
    try:
        return write(node)
    except ValueError:
        return "…"


def converting(node: Call, left: Typed, right: Typed) -> str:
    """How two compared values become the same kind."""
    both = kinds(left.type) | kinds(right.type)
    written = _literal_meant(node, left, right)
    if written is not None:
        return written
    if QUANTITY in (left.type, right.type) or both == {"text", "number"}:
        number = 0 if left.type == QUANTITY or (right.type != QUANTITY and "text" in kinds(left.type)) else 1
        return number_of(node.children[number], (left, right)[number])
    if "list" in both and any(_is_xpath(child) for child in node.children):
        return _ONE_STRING
    if both == {"text", "boolean"}:
        text = left if "text" in kinds(left.type) else right
        return "annotations and labels are strings: compare with 'true', not true" if is_metadata(text) else _ONE_TEXT
    return "compare values of the same type"


def _literal_meant(node: Call, left: Typed, right: Typed) -> str | None:
    """A literal string that reads like the number or boolean it is compared with."""
    for literal, other in zip(node.children, (right, left), strict=True):
        if isinstance(literal, Literal) and isinstance(literal.value, str) and other.type != QUANTITY:
            is_meant = {"number": _NUMBER.fullmatch(literal.value), "boolean": literal.value in ("true", "false")}
            if any(kinds(other.type) == {kind} and meant for kind, meant in is_meant.items()):
                return f"write it without quotes: `{literal.value}`"
    return None


_NUMBER = pattern(r"-?[0-9]+(\.[0-9]+)?")
_ONE_TEXT = "it is a string: compare it with a string"


def number_of(node: Node, value: Typed) -> str:
    """How a value becomes a number."""
    if value.type == QUANTITY:
        return f"write `quantity({source(node)})`, a number: for memory, in bytes"
    if kinds(value.type) != {"text"}:
        return "use a number"
    texts = "annotations, labels and names are strings" if is_metadata(value) else "it is a string"
    return f"{texts}: write `int({source(node)})`"


def boolean_of(node: Node, value: Typed) -> str:
    """How a value becomes a condition."""
    found = kinds(value.type)
    if found == {"map"} and not value.type.startswith("{") and isinstance(node, Select):
        return f"test whether it is there: `has({source(node)})`"
    if found <= {"list", "map"}:
        return f"write `size({source(node)}) > 0`"
    if found == {"number"}:
        return f"compare it: `{source(node)} > 0`"
    if found == {"text"}:
        return f"compare it: `{source(node)} == 'true'`"
    return "compare it"


def optional_of(node: Call) -> str:
    """How what is before ``.orValue(…)`` becomes an optional."""
    default = source(node.children[1])
    match node.children[0]:
        case Call("annotation" | "label" as function, False, children=(key,)):
            return f"write `{function}({source(key)}, {default})`"
        case Call("_[_]", children=(of, key)):
            return f"write `{source(of)}[?{source(key)}].orValue({default})`"
        case Select(field, False, children=(of,)):
            return f"write `{source(of)}.?{field}.orValue({default})`"
        case _:
            return "`?` before a member makes one: `vmi.spec.?hostname`"


def list_of(node: Node, value: Typed) -> str:
    """How a value becomes a list."""
    if kinds(value.type) == {"map"}:
        return f"write `keys({source(node)})`, a list of its keys"
    if kinds(value.type) == {"text"}:
        return f"write `{source(node)}.split(',')`, or its actual separator, or `parseJSON(…)`"
    return f"write `[{source(node)}]`"


def text_of(node: Node, value: Typed) -> str:
    """How a value becomes a string."""
    found = kinds(value.type)
    if found == {"boolean"}:
        return f"write `{source(node)} ? 'yes' : 'no'`, or the words used there"
    if _is_xpath(node):
        return _ONE_STRING
    if found == {"list"}:
        return f"select an entry, or join them: `{source(node)}.map(v, …).join(',')`"
    return "select one of its members"


_ONE_STRING = "for one string write `xpath('string(…)')`"


def _is_xpath(node: Node) -> bool:
    return isinstance(node, Call) and node.function == "xpath"


def is_metadata(value: Typed) -> bool:
    """Whether it is a string of the VMI's metadata, or of unknown origin."""
    return value.way[:2] == ("vmi", "metadata") or not value.way


def of_machines(type: str, name: str) -> str | None:
    """What to read instead of a field that is in a VirtualMachine's ``spec`` but not in a VMI."""
    if type != "VirtualMachineInstanceSpec" or name not in _OF_MACHINES:
        return None
    return "only a VirtualMachine has it; a VMI has what `spec.template` holds there: `vmi.spec.domain`"
