"""KubeVirt Plugins, and the admission policies that add their containers to the pods of virtual machines."""

from __future__ import annotations

from collections.abc import Iterator

from .. import rules
from ..diagnostics import Diagnostic, PatchError
from ..document.nested_source import outermost, text_of
from ..document.yamltree import Mapping, Node, Scalar, Sequence
from ..manifests import documents, machines
from ..manifests.documents import Kind, at, word
from ..patterns import pattern
from ..record import record
from ..source import SourceFile, Span
from . import literals

SOCKETS = "kubevirt-plugin-sockets"
_IN_POD = pattern(r"/spec/(containers|initContainers|volumes)(?:/(?:-|[0-9]+))?")
_KINDS = {"containers": "container", "initContainers": "container", "volumes": "volume"}


@record
class Plugin:
    """``sockets`` are the paths that KubeVirt calls, ``conditions`` its own and those of its hooks."""

    name: str
    span: Span
    sockets: tuple[Scalar, ...]
    conditions: tuple[Scalar, ...]


@record
class Mount:
    """What a container mounts: a volume by name. A computed value is a plain scalar; None is a missing one."""

    name: Scalar
    path: Scalar | None
    sub_path: Scalar | None


@record
class Container:
    """A container that a policy adds, as far as it is written out; ``args`` is None if they are computed."""

    span: Span
    name: str
    image: Scalar | None
    command: tuple[Scalar, ...] | None
    args: tuple[Scalar, ...] | None
    mounts: tuple[Mount, ...]


@record
class Volume:
    """A volume that a policy adds; ``config_map`` is the name of its ConfigMap."""

    name: str
    config_map: Scalar | None


@record
class Policy:
    """A MutatingAdmissionPolicy. ``is_whole``: everything that it adds to pods is written out."""

    name: str
    span: Span
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    is_whole: bool

    @property
    def concerns_us(self) -> bool:
        """Whether it adds containers that mount the sockets of plugins, or run our sidecar."""
        return not self.is_whole or any(
            (one.image is not None and "patchlang" in one.image.text) or any(m.name.text == SOCKETS for m in one.mounts)
            for one in self.containers
        )


def plugin(node: Mapping) -> Plugin:
    """A Plugin from its manifest. KubeVirt 1.9 calls its hooks ``domainHooks``, later releases ``launcherHooks``."""
    hooks = [
        hook for field in ("domainHooks", "launcherHooks", "nodeHooks") for hook in _items(at(node, "spec", field))
    ]
    conditions = (at(one, "condition") for one in (at(node, "spec"), *hooks))
    sockets = (at(hook, "sidecar", "socketPath") for hook in hooks)
    return Plugin(
        word(node, "metadata", "name"),
        _named(node),
        tuple(one for one in sockets if isinstance(one, Scalar)),
        tuple(one for one in conditions if isinstance(one, Scalar)),
    )


def policy(node: Mapping) -> tuple[Policy, list[Diagnostic]]:
    """A MutatingAdmissionPolicy from its manifest, and what in it cannot be read (PL701)."""
    found: list[Diagnostic] = []
    containers: list[Container] = []
    volumes: list[Volume] = []
    is_whole = True
    for mutation in _items(at(node, "spec", "mutations")):
        for kind in ("jsonPatch", "applyConfiguration"):
            expression = at(mutation, kind, "expression")
            if not isinstance(expression, Scalar):
                continue
            source = text_of(expression)
            try:
                made = literals.read(source)
            except literals.UnbalancedError as e:
                message = "the expression of the mutation has a bracket or a quote that is never closed"
                found.append(Diagnostic(rules.BAD_MANIFEST, message, Span(source, e.start, e.start + 1)))
                is_whole = False
                continue
            for what, one in _added(made):
                if not isinstance(one, Mapping):
                    is_whole = False
                elif what == "container":
                    containers.append(_container(one))
                else:
                    volumes.append(Volume(word(one, "name"), _text(at(one, "configMap", "name"))))
    name = word(node, "metadata", "name")
    return Policy(name, _named(node), tuple(containers), tuple(volumes), is_whole), found


@record
class Admitting:
    """A ValidatingAdmissionPolicy like ours, by name, and the annotation texts that it admits."""

    name: str
    span: Span
    texts: tuple[str, ...]


def admitting(node: Mapping) -> Admitting | None:
    """What a policy admits; None if patchlang did not write it."""
    texts = _admitted(node)
    return (
        Admitting(word(node, "metadata", "name"), _named(node), tuple(one.text for _, one in texts)) if texts else None
    )


def texts_of(source: SourceFile) -> list[tuple[Scalar, Scalar]]:
    """The annotations of the VMs in a file, and those that its policies admit, with what names them.

    Raises PatchError if a document is not YAML.
    """
    found: list[tuple[Scalar, Scalar]] = []
    contents = documents.read(source)
    for unread in contents.unread:
        raise PatchError(unread)
    for document in contents.documents:
        if document.kind is Kind.MACHINE and (annotation := machines.read(document.node).annotation):
            key, value = annotation
            if isinstance(value, Scalar):
                found.append((key, value))
        elif document.kind is Kind.ADMISSION:
            found += _admitted(document.node)
    return found


def _admitted(node: Mapping) -> list[tuple[Scalar, Scalar]]:
    """The texts that a ValidatingAdmissionPolicy from patchlang admits; empty for any other policy."""
    for variable in _items(at(node, "spec", "variables")):
        expression = at(variable, "expression")
        if word(variable, "name") != "admitted" or not isinstance(expression, Scalar):
            continue
        try:
            made = literals.read(text_of(expression))
        except literals.UnbalancedError:
            return []
        texts = [one for one in _items(made) if isinstance(one, Scalar) and not one.plain]
        if len(texts) == len(_items(made)):
            return [(expression, Scalar(one.text, False, outermost(one.span))) for one in texts]
    return []


def _added(made: Node) -> Iterator[tuple[str, Node]]:
    """What a mutation adds to pods: with JSON Patch operations, or as part of the pod."""
    for operation in made.items if isinstance(made, Sequence) else ():
        path = at(operation, "path")
        place = _IN_POD.fullmatch(path.text) if isinstance(path, Scalar) and not path.plain else None
        value = at(operation, "value")
        if place and value is not None:
            for one in value.items if isinstance(value, Sequence) else (value,):
                yield _KINDS[place[1]], one
    for field, what in _KINDS.items():
        for one in _items(at(made, "spec", field)):
            yield what, one


def _container(node: Mapping) -> Container:
    mounts = [
        Mount(name, _scalar(at(mount, "mountPath")), _scalar(at(mount, "subPath")))
        for mount in _items(at(node, "volumeMounts"))
        if isinstance(name := at(mount, "name"), Scalar)
    ]
    return Container(
        node.span,
        word(node, "name"),
        _text(at(node, "image")),
        _texts(at(node, "command")),
        _texts(at(node, "args")),
        tuple(mounts),
    )


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else ()


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) else None


def _text(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) and not node.plain else None


def _texts(node: Node | None) -> tuple[Scalar, ...] | None:
    if node is None:
        return ()
    texts = [item for item in _items(node) if isinstance(item, Scalar) and not item.plain]
    return tuple(texts) if isinstance(node, Sequence) and len(texts) == len(node.items) else None


def _named(node: Mapping) -> Span:
    name = at(node, "metadata", "name")
    return name.span if name is not None else node.entries[0][0].span
