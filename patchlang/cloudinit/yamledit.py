"""The least change of a YAML text that makes it say other data.

Only nodes whose value differs are written anew, whole lines in block style; comments, key order, quotes and layout of
everything else are copied. The outcome is read back and must be the wanted data exactly, types included; where it is
not (an alias shares what was changed, a style cannot hold a value), larger nodes are written anew, at last all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..patterns import pattern
from ..record import replace
from ..strictjson import JsonError
from ..values import TooBigError, count, identical
from . import jsontext
from .textedit import KEEP, Child, FlowWriter, InPlaceError, Kind, Node, Step, plan
from .yamlread import MAX_YAML_NODES, Document, Read, YamlError
from .yamlread import read as read_yaml
from .yamlwrite import Layout, block, element, flow, member, scalar, shifted

_COLON = pattern(r"[ \t]*:")
_COMMENT = pattern(r"(?<![ \t])[ \t]++#[^\r\n]*")
_PASSES = 3
_DEPTHS = (64, 4, 3, 2, 1, 0)


class UnwritableError(ValueError):
    """Data that no YAML text says."""


def rewrite(document: Document, new: Any, read: Read = read_yaml) -> str:
    """The document's text changed so that ``read`` reads it as ``new``. Raises UnwritableError, TooBigError.

    The very text comes back where ``new`` is what it means already. Nothing at all and an empty map are one here: a
    text without a node stays as it is.
    """
    if identical(document.value, new) or (document.root is None and new == {}):
        return document.text
    if not document.aliases and count(new) > MAX_YAML_NODES:
        raise TooBigError(f"more than {MAX_YAML_NODES} YAML nodes")
    if (text := _json_rewritten(document, new, read)) is not None:
        return text
    layout = _layout(document)
    for attempt in (
        *(_Attempt(document, layout, depth, read) for depth in _DEPTHS),
        _Attempt(document, replace(layout, literal=False), 0, read),
    ):
        if (text := attempt.run(new)) is not None:
            return text
    raise UnwritableError("the outcome cannot be written as YAML")


def _json_rewritten(document: Document, new: Any, read: Read) -> str | None:
    """The text, where it is JSON, perhaps below comments, and stays so; else None."""
    text, root = document.text, document.root
    if root is None or not root.flow or root.kind is Kind.SCALAR:
        return None
    try:
        if not identical(jsontext.read(text[root.start : root.end]), document.value):
            return None
        result = text[: root.start] + jsontext.rewrite(text[root.start : root.end], new) + text[root.end :]
        return result if identical(read(result).value, new) else None
    except (JsonError, YamlError, TooBigError, TypeError):
        return None


class _Attempt:
    """Tries with nodes below a depth written anew as a whole, instead of changed in place."""

    def __init__(self, document: Document, layout: Layout, depth: int, read: Read) -> None:
        self.document, self.layout, self.depth, self.read = document, layout, depth, read

    def run(self, new: Any) -> str | None:
        """The new text. A second pass writes out the aliases that the first has changed along."""
        document: Document | None = self.document
        for _ in range(_PASSES):
            if document is None:
                return None
            document = self.closest(self.rendered(document, new), new)
            if document is not None and identical(document.value, new):
                return document.text
        return None

    def closest(self, text: str, new: Any) -> Document | None:
        """The text read back; with a last line break where that is what its last block scalar lacks."""
        break_ = "\r\n" if "\r\n" in text else "\n"
        first: Document | None = None
        for candidate in (text,) if text.endswith("\n") else (text, text + break_):
            try:
                document = self.read(candidate)
            except (YamlError, TooBigError):
                continue
            if identical(document.value, new):
                return document
            first = first or document
        return first

    def rendered(self, document: Document, new: Any) -> str:
        text, root = document.text, document.root
        if root is None:
            break_ = "\n" if "\r\n" not in text else "\r\n"
            head = text if not text or text.endswith("\n") else text + break_
            return head + "".join(line + break_ for line in _lines(new, self.layout))
        writer = _BlockWriter(text, self.layout, self.depth)
        body = writer.root(root, document.value, new)
        aliases = [node for node in document.aliases if node.target and writer.lost(node.target)]
        orphans = {node for node in aliases if not writer.lost(node)}
        if orphans:
            opened = _BlockWriter(text, self.layout, _DEPTHS[0], orphans)
            body = opened.root(root, document.value, document.value)
            return self.rendered(self.read(text[: root.start] + body + text[root.end :]), new)
        return text[: root.start] + body + text[root.end :]


def _lines(value: Any, layout: Layout) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in member(key, item, layout)]
    if isinstance(value, list) and value:
        return [line for item in value for line in element(item, layout)]
    return [scalar(value)]


def _column(text: str, at: int) -> int:
    return at - text.rfind("\n", 0, at) - 1


def _layout(document: Document) -> Layout:
    """The first indents that the text shows."""
    layout = Layout()
    found: dict[Kind, int] = {}
    for node in document.root.below() if document.root else ():
        for child in node.children if node.kind is Kind.MAP and not node.flow else ():
            inner = child.value
            if not inner.children or inner.flow or inner.kind in found:
                continue
            if "\n" in document.text[child.start : inner.children[0].start]:
                columns = _column(document.text, inner.children[0].start) - _column(document.text, child.start)
                found[inner.kind] = columns
        if {Kind.MAP, Kind.LIST} <= found.keys():
            break
    return replace(layout, indent=found.get(Kind.MAP, 0) or layout.indent, dash=found.get(Kind.LIST, layout.dash))


def _has_break(value: Any) -> bool:
    match value:
        case str():
            return "\n" in value
        case dict():
            return any(map(_has_break, value.values()))
        case list():
            return any(map(_has_break, value))
    return False


class _BlockWriter(FlowWriter):
    """Renders block collections entry by entry, whole lines; flow collections inside of them as its base does."""

    def __init__(self, text: str, layout: Layout, depth: int, expand: Iterable[Node] = ()) -> None:
        super().__init__(text, expand)
        self.layout, self.depth, self.level = layout, depth, 0

    def lost(self, node: Node) -> bool:
        return any(start <= node.start and node.end <= end for start, end in self.dropped)

    def written(self, value: Any, indent: str | None, like: Node | None = None) -> str:
        return flow(value)

    def written_key(self, key: Any) -> str:
        return flow(key) + ": "

    def root(self, node: Node, old: Any, new: Any) -> str:
        placed = self.in_place(node, old, new)
        if placed is not None:
            return placed
        self.dropped.append((node.start, node.end))
        lines = _lines(new, self.layout)
        return (self.break_ if _column(self.text, node.start) else "") + self.break_.join(lines)

    def in_place(self, node: Node, old: Any, new: Any) -> str | None:
        """The node's text with changes inside of it; None where it must be written anew."""
        if identical(old, new) and not self.touched(node):
            return self.text[node.start : node.end]
        if not (self.level < self.depth and self.same_collection(node, old, new) and node.children and new):
            return None
        if node.flow and _has_break(new) and not _has_break(old) and "\n" not in self.text[node.start : node.end]:
            return None
        self.level += 1
        try:
            return self.flow(node, old, new) if node.flow else self.block(node, old, new)
        except InPlaceError:
            return None
        finally:
            self.level -= 1

    def block(self, node: Node, old: Any, new: Any) -> str:
        """A block collection. Comments above an entry that goes stay, with the entry that follows."""
        kids, steps = node.children, plan(node, old, new)
        if not steps:
            raise InPlaceError
        self.drop(node, steps)
        column = _column(self.text, kids[0].start)
        comments = self.orphaned_comments(kids, {step.child for step in steps})
        result = [self.text[node.start : kids[0].start]]
        for n, step in enumerate(steps):
            if n > 0:
                result.append(self.break_)
            if step.child is None:
                lines = (
                    element(step.value, self.layout)
                    if node.kind is Kind.LIST
                    else member(step.name, step.value, self.layout)
                )
                lead, body = " " * column, self.joined(lines, column)
            else:
                lead = comments.pop(step.child, "") + (self.lead(kids, step.child) or " " * column)
                body = self.entry(kids, old, step, column)
            result.append(lead.lstrip() if n == 0 else lead)
            result.append(body)
        trailing = "".join(comments.values()).rstrip()
        return "".join(result) + (self.break_ + trailing if trailing else "")

    def lead(self, kids: list[Child], i: int) -> str:
        """The lines above an entry, behind the one before, and the entry's indentation."""
        return self.text[kids[i - 1].end : kids[i].start].partition("\n")[2] if i else ""

    def tail(self, kids: list[Child], i: int) -> str:
        """What stands behind an entry on its last line."""
        end = self.text.find("\n", kids[i].end)
        return self.text[kids[i].end : end if end >= 0 else None].removesuffix("\r")

    def orphaned_comments(self, kids: list[Child], kept: set[int | None]) -> dict[int, str]:
        """The comment lines above entries that go, by the number of the entry that then follows."""
        comments: dict[int, str] = {}
        for i in range(len(kids)):
            above = self.lead(kids, i).rpartition("\n")
            if i not in kept and "#" in above[0]:
                heir = next((k for k in range(i, len(kids)) if k in kept), len(kids))
                comments[heir] = comments.get(heir, "") + above[0] + above[1]
        return comments

    def joined(self, lines: list[str], column: int) -> str:
        return self.break_.join([lines[0], *shifted(lines[1:], column)])

    def entry(self, kids: list[Child], old: Any, step: Step, column: int) -> str:
        """An old entry, up to the end of its last line."""
        assert step.child is not None
        child, tail = kids[step.child], self.tail(kids, step.child)
        before = None if step.value is KEEP else old[step.child] if child.key is None else old[child.name]
        renamed = child.key is not None and not identical(step.name, child.name)
        if step.value is KEEP or (not renamed and identical(before, step.value) and not self.touched(child.value)):
            if step.value is KEEP and self.touched(child.value):
                raise InPlaceError
            return self.text[child.start : child.end] + tail
        if child.key is not None and child.start < child.key.start:
            self.dropped.append((child.start, child.end))
            return self.joined(member(step.name, step.value, self.layout), column) + tail
        mark = self.mark_end(child)
        prefix = scalar(step.name) + ":" if renamed else self.text[child.start : mark]
        placed = self.in_place(child.value, before, step.value)
        if placed is not None:
            return prefix + self.text[mark : child.value.start] + placed + tail
        return prefix + self.value_anew(child, mark, step.value, tail, column)

    def mark_end(self, child: Child) -> int:
        """The end of the dash or colon before an entry's value."""
        if child.key is None:
            return child.start + 1
        colon = _COLON.match(self.text, child.key.end)
        if colon is None:
            raise InPlaceError
        return colon.end()

    def value_anew(self, child: Child, mark: int, new: Any, tail: str, column: int) -> str:
        """A value in place of another, behind dash or colon; the comment on that line stays there."""
        value = child.value
        self.dropped.append((value.start, value.end))
        head, rest = block(new, self.layout, in_list=child.key is None, style=value.style)
        between = self.text[mark : value.start]
        gap = between if not rest and between and value.start < value.end and not between.strip(" ") else " "
        comment = tail
        if value.style in ("|", ">") or (value.children and not value.flow):
            line = self.text[value.start : value.end] if value.style else between
            found = _COMMENT.search(line.partition("\n")[0])
            comment = found[0] if found and "\n" in self.text[mark : value.end] else ""
        return self.joined([(gap + head if head else "") + comment, *rest], column)
