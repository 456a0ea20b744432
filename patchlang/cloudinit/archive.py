"""The parts of a ``#cloud-config-archive``: entries of a YAML list, which cloud-init splits like MIME."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import rules
from ..diagnostics import fail
from ..record import record
from ..values import TooBigError, check_size, kind
from . import lineage
from .userformat import detect, refused

_UNDECLARED = "text/cloud-config"


@record
class Part:
    """An entry that cloud-init treats as a part: a string, or a map with ``content`` and optionally ``type``."""

    content_type: str
    filename: str | None
    index: int
    content: Any
    is_sniffed = False
    """Whether cloud-init looks at the content anyway."""

    def text(self) -> str:
        """The content. Raises PatchError."""
        if not isinstance(self.content, str):
            raise refused(f"part number {self.index + 1} of the archive holds {kind(self.content)}, not text")
        return self.content


class Archive:
    """An archive; ``write`` gives its text for other entries."""

    def __init__(self, entries: list[Any], write: Callable[[Any], str]) -> None:
        self._entries, self._write = entries, write
        self.parts = [part for index, entry in enumerate(entries) if (part := _part(index, entry)) is not None]

    def with_text(self, part: Part, text: str) -> str:
        """The archive with different content in one part. Raises PatchError."""
        entry = self._entries[part.index]
        if isinstance(entry, dict):
            op = "replace" if "content" in entry else "add"
            text_or_map: Any = lineage.follow(entry, {**entry, "content": text}, op, "content")
        else:
            text_or_map = text
        changed = [*self._entries[: part.index], text_or_map, *self._entries[part.index + 1 :]]
        return self._written(changed, "replace", part.index)

    def with_new_part(self, content_type: str, filename: str, text: str) -> str:
        """The archive with one more part at the end. Raises PatchError."""
        new = {"type": content_type, "filename": filename, "content": text}
        return self._written([*self._entries, new], "add", len(self._entries))

    def _written(self, entries: list[Any], op: str, at: int) -> str:
        try:
            check_size(entries)
        except TooBigError as e:
            raise fail(rules.LIMIT, f"user data exceeds the limit: {e}") from None
        return self._write(lineage.follow(self._entries, entries, op, at))


def _part(index: int, entry: Any) -> Part | None:
    if isinstance(entry, str):
        entry = {"content": entry}
    if not isinstance(entry, dict):
        return None
    content, declared, filename = entry.get("content", ""), entry.get("type"), entry.get("filename")
    if not declared:
        declared = (detect(content).content_type if isinstance(content, str) else None) or _UNDECLARED
    content_type = declared.lower() if isinstance(declared, str) else ""
    return Part(content_type, filename if isinstance(filename, str) else None, index, content)
