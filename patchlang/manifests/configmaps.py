"""ConfigMaps: their keys as text with places, and what Kubernetes would refuse in them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from .. import rules
from ..diagnostics import Diagnostic
from ..document.nested_source import Embedded, encoded, text_of
from ..document.yamltree import Mapping, Node, Scalar, describe
from ..patterns import pattern
from ..record import record
from ..source import SourceFile, Span
from .documents import Kind, at, word
from .documents import read as documents_of

LARGEST = 1024 * 1024
"""The maximum total size of a ConfigMap's values in bytes (Kubernetes' own limit)."""
_KEY = pattern(r"[-._a-zA-Z0-9]{1,253}")
_PATCH = pattern(r"^['\"]?(?:apiVersion['\"]?\s*:\s*['\"]?patchlang|kind['\"]?\s*:\s*['\"]?Patch\b)", re.MULTILINE)
_JSON_PATCH = pattern(r"\"apiVersion\"\s*:\s*\"patchlang")


@record
class Entry:
    """A key of a ConfigMap. ``content`` is its value, None if that is not text."""

    key: Scalar
    content: Embedded | None

    @property
    def is_patch(self) -> bool:
        if self.content is None or self.is_program:
            return False
        text = self.content.text
        return bool(_JSON_PATCH.search(text) if text.lstrip()[:1] == "{" else _PATCH.search(text))

    @property
    def is_program(self) -> bool:
        """Whether the sidecar would execute it in the place of a hook."""
        return self.content is None or self.content.text.startswith("#!")


@record
class ConfigMap:
    """``namespace`` is empty if the manifest leaves it to kubectl. ``span`` is its name."""

    name: str
    namespace: str
    span: Span
    entries: tuple[Entry, ...]

    def entry(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key.text == key), None)


def read(node: Mapping) -> tuple[ConfigMap, list[Diagnostic]]:
    """A ConfigMap from its manifest, and its problems (PL701, PL715)."""
    found: list[Diagnostic] = []
    name = at(node, "metadata", "name")
    entries: list[Entry] = []
    size = 0
    for field in ("data", "binaryData"):
        for key, value in _values(node, field, found):
            if any(entry.key.text == key.text for entry in entries):
                message = f"key `{key.text}` is in both `data` and `binaryData`"
                found.append(Diagnostic(rules.BAD_MANIFEST, message, key.span, "keep one of them"))
                continue
            entry, length = _text(key, value) if field == "data" else _bytes(key, value, found)
            entries.append(entry)
            size += length
    place = name.span if isinstance(name, Scalar) else node.entries[0][0].span
    if size > LARGEST:
        found.append(
            Diagnostic(
                rules.CONFIG_MAP_TOO_BIG,
                f"the values of this ConfigMap total {size:,} bytes, but Kubernetes accepts {LARGEST:,}",
                place,
                "split it; one sidecar uses one key",
            )
        )
    named = ConfigMap(word(node, "metadata", "name"), word(node, "metadata", "namespace"), place, tuple(entries))
    return named, found


def patches_in(source: SourceFile) -> list[Entry]:
    """The keys with patches of the ConfigMaps in a manifest, in the order of the names that the sidecar would see.

    None for a file that has patches itself: it is a patch file.
    """
    if "ConfigMap" not in source.text:
        return []
    documents = documents_of(source).documents
    if any(one.kind is Kind.PATCH for one in documents):
        return []
    maps = [read(one.node)[0] for one in documents if one.kind is Kind.CONFIG_MAP]
    return [entry for one in maps for entry in sorted(one.entries, key=lambda one: one.key.text) if entry.is_patch]


def _values(node: Mapping, field: str, found: list[Diagnostic]) -> Iterator[tuple[Scalar, Scalar]]:
    values = node.get(field)
    if values is None or _is_null(values):
        return
    if not isinstance(values, Mapping):
        message = f"`{field}` of a ConfigMap must be a map, not {describe(values)}"
        found.append(Diagnostic(rules.BAD_MANIFEST, message, values.span))
        return
    for key, value in values.entries:
        if not _KEY.fullmatch(key.text):
            message = f"`{key.text}` cannot be a key: use only letters, digits, `-`, `_` and `.`"
            found.append(Diagnostic(rules.BAD_MANIFEST, message, key.span))
        if isinstance(value, Scalar):
            yield key, value
        else:
            message = f"the value of a key must be text, not {describe(value)}"
            found.append(
                Diagnostic(rules.BAD_MANIFEST, message, key.span, f"write it as a block scalar: `{key.text}: |`")
            )


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null")


def _text(key: Scalar, value: Scalar) -> tuple[Entry, int]:
    return Entry(key, text_of(value)), len(value.text.encode(errors="surrogatepass"))


def _bytes(key: Scalar, value: Scalar, found: list[Diagnostic]) -> tuple[Entry, int]:
    try:
        data = base64.b64decode("".join(value.text.split()), validate=True)
    except (binascii.Error, ValueError):
        found.append(Diagnostic(rules.BAD_MANIFEST, "a value in `binaryData` must be base64", value.span))
        return Entry(key, None), 0
    try:
        return Entry(key, encoded(data.decode("utf-8-sig"), key.span)), len(data)
    except UnicodeDecodeError:
        return Entry(key, None), len(data)
