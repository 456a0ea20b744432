"""Paths, folders and patterns to the files that are to be checked."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

from .. import rules
from ..diagnostics import Diagnostic
from ..record import record

ENDINGS = (".yaml", ".yml")


@record
class Input:
    """A file to check. ``named``: the user means this very file; others lie in a folder that is looked through.

    ``data`` is its content where that does not come from the file ``name``.
    """

    name: str
    named: bool
    data: bytes | None = None

    @property
    def folder(self) -> str:
        """Where it lies: files of one folder are loaded together. What is no file is by itself."""
        return os.path.normpath(os.path.dirname(self.name) or ".") if self.data is None else self.name


def find(paths: Sequence[str]) -> tuple[list[Input], list[Diagnostic]]:
    """The files that the paths name, each once and in the order of their names, and which paths name none (PL001).

    A folder is looked through with its sub-folders for ``*.yaml`` and ``*.yml``; hidden entries are passed over, and
    with them a ConfigMap volume's ``..data``. So is what is no file, but for links that lead nowhere. A path that does
    not exist is a pattern if it has ``*``, ``?`` or ``[``; ``**`` in it stands for any folders.
    """
    found: dict[str, Input] = {}
    errors: list[Diagnostic] = []
    for path in paths:
        for name in _expanded(path, errors):
            if os.path.isdir(name):
                inputs = [Input(file, False) for file in _walk(name, errors)]
            else:
                inputs = [Input(name, True)]
            for one in inputs:
                place = os.path.normpath(os.path.abspath(one.name))
                if place not in found or (one.named and not found[place].named):
                    found[place] = one
    return sorted(found.values(), key=lambda one: one.name), errors


def _expanded(path: str, errors: list[Diagnostic]) -> list[str]:
    if os.path.lexists(path):
        return [path]
    if glob.has_magic(path):
        names = sorted(glob.glob(path, recursive=True))
        if not names:
            errors.append(_error(f"`{path}` matches no file", "the pattern is read from the folder you are in"))
        return names
    errors.append(unreadable(path, "does not exist"))
    return []


def _walk(folder: str, errors: list[Diagnostic]) -> Iterator[str]:
    def unreadable_folder(e: OSError) -> None:
        errors.append(unreadable(str(e.filename).removeprefix("./"), e.strerror or str(e)))

    for path, folders, files in os.walk(folder, onerror=unreadable_folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = os.path.join(path, name).removeprefix("./")
            is_yaml = name.endswith(ENDINGS) and not name.startswith(".")
            if is_yaml and (os.path.isfile(file) or not os.path.exists(file)):
                yield file


def unreadable(path: str, reason: str) -> Diagnostic:
    """The finding for a file or folder that cannot be read (PL001)."""
    return _error(f"`{path}` cannot be read: {reason}", "check the path and its permissions")


def _error(message: str, help: str) -> Diagnostic:
    return Diagnostic(rules.UNREADABLE, message, None, help)
