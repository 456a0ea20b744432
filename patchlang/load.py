"""Patch files from disk to a program: found, read, decoded, compiled; all errors of all files in one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import model, rules, yamltree
from .compile import Program, compile_program
from .decode import decode
from .diagnostics import Diagnostic, PatchError, fail, has_errors, in_order
from .record import record
from .result import Progress
from .source import SourceFile, Span

MAX_FILE_BYTES = 256 * 1024
_ENDINGS = (".yaml", ".yml")


@record
class Loaded:
    """``files`` are the patch files found; ``program`` is None where there is none, or a diagnostic is an error."""

    files: tuple[Path, ...]
    program: Program | None
    diagnostics: tuple[Diagnostic, ...]


def find_patch_files(paths: Sequence[Path], *, required: bool) -> tuple[list[Path], list[Diagnostic]]:
    """The patch files that the paths name: files as they are, of folders their ``*.yaml`` and ``*.yml`` in name order.

    Hidden entries are passed over, and with them a ConfigMap volume's ``..data``. A path that does not exist is an
    error (PL001) if ``required``.
    """
    found: list[Path] = []
    errors: list[Diagnostic] = []
    for path in paths:
        try:
            if path.is_dir():
                found += sorted(p for p in path.iterdir() if _is_patch_file(p))
            elif path.exists():
                found.append(path)
            elif required or path.is_symlink():
                errors.append(_unreadable(path, "does not exist"))
        except OSError as e:
            errors.append(_unreadable(path, e.strerror or str(e)))
    return list(dict.fromkeys(found)), errors


def _is_patch_file(path: Path) -> bool:
    return path.suffix in _ENDINGS and not path.name.startswith(".") and not path.is_dir()


def _unreadable(path: Path, reason: str) -> Diagnostic:
    return Diagnostic(
        rules.UNREADABLE, f"`{path}` cannot be read: {reason}", None, "check the path and its permissions"
    )


def read_source(path: Path, *, regular: bool = False) -> SourceFile:
    """A file as text; with ``regular`` nothing else is opened, as a pipe would wait for a writer.

    Raises PatchError (PL001, PL002, PL004).
    """
    try:
        if regular and not path.is_file():
            raise PatchError(_unreadable(path, "not a regular file"))
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as e:
        raise PatchError(_unreadable(path, e.strerror or str(e))) from None
    return source_of(str(path), data)


def source_of(name: str, data: bytes, limit: int = MAX_FILE_BYTES) -> SourceFile:
    """Bytes as source text; a byte order mark is dropped. Raises PatchError (PL002, PL004)."""
    start = Span(SourceFile(name, ""), 0, 0)
    if len(data) > limit:
        raise fail(
            rules.FILE_TOO_BIG,
            f"the file is larger than {limit // 1024:,} KiB",
            start,
            "split it into several patch files",
        )
    try:
        return SourceFile(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as e:
        before = SourceFile(name, data[: e.start].decode("utf-8", "replace"))
        at = len(before.text)
        raise fail(
            rules.NOT_UTF8, f"the file is not UTF-8 (byte {e.start})", Span(before, at, at), "save it as UTF-8"
        ) from None


def load(files: Sequence[Path]) -> Loaded:
    """Read and compile patch files, which must be regular ones."""
    program, diagnostics = load_sources(*read_sources(files))
    return Loaded(tuple(files), program, diagnostics)


def read_sources(files: Sequence[Path]) -> tuple[list[SourceFile], list[Diagnostic]]:
    """The texts of patch files, which must be regular ones, and what is wrong with those that cannot be read."""
    sources: list[SourceFile] = []
    errors: list[Diagnostic] = []
    for path in files:
        try:
            sources.append(read_source(path, regular=True))
        except PatchError as e:
            errors.append(e.diagnostic)
    return sources, errors


def load_sources(
    sources: Sequence[SourceFile], found: Sequence[Diagnostic] = (), progress: Progress | None = None
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Compile patch texts; ``found`` are errors known already. ``progress`` is told of each file and patch.

    No program where there is an error or no patch.
    """
    patches: list[model.Patch] = []
    diagnostics = list(found)
    for source in sorted(sources, key=lambda s: (s.name.rsplit("/", 1)[-1], s.name)):
        if progress is not None:
            progress("", Span(source, 0, 0))
        decoded, wrong = decode_source(source)
        patches += decoded
        diagnostics += wrong
    program, errors = compile_program(patches, progress)
    diagnostics += errors
    if not sources or has_errors(diagnostics):
        program = None
    return program, in_order(diagnostics)


def decode_source(source: SourceFile) -> tuple[list[model.Patch], list[Diagnostic]]:
    """The patches of one file and what is wrong with it; its tests (``kind: PatchTest``) are passed over."""
    try:
        roots = yamltree.parse(source)
    except PatchError as e:
        return [], [e.diagnostic]
    if not roots:
        return [], [
            Diagnostic(
                rules.NO_DOCUMENT,
                "the file holds no patch document",
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
    """Whether a document is a test of patches and no patch."""
    kind = root.get("kind") if isinstance(root, yamltree.Mapping) else None
    return isinstance(kind, yamltree.Scalar) and kind.text == "PatchTest"
