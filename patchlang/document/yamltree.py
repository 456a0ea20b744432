"""YAML text as a tree of nodes with places; nothing is constructed, scalars stay text as written.

The parser is PyYAML's binding to libyaml (events only). Refused with a position: duplicate keys, merge keys,
explicit tags, keys that are not scalars, and trees beyond the limits below (a file is hostile until it is read).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

import yaml

from .. import rules
from ..diagnostics import fail
from ..patterns import pattern
from ..record import record
from ..source import SourceFile, Span
from .scalar_offsets import offsets

MAX_DEPTH = 40
MAX_NODES = 50_000
MAX_ALIASES = 50
_MANIFEST_DEPTH = 100
_MANIFEST_NODES = 1_000_000


@record
class Scalar:
    """A scalar as text. ``plain`` if it is written without quotes or block marks."""

    text: str
    plain: bool
    span: Span


@record
class Sequence:
    items: tuple[Node, ...]
    span: Span


@record
class Mapping:
    """Keys are unique by their text and in the order they are written."""

    entries: tuple[tuple[Scalar, Node], ...]
    span: Span

    def get(self, key: str) -> Node | None:
        return next((value for name, value in self.entries if name.text == key), None)


Node = Scalar | Sequence | Mapping


def describe(node: Node) -> str:
    """The node's kind in words, for messages."""
    match node:
        case Scalar():
            return "a scalar"
        case Sequence():
            return "a list"
        case Mapping():
            return "a map"


def parse(source: SourceFile, *, manifest: bool = False) -> list[Node]:
    """The documents of a file, without empty ones.

    A ``manifest`` is a Kubernetes file and may be larger; its tags are ignored, and merge keys are applied.

    Raises PatchError (PL003, PL005, PL006, PL007) at the first fault.
    """
    try:
        return list(_Composer(source, manifest).documents())
    except yaml.MarkedYAMLError as e:
        marks = [min(mark.index, len(source.text)) for mark in (e.context_mark, e.problem_mark) if mark]
        at = marks[-1] if marks else 0
        if not source.text[at:].strip():
            at = marks[0] if marks else 0  # at the end of the file nothing is wrong, but where it began
        problem = " ".join(filter(None, (e.problem, e.context))) or "not YAML"
        help = _ESCAPES if "unknown escape" in problem else _hint(source, _before(source, at), at)
        raise fail(rules.BAD_YAML, f"not YAML: {problem}", Span(source, at, at), help) from None
    except yaml.YAMLError as e:
        before = source.text.encode()[: getattr(e, "position", 0)]  # libyaml counts bytes
        at = len(before.decode(errors="ignore"))
        reason = getattr(e, "reason", None) or str(e)
        raise fail(rules.BAD_YAML, f"not YAML: {reason}", Span(source, at, at)) from None


def _before(source: SourceFile, at: int) -> int:
    """The last character before ``at`` that is not white space: libyaml often points at the line after a fault."""
    return max(0, len(source.text[:at].rstrip()) - 1)


_HELM = pattern(r"\{\{(?!\s*\{)")
HELM_HELP = "a Helm template must be rendered first: `helm template CHART | patchlang validate -`"
_BRACKET_START = pattern(r"""(?:^|[:\-])\s+(?:\[[^\]]*\]|\{[^}]*\})\s*[^\s,#}\]:]""")
_COLON_INSIDE = pattern(r"[\w\"']:\s+[^\s#'\"|>].*:(?:\s|$)")
_QUOTED_START = pattern(r"""[:\-,{]\s+(?:'[^']*'|"[^"]*")\s*[^\s,#}\]]""")
_BLOCK_START = pattern(r".*:\s+[|>][-+0-9]*\s*$")
_ESCAPES = "in YAML, `\\` in double quotes begins an escape: write `\\\\`, or use single quotes"

