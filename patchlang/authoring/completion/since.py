"""Which of the known libvirt versions have a place of the grammar, and which values it may have."""

from __future__ import annotations

from ...grammar.index import NOTHING, versions
from ...grammar.places import Place, unfolding
from ...grammar.texts import described

_SHOWN = 12


def known_in(place: Place) -> list[str]:
    """The versions whose grammar has a place, the oldest first."""
    return [version for version in versions() if _like(place, version) is not None]


def since(place: Place) -> str:
    """The same as text."""
    known, every = known_in(place), versions()
    if not known:
        return "KubeVirt writes it, but libvirt's grammar does not have it"
    if known == list(every):
        return f"in libvirt {every[0]} and newer"
    if known[-1] == every[-1]:
        before = every[every.index(known[0]) - 1]
        return f"since libvirt {known[0]} ({before} does not have it)"
    return f"in libvirt {' and '.join(known)}, not in {every[-1]}"


def short_since(place: Place) -> str:
    """``since libvirt 11.3.0``, empty if all versions have it."""
    known = known_in(place)
    return f"since libvirt {known[0]}" if known and known[0] != versions()[0] else ""


def values_of(place: Place) -> str:
    """A description of the text that a place may have; empty if that is any text or none."""
    values = place.values
    return described(values, _SHOWN) if values is not None and values != NOTHING else ""


def _like(place: Place, version: str) -> Place | None:
    """The place with the same path in another version; places that only KubeVirt's types have are missing."""
    way = [place, *place.ancestors][-2::-1] if place.parent is not None else []
    found: Place | None = unfolding(version).document
    for one in way:
        if found is None:
            return None
        if one.kind == "text":
            found = found.text
        elif one.kind == "attribute":
            found = found.attributes.get(one.name) if one.name in found.type.attributes else None
        else:
            found = found.elements.get(one.name) if one.name in found.type.elements else None
    return found
