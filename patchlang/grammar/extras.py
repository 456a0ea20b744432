"""What KubeVirt writes and libvirt's grammar lacks: no typo, though libvirt will not read it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..kubevirt.structs import Struct, domain, releases
from .index import Type, load, versions


@cache
def extras() -> Mapping[str, frozenset[str]]:
    """Names of KubeVirt's structs beyond the newest grammar, by the path of their element; ``@`` before attributes.

    What only an older libvirt lacks is not among them: that it lacks it is worth saying.
    """
    types = load(versions()[-1]).types
    found: dict[str, set[str]] = {}

    def walk(path: str, type: Type, struct: Struct, above: tuple[tuple[Type, Struct], ...] = ()) -> None:
        own = found.setdefault(path, set())
        own.update(f"@{name}" for name in struct.attributes - type.attributes.keys() if not name.startswith("xmlns"))
        for name, child in struct.children.items():
            if name not in type.elements:
                own.add(name)
                continue
            below = types[type.elements[name]]
            if not below.open and (below, child) not in above:
                walk(f"{path}/{name}", below, child, (*above, (type, struct)))

    for release in releases():
        walk("/domain", types[0], domain(release))
    return {path: frozenset(names) for path, names in found.items() if names}
