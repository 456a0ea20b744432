"""Rewrites block collections in a YAML text, entry by entry.

An entry owns whole lines: its comments above, from the end of the previous entry, its own lines, and comments below it
that are indented further. They move with the entry, reindented if its depth changes, and a change
inside the entry is made in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..patterns import pattern
from ..values import identical
from .lineage import TracedList, TracedMap, fresh
from .plan import KEEP, Place, Places, Step
from .textedit import FlowWriter
from .textnode import Child, InPlaceError, Kind, Node
from .yamllines import (
    column,
    foot_end,
    line_break,
    line_end,
    line_start,
    shifted_left,
    split_lines,
    without_blank_lines,
)
from .yamlwrite import Layout, block, element, flow, member, nested, scalar, shifted

_COLON = pattern(r"[ \t]*:")
_COMMENT = pattern(r"(?<![ \t])[ \t]++#[^\r\n]*")
_OPENED = pattern(r"[\[{]([ \t]+#[^\r\n]*)")
_BEHIND_IN_FLOW = pattern(r"(?:[ \t]*+,)?+([ \t]*+#[^\r\n]*+|)[ \t]*+(?=[\r\n])")
_FORMAT_LINE = pattern(r"[ \t]*(?:#cloud-config|## template:)[^\r\n]*(?:\r\n?|\n)", 2)


class _NeedsBlockError(Exception):
    """Something with comments moves into a flow collection, which must become a block."""


class BlockWriter(FlowWriter):
    """Renders block collections entry by entry, in whole lines; flow collections inside them as its base does.

    Below ``depth`` levels nothing is changed in place.
    """

    def __init__(self, text: str, layout: Layout, depth: int, places: Places, expand: Iterable[Node] = ()) -> None:
        super().__init__(text, places, expand)
        self.break_ = line_break(text)
        self.layout, self.depth, self.level = layout, depth, 0
        self.adopted: list[tuple[int, int]] = []
        self.header = 0
        while found := _FORMAT_LINE.match(text, self.header):
            self.header = found.end()

    def lost(self, node: Node) -> bool:
        """Whether the node's text is missing from the output."""
        return _within(node, self.dropped) and not _within(node, self.adopted)

    def written(self, value: Any, indent: str | None, like: Node | None = None) -> str:
        return flow(value)

    def written_key(self, key: Any) -> str:
        return flow(key) + ": "

    def fits_flow(self, place: Place) -> bool:
        line = self.flow_line(place.node, place.index) if place.node.flow else None
        own = self.text[place.child.start : self.end(place.node, place.index)]
        if "#" in "".join(line or ()) or ("#" in self.lead(place.node, place.index) + own and not place.node.flow):
            raise _NeedsBlockError
        return super().fits_flow(place)

    def flow(self, node: Node, old: Any, new: Any) -> str:
        """Like the base class, but entries keep comments on separate lines."""
        kids = node.children
        old_lines = (
            [self.flow_line(node, i) for i in range(len(kids))] if "#" in self.text[node.start : node.end] else []
        )
        if not old_lines or not all(old_lines):
            return super().flow(node, old, new)
        steps = self.places.plan(node, old, new)
        self.drop(node, steps)
        orphans, last = self.orphans(node, steps)
        indent = " " * column(self.text, kids[0].start)
        closing = line_end(self.text, kids[-1].end)
        comma_at_end = "," in self.text[kids[-1].end : closing[0]].partition("#")[0]
        lines: list[str] = []
        for n, step in enumerate(steps):
            place, above, behind = step.place, "", ""
            if place is None or not (place.node is node or super().fits_flow(place) or self.fits_flow(place)):
                key = self.written_key(step.name) if node.kind is Kind.MAP else ""
                entry = key + self.written(step.value, None)
            else:
                entry = self.flow_child(node, place, step)
                above, behind = self.flow_line(place.node, place.index) or ("", "")
                above = (orphans.pop(place.index, "") if place.node is node else "") + above
            comma = "," if n + 1 < len(steps) or comma_at_end else ""
            lines.append(f"{above}{indent}{entry}{comma}{behind}{self.break_}")
        start = line_end(self.text, node.start)[1]
        return self.text[node.start : start] + "".join(lines) + last + self.text[closing[1] : node.end]

    def flow_line(self, node: Node, index: int) -> tuple[str, str] | None:
        """For a flow entry on separate lines: the lines above it and the comment after it; None for any other."""
        kids, child = node.children, node.children[index]
        behind = _BEHIND_IN_FLOW.match(self.text, child.end)
        if behind is None:
            return None
        before = kids[index - 1].end if index else node.start + 1
        above, start = line_end(self.text, before)[1], line_start(self.text, child.start)
        if above > start or self.text[start : child.start].strip(" ") or child.end == node.end:
            return None
        return self.text[above:start], behind[1]

    def root(self, node: Node, old: Any, new: Any) -> str:
        """The whole text."""
        found = self.in_place(node, old, new)
        if found is None:
            self.dropped.append((node.start, node.end))
            lines = self.lines(new) if isinstance(new, (dict, list)) and new else [scalar(new)]
            break_ = self.break_ if column(self.text, node.start) else ""
            found = node.start, break_ + self.break_.join(lines)
        return self.text[: found[0]] + found[1] + self.text[node.end :]

    def in_place(self, node: Node, old: Any, new: Any) -> tuple[int, str] | None:
        """The node's text with changes inside it, and where it begins; None if it must be rewritten."""
        if identical(old, new) and not self.touched(node):
            return node.start, self.text[node.start : node.end]
        if not (self.level < self.depth and self.same_collection(node, old, new) and node.children and new):
            return None
        if node.flow and _has_break(new) and not _has_break(old) and "\n" not in self.text[node.start : node.end]:
            return None
        self.level += 1
        try:
            return (node.start, self.flow(node, old, new)) if node.flow else self.block(node, old, new)
        except (InPlaceError, _NeedsBlockError):
            return None
        finally:
            self.level -= 1

    def block(self, node: Node, old: Any, new: Any) -> tuple[int, str]:
        """A block collection, with the comments above its first entry."""
        steps = self.places.plan(node, old, new)
        if not steps:
            raise InPlaceError
        self.drop(node, steps)
        own, first = self.own_start(node), column(self.text, node.children[0].start)
        orphans, last = self.orphans(node, steps)
        if not orphans:
            orphans[-1], last = last, ""
        start = min(node.start, own)
        result = [self.text[start:own]]
        breaks, n = "", 0
        while n < len(steps):
            begin, step = n, steps[n]
            n += 1
            while n < len(steps) and self.follows(node, steps[n - 1], steps[n]):
                n += 1
            lead, body, after = self.entry(node, step, steps[n - 1], first)
            index = step.place.index if step.place and step.place.node is node else -1
            whole = orphans.pop(index, "") + lead + " " * first + body
            if begin == 0:
                whole = whole.lstrip() if own == node.children[0].start else without_blank_lines(whole)
            result += (breaks, whole)
            breaks = after
        return start, "".join(result) + (breaks + last.rstrip() if last.strip() else "")

    def own_start(self, node: Node) -> int:
        """Where the first entry of a block collection begins, with the comments directly above it."""
        first = node.children[0].start
        start = line_start(self.text, first)
        if self.text[start:first].strip(" "):
            return first
        while start > self.header:
            above = line_start(self.text, start - 1 if self.text[start - 2 : start] != "\r\n" else start - 2)
            if above < self.header or not self.text[above:start].lstrip(" \t").startswith("#"):
                break
            start = above
        return start

    def lead(self, node: Node, index: int) -> str:
        """The lines above an entry, after what belongs to the previous one."""
        child = node.children[index]
        if node.flow:
            line = self.flow_line(node, index)
            return line[0] if line else ""
        start = self.end(node, index - 1) if index else self.own_start(node)
        return self.text[line_end(self.text, start)[1] if index else start : line_start(self.text, child.start)]

    def end(self, node: Node, index: int) -> int:
        """Where the last line of an entry ends, which may be that of a comment below it."""
        child = node.children[index]
        if node.flow:
            return child.end
        below = node.children[index + 1].start if index + 1 < len(node.children) else node.end
        return foot_end(self.text, line_end(self.text, child.end)[0], below, column(self.text, node.children[0].start))

    def orphans(self, node: Node, steps: list[Step]) -> tuple[dict[int, str], str]:
        """The comments above removed entries, by the index of the entry that then follows, and those after all."""
        here = {step.place.index for step in steps if step.place and step.place.node is node}
        comments: dict[int, str] = {}
        waiting = ""
        for i in range(len(node.children)):
            if i in here:
                comments[i], waiting = waiting, ""
            elif not self.places.has_moved(node, i) and "#" in (above := self.lead(node, i)):
                waiting += above
        return comments, waiting

    def follows(self, node: Node, one: Step, other: Step) -> bool:
        """Whether the other entry was already after this one, and nothing in it changes."""
        a, b = one.place, other.place
        if a is None or b is None or not (a.node is b.node is node and a.index + 1 == b.index):
            return False
        return self.is_kept(b, other)

    def is_kept(self, place: Place, step: Step) -> bool:
        if self.touched(place.child.value):
            return False
        renamed = place.child.key is not None and not identical(step.name, place.child.name)
        return step.value is KEEP or (not renamed and identical(place.value, step.value))

    def entry(self, node: Node, step: Step, last: Step, first: int) -> tuple[str, str, str]:
        """The lines above an entry, its own from column ``first`` on, and the line break after them.

        Its own are followed by those of the entries, up to the last, that follow it as before.
        """
        place = step.place
        if place is None:
            lines = self.element(step.value) if node.kind is Kind.LIST else self.member(step.name, step.value)
            return "", self.joined(lines, first), self.break_
        if place.node is not node:
            lead, lines = self.carried(place, node.kind, step)
            return self.break_.join([*shifted(lead, first), ""]), self.joined(lines, first), self.break_
        end = self.end(node, place.index)
        end_of_all = end if last is step or last.place is None else self.end(node, last.place.index)
        after = self.text[end_of_all : line_end(self.text, end_of_all)[1]] or self.break_
        return self.lead(node, place.index), self.body(place, step, end) + self.text[end:end_of_all], after

    def body(self, place: Place, step: Step, end: int) -> str:
        """An old entry of a block collection, up to its end, in its old place."""
        child, before = place.child, place.value
        if self.is_kept(place, step):
            return self.text[child.start : end]
        if step.value is KEEP:
            raise InPlaceError
        renamed = child.key is not None and not identical(step.name, child.name)
        at = column(self.text, child.start)
        tail_end = line_end(self.text, child.end)[0]
        tail, foot = self.text[child.end : tail_end], self.text[tail_end:end]
        if child.key is not None and child.start < child.key.start:
            self.dropped.append((child.start, child.end))
            return self.joined(self.member(step.name, step.value), at) + tail + foot
        mark = self.mark_end(child)
        prefix = scalar(step.name) + ":" if renamed else self.text[child.start : mark]
        placed = self.in_place(child.value, before, step.value)
        if placed is not None:
            return prefix + self.text[mark : placed[0]] + placed[1] + tail + foot
        return (
            prefix + self.joined(self.value_anew(child, mark, step.value, tail, in_list=child.key is None), at) + foot
        )

    def mark_end(self, child: Child) -> int:
        """The end of the dash or colon before an entry's value."""
        if child.key is None:
            return child.start + 1
        colon = _COLON.match(self.text, child.key.end)
        if colon is None:
            raise InPlaceError
        return colon.end()

    def value_anew(self, child: Child, mark: int, new: Any, tail: str, *, in_list: bool) -> list[str]:
        """A value in place of another, after a dash or colon; the comment on that line stays."""
        value = child.value
        self.dropped.append((value.start, value.end))
        head, rest = self.value(fresh(new) if value.target else new, in_list=in_list, style=value.style)
        between = self.text[mark : value.start]
        gap = between if not rest and between and value.start < value.end and not between.strip(" ") else " "
        comment = tail
        if value.style in ("|", ">") or (value.children and not value.flow):
            line = self.text[value.start : value.end] if value.style else between
            found = _COMMENT.search(line[: line_end(line, 0)[0]])
            comment = found[0] if found and line_end(self.text, mark)[0] < value.end else ""
        elif not tail and (found := _OPENED.match(self.text, value.start)):
            comment = found[1]
        return [(gap + head if head else "") + comment, *rest]

    def value(self, value: Any, *, in_list: bool, style: str | None = None) -> tuple[str, list[str]]:
        """As :func:`.yamlwrite.block`, with the text of entries that come from elsewhere."""
        if not (value and isinstance(value, (TracedMap, TracedList))):
            return block(value, self.layout, in_list=in_list, style=style)
        lines = self.lines(value)
        if in_list and lines[0].startswith("#"):
            return "", shifted(lines, 2)
        return nested(lines, self.layout.indent if isinstance(value, dict) else self.layout.dash, in_list)

    def lines(self, value: dict[Any, Any] | list[Any]) -> list[str]:
        """A collection in block style, with the text of entries that come from elsewhere."""
        kind, lines = Kind.MAP if isinstance(value, dict) else Kind.LIST, []
        for step in self.places.steps(value):
            if step.place is None:
                lines += self.element(step.value) if kind is Kind.LIST else self.member(step.name, step.value)
            else:
                lead, body = self.carried(step.place, kind, step)
                lines += lead + body
        return lines

    def element(self, value: Any) -> list[str]:
        if not isinstance(value, (TracedMap, TracedList)):
            return element(value, self.layout)
        head, rest = self.value(value, in_list=True)
        return [f"- {head}".rstrip(), *rest]

    def member(self, key: Any, value: Any) -> list[str]:
        if not (value and isinstance(value, (TracedMap, TracedList))):
            return member(key, value, self.layout)
        return [member(key, None, self.layout)[0].removesuffix(" null"), *self.value(value, in_list=False)[1]]

    def carried(self, place: Place, kind: Kind, step: Step) -> tuple[list[str], list[str]]:
        """The lines above an entry from elsewhere and its own, aligned to the left edge."""
        node, child = place.node, place.child
        at = column(self.text, (node.children[0] if not node.flow else child).start)
        lead = shifted_left(split_lines(self.lead(node, place.index))[:-1], at)
        while lead and not lead[0]:
            del lead[0]
        self.adopted.append((child.start, child.end))
        end = self.end(node, place.index)
        if node.kind is kind and not node.flow:
            first, *rest = split_lines(self.body(place, step, end))
            return lead, [first, *shifted_left(rest, at)]
        tail_end = end if node.flow else line_end(self.text, child.end)[0]
        tail, foot = self.text[child.end : tail_end], shifted_left(split_lines(self.text[tail_end:end])[1:], at)
        if node.flow and (line := self.flow_line(node, place.index)):
            tail = line[1]
        head = "-" if kind is Kind.LIST else scalar(step.name) + ":"
        value, mark = child.value, child.value.start if node.flow else self.mark_end(child)
        placed = self.in_place(value, place.value, step.value)
        if placed is None:
            first, *rest = self.value_anew(child, mark, step.value, tail, in_list=kind is Kind.LIST)
            return lead, [head + first, *rest, *foot]
        lines = split_lines(self.text[mark : placed[0]] + placed[1] + tail)
        if value.flow or not value.children:
            return lead, [f"{head} {lines[0].lstrip(' ')}".rstrip(), *shifted_left(lines[1:], at), *foot]
        first_child = value.children[0].start
        columns = column(self.text, first_child)
        if first_child <= line_end(self.text, mark)[0]:  # it is on the line of the dash
            inner = [lines[0].lstrip(" "), *shifted_left(lines[1:], columns)]
            joined, below = nested(inner, 2, kind is Kind.LIST)
            return lead, [f"{head} {joined}".rstrip(), *below, *foot]
        return lead, [head + lines[0].rstrip(), *shifted(shifted_left(lines[1:], columns), 2), *foot]

    def joined(self, lines: list[str], columns: int) -> str:
        return self.break_.join([lines[0], *shifted(lines[1:], columns)])


def _within(node: Node, spans: list[tuple[int, int]]) -> bool:
    return any(start <= node.start and node.end <= end for start, end in spans)


def _has_break(value: Any) -> bool:
    match value:
        case str():
            return "\n" in value
        case dict():
            return any(map(_has_break, value.values()))
        case list():
            return any(map(_has_break, value))
    return False
