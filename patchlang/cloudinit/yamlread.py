"""YAML 1.1 as cloud-init reads it (PyYAML's safe loader), with the place of every node.

PyYAML's own parser decides, since cloud-init uses it: libyaml differs from it in corner cases, such as tabs, and is
used where it does not (:mod:`patchlang.cloudinit.libyaml`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import yaml

from ..patterns import pattern
from ..values import MAX_DEPTH, MAX_TEXT, TooBigError, check_size
from . import libyaml
from .textnode import MERGE, Child, Kind, Node
from .yamllines import column, foot_end, line_end

MAX_YAML_NODES = 10_000

_TAG = "tag:yaml.org,2002:"
_BLOCK_HEADER = pattern(r"(?:[!&]\S*\s+)*[|>][-0-9]*(\+?)")
_LAST_BREAK = pattern(r"(?:\r\n?|\n)?\Z")
_TO_DASH = pattern(r"(?:[ \t\r\n]++|#[^\r\n]*+|[!&][^ \t\r\n]++)*+(?=-)")
# what PyYAML quotes of names, data and characters, which may be a password that begins with `*` or `@`
_NAMED = pattern(
    r"\b((?:alias|anchor|tag|handle|escape character)(?= ['\"])|base64 data|into ascii).*"
    r"|, but found ['\"](?!<).*|(?<=character) ['\"](?!\\t).*(?= that cannot start)",
    re.DOTALL,
)
_TO_QUESTION_MARK = pattern(_TO_DASH.pattern.replace("-)", r"\?[ \t\r\n])"))


class YamlError(ValueError):
    """Text that cloud-init cannot read as YAML; the message gives place and reason, without values."""


class Document:
    """A YAML text and what it means."""

    def __init__(self, text: str, value: Any, root: Callable[[], Node | None]) -> None:
        self.text = text
        self.value = value
        self._root = root

    @cached_property
    def root(self) -> Node | None:
        """Its nodes, None if it has none. They are rarely needed for text that is read back."""
        root = self._root()
        self._root = lambda: root  # releases what it was made from
        return root

    @cached_property
    def aliases(self) -> tuple[Node, ...]:
        """The nodes that refer to another one."""
        if self.root is None or "*" not in self.text:
            return ()
        return tuple(node for node in self.root.below() if node.target)

    @cached_property
    def duplicates(self) -> tuple[tuple[int, str], ...]:
        """Keys that a map repeats, with the lines (from 1) of those that do not count."""
        return tuple(_duplicates(self.text, self.root))


Read = Callable[[str], Document]


class Reader:
    """Reads as :func:`read`, and caches the last text: the next edit opens what was just written."""

    def __init__(self) -> None:
        self._last: Document | None = None

    def __call__(self, text: str) -> Document:
        if self._last is None or self._last.text != text:
            self._last = read(text)
        return self._last


def read(text: str) -> Document:
    """Reads a text of one document. Raises YamlError, TooBigError."""
    if len(text) > MAX_TEXT:
        raise TooBigError(f"more than {MAX_TEXT} characters of text")
    try:
        composed = libyaml.compose(text, max_nodes=MAX_YAML_NODES, max_depth=MAX_DEPTH - 2)
        if composed is not None:
            loader = _Loader("")
            value = loader.construct_document(composed)
            check_size(value)
            return Document(text, value, lambda: loader.named(_Places(text).tree(composed)))
        loader = _Loader(text)
        theirs = loader.get_single_node()
        value = None if theirs is None else loader.construct_document(theirs)
        check_size(value)
        root = None if theirs is None else loader.named(loader.open[0][0][1])
        return Document(text, value, lambda: root)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        twice = e.problem == "second occurrence"  # of an anchor
        problem = _NAMED.sub(r"\1", (e.context if twice else e.problem) or e.context or "not YAML")
        raise YamlError(f"{problem}{where}") from None
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise YamlError(f"line {line} has a control character that YAML does not allow") from None
    except RecursionError:
        raise TooBigError(f"nested deeper than {MAX_DEPTH}") from None
    except TooBigError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError):
        raise YamlError("a plain value looks like a number, a date or binary data, but is not valid") from None


def _duplicates(text: str, root: Node | None) -> Iterator[tuple[int, str]]:
    for node in root.below() if root else ():
        last = {child.name: child for child in node.children if node.kind is Kind.MAP}
        if len(last) == len(node.children):
            continue
        for child in node.children:
            if node.kind is Kind.MAP and child.name is not MERGE and last[child.name] is not child:
                yield text.count("\n", 0, child.start) + 1, str(child.name)


class _Places:
    """Builds our nodes from PyYAML's."""

    def __init__(self, text: str) -> None:
        self.text = text

    def tree(self, theirs: yaml.Node) -> Node:
        """A node without aliases in it, with everything below."""
        parts: list[tuple[yaml.Node, Node]] = []
        if isinstance(theirs, yaml.SequenceNode):
            parts = [(item, self.tree(item)) for item in theirs.value]
        elif isinstance(theirs, yaml.MappingNode):
            parts = [(item, self.tree(item)) for pair in theirs.value for item in pair]
        return self.node(theirs.start_mark.index, theirs, parts)

    def entry_end(self, key: Node, value: Node) -> int:
        """PyYAML puts the value of ``? key`` without ``:`` where the next entry begins."""
        has_none = value.start == value.end and not self.text.endswith(":", 0, value.start)
        return key.end if has_none else max(key.end, value.end)

    def node(self, start: int, theirs: Any, parts: list[tuple[yaml.Node, Node]]) -> Node:
        node = Node(Kind.SCALAR, start, theirs.end_mark.index)
        if isinstance(theirs, yaml.ScalarNode):
            node.style = theirs.style or None
            if node.style in ("|", ">"):
                node.end = self.block_scalar_end(node)
            return node
        node.flow = bool(theirs.flow_style)
        node.kind = Kind.LIST if isinstance(theirs, yaml.SequenceNode) else Kind.MAP
        if node.kind is Kind.LIST:
            node.children = [Child(value.start, value.end, None, None, value) for _, value in parts]
        else:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            node.children = [
                Child(key.start, self.entry_end(key, value), key, name, value) for (name, key), (_, value) in pairs
            ]
        if not node.flow and node.children:
            self.block_extent(node)
        if theirs.tag not in (_TAG + "seq", _TAG + "map"):
            node.kind = Kind.SCALAR
        return node

    def block_extent(self, node: Node) -> None:
        """A block collection ends where its last line ends, including comments after it and further right below.

        Its elements begin at their dashes, entries with a complex key at the question mark.
        """
        at, mark = node.start, _TO_DASH if node.kind is Kind.LIST else _TO_QUESTION_MARK
        for child in node.children:
            if found := mark.match(self.text, at):
                child.start = min(found.end(), child.start)
            at = child.end = max(child.end, child.start + 1)
        end = line_end(self.text, node.children[-1].end)[0]
        node.end = foot_end(self.text, end, len(self.text), column(self.text, node.children[0].start))

    def block_scalar_end(self, node: Node) -> int:
        """Where the last line of a block scalar ends; trailing blank lines are part of it if `+` keeps them."""
        text, end = self.text, node.end
        header = _BLOCK_HEADER.match(text, node.start)
        if not (header and header[1]):
            last = node.start + len(text[node.start : end].rstrip(" \t\r\n"))
            end = min(end, line_end(text, last)[1])
        return end - len(_LAST_BREAK.search(text, max(0, end - 2), end)[0])  # type: ignore[index]


