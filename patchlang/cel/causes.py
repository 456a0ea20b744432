"""Which null, or which missing part of cloud-init data, caused an evaluation error: found in CEL's tree.

CEL's own messages only name types. Messages quote only the expression itself, and the indexes of list entries:
computed keys may be data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from ..run_scope import Bindings
from ..strictjson import JsonError, read_for_cel
from .optionals import Lexis
from .tree import Call, Ident, ListExpr, Literal, Macro, Node, Select, walk

MOST_ENTRIES = 1000
# CEL functions that accept null
_TAKE_NULL = frozenset(
    "_==_ _!=_ dyn type optional.of optional.ofNonZeroValue optional.none or orValue hasValue value".split()
)
_BINDERS = frozenset({"cel.bind", "optMap", "optFlatMap"})
# methods whose result has entries of the list before the dot
_REARRANGE = frozenset({"distinct", "reverse", "slice", "sort"})
_OF_METADATA = {"annotation": "annotations", "label": "labels"}
# formats without one of them, even if they are readable
_WITHOUT_BOTH = {
    "boothook": "a boothook", "include": "an include list", "part-handler": "a part handler", "script": "a script",
}  # fmt: skip
_WITHOUT = {
    "parts": {**_WITHOUT_BOTH, "cloud-config": "a cloud-config", "empty": "empty", "ignition": "an Ignition config"},
    "value": {**_WITHOUT_BOTH, "multipart": "a MIME message"},
}


class Cause(NamedTuple):
    """What is wrong with the expression from ``start`` to ``end``, and what to write instead."""

    message: str
    start: int
    end: int
    help: str


class _Known(NamedTuple):
    """A value that a node may have, and its path in words."""

    value: Any
    path: str


_Names = Mapping[str, tuple[_Known, ...]]


def null_used(tree: Node, text: str, bindings: Bindings) -> Cause | None:
    """The first null where a value is needed, if any."""
    for node, found in _Search(bindings, text).uses(tree, {}, frozenset()):
        start, end = _extent(node, text)
        written = text[start:end]
        message = f"`{found.path}` is null" + ("" if written == found.path else f", which is `{written}` here")
        instead = f"provide a fallback: `{written} == null ? ... : {written}`"
        return Cause(message, start, end, f"{instead}; null is a value, so `has` and `?` do not catch it")
    return None


def missing_user_data(tree: Node, text: str, bindings: Bindings) -> Cause | None:
    """Where the expression reads a ``value`` or ``parts`` that user data in its format does not have."""
    for node in walk(tree):
        match node:
            case Select(
                "value" | "parts" as wanted, False, children=(Select("userData", _, children=(Ident("cloudInit"),)),)
            ):
                pass
            case _:
                continue
        data = bindings.cel_value("cloudInit").get("userData", {})
        if wanted in data:
            continue
        name = data.get("format", "unknown")
        other = (
            "edits pick a part with `part`; `cloudInit.userData.parts` lists all parts" if name == "multipart" else ""
        )
        is_there = _WITHOUT[wanted].get(name, "not YAML, or unreadable")
        message = f"user data is {is_there} and has no `{wanted}`"
        guard = f"test first: `has(cloudInit.userData.{wanted})`"
        return Cause(message, *_extent(node, text), "; ".join(filter(None, (guard, other))))
    return None


class _Search:
    def __init__(self, bindings: Bindings, text: str) -> None:
        self.bindings = bindings
        self.text = text

    def uses(self, node: Node, names: _Names, tested: frozenset[Node]) -> Iterator[tuple[Node, _Known]]:
        """Each null node, and which null it is, where its parent needs a value; ``tested`` are known not to be null."""
        match node:
            case Macro(name, variable, children=(of, *others)):
                yield from self.uses(of, names, tested)
                if name not in _BINDERS:
                    yield from self.null(of, names, tested)
                inner = {**names, variable: tuple(self.bound(node, names))}
                for other in others:
                    yield from self.uses(other, inner, tested)
                return
            case Call("_&&_" | "_||_" as operator, children=(first, second)):
                yield from self.uses(first, names, tested)
                yield from self.null(first, names, tested)
                after = tested | _not_null(first, is_true=operator == "_&&_")
                yield from self.uses(second, names, after)
                yield from self.null(second, names, after)
                return
            case Call("_?_:_", children=(condition, first, second)):
                yield from self.uses(condition, names, tested)
                yield from self.null(condition, names, tested)
                yield from self.uses(first, names, tested | _not_null(condition, is_true=True))
                yield from self.uses(second, names, tested | _not_null(condition, is_true=False))
                return
        for child in node.children:
            yield from self.uses(child, names, tested)
        match node:
            case Select() | Call("_?._"):
                yield from self.null(node.children[0], names, tested)
            case Call("join", True, children=(ListExpr(), *_)):
                for entry in node.children[0].children:
                    yield from self.null(entry, names, tested)
            case Call("@in", children=(_, holder)):
                yield from self.null(holder, names, tested)
            case Call(function) if function not in _TAKE_NULL:
                for child in node.children:
                    yield from self.null(child, names, tested)

    def null(self, node: Node, names: _Names, tested: frozenset[Node]) -> Iterator[tuple[Node, _Known]]:
        if node not in tested and not isinstance(node, Literal):
            yield from ((node, found) for found in self.values(node, names) if found.value is None)

    def bound(self, macro: Macro, names: _Names) -> Iterator[_Known]:
        """The possible values of a macro's variable."""
        of = macro.children[0]
        return self.values(of, names) if macro.name in _BINDERS else islice(self.entries(of, names), MOST_ENTRIES)

    def entries(self, node: Node, names: _Names) -> Iterator[_Known]:
        """The entries of a list."""
        match node:
            case ListExpr():
                for entry in node.children:
                    yield from self.values(entry, names)
            case Macro("filter", children=(of, *_)):
                yield from (found for found in self.entries(of, names) if found.value is not None)
            case Call(function, True, children=(of, *_)) if function in _REARRANGE:
                yield from self.entries(of, names)
            case _:
                for found in self.values(node, names):
                    if isinstance(found.value, list):
                        entries = enumerate(found.value[:MOST_ENTRIES])
                        yield from (_Known(entry, f"{found.path}[{number}]") for number, entry in entries)

    def values(self, node: Node, names: _Names) -> Iterator[_Known]:
        """The possible values of a node; empty if unknown."""
        return islice(self._values(node, names), MOST_ENTRIES)

    def _values(self, node: Node, names: _Names) -> Iterator[_Known]:
        match node:
            case Ident(name) if name in names:
                yield from names[name]
            case Ident(name):
                try:
                    yield _Known(self.bindings.cel_value(name), name)
                except LookupError:
                    return
            case Select(field, False, children=(of,)):
                for holder in self.values(of, names):
                    if isinstance(holder.value, dict) and field in holder.value:
                        yield _Known(holder.value[field], f"{holder.path}.{field}")
            case Call("_[_]" | "_[?_]" | "_?._" as operator, children=(of, key)):
                for holder in self.values(of, names):
                    shown = f".{_text_of(key)}" if operator == "_?._" else f"[{_written(key)}]"
                    yield from (_Known(value, holder.path + shown) for value in _at(holder.value, key))
            case Call("orValue" | "or" | "value", True) | Call("dyn"):
                for child in node.children:
                    yield from self.values(child, names)
            case Call("_?_:_", children=(condition, first, second)):
                for side, is_true in ((first, True), (second, False)):
                    if side not in _not_null(condition, is_true=is_true):
                        yield from self.values(side, names)
            case Macro("cel.bind", variable, children=(_, body)):
                yield from self.values(body, {**names, variable: tuple(self.bound(node, names))})
            case Literal("string", value):
                yield _Known(value, self.written(node))
            case Call("first" | "last" as function, True, children=(of,)):
                entries = list(islice(self.entries(of, names), MOST_ENTRIES))
                yield from entries[:1] if function == "first" else entries[-1:]
            case Call("annotation" | "label" as function, False, children=(key, *default)):
                of_vmi = self.bindings.cel_value("vmi").get("metadata", {}).get(_OF_METADATA[function])
                there = [*_at(of_vmi, key)]
                yield from (_Known(value, self.written(node)) for value in there)
                if not there:
                    yield from (found for one in default for found in self.values(one, names))
            case Call("parseJSON", False, children=(of,)):
                for text in self.values(of, names):
                    yield from (_Known(value, self.written(node)) for value in _of_json(text))

    def written(self, node: Node) -> str:
        return self.text[slice(*_extent(node, self.text))]


