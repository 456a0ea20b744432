"""The YAML documents of a file, and which of them concern us; the others are not parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise

from ..diagnostics import Diagnostic, PatchError, closest
from ..document import yamltree
from ..document.nested_source import Embedded, part_of
from ..document.yamltree import Mapping, Node, Scalar, Sequence
from ..patterns import pattern
from ..record import record
from ..source import SourceFile

_MARK = pattern(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_CONCERNS_US = pattern(
    r"patchlang|hookSidecars|kubevirt-plugin|plugin\.kubevirt\.io|MutatingAdmissionPolicyBinding|configMapGenerator|"
    r"ConfigMap(?:List)?['\"]?\s*(?:[,}#]|$)|VirtualMachine|\bPatch(?:Test)?\b",
    re.MULTILINE,
)
_MANIFEST = pattern(r"^(?:[^\S\n]|\{)*+['\"]?kind['\"]?\s*:\s*['\"]?[A-Z]", re.MULTILINE)
_OURS_AT_TOP = pattern(r"\s*(?:#[^\n]*\n\s*|---\s+)*['\"]?apiVersion['\"]?\s*:\s*['\"]?patchlang")
_PLUGIN = "plugin.kubevirt.io/"
_ADMISSION = "admissionregistration.k8s.io/"
_ADMITTING = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy")
_KUBEVIRT = pattern(r"(?:[a-z]+\.)?kubevirt\.io/")
_SOURCE = pattern(r"^# Source: (\S+)[ \t]*$", re.MULTILINE)
_LISTS = ("items", "objects")


_WORDS = (
    b"patchlang", b"hook", b"Hook", b"ConfigMap", b"configMapG", b"Patch", b"kubevirt-plugin", b"plugin.kubevirt",
    b"MutatingAdmission",
)  # fmt: skip


class Kind(Enum):
    """What a document means to us."""

    PATCH = "patch"
    TEST = "test"
    CONFIG_MAP = "ConfigMap"
    KUSTOMIZATION = "Kustomization"
    MACHINE = "machine"
    PLUGIN = "Plugin"
    ADMISSION = "policy"


@record
class Document:
    """A document, or an item of a list, that concerns us. ``chunk`` is the text that contains it."""

    kind: Kind
    node: Mapping
    chunk: Embedded

    @property
    def label(self) -> str:
        """Its description: ``VirtualMachine prod/web``, and the Helm template that it was rendered from."""
        name = "/".join(filter(None, (word(self.node, "metadata", "namespace"), word(self.node, "metadata", "name"))))
        template = _SOURCE.search(self.chunk.text)
        of = f", from {template[1]}" if template else ""
        return f"{word(self.node, 'kind')} {name}".rstrip() + of


@record
class Contents:
    """What a file contains for us. ``unread`` are faults of possibly relevant documents that are not YAML.

    ``template``: such a document looks like the source of a template (Helm), which others render.
    """

    documents: tuple[Document, ...]
    unread: tuple[Diagnostic, ...]
    template: bool


def read(source: SourceFile) -> Contents:
    """Reads the documents of a file that concern us."""
    documents: list[Document] = []
    unread: list[Diagnostic] = []
    template = False
    for chunk in _chunks(source):
        if not _CONCERNS_US.search(chunk.text):
            continue
        try:
            roots = yamltree.parse(chunk, manifest=True)
        except PatchError as e:
            unread.append(e.diagnostic)
            template |= "{{" in chunk.text and not starts_as_patch(chunk.text)
            continue
        for root in roots:
            documents += [Document(kind, node, chunk) for kind, node in _concerning(root)]
    return Contents(tuple(documents), tuple(unread), template)


def starts_as_patch(text: str) -> bool:
    """Whether a text starts like a patch document, even if the rest is not YAML."""
    return _OURS_AT_TOP.match(text) is not None


def may_concern_us(data: bytes) -> bool:
    """A cheap look at a file's bytes: False if no document in it can concern us."""
    return any(word in data for word in _WORDS)


def is_manifest(text: str) -> bool:
    """Whether a text looks like a Kubernetes manifest of any kind."""
    return _MANIFEST.search(text) is not None


def _chunks(source: SourceFile) -> Iterator[Embedded]:
    """The documents as texts: a mark in the first column ends a document, whatever contains it."""
    starts = [0, *(mark.start() for mark in _MARK.finditer(source.text)), len(source.text)]
    for start, end in pairwise(starts):
        if source.text[start:end].strip():
            yield part_of(source, start, end)


def _concerning(node: Node) -> Iterator[tuple[Kind, Mapping]]:
    """What concerns us in a document: itself, or items if it is a list."""
    if not isinstance(node, Mapping):
        return
    version, kind = word(node, "apiVersion"), word(node, "kind")
    if version.startswith("patchlang") or (kind in ("Patch", "PatchTest") and _may_mean_us(version)):
        yield (Kind.TEST if kind == "PatchTest" else Kind.PATCH), node
    elif kind == "ConfigMap" and version in ("v1", ""):
        yield Kind.CONFIG_MAP, node
    elif node.get("configMapGenerator") is not None and kind in ("Kustomization", "Component", ""):
        yield Kind.KUSTOMIZATION, node
    elif kind in MACHINES and _KUBEVIRT.match(version):
        yield Kind.MACHINE, node
    elif kind == "Plugin" and version.startswith(_PLUGIN):
        yield Kind.PLUGIN, node
    elif kind in _ADMITTING and version.startswith(_ADMISSION):
        yield Kind.ADMISSION, node
    elif kind.endswith("List") or kind == "Template":
        for name in _LISTS:
            items = node.get(name)
            for item in items.items if isinstance(items, Sequence) else ():
                yield from _concerning(item)


def _may_mean_us(version: str) -> bool:
    """Whether an ``apiVersion`` is missing, lacks its group, or misspells it."""
    group, slash, _ = version.partition("/")
    return not slash or closest(group, ["patchlang"]) is not None


MACHINES: dict[str, tuple[str, ...]] = {
    "VirtualMachineInstance": (),
    "VirtualMachine": ("spec", "template"),
    "VirtualMachineInstanceReplicaSet": ("spec", "template"),
    "VirtualMachinePool": ("spec", "virtualMachineTemplate", "spec", "template"),
}
"""KubeVirt's kinds, and where the metadata and the spec of the VirtualMachineInstance are in each."""


def word(node: Node | None, *path: str) -> str:
    """The text of the scalar at a path of keys; empty if there is none."""
    found = at(node, *path)
    return found.text if isinstance(found, Scalar) else ""


def at(node: Node | None, *path: str) -> Node | None:
    """The node at a path of keys; None if there is none."""
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
