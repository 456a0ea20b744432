"""Texts of patch files to a program: decoded and compiled; collects all errors of all files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from . import rules
from .compile import Program, compile_program
from .diagnostics import Diagnostic, PatchError, has_errors, in_order
from .document import model, yamltree
from .document.decode import decode
from .files import read_sources
from .record import record
from .result import Progress
from .source import SourceFile, Span

if TYPE_CHECKING:
    from pathlib import Path


@record
class Loaded:
    """``files`` are the patch files found; ``program`` is None if there is none, or if a diagnostic is an error.

    ``sources`` are their texts, if a caller wants them afterwards.
    """

    files: tuple[Path, ...]
    program: Program | None
    diagnostics: tuple[Diagnostic, ...]
    sources: tuple[SourceFile, ...] = ()


def load(files: Sequence[Path]) -> Loaded:
    """Read and compile patch files, which must be regular files."""
    program, diagnostics = load_sources(*read_sources(files))
    return Loaded(tuple(files), program, diagnostics)


def load_sources(
    sources: Sequence[SourceFile],
    found: Sequence[Diagnostic] = (),
    named: Collection[str] = (),
    progress: Progress | None = None,
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Compile patch texts; ``found`` are already known errors. ``progress`` is called for each file and patch.

    Returns no program if there is an error or no text. Folders may contain test files as well as patches. But if all
    texts together, or one of those in ``named``, contain no patch, that is an error (PL010).
    """
    patches: list[model.Patch] = []
    tests: list[SourceFile] = []
    diagnostics = list(found)
    for source in sorted(sources, key=lambda s: (s.name.rsplit("/", 1)[-1], s.name)):
        if progress is not None:
            progress("", Span(source, 0, 0))
        decoded, wrong = decode_source(source)
        patches += decoded
        diagnostics += wrong
        if not decoded and not wrong:
            tests.append(source)
    is_empty = not patches and not has_errors(diagnostics)
    diagnostics += (_only_tests(source) for source in tests if is_empty or source.name in named)
    program, errors = compile_program(patches, progress)
    diagnostics += errors
    if not sources or has_errors(diagnostics):
        program = None
    return program, in_order(diagnostics)


def decode_source(source: SourceFile) -> tuple[list[model.Patch], list[Diagnostic]]:
    """The patches of one file and its problems; its tests (``kind: PatchTest``) are skipped."""
    try:
        roots = yamltree.parse(source)
    except PatchError as e:
        return [], [e.diagnostic]
    if not roots:
        return [], [
            Diagnostic(
                rules.NO_DOCUMENT,
                "the file contains no patch document",
                Span(source, 0, 0),
                f"start with `apiVersion: {model.API_VERSION}` and `kind: Patch`",
            )
        ]
    patches: list[model.Patch] = []
    errors: list[Diagnostic] = []
    for root in roots:
        if is_test(root):
            continue
        patch, wrong = decode(root)
        errors += wrong
        if patch is not None:
            patches.append(patch)
    return patches, errors


def is_test(root: yamltree.Node) -> bool:
    """Whether a document is a patch test rather than a patch."""
    kind = root.get("kind") if isinstance(root, yamltree.Mapping) else None
    return isinstance(kind, yamltree.Scalar) and kind.text == "PatchTest"


def _only_tests(source: SourceFile) -> Diagnostic:
    return Diagnostic(
        rules.NO_PATCH_FILE,
        "the file contains only tests (kind: PatchTest), no patch",
        Span(source, 0, 0),
        "pass the file with the patches (kind: Patch) that they test",
    )
