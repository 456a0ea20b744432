"""What KubeVirt writes and libvirt's grammar lacks: not a typo, although libvirt will not read it."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from ..kubevirt.structs import Struct, domain, releases
from .index import Type, load, versions

_Way: TypeAlias = tuple[tuple[Type, Struct], ...]
"""An element in the newest grammar and in a release's structs, with its ancestors."""


@cache
def extras(path: str) -> frozenset[str]:
    """Names of KubeVirt's structs that the newest grammar lacks, for an element path; ``@`` before attributes.

    Names that only an older libvirt lacks are excluded: those are worth reporting.
    """
    found: set[str] = set()
    for type, struct in (way[-1] for way in _ways(path)):
        found.update(f"@{name}" for name in struct.attributes - type.attributes.keys() if not name.startswith("xmlns"))
        found.update(struct.children.keys() - type.elements.keys())
    return frozenset(found)


@cache
def _ways(path: str) -> tuple[_Way, ...]:
    """In each release that has the element; recursive elements are not followed."""
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