class _Loader(yaml.SafeLoader):
    """Builds our nodes next to PyYAML's: one list of finished children for each node being composed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.places = _Places(text)
        self.count = 0
        self.open: list[list[tuple[yaml.Node, Node]]] = [[]]
        self.anchored: dict[int, Node] = {}
        self.composing: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:
        base: Any = super()
        event: Any = base.peek_event()
        self.count += 1
        if self.count > MAX_YAML_NODES or len(self.open) > MAX_DEPTH:
            raise TooBigError(f"more than {MAX_YAML_NODES} YAML nodes, or nested deeper than {MAX_DEPTH}")
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias:
            if event.anchor in self.composing:
                raise yaml.composer.ComposerError(
                    None, None, "an alias refers to a value that contains it", event.start_mark
                )
            theirs = base.compose_node(parent, index)
            node = Node(Kind.ALIAS, event.start_mark.index, event.end_mark.index, target=self.anchored[id(theirs)])
        else:
            self.open.append([])
            self.composing.append(event.anchor)
            theirs = base.compose_node(parent, index)
            self.composing.pop()
            node = self.anchored[id(theirs)] = self.places.node(event.start_mark.index, theirs, self.open.pop())
        self.open[-1].append((theirs, node))
        return theirs

    def named(self, root: Node) -> Node:
        """Our root with its keys, after PyYAML's construction: only that resolves them."""
        for node in root.below():
            for child in node.children:
                if child.key is not None:
                    child.name = self.key(child.name)
        return root

    def key(self, theirs: yaml.Node) -> Any:
        if theirs.tag == _TAG + "str":
            return theirs.value
        return MERGE if theirs.tag == _TAG + "merge" else self.construct_object(theirs, deep=True)


def _text(loader: _Loader, node: Any) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor(_TAG + "python/unicode", _text)
