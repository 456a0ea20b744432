"""VMs: where KubeVirt looks for the hook sidecars' annotation, and the volumes next to them."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import closest
from ..document.yamltree import Mapping, Node, Scalar, Sequence
from ..record import record
from ..source import Span
from .documents import MACHINES, at, word

ANNOTATION = "hooks.kubevirt.io/hookSidecars"
_CLOUD_INIT = ("cloudInitNoCloud", "cloudInitConfigDrive")
_POD_VOLUMES = (
    "configMap", "dataVolume", "downwardAPI", "ephemeral", "hostDisk", "persistentVolumeClaim", "secret", "sysprep"
)  # fmt: skip


@record
class Machine:
    """A manifest that makes VirtualMachineInstances.

    ``annotation`` is where KubeVirt reads it, ``misplaced`` where it does not; ``misspelt`` are annotations with
    a similar name. ``volumes`` are the names that become volumes of the pod. ``cloud_init`` is None if the manifest
    does not show its volumes.
    """

    kind: str
    name: str
    namespace: str
    template: tuple[str, ...]
    annotation: tuple[Scalar, Node] | None
    misplaced: tuple[tuple[Scalar, Node], ...]
    misspelt: tuple[tuple[Scalar, Node], ...]
    volumes: tuple[tuple[str, Span], ...]
    cloud_init: bool | None


def read(node: Mapping) -> Machine:
    """A VM from its manifest, which is one of ``MACHINES``."""
    kind = word(node, "kind")
    template = MACHINES[kind]
    spec = at(node, *template, "spec")
    outer = [template[:length] for length in range(len(template)) if length % 2 == 0]
    misplaced = [found for path in outer if (found := _annotation(at(node, *path)))]
    return Machine(
        kind,
        word(node, "metadata", "name"),
        word(node, "metadata", "namespace"),
        template,
        _annotation(at(node, *template)),
        tuple(misplaced),
        tuple(found for path in (*outer, template) for found in _misspelt(at(node, *path))),
        tuple(_pod_volumes(spec)),
        any(_has(volume, _CLOUD_INIT) for volume in _volumes(spec)) if at(spec, "domain") else None,
    )


def _annotation(node: Node | None) -> tuple[Scalar, Node] | None:
    return next(((key, value) for key, value in _annotations(node) if key.text == ANNOTATION), None)


def _misspelt(node: Node | None) -> Iterator[tuple[Scalar, Node]]:
    for key, value in _annotations(node):
        if key.text != ANNOTATION and "hook" in key.text.lower() and closest(key.text, [ANNOTATION]):
            yield key, value


def _annotations(node: Node | None) -> tuple[tuple[Scalar, Node], ...]:
    annotations = at(node, "metadata", "annotations")
    return annotations.entries if isinstance(annotations, Mapping) else ()


def _volumes(spec: Node | None) -> tuple[Node, ...]:
    volumes = at(spec, "volumes")
    return volumes.items if isinstance(volumes, Sequence) else ()


def _has(volume: Node, kinds: tuple[str, ...]) -> bool:
    return isinstance(volume, Mapping) and any(volume.get(kind) for kind in kinds)


def _pod_volumes(spec: Node | None) -> Iterator[tuple[str, Span]]:
    for volume in _volumes(spec):
        name = at(volume, "name")
        if isinstance(name, Scalar) and _has(volume, _POD_VOLUMES):
            yield name.text, name.span
