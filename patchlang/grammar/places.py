"""The places of a domain: the grammar unfolded from the root, on demand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from .extras import extras
from .index import NOTHING, Index, Type, Values, load

_LEAF = Type({}, {}, None, False)


class Place:
    """An element, an attribute or the text of an element, with its path from the document.

    ``kind`` is ``document``, ``element``, ``attribute``, ``text`` or ``open``: a place about which nothing is known.
    """

    __slots__ = ("_attributes", "_elements", "_text", "kind", "name", "parent", "type", "unfolding")

    def __init__(self, kind: str, name: str, parent: Place | None, type: Type, unfolding: Unfolding) -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.type = type
        self.unfolding = unfolding
        self._elements: dict[str, Place] | None = None
        self._attributes: dict[str, Place] | None = None
        self._text: Place | None = None

    @property
    def path(self) -> str:
        """Its path, as XPath."""
        if self.parent is None:
            return ""
        name = {"attribute": f"@{self.name}", "text": "text()"}.get(self.kind, self.name)
        return f"{self.parent.path}/{name}"

    @property
    def elements(self) -> dict[str, Place]:
        if self._elements is None:
            # recursive elements are not unfolded twice
            same = next((p for p in self.ancestors if p.name == self.name and p.type is self.type), None)
            self._elements = self.unfolding.elements(self) if same is None else same.elements
        return self._elements

    @property
    def attributes(self) -> dict[str, Place]:
        if self._attributes is None:
            self._attributes = self.unfolding.attributes(self)
        return self._attributes

    @property
    def text(self) -> Place | None:
        """The text of an element, if it may have any."""
        if self._text is None and self.type.text != NOTHING:
            self._text = Place("text", "", self, self.type, self.unfolding)
        return self._text

    @property
    def values(self) -> Values:
        """What an attribute or text may be, and an element as text."""
        return self.type.text

    @property
    def is_open(self) -> bool:
        return self.type.open

    @property
    def ancestors(self) -> Iterator[Place]:
        """The places above it, nearest first, the document last."""
        place = self.parent
        while place is not None:
            yield place
            place = place.parent

    @property
    def below(self) -> Iterator[Place]:
        """All elements below it, each once."""
        pending = list(self.elements.values())
        seen = set(pending)
        while pending:
            place = pending.pop()
            yield place
            new = [inner for inner in place.elements.values() if inner not in seen]
            seen.update(new)
            pending += new

    @property
    def names_below(self) -> frozenset[str]:
        """The names below it in libvirt's grammar itself."""
        return self.unfolding.names_below(self)

    @property
    def may_stand_deeper(self) -> bool:
        """Whether it contains itself again, so that what is above it may be more than its ancestors."""
        return self.type in self.unfolding.recursive

    def __repr__(self) -> str:
        return f"Place({self.path or '/'})"


class Unfolding:
    """Creates the places of one index."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._recursive: frozenset[Type] | None = None
        self._holders: dict[str, list[Place]] | None = None
        self._named: dict[Place, dict[str, list[Place]]] = {}
        self._names: dict[Place, frozenset[str]] = {}
        self.document = Place("document", "", None, Type({"domain": 0}, {}, NOTHING, False), self)

    def named_below(self, place: Place, name: str) -> list[Place]:
        """The elements of a name below a place: a search for many names walks them once."""
        if place not in self._named:
            named = self._named[place] = dict[str, list[Place]]()
            for one in place.below:
                named.setdefault(one.name, []).append(one)
        return self._named[place].get(name, [])

    def names_below(self, place: Place) -> frozenset[str]:
        if place not in self._names:
            self._names[place] = frozenset(name for one in (place, *place.below) for name in one.type.elements)
        return self._names[place]

    @property
    def recursive(self) -> frozenset[Type]:
        """The types with cycles between them."""
        if self._recursive is None:
            types = self.index.types
            left = {number: set(one.elements.values()) for number, one in enumerate(types)}
            size = -1
            while size != len(left):
                size = len(left)
                reached = set().union(*left.values()) if left else set()
                left = {n: below & left.keys() for n, below in left.items() if n in reached and below & left.keys()}
            self._recursive = frozenset(types[number] for number in left)
        return self._recursive

    def holders(self, name: str) -> list[Place]:
        """The places that may contain an element, or with ``@`` an attribute, of this name."""
        if self._holders is None:
            self._holders = {}
            for place in self.document.below:
                for held in (*place.elements, *(f"@{attribute}" for attribute in place.attributes)):
                    self._holders.setdefault(held, []).append(place)
        return self._holders.get(name, [])

    def elements(self, place: Place) -> dict[str, Place]:
        found: dict[str, Place] = {}
        if place.kind in ("document", "element"):
            for name, number in place.type.elements.items():
                found[name] = Place("element", name, place, self.index.types[number], self)
            for name in extras(place.path):
                if not name.startswith("@"):
                    found.setdefault(name, Place("element", name, place, _LEAF, self))
        return found

    def attributes(self, place: Place) -> dict[str, Place]:
        found: dict[str, Place] = {}
        if place.kind == "element":
            for name, values in place.type.attributes.items():
                found[name] = Place("attribute", name, place, Type({}, {}, values, False), self)
            for name in extras(place.path):
                if name.startswith("@"):
                    found.setdefault(name[1:], Place("attribute", name[1:], place, _LEAF, self))
        return found


@cache
def unfolding(version: str) -> Unfolding:
    return Unfolding(load(version))


OPEN = Place("open", "", None, Type({}, {}, None, True), Unfolding(Index("", {}, ())))
