"""The places of a domain: the grammar unfolded from the root, as far as anybody asks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from .index import NOTHING, Index, Type, Values, extras, load

_LEAF = Type({}, {}, None, False)


class Place:
    """An element, an attribute or the text of an element, by the way to it from the document.

    ``kind`` is ``document``, ``element``, ``attribute``, ``text`` or ``open``: somewhere that nothing is known of.
    """

    __slots__ = ("_attributes", "_elements", "_text", "_unfolding", "kind", "name", "parent", "type")

    def __init__(self, kind: str, name: str, parent: Place | None, type: Type, unfolding: Unfolding) -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.type = type
        self._unfolding = unfolding
        self._elements: dict[str, Place] | None = None
        self._attributes: dict[str, Place] | None = None
        self._text: Place | None = None

    @property
    def path(self) -> str:
        """The way to it, as XPath."""
        if self.parent is None:
            return ""
        name = {"attribute": f"@{self.name}", "text": "text()"}.get(self.kind, self.name)
        return f"{self.parent.path}/{name}"

    @property
    def elements(self) -> dict[str, Place]:
        if self._elements is None:
            self._elements = self._unfolding.elements(self)
        return self._elements

    @property
    def attributes(self) -> dict[str, Place]:
        if self._attributes is None:
            self._attributes = self._unfolding.attributes(self)
        return self._attributes

    @property
    def text(self) -> Place | None:
        """The text of an element, if it may have any."""
        if self._text is None and self.type.text != NOTHING:
            self._text = Place("text", "", self, self.type, self._unfolding)
        return self._text

    @property
    def values(self) -> Values:
        """What an attribute or a text may be, and an element as text."""
        return self.type.text

    @property
    def is_open(self) -> bool:
        return self.type.open

    @property
    def ancestors(self) -> Iterator[Place]:
        """The places above it, the nearest first, the document last."""
        place = self.parent
        while place is not None:
            yield place
            place = place.parent

    @property
    def below(self) -> Iterator[Place]:
        """All elements below it. What holds itself again is not unfolded twice."""
        pending = list(self.elements.values())
        while pending:
            place = pending.pop()
            yield place
            if not any(above.type is place.type for above in place.ancestors):
                pending += place.elements.values()

    def __repr__(self) -> str:
        return f"Place({self.path or '/'})"


class Unfolding:
    """Makes the places of one index."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.document = Place("document", "", None, Type({"domain": 0}, {}, NOTHING, False), self)

    def elements(self, place: Place) -> dict[str, Place]:
        found: dict[str, Place] = {}
        if place.kind in ("document", "element"):
            for name, number in place.type.elements.items():
                found[name] = Place("element", name, place, self.index.types[number], self)
            for name in extras().get(place.path, ()):
                if not name.startswith("@"):
                    found.setdefault(name, Place("element", name, place, _LEAF, self))
        return found

    def attributes(self, place: Place) -> dict[str, Place]:
        found: dict[str, Place] = {}
        if place.kind == "element":
            for name, values in place.type.attributes.items():
                found[name] = Place("attribute", name, place, Type({}, {}, values, False), self)
            for name in extras().get(place.path, ()):
                if name.startswith("@"):
                    found.setdefault(name[1:], Place("attribute", name[1:], place, _LEAF, self))
        return found


@cache
def unfolding(version: str) -> Unfolding:
    return Unfolding(load(version))


OPEN = Place("open", "", None, Type({}, {}, None, True), Unfolding(Index("", {}, ())))
