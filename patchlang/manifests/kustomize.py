"""Kustomize: ConfigMaps that it generates, and the hash that it adds to their names, but not in annotations."""

from __future__ import annotations

from collections.abc import Iterator

from ..document.yamltree import Mapping, Node, Sequence
from ..patterns import pattern
from ..record import record
from ..source import Span
from .documents import at, word

# hexadecimal digits, some of which kustomize replaces with other letters
_HASH = pattern(r"-[2456789bcdfghkmt]{10}")
KEEP_NAME = "set `generatorOptions: {disableNameSuffixHash: true}` in kustomization.yaml to keep the name"


@record
class Generated:
    """A ConfigMap that a kustomization generates; ``hashed`` if its name gets a hash."""

    name: str
    span: Span
    hashed: bool


def generated(node: Mapping) -> Iterator[Generated]:
    """The ConfigMaps that a kustomization generates."""
    generators = node.get("configMapGenerator")
    for one in generators.items if isinstance(generators, Sequence) else ():
        if name := word(one, "name"):
            place = at(one, "name")
            assert place is not None, "it has a text"
            kept = _keeps_name(at(node, "generatorOptions")) or _keeps_name(at(one, "options"))
            yield Generated(name, place.span, not kept)


def _keeps_name(options: Node | None) -> bool:
    return word(options, "disableNameSuffixHash") == "true"


def is_hashed(name: str, written: str) -> bool:
    """Whether a ConfigMap is the written one with a hash after its name."""
    return name.startswith(written) and _HASH.fullmatch(name[len(written) :]) is not None
