"""The state of the server while an editor is connected: open texts, findings, and scheduled checks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

from ...validation.configuration import NO_LIBVIRT
from ...validation.nearest import configuration
from ..completion.place import Settings
from .buffers import Buffer, Buffers, Change
from .checking import Finding, Folder
from .worker import Done, Job, Worker

QUICK, WHOLE = 0.1, 0.5
"""Seconds without a change before a document is checked again, and before its whole folder is."""

Publish = Callable[[str, int | None, tuple[Finding, ...]], None]
"""Gets a URI, the version of its text if it is open, and all its findings."""


def log(message: str) -> None:
    """Write one line for readers of the editor's log."""
    from ...render import printable

    with suppress(OSError, ValueError):
        print(f"patchlang lsp: {printable(message)}", file=sys.stderr, flush=True)


class Session:
    """The state for one editor."""

    def __init__(self, publish: Publish) -> None:
        self.buffers = Buffers()
        self._publish = publish
        self._worker: Worker | None = None
        self._found: dict[str, tuple[str, tuple[Finding, ...]]] = {}
        self._published: dict[str, set[str]] = {}
        self._timers: dict[str, list[asyncio.TimerHandle]] = {}

    # -- texts -----------------------------------------------------------------------------------------------------

    def opened(self, uri: str, text: str, version: int) -> None:
        self._soon(self.buffers.open(uri, text, version).folder, whole_after=0)

    def changed(self, uri: str, changes: list[Change], version: int) -> None:
        buffer = self.buffers.change(uri, changes, version)
        if buffer is None:
            log(f"{uri} was changed but is not open")
            return
        self._soon(buffer.folder, buffer)

    def closed(self, uri: str) -> None:
        buffer = self.buffers.close(uri)
        if buffer is None:
            return
        self._found.pop(buffer.path, None)
        if self.buffers.of_folder(buffer.folder):
            self._soon(buffer.folder, whole_after=0)
            return
        self._cancel(buffer.folder)
        for path in self._published.pop(buffer.folder, set()):
            self._publish(self.buffers.uri_of(path), None, ())

    def files_changed(self) -> None:
        """Files on disk, or their contents, have changed."""
        for folder in {one.folder for one in self.buffers}:
            self._soon(folder, whole_after=0)

    def settings(self, buffer: Buffer) -> Settings:
        """The configuration for a text; if the configuration is invalid, findings say so."""
        found, wrong = configuration(buffer.folder)
        if wrong:
            return Settings()
        return Settings(None if found.libvirt == NO_LIBVIRT else found.libvirt, found.kubevirt)

    def findings(self, buffer: Buffer) -> tuple[Finding, ...]:
        """The findings of a text, if it has not changed since the check."""
        text, found = self._found.get(buffer.path, ("", ()))
        return found if text == buffer.text else ()

    # -- checks ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop checking."""
        for folder in list(self._timers):
            self._cancel(folder)
        if self._worker is not None:
            self._worker.close()

    def _soon(self, folder: str, buffer: Buffer | None = None, whole_after: float = WHOLE) -> None:
        """Check a folder when nothing has changed for a while."""
        loop = asyncio.get_running_loop()
        self._cancel(folder)
        timers = self._timers[folder] = [loop.call_later(whole_after, self._check, folder, None)]
        if buffer is not None:
            timers.append(loop.call_later(QUICK, self._check, folder, buffer.path))

    def _cancel(self, folder: str) -> None:
        for timer in self._timers.pop(folder, ()):
            timer.cancel()

    def _check(self, folder: str, path: str | None) -> None:
        if self._worker is None:
            loop = asyncio.get_running_loop()
            self._worker = Worker(lambda done: _in_loop(loop, self._checked, done))
        texts = self.buffers.of_folder(folder)
        if texts:
            self._worker.give(Job(Folder(folder, texts, self.buffers.encoding), path))

    def _checked(self, done: Done) -> None:
        if done.fault:
            log(done.fault)
        folder = done.job.folder
        texts = self.buffers.of_folder(folder.path)
        if texts != folder.open:
            return  # another check is already scheduled
        if done.found is None:
            if done.job.path is not None and not done.fault:
                self._check(folder.path, None)
            return
        there = {path for path, found in done.found.items() if found}
        for path in sorted({*there, *texts, *self._published.get(folder.path, set())}):
            found = done.found.get(path, ())
            if path in texts:
                self._found[path] = (texts[path], found)
            uri = self.buffers.uri_of(path)
            buffer = self.buffers.get(uri)
            self._publish(uri, buffer.version if buffer is not None else None, found)
        self._published[folder.path] = {*there, *texts}


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[Done], None], done: Done) -> None:
    with suppress(RuntimeError):  # the event loop has ended
        loop.call_soon_threadsafe(call, done)
