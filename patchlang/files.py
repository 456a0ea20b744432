"""Patch files on disk: found, told from lookalikes, and read. This module does not know what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFSOCK, S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from . import rules
from .diagnostics import Diagnostic, PatchError, fail
from .source import SourceFile, Span

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 256 * 1024
_ENDINGS = (".yaml", ".yml")
_SHOWN = 5
_NO_FILE = {
    S_IFDIR: "it is a directory",
    S_IFIFO: "it is a named pipe",
    S_IFSOCK: "it is a socket",
    S_IFCHR: "it is a device",
    S_IFBLK: "it is a device",
}


def find_patch_files(
    paths: Sequence[Path], *, required: bool, streams: bool = False
) -> tuple[list[Path], list[Diagnostic]]:
    """The patch files that the paths name: files as they are, and the ``*.yaml`` and ``*.yml`` of folders by name.

    Other files in a folder, hidden files and subfolders are skipped next to patch files. A path that does not
    exist, or an empty folder, is an error if ``required``. Always errors:

    - an empty directory in a folder, or named like a patch file: the kubelet creates one if a volume's ``subPath``
      names a key that the ConfigMap lacks (PL010);
    - a folder with files or folders but no patch file (PL010);
    - what is named as, or named like, a patch file and is not a regular file after following links (PL001); with
      ``streams`` a named path may be a pipe or a device.

    Names that begin with ``..`` are the kubelet's own and are ignored, and so is a file system's ``lost+found``.
    """
    found: list[Path] = []
    errors: list[Diagnostic] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
            if S_ISDIR(mode) and not (_is_called_patch(path) and any(path.iterdir())):
                files, wrong = _patch_files_in(path, required=required or _is_called_patch(path))
                found += files
                errors += wrong
            elif S_ISREG(mode) or (streams and not S_ISDIR(mode)):
                found.append(path)
            else:
                errors.append(_irregular(path, mode))
        except FileNotFoundError:
            if required or path.is_symlink():
                errors.append(unreadable(path, "does not exist"))
        except (OSError, ValueError) as e:
            errors.append(unreadable(path, reason_of(e)))
    return list(dict.fromkeys(found)), list({error.message: error for error in errors}.values())


def _patch_files_in(folder: Path, *, required: bool) -> tuple[list[Path], list[Diagnostic]]:
    """The patch files of a folder, and its errors. Raises OSError if it cannot be listed."""
    found: list[Path] = []
    others: list[str] = []
    errors: list[Diagnostic] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("..") or path.name == "lost+found":
            continue
        try:
            mode = path.stat().st_mode
            if S_ISDIR(mode) and not any(path.iterdir()):
                errors.append(empty_directory(path))
            elif not _is_called_patch(path):
                others.append(f"{path.name}/" if S_ISDIR(mode) else path.name)
            elif S_ISREG(mode):
                found.append(path)
            else:
                errors.append(_irregular(path, mode))
        except OSError as e:
            if _is_called_patch(path):
                errors.append(unreadable(path, reason_of(e)))
            else:
                others.append(path.name)
    if not found and not errors and (others or required):
        errors.append(_no_patch_file(folder, others) if others else empty_directory(folder))
    return found, errors


def _is_called_patch(path: Path) -> bool:
    return path.suffix in _ENDINGS and not path.name.startswith(".")


def irregular(path: Path) -> Diagnostic | None:
    """The finding for what is neither a regular file nor a directory (PL001)."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return None if S_ISREG(mode) or S_ISDIR(mode) else _irregular(path, mode)


def _irregular(path: Path, mode: int) -> Diagnostic:
    what = _NO_FILE.get(S_IFMT(mode), "it is not a regular file")
    return unreadable(path, what, "a patch file must be a regular file, or a link to one")


def reason_of(error: OSError | ValueError) -> str:
    """Why a file cannot be read, in words."""
    return getattr(error, "strerror", None) or str(error)


def unreadable(path: Path | str, reason: str, help: str = "check the path and its permissions") -> Diagnostic:
    """The finding for a file or folder that cannot be read (PL001)."""
    return Diagnostic(rules.UNREADABLE, f"`{path}` cannot be read: {reason}", None, help)


def empty_directory(path: Path | str) -> Diagnostic:
    """The finding for an empty directory where a patch file should be (PL010)."""
    return Diagnostic(
        rules.NO_PATCH_FILE,
        f"`{path}` is an empty directory, but should be a patch file",
        None,
        "the kubelet creates one if the ConfigMap has no such key: check `key` in the annotation "
        "hooks.kubevirt.io/hookSidecars, and the keys of the ConfigMap",
    )


def _no_patch_file(folder: Path, others: Sequence[str]) -> Diagnostic:
    shown = ", ".join(f"`{name}`" for name in others[:_SHOWN])
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return Diagnostic(
        rules.NO_PATCH_FILE,
        f"`{folder}` contains no patch file (*.yaml or *.yml, not hidden), only {shown}{more}",
        None,
        "patch files end in .yaml or .yml; subfolders are not searched: name each of them",
    )


def read_source(path: Path, *, regular: bool = False) -> SourceFile:
    """A file as text. Raises PatchError (PL001, PL002, PL004)."""
    return source_of(str(path), read_bytes(path, regular=regular))


def read_bytes(path: Path, *, regular: bool = False) -> bytes:
    """A file's content; if it is too large, just over the limit.

    With ``regular`` only a regular file is opened, since a pipe would wait for a writer. Raises PatchError (PL001).
    """
    try:
        mode = path.stat().st_mode
        if regular and not S_ISREG(mode):
            raise PatchError(_irregular(path, mode))
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as e:
        raise PatchError(unreadable(path, reason_of(e))) from None


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


def read_sources(files: Sequence[Path]) -> tuple[list[SourceFile], list[Diagnostic]]:
    """The texts of patch files, which must be regular files, and the errors of unreadable ones."""
    sources: list[SourceFile] = []
    errors: list[Diagnostic] = []
    for path in files:
        try:
            sources.append(read_source(path, regular=True))
        except PatchError as e:
            errors.append(e.diagnostic)
    return sources, errors
