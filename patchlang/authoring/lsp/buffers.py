"""The texts that are open in the editor."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import unquote, urlsplit

from ...record import record
from .positions import UTF_16, Lines, Range


@record(slots=False)
class Buffer:
    """An open text. ``path`` is the path of its file, or its URI if it is not a file."""

    uri: str
    path: str
    text: str
    version: int
    encoding: str

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text, self.encoding)

    @property
    def folder(self) -> str:
        """The folder of its file; a text that is not a file is alone."""
        return os.path.dirname(self.path) if os.path.isabs(self.path) else self.path


@record
class Change:
    """A text that replaces a part of another text, or all of it."""

    text: str
    range: Range | None = None


class Buffers:
    """All open texts, by their URIs."""

    def __init__(self) -> None:
        self.encoding = UTF_16
        self._by_uri: dict[str, Buffer] = {}

    def __iter__(self) -> Iterator[Buffer]:
        return iter(self._by_uri.values())

    def get(self, uri: str) -> Buffer | None:
        return self._by_uri.get(uri)

    def open(self, uri: str, text: str, version: int) -> Buffer:
        made = self._by_uri[uri] = Buffer(uri, path_of(uri), text, version, self.encoding)
        return made

    def change(self, uri: str, changes: Iterable[Change], version: int) -> Buffer | None:
        """The text after some changes, applied in order; None if it is not open."""
        buffer = self._by_uri.get(uri)
        if buffer is None:
            return None
        text = buffer.text
        for one in changes:
            if one.range is None:
                text = one.text
            else:
                lines = Lines(text, self.encoding)
                start, end = lines.offset(one.range.start), lines.offset(one.range.end)
                text = text[:start] + one.text + text[max(start, end) :]
        return self.open(uri, text, version)

    def close(self, uri: str) -> Buffer | None:
        return self._by_uri.pop(uri, None)

    def of_folder(self, folder: str) -> dict[str, str]:
        """The open texts of a folder, by their paths."""
        return {one.path: one.text for one in self if one.folder == folder}

    def uri_of(self, path: str) -> str:
        """The URI of a file, as the client writes it if it has it open."""
        return next((one.uri for one in self if one.path == path), None) or uri_of(path)


def path_of(uri: str) -> str:
    """The path in the URI of a file; any other URI is returned as it is."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    path = unquote(parts.path, errors="surrogateescape")
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not os.path.isabs(path) or "\0" in path:
        return uri
    return os.path.normpath(path)


def uri_of(path: str) -> str:
    """The URI of a path; anything but an absolute path is returned as is."""
    from pathlib import Path

    return Path(path).as_uri() if os.path.isabs(path) else path
