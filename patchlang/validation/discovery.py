"""Paths, folders and patterns to the files to check."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from .. import rules
from ..diagnostics import Diagnostic
from ..files import empty_directory, irregular, unreadable
from ..record import record
from .leftout import LeftOut

ENDINGS = (".yaml", ".yml")


@record
class Input:
    """A file to check. ``named``: the user named this very file; others are in a searched folder.

    ``data`` is its content if that does not come from the file ``name``. ``open``: it is that file's content in an
    editor, and belongs to the file's folder.
    """

    name: str
    named: bool
    data: bytes | None = None
    open: bool = False

    @property
    def folder(self) -> str:
        """Where it is: files of one folder are loaded together. What is not a file is on its own."""
        is_file = self.data is None or self.open
        return os.path.normpath(os.path.dirname(self.name) or ".") if is_file else self.name


def find(paths: Sequence[str], left_out: LeftOut) -> tuple[list[Input], list[Diagnostic]]:
    """The files that the paths name, each once and sorted by name, and which paths name none (PL001).

    A folder is searched recursively for ``*.yaml`` and ``*.yml``; hidden entries are skipped, and
    with them a ConfigMap volume's ``..data``. A pipe, a socket or a device with such a name is an error, and so
    is an empty folder with such a name, which a sidecar could not load (PL010). A path that does not exist is a
    pattern if it has ``*``, ``?`` or ``[``; ``**`` in it stands for any folders.

    ``left_out`` decides about what is in folders; for matches of a pattern only the user's exclusions count;
    named paths always count.
    """
    found: dict[str, Input] = {}
    errors: list[Diagnostic] = []
    for path in paths:
        for name in _expanded(path, errors, left_out):
            if os.path.isdir(name):
                if name.rstrip("/").endswith(ENDINGS) and _is_empty(name):
                    errors.append(empty_directory(name))
                inputs = [Input(file, False) for file in _walk(name, errors, left_out)]
            else:
                inputs = [Input(name, True)]
            for one in inputs:
                place = os.path.normpath(os.path.abspath(one.name))
                if place not in found or (one.named and not found[place].named):
                    found[place] = one
    return sorted(found.values(), key=lambda one: one.name), list({error.message: error for error in errors}.values())


def _expanded(path: str, errors: list[Diagnostic], left_out: LeftOut) -> list[str]:
    if os.path.lexists(path):
        return [path]
    import glob

    if glob.has_magic(path):
        names = sorted(glob.glob(path, recursive=True))
        if not names:
            errors.append(_error(f"`{path}` matches no file", "the pattern is relative to the current folder"))
        return [name for name in names if not left_out.excludes(name, is_folder=os.path.isdir(name))]
    errors.append(unreadable(path, "does not exist"))
    return []


def _walk(folder: str, errors: list[Diagnostic], left_out: LeftOut) -> Iterator[str]:
    def unreadable_folder(e: OSError) -> None:
        errors.append(unreadable(str(e.filename).removeprefix("./"), e.strerror or str(e)))

    from pathlib import Path

    for path, folders, files in os.walk(folder, onerror=unreadable_folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not left_out.leaves_out(path, name, is_folder=True)
        )
        for name in folders:
            inner = os.path.join(path, name).removeprefix("./")
            if name.endswith(ENDINGS) and _is_empty(inner):
                errors.append(empty_directory(inner))
        for name in sorted(files):
            file = os.path.join(path, name).removeprefix("./")
            if not name.endswith(ENDINGS) or name.startswith("."):
                continue
            if left_out.leaves_out(path, name, is_folder=False):
                continue
            if finding := irregular(Path(file)):
                errors.append(finding)
            else:
                yield file


def _is_empty(folder: str) -> bool:
    try:
        return not os.listdir(folder)
    except OSError:
        return False  # the traversal reports it


def nothing_in(paths: Sequence[str], left_out: LeftOut) -> str:
    """Paths in which nothing was found, each with what is there instead, if that helps."""
    everything = LeftOut(git=False)
    said = ", ".join(
        f"{path} (an empty directory)"
        if _is_empty(path)
        else f"{path} (no *.yaml or *.yml in it)"
        if os.path.isdir(path) and not any(_walk(path, [], everything))
        else path
        for path in paths
    )
    return f"{said}; skipped what git ignores and what is excluded" if left_out.count else said


def _error(message: str, help: str) -> Diagnostic:
    return Diagnostic(rules.UNREADABLE, message, None, help)