def _of_json(text: _Known) -> Iterator[Any]:
    if isinstance(text.value, str):
        try:
            yield read_for_cel(text.value)
        except (JsonError, RecursionError, UnicodeEncodeError):
            return


def _text_of(key: Node) -> str:
    return key.value if isinstance(key, Literal) and isinstance(key.value, str) else "?"


def _written(key: Node) -> str:
    match key:
        case Literal("string" | "int"):
            return repr(key.value)
        case Ident(name):
            return name
        case _:
            return "..."


def _at(holder: Any, key: Node) -> Iterator[Any]:
    """The entries that a key may select: all of them if the key is computed."""
    if isinstance(key, Literal):
        known = holder if isinstance(holder, dict) else dict(enumerate(holder)) if isinstance(holder, list) else {}
        if key.kind in ("string", "int") and key.value in known:
            yield known[key.value]
    elif isinstance(holder, (dict, list)):
        yield from holder.values() if isinstance(holder, dict) else holder


def _not_null(condition: Node, *, is_true: bool) -> frozenset[Node]:
    """What is not null if the condition is true, or false."""
    match condition:
        case Call("!_", children=(inner,)):
            return _not_null(inner, is_true=not is_true)
        case Call("_&&_", children=(first, second)) if is_true:
            return _not_null(first, is_true=True) | _not_null(second, is_true=True)
        case Call("_||_", children=(first, second)) if not is_true:
            return _not_null(first, is_true=False) | _not_null(second, is_true=False)
        case Call("_!=_" | "_==_" as operator, children=(first, second)) if (operator == "_!=_") == is_true:
            null = Literal("null_type", None)
            return frozenset(one for one, other in ((first, second), (second, first)) if other == null)
        case Call("_==_", children=sides) if is_true:
            # a value that equals a literal other than null is not null
            is_known = any(isinstance(side, Literal) and side.kind != "null_type" for side in sides)
            return frozenset(sides) if is_known else frozenset()
        case _:
            return frozenset()


def _extent(node: Node, text: str) -> tuple[int, int]:
    """Where a node begins and ends in the text."""
    lexis = Lexis(text)
    start = lexis.start(node)
    if text[start : start + 1] == "." and (at := lexis.numbers.get(start)):  # CEL points at the dot of `variables.x`
        start = lexis.tokens[at - 1].start
    number = lexis.numbers.get(node.position)
    if number is None:
        return start, start + 1
    match node:
        case Ident(name) if name.startswith("variables."):
            return start, lexis.tokens[number + 1].end
        case Select():
            return start, lexis.tokens[min(number + 1, len(lexis.tokens) - 1)].end
        case Call("_[_]" | "_[?_]"):
            return start, lexis.closing(number).end
        case Call("_?._"):
            return start, lexis.tokens[min(number + 2, len(lexis.tokens) - 1)].end
        case Call() if lexis.tokens[number].text == "(":
            return start, lexis.closing(number).end
        case _:
            return start, lexis.tokens[number].end
