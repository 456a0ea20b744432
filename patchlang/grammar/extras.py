"""What KubeVirt writes and libvirt's grammar lacks: no typo, though libvirt will not read it."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from ..kubevirt.structs import Struct, domain, releases
from .index import Type, load, versions

_Way: TypeAlias = tuple[tuple[Type, Struct], ...]
"""An element in the newest grammar and in a release's structs, behind those it stands in."""


@cache
def extras(path: str) -> frozenset[str]:
    """Names of KubeVirt's structs beyond the newest grammar, for an element by its path; ``@`` before attributes.

    What only an older libvirt lacks is not among them: that it lacks it is worth saying.
    """
    found: set[str] = set()
    for type, struct in (way[-1] for way in _ways(path)):
        found.update(f"@{name}" for name in struct.attributes - type.attributes.keys() if not name.startswith("xmlns"))
        found.update(struct.children.keys() - type.elements.keys())
    return frozenset(found)


@cache
def _ways(path: str) -> tuple[_Way, ...]:
    """In each release that has the element; what holds itself again is not followed."""
    above, _, name = path.rpartition("/")
    types = load(versions()[-1]).types
    if not above:
        return tuple(((types[0], domain(release)),) for release in releases()) if name == "domain" else ()
    found: list[_Way] = []
    for way in _ways(above):
        type, struct = way[-1]
        if name in struct.children and name in type.elements:
            below = types[type.elements[name]], struct.children[name]
            if not below[0].open and below not in way[:-1]:
                found.append((*way, below))
    return tuple(found)