_NO_BLANK = pattern(
    r"\s*(?:-\s+)?(apiVersion|expect|forEach|from|in|kind|name|op|path|unless|value|when|xml):[^\s/:][^:]*$"
)
_HINTED_LINES, _HINTED_COLUMNS = 100, 1000
"""How much is looked at for a hint: the expressions above go through a line once for each bracket or quote in it."""
_NEGATION = 'quote an expression that begins with `!`: `when: "!has(...)"`'


def _hint(source: SourceFile, first: int, last: int) -> str | None:
    """What is probably wrong between two offsets."""
    numbers = range(source.position(first).line, source.position(last).line + 1)[:_HINTED_LINES]
    lines = [source.line(number)[:_HINTED_COLUMNS] for number in numbers]
    if any(_HELM.search(line) for line in lines):
        return HELM_HELP
    if any("\t" in line[: len(line) - len(line.lstrip())] for line in lines):
        return "indent YAML with spaces, not tabs"
    if any(re.search(r"[:,{-]\s+[@`%]", line) for line in lines):
        return "quote a value that begins with `@`, `%` or a backquote"
    if any(re.search(r"[:,{-]\s+!", line) for line in lines):
        return _NEGATION
    before = source.line(numbers[0] - 1)[:_HINTED_COLUMNS] if numbers[0] > 1 else ""
    if any(_BLOCK_START.match(line) for line in (before, *lines[:-1])):
        return "indent the text after `|` or `>` further than its key"
    if any(re.search(r"[\w/.*)\]]\[|\w\([^()]*,", line.partition("{")[2]) for line in lines):
        return "inside `{ }`, quote a value that contains `[`, `]`, `{`, `}` or `,`"
    if any("$[" in line for line in lines):
        return "quote a value with `$[ ]`: `: `, ` #`, and inside `{ }` also `,`, `[` and `]`, are YAML syntax"
    if any(_QUOTED_START.search(line) for line in lines):
        return "quote the whole value if it begins with a quote: `when: \"'x' in vmi.metadata.annotations\"`"
    if any(_BRACKET_START.search(line) for line in lines):
        return "quote the whole value if it begins with `[` or `{` and continues after the closing bracket"
    if found := next((one for one in map(_NO_BLANK.match, (before, *lines)) if one), None):
        return f"put a space after the colon of a key: `{found[1]}: …`"
    if any(_COLON_INSIDE.search(line) for line in lines):
        return "quote a value that contains `: `, as in `c ? a : b`"
    return None


