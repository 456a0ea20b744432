"""Rewrites flow collections (JSON, and YAML's ``[ ]`` and ``{ }``) in a text of nodes.

A writer gets the old text as nodes, the old value and the new value; it only rewrites a node where the values
differ, and copies everything else from the old text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from ..values import identical
from .plan import KEEP, Place, Places, Step
from .textnode import InPlaceError, Kind, Node


class FlowWriter(ABC):
    """Renders nodes of one text for a new value. A subclass defines how values are written.

    ``places`` knows where the entries of the new value come from; ``expand`` are aliases that must be expanded;
    ``dropped`` collects the spans whose old text is gone.
    """

    separator = ", "

    def __init__(self, text: str, places: Places, expand: Iterable[Node] = ()) -> None:
        self.text = text
        self.places = places
        self.break_ = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
        self.dropped: list[tuple[int, int]] = []
        self.expand = sorted(node.start for node in expand)

    @abstractmethod
    def written(self, value: Any, indent: str | None, like: Node | None = None) -> str:
        """A value as flow text; if ``indent`` is not None, on several lines, the later ones indented by it."""

    @abstractmethod
    def written_key(self, key: Any) -> str:
        """A map's key and its colon, up to the value."""

    def render(self, node: Node, old: Any, new: Any) -> str:
        """The text of the node for the new value."""
        if identical(old, new) and not self.touched(node):
            return self.text[node.start : node.end]
        if node.flow and self.same_collection(node, old, new) and node.children and new:
            try:
                return self.flow(node, old, new)
            except InPlaceError:
                pass
        return self.anew(node, new)

    def anew(self, node: Node, new: Any) -> str:
        self.dropped.append((node.start, node.end))
        return self.written(new, self.line_indent(node.start), node)

    def touched(self, node: Node) -> bool:
        """Whether an alias inside the node must be expanded."""
        first = bisect_left(self.expand, node.start)
        return first < len(self.expand) and self.expand[first] < node.end

    @staticmethod
    def same_collection(node: Node, old: Any, new: Any) -> bool:
        kind = {Kind.MAP: dict, Kind.LIST: list}.get(node.kind, ())
        return isinstance(old, kind) and isinstance(new, kind)

    def line_indent(self, at: int) -> str:
        """The blanks at the start of a place's line."""
        start = self.text.rfind("\n", 0, at) + 1
        match = re.compile(r"[ \t]*").match(self.text, start, at)
        return match[0] if match else ""

    def flow(self, node: Node, old: Any, new: Any) -> str:
        """A flow collection with some of its entries changed, added or removed, separated as before."""
        kids = node.children
        if self.text[node.start : node.start + 1] not in ("[", "{"):
            raise InPlaceError
        gap, steps = self.gap(node), self.places.plan(node, old, new)
        result = [self.text[node.start : kids[0].start]]
        for n, step in enumerate(steps):
            if n > 0:
                result.append(self.between(node, steps[n - 1], step, gap))
            if step.place is None or not (step.place.node is node or self.fits_flow(step.place)):
                key = self.written_key(step.name) if node.kind is Kind.MAP else ""
                result.append(key + self.written(step.value, gap.rpartition("\n")[2] if "\n" in gap else None))
            else:
                result.append(self.flow_child(node, step.place, step))
        self.drop(node, steps)
        return "".join(result) + self.text[kids[-1].end : node.end]

    def fits_flow(self, place: Place) -> bool:
        """Whether an entry from elsewhere can be used in a flow collection as is."""
        return place.node.flow and "\n" not in self.text[place.child.start : place.child.end]

    def drop(self, node: Node, steps: list[Step]) -> None:
        """Records the children that are in no step, here or elsewhere."""
        kept = {step.place.index for step in steps if step.place and step.place.node is node}
        self.dropped += (
            (kid.start, kid.end)
            for i, kid in enumerate(node.children)
            if i not in kept and not self.places.has_moved(node, i)
        )

    def flow_child(self, node: Node, place: Place, step: Step) -> str:
        child, value, before = place.child, place.child.value, place.value
        if step.value is KEEP:
            if self.touched(value):
                raise InPlaceError
            return self.text[child.start : child.end]
        if node.kind is Kind.LIST:
            return self.render(value, before, step.value)
        if child.key is None:
            return self.written_key(step.name) + self.render(value, before, step.value)
        between = self.text[child.key.end : value.start]
        renamed = not identical(step.name, child.name)
        if not renamed and identical(before, step.value) and not self.touched(value):
            return self.text[child.start : child.end]
        if value.start == value.end or ":" not in between:
            return self.written_key(step.name) + self.anew(value, step.value)
        written = self.written_key(step.name).rstrip().removesuffix(":")
        key = written if renamed else self.text[child.start : child.key.end]
        return key + between + self.render(value, before, step.value)

    def gap(self, node: Node) -> str:
        """The separator for a new neighbor: like that between the first two entries, without a comment."""
        kids = node.children
        seen = self.text[kids[0].end : kids[1].start] if len(kids) > 1 else self.text[node.start + 1 : kids[0].start]
        if "\n" in seen:
            indent = seen.rpartition("\n")[2]
            return "," + self.break_ + (indent if not indent.strip() else self.line_indent(kids[0].start))
        if len(kids) > 1:
            return ", " if seen.strip(",") else ","
        return self.separator

    def between(self, node: Node, left: Step, right: Step, gap: str) -> str:
        """The old separator if the neighbors are old, otherwise a new one."""
        kids = node.children
        at, behind = (step.place.index if step.place and step.place.node is node else None for step in (left, right))
        if at is not None and at + 1 < len(kids) and (behind is None or behind > at):
            return self.text[kids[at].end : kids[at + 1].start]
        old = self.text[kids[behind - 1].end : kids[behind].start] if behind else "#"
        return gap if at is not None or "#" in old else old
