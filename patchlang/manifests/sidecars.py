"""The annotation that requests hook sidecars: JSON as text, read as KubeVirt's ``HookSidecarList`` (pkg/hooks)."""

from __future__ import annotations

from collections.abc import Callable

from .. import rules
from ..diagnostics import Diagnostic, PatchError, Severity, closest, did_you_mean, fail
from ..document.nested_source import text_of
from ..document.yamltree import Mapping, Node, Scalar, Sequence, describe
from ..record import record
from ..source import SourceFile, Span
from . import jsontree


@record
class Mount:
    """What a sidecar mounts: a ConfigMap's ``key`` at ``path``, or (``key`` is None) a volume claim."""

    name: Scalar
    key: Scalar | None
    path: Scalar | None


@record
class Sidecar:
    """One entry of the list, as far as it could be read. ``span`` is its first character.

    It is not ``is_whole`` if a value has a wrong type.
    """

    span: Span
    image: Scalar | None
    command: tuple[Scalar, ...]
    args: tuple[Scalar, ...]
    config_map: Mount | None
    claim: Mount | None
    is_whole: bool


_TEXT, _TEXTS, _TEXT_OR_TEXTS, _OBJECT = (
    "a string",
    "a list of strings",
    "a string or a list of strings",
    "a JSON object",
)
_POLICIES = ("Always", "IfNotPresent", "Never")
_FIELDS = {
    "image": _TEXT,
    "imagePullPolicy": _TEXT,
    "command": _TEXTS,
    "args": _TEXTS,
    "configMap": _OBJECT,
    "pvc": _OBJECT,
    "downwardAPI": _TEXT_OR_TEXTS,
}
_MOUNTS = {
    "configMap": dict.fromkeys(("name", "key", "hookPath"), _TEXT),
    "pvc": dict.fromkeys(("name", "volumePath", "sharedComputePath"), _TEXT),
}
_EXAMPLES = {
    "name": '"name": "patches"',
    "key": '"key": "patch.yaml"',
    "hookPath": '"hookPath": "/etc/patchlang/patches.d/patch.yaml"',
    "volumePath": '"volumePath": "/etc/patchlang/patches.d"',
}


def read(key: Scalar, value: Node) -> tuple[list[Sidecar], list[Diagnostic]]:
    """The sidecars that an annotation requests, and problems of its text (PL005, PL702, PL703)."""
    if not isinstance(value, Scalar):
        message = f"an annotation must be text, not {describe(value)}"
        help = f"write the JSON as a block scalar: `{key.text}: |`"
        return [], [Diagnostic(rules.BAD_ANNOTATION, message, key.span, help)]
    return read_text(text_of(value))


def read_text(text: SourceFile) -> tuple[list[Sidecar], list[Diagnostic]]:
    """The same for just the annotation's text."""
    reader = _Reader()
    try:
        tree, reader.found = jsontree.parse(text)
        if _is_null(tree):
            return [], reader.found
        if not isinstance(tree, Sequence):
            message = f"the annotation must be a JSON list, not {_kind(tree)}"
            raise fail(rules.BAD_ANNOTATION, message, tree.span, "put `[` and `]` around it")
        sidecars = [sidecar for item in tree.items if (sidecar := reader.sidecar(item))]
    except PatchError as e:
        return [], [*reader.found, e.diagnostic]
    return sidecars, reader.found


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text == "null"


def _kind(node: Node) -> str:
    if isinstance(node, Scalar):
        return f"`{node.text}`" if node.plain else "text"
    return describe(node)


class _Reader:
    """Reads entries as Go does: field names in any case, unknown ones ignored, null as nothing."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def wrong(self, message: str, span: Span, help: str | None = None) -> None:
        self.found.append(Diagnostic(rules.BAD_ANNOTATION, message, span, help))

    def sidecar(self, node: Node) -> Sidecar | None:
        if not isinstance(node, Mapping):
            help = 'such as `{"image": "…", "args": ["--version", "v1alpha3"]}`'
            self.wrong(f"a sidecar must be a JSON object, not {_kind(node)}", node.span, help)
            return None
        before = sum(diagnostic.is_error for diagnostic in self.found)
        fields = self.fields(node, _FIELDS, "a sidecar")
        policy = _scalar(fields.get("imagePullPolicy"))
        if policy and policy.text not in ("", *_POLICIES):
            help = did_you_mean(policy.text, _POLICIES)
            self.wrong(f"`imagePullPolicy` cannot be `{policy.text}`", policy.span, help)
        return Sidecar(
            _start(node),
            _scalar(fields.get("image")),
            _scalars(fields.get("command")),
            _scalars(fields.get("args")),
            self.mount(fields, "configMap", ("name", "key", "hookPath")),
            self.mount(fields, "pvc", ("name", "volumePath")),
            sum(diagnostic.is_error for diagnostic in self.found) == before,
        )

    def mount(self, fields: dict[str, Node], field: str, required: tuple[str, ...]) -> Mount | None:
        node = fields.get(field)
        if not isinstance(node, Mapping):
            return None
        inner = self.fields(node, _MOUNTS[field], f"`{field}`")
        values = {name: value for name in required if (value := _scalar(inner.get(name))) and value.text}
        missing = [f"`{name}`" for name in required if name not in values]
        if missing:
            help = f"such as `{', '.join(_EXAMPLES[name] for name in required if name not in values)}`"
            self.wrong(f"`{field}` needs {' and '.join(missing)}", _start(node), help)
        if "name" not in values:
            return None
        return Mount(values["name"], values.get("key"), values.get(required[-1]))

    def fields(self, node: Mapping, known: dict[str, str], what: str) -> dict[str, Node]:
        """The values by KubeVirt's field names; those of a wrong type are omitted."""
        values: dict[str, Node] = {}
        by_lower = {name.lower(): name for name in known}
        for key, value in node.entries:
            name = by_lower.get(key.text.lower())
            if name is None:
                message = f"KubeVirt ignores the unknown field `{key.text}` of {what}"
                help = did_you_mean(key.text, known, "known fields")
                severity = Severity.ERROR if closest(key.text, known) else Severity.WARNING
                self.found.append(Diagnostic(rules.UNKNOWN_FIELD, message, key.span, help, severity))
            elif not _is_null(value) and self.fits(known[name], value, name):
                values[name] = value
        return values

    def fits(self, wanted: str, value: Node, name: str) -> bool:
        if _SHAPES[wanted](value):
            return True
        items = value.items if isinstance(value, Sequence) and wanted != _TEXT else ()
        at = next((item for item in items if not _is_text(item)), value)
        help = {_TEXT: "put it in double quotes", _OBJECT: "write `{` and `}` around its fields"}.get(wanted)
        help = help or 'put each in double quotes, and `[` and `]` around them: `["--version", "v1alpha3"]`'
        self.wrong(f"`{name}` must be {wanted}, not {_kind(at)}", at.span, help)
        return False


def _start(node: Node) -> Span:
    return Span(node.span.source, node.span.start, node.span.start + 1)


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.plain


def _are_texts(node: Node) -> bool:
    return isinstance(node, Sequence) and all(_is_text(item) for item in node.items)


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) else None


def _scalars(node: Node | None) -> tuple[Scalar, ...]:
    return tuple(item for item in node.items if isinstance(item, Scalar)) if isinstance(node, Sequence) else ()


_SHAPES: dict[str, Callable[[Node], bool]] = {
    _TEXT: _is_text,
    _TEXTS: _are_texts,
    _TEXT_OR_TEXTS: lambda node: _is_text(node) or _are_texts(node),
    _OBJECT: lambda node: isinstance(node, Mapping),
}