class _Composer:
    def __init__(self, source: SourceFile, manifest: bool) -> None:
        self.source = source
        self.manifest = manifest
        self.max_nodes, self.max_depth = (_MANIFEST_NODES, _MANIFEST_DEPTH) if manifest else (MAX_NODES, MAX_DEPTH)
        self.events: Iterator[yaml.Event] = yaml.parse(source.text, Loader=yaml.CSafeLoader)
        self.anchors: dict[str, tuple[Node, int, int]] = {}
        self.nodes = 0
        self.aliases = 0

    def documents(self) -> Iterator[Node]:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors.clear()
                node = self.node(next(self.events), 0)
                if not (isinstance(node, Scalar) and node.plain and node.text == ""):
                    yield node

    def span(self, start: yaml.Event, end: yaml.Event | None = None) -> Span:
        first, last = start.start_mark, (end or start).end_mark
        assert first is not None, "the parser marks every event"
        assert last is not None, "the parser marks every event"
        return Span(self.source, first.index, last.index)

    def node(self, event: yaml.Event, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > self.max_nodes or depth > self.max_depth:
            too_many = self.nodes > self.max_nodes
            what = f"has more than {self.max_nodes} nodes" if too_many else f"is nested deeper than {self.max_depth}"
            raise fail(rules.YAML_LIMIT, f"the file {what}", self.span(event), "split it into several patch files")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        assert isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)), "libyaml gives nothing else here"
        if event.tag not in (None, "!") and not self.manifest:
            raise fail(
                rules.YAML_FEATURE,
                f"tags such as `{event.tag}` are not supported",
                self.span(event),
                _NEGATION if event.tag.startswith("!") else "remove the tag; quote the value if it is text",
            )
        match event:
            case yaml.ScalarEvent():
                node: Node = Scalar(event.value, not event.style, self.span(event))
            case yaml.SequenceStartEvent():
                node = self.sequence(event, depth)
            case _:
                node = self.mapping(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, *_extent(node))
        return node

    def alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        self.aliases += 1
        anchored = self.anchors.get(event.anchor or "")
        if anchored is None:
            message = f"no anchor `&{event.anchor}` before this alias"
            raise fail(rules.BAD_YAML, message, self.span(event), "quote a text that begins with `*`")
        node, size, height = anchored
        self.nodes += size
        too_many = self.aliases > MAX_ALIASES and not self.manifest
        if too_many or self.nodes > self.max_nodes or depth + height > self.max_depth:
            limits = f"more than {self.max_nodes} nodes or {self.max_depth} levels"
            raise fail(
                rules.YAML_LIMIT,
                limits if self.manifest else f"more than {MAX_ALIASES} aliases, or with them {limits}",
                self.span(event),
                "write the values out",
            )
        return node

    def sequence(self, start: yaml.Event, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Sequence(tuple(items), self.span(start, event))

    def mapping(self, start: yaml.Event, depth: int) -> Mapping:
        entries: list[tuple[Scalar, Node]] = []
        merged: list[tuple[Scalar, Node]] = []
        seen: dict[str, Scalar] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            if not isinstance(key, Scalar):
                at = key.span.start
                help = _hint(self.source, at, at)
                raise fail(rules.BAD_YAML, f"a key must be a scalar, not {describe(key)}", key.span, help)
            if key.plain and key.text == "<<":
                if self.manifest:
                    merged += _merged(self.node(next(self.events), depth + 1))
                    continue
                raise fail(rules.YAML_FEATURE, "merge keys (`<<`) are not supported", key.span, "write the keys out")
            if key.text in seen:
                first = seen[key.text].span.begin.line
                raise fail(
                    rules.DUPLICATE_KEY,
                    f"key `{key.text}` appears twice (first in line {first})",
                    key.span,
                    "keep one of them; YAML would silently use the last",
                )
            seen[key.text] = key
            entries.append((key, self.node(next(self.events), depth + 1)))
        for key, value in merged:
            if key.text not in seen:
                seen[key.text] = key
                entries.append((key, value))
        return Mapping(tuple(entries), self.span(start, event))


def _merged(value: Node) -> list[tuple[Scalar, Node]]:
    """What a merge key adds: the entries of one map or of several; the first one wins."""
    maps = value.items if isinstance(value, Sequence) else (value,)
    return [entry for one in maps if isinstance(one, Mapping) for entry in one.entries]


def _extent(node: Node) -> tuple[int, int]:
    """The number of nodes in a node, including itself, and of levels below it."""
    match node:
        case Scalar():
            return 1, 0
        case Sequence():
            inner = [_extent(item) for item in node.items]
        case Mapping():
            inner = [(size + 1, height) for size, height in (_extent(value) for _, value in node.entries)]
    return 1 + sum(size for size, _ in inner), max((height + 1 for _, height in inner), default=0)


class Inside:
    """The place in the file of the characters ``start`` to ``end`` of a scalar's text (by default its end).

    The source is mapped to the text, across quotes, escapes and folded lines, once, on first use.
    """

    __slots__ = ("_places", "_scalar")

    def __init__(self, scalar: Scalar) -> None:
        self._scalar = scalar
        self._places: array[int] | None = None

    def __call__(self, start: int, end: int | None = None) -> Span:
        text, span = self._scalar.text, self._scalar.span
        if self._places is None:
            self._places = array("I", offsets(text, span.source.text[span.start : span.end]))
        begin = self._places[min(start, len(text))]
        finish = self._places[min(end if end is not None else len(text), len(text))]
        return Span(span.source, span.start + begin, span.start + max(begin, finish))
