"""The engine's start: patch files, read as one consistent state, and compiled.

A patch file that cannot be loaded is an error to answer with, never a reason to run something else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from patchlang import rules
from patchlang.diagnostics import Diagnostic, PatchError, has_errors
from patchlang.files import find_patch_files, read_bytes, source_of
from patchlang.record import replace
from patchlang.source import SourceFile

if TYPE_CHECKING:
    from patchlang.compile import Program
    from patchlang.result import Progress

MAX_READS = 5
"""How often a volume that changes while being read is read again."""


class Wanted(NamedTuple):
    """What the front requests. ``hook_files`` are patch files in the places of hook executables.

    ``sha256`` are the required checksums of the files; without any, all text is accepted.
    """

    paths: Sequence[Path]
    named: bool
    hook_files: Sequence[Path]
    version: str | None
    sha256: Sequence[str] = ()


class Texts(NamedTuple):
    """What was read, the SHA-256 of each file by name, and what could not be read."""

    sources: list[SourceFile]
    digests: list[tuple[str, str]]
    problems: list[Diagnostic]


class Loaded(NamedTuple):
    """The result: a program, or errors. ``refusal`` has no rule: it says why the program cannot be served."""

    program: Program | None
    diagnostics: Sequence[Diagnostic]
    refusal: str = ""


def read(wanted: Wanted) -> Texts:
    """All patch files in one consistent state: a volume that is updated in the meantime is read again.

    If their checksums are not the required ones there are no texts, only the problem (PL011).
    """
    for _ in range(MAX_READS):
        before = _versions(wanted.paths)
        files, problems = find_patch_files(wanted.paths, required=wanted.named)
        known = {os.path.realpath(path) for path in files}
        files += [path for path in wanted.hook_files if os.path.realpath(path) not in known]
        texts = _read(files)
        if _versions(wanted.paths) == before:
            texts = texts._replace(problems=[*problems, *texts.problems])
            wrong = list(_other_checksums(texts.digests, wanted.sha256))
            return texts._replace(sources=[], problems=[*wrong, *texts.problems]) if wrong else texts
    changing = Diagnostic(rules.UNREADABLE, "the patch files changed while they were being read", help="restart the VM")
    return texts._replace(problems=[changing])


def _read(files: Sequence[Path]) -> Texts:
    # OpenSSL's SHA-256 would cost more memory than all patches.
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]
    from hashlib import sha256

    texts = Texts([], [], [])
    for path in files:
        try:
            data = read_bytes(path, regular=True)
            texts.sources.append(source_of(str(path), data))
        except PatchError as error:
            texts.problems.append(error.diagnostic)
        else:
            texts.digests.append((str(path), sha256(data).hexdigest()))
    return texts


def _other_checksums(digests: Sequence[tuple[str, str]], wanted: Sequence[str]) -> Iterator[Diagnostic]:
    """Files that are not what was reviewed, and checksums without a file."""
    if not wanted:
        return
    missing = ", ".join(sorted(set(wanted) - {digest for _, digest in digests}))
    for name, digest in digests:
        if digest not in wanted:
            message = f"{name} has SHA-256 {digest}, which `--sha256` does not list"
            help = f"mount the reviewed text (sha256 {missing})" if missing else "remove the file"
            help = f"{help}, or review this one and put its checksum in the annotation"
            yield Diagnostic(rules.OTHER_CHECKSUM, message, help=help)
    if missing and all(digest in wanted for _, digest in digests):
        message = f"no patch file has SHA-256 {missing}, which `--sha256` lists"
        yield Diagnostic(rules.OTHER_CHECKSUM, message, help="mount the reviewed text")


def load(wanted: Wanted, sources: Sequence[SourceFile], problems: Sequence[Diagnostic], progress: Progress) -> Loaded:
    """Compiles what was read, now or by an earlier engine."""
    from patchlang.loading import load_sources

    named = {str(path) for path in (*wanted.hook_files, *(wanted.paths if wanted.named else ()))}
    program, found = load_sources(sources, problems, named, progress)
    at_hooks = {str(path) for path in wanted.hook_files}
    diagnostics = [_explained(d, at_hooks) for d in found]
    if program is None or has_errors(diagnostics):
        return Loaded(None, diagnostics)
    return Loaded(program, diagnostics, _half_served(program, wanted.version))


def _versions(paths: Sequence[Path]) -> list[str | None]:
    """What the link ``..data`` in each folder points to, which the kubelet swaps when a volume's content changes."""
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
    return f"{served} does not support cloud-init data, which these patches edit: {names}; use --version v1alpha3"


def _explained(diagnostic: Diagnostic, at_hooks: set[str]) -> Diagnostic:
    """Explains why a file was read as a patch, in case its author meant a script and forgot the first line."""
    if diagnostic.span is None or diagnostic.span.source.name not in at_hooks:
        return diagnostic
    why = "the file is read as a patch because it has no `#!` line"
    return replace(diagnostic, help=f"{diagnostic.help}; {why}" if diagnostic.help else why)
