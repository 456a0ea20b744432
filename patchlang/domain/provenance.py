"""What came with the domain and what edits wrote: messages only quote the former (:mod:`patchlang.quoting`).

Derived from what the tree keeps for undoing and writing its changes, so it costs an edit nothing and survives an undo.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from lxml import etree

from ..quoting import SECRET
from ..record import field, record
from ..xpath.match import Match, local_name, match_path, string_value
from .index import Element
from .splice import Changes, content_of

# labels for the value next to them
_LABELS = ("name", "key", "id", "usage")


@record(frozen=False)
class Provenance:
    """For the nodes of a tree with these changes; ``computed`` are the names that edits made from values.

    ``drafts`` are copies that are not in place yet.
    """

    changes: Changes
    drafts: Collection[Element]
    computed: set[str] = field(default_factory=set)

    def path(self, match: Match) -> str:
        """The path of a node, from a copy that is not in place yet; ``…`` replaces names that must not be quoted."""
        path = match_path(match)
        loose = bool(self.drafts) and next(reversed([match.element, *match.element.iterancestors()])) in self.drafts
        if not self.computed:
            return path.removeprefix("/") if loose else path
        steps = path.split("/")
        element = match.context if match.text else match.element
        above = [*reversed(list(element.iterancestors())), element]
        for number, step in enumerate(above, 1):
            if self.name(step) is None:
                steps[number] = "…"
        if match.attribute is not None and self.name(match.element, match.attribute) is None:
            steps[-1] = "@…"
        return "/".join(steps[loose:])

    def name(self, element: Element, attribute: str | None = None) -> str | None:
        """The name of an element, or of that attribute (Clark name) of it; None if it must not be quoted."""
        if attribute is not None:
            made = attribute in self.computed and attribute not in self._attributes_before(element)
            return None if made else local_name(attribute)
        if element in self.changes.new and element.tag in self.computed:
            return None
        local = local_name(element.tag)
        return f"{element.prefix}:{local}" if element.prefix and str(element.tag).startswith("{") else local

    def value(self, node: Any) -> str | None:
        """The text of a node that a path selects; None if it must not be quoted."""
        text = string_value(node)
        if SECRET.search(text):
            return None
        if isinstance(node, etree._Element):
            if not isinstance(node.tag, str):
                return None
            inner = list(node.iter(etree.Element))
            return text if all(self._text_came(e) and not self._is_secret(e) for e in inner) else None
        holder = node.getparent() if hasattr(node, "getparent") else None
        if holder is None:
            return None
        if node.is_attribute:
            name = str(node.attrname)
            came = self._attributes_before(holder).get(name) == holder.get(name)
            return text if came and not self._is_secret(holder, name) else None
        if node.is_tail:
            holder = holder.getparent()
        return text if holder is not None and self._text_came(holder) and not self._is_secret(holder) else None

    def _attributes_before(self, element: Element) -> dict[str, str]:
        if element in self.changes.new:
            return {}
        if element in self.changes.starts:
            return self.changes.starts[element][1]
        return {str(name): str(value) for name, value in element.attrib.items()}

    def _text_came(self, element: Element) -> bool:
        if element in self.changes.new:
            return False
        return element not in self.changes.contents or self.changes.contents[element] == content_of(element)

    def _is_secret(self, element: Element, attribute: str | None = None) -> bool:
        """Whether a name suggests a secret: of the node, or of its past or present parents or siblings."""
        said = [attribute or "", *self._said_by(element), *self._said_beside(element)]
        said += [text for above in self._above(element) for text in self._said_by(above)]
        return local_name(element.tag) == "value" or any(map(SECRET.search, said))

    def _parents(self, element: Element) -> list[Element]:
        found = [element.getparent(), self.changes.parents.get(element)]
        return [parent for parent in found if parent is not None]

    def _above(self, element: Element) -> Iterator[Element]:
        seen: set[Element] = set()
        pending = self._parents(element)
        while pending:
            above = pending.pop()
            if above not in seen:
                seen.add(above)
                yield above
                pending += self._parents(above)

    def _said_by(self, element: Element) -> Iterator[str]:
        """The names of an element and its attributes, now and originally, and its labels."""
        tag, before = self.changes.starts.get(element, (str(element.tag), {}))
        yield tag
        yield str(element.tag)
        for attributes in (before, element.attrib):
            for name, value in attributes.items():
                yield str(name)
                if local_name(name) in _LABELS:
                    yield str(value)

    def _said_beside(self, element: Element) -> Iterator[str]:
        for parent in self._parents(element):
            beside = [*parent, *(node for node in self.changes.contents.get(parent, ()) if not isinstance(node, str))]
            for other in beside:
                if not isinstance(other.tag, str):
                    continue
                yield from self._said_by(other)
                if local_name(other.tag) in _LABELS and parent.getparent() is not None:
                    yield other.text or ""
                    yield str(self.changes.contents.get(other, [""])[0])
