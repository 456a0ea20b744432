"""The engine's start: patch files, read as they are at one time, and compiled.

A patch file that cannot be loaded is an error to answer with, never a reason to run something else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from patchlang import rules
from patchlang.diagnostics import Diagnostic, has_errors
from patchlang.load import find_patch_files, load_sources, read_sources
from patchlang.record import replace
from patchlang.source import SourceFile

if TYPE_CHECKING:
    from patchlang.compile import Program
    from patchlang.result import Progress

MAX_READS = 5
"""How often a volume that changes while it is read is read again."""


class Wanted(NamedTuple):
    """What the front asks for. ``hook_files`` are patch files at the places of hook executables."""

    paths: Sequence[Path]
    named: bool
    hook_files: Sequence[Path]
    version: str | None


class Loaded(NamedTuple):
    """What came of it: a program, or errors. ``refusal`` is one that no rule has: why the program cannot be served."""

    sources: Sequence[SourceFile]
    program: Program | None
    diagnostics: Sequence[Diagnostic]
    refusal: str = ""


def read(wanted: Wanted) -> tuple[list[SourceFile], list[Diagnostic]]:
    """All patch files as they were at one time: a volume that is updated meanwhile is read again."""
    sources: list[SourceFile] = []
    for _ in range(MAX_READS):
        before = _versions(wanted.paths)
        files, problems = find_patch_files(wanted.paths, required=wanted.named)
        known = {path.resolve() for path in files}
        files += [path for path in wanted.hook_files if path.resolve() not in known]
        sources, unreadable = read_sources(files)
        if _versions(wanted.paths) == before:
            return sources, [*problems, *unreadable]
    help = "start the VM again"
    return sources, [Diagnostic(rules.UNREADABLE, "the patch files change while they are read", help=help)]


def load(wanted: Wanted, sources: Sequence[SourceFile], problems: Sequence[Diagnostic], progress: Progress) -> Loaded:
    """Compiles what was read, now or by an earlier engine."""
    program, found = load_sources(sources, problems, progress=progress)
    at_hooks = {str(path) for path in wanted.hook_files}
    diagnostics = [_explained(d, at_hooks) for d in found]
    if program is None or has_errors(diagnostics):
        return Loaded(sources, None, diagnostics)
    return Loaded(sources, program, diagnostics, _half_served(program, wanted.version))


def _versions(paths: Sequence[Path]) -> list[str | None]:
    """What the link ``..data`` in each folder points at, which the kubelet swaps when a volume's content changes."""
    found: list[str | None] = []
    for path in paths:
        try:
            found.append(os.readlink(path / "..data"))
        except OSError:
            found.append(None)
    return found


def _half_served(program: Program, version: str | None) -> str:
    """Cloud-init edits that no call would ever apply: the VM would start half-patched."""
    if not program.edits_cloud_init or version not in (None, "v1alpha1"):
        return ""
    names = ", ".join(d.name for d in program.documents if d.cloud_init)
    served = f"--version {version}" if version else "--plugin-socket alone"
    return f"{served} has no call for cloud-init data, which is edited by: {names}; use --version v1alpha3"


def _explained(diagnostic: Diagnostic, at_hooks: set[str]) -> Diagnostic:
    """Says why a file was read as a patch, in case its author meant a script and forgot the first line."""
    if diagnostic.span is None or diagnostic.span.source.name not in at_hooks:
        return diagnostic
    why = "the file is read as a patch because it has no `#!` line"
    return replace(diagnostic, help=f"{diagnostic.help}; {why}" if diagnostic.help else why)


def digests(sources: Sequence[SourceFile]) -> list[tuple[str, str]]:
    """The name of each file and its SHA-256, as ``sha256sum`` prints it."""
    # OpenSSL's would cost more memory than all patches
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]
    from hashlib import sha256

    return [(source.name, sha256(source.text.encode()).hexdigest()) for source in sources]
