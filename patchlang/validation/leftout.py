"""What is skipped in folders: what git ignores, and what the user excludes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from ..record import field, record
from .globs import Glob, decides, read_globs

_MOST_BYTES = 1024 * 1024


@record
class Exclusion:
    """Patterns as in .gitignore, and the folder (an absolute path) that they are relative to."""

    folder: str
    globs: tuple[Glob, ...]


def excluding(folder: str, patterns: Iterable[str]) -> Exclusion:
    """An exclusion from patterns that are relative to a folder."""
    return Exclusion(os.path.abspath(folder), read_globs(patterns))


@record(frozen=False)
class LeftOut:
    """What to skip; ``count`` counts the skipped files and folders.

    ``git``: applies .gitignore files and .git/info/exclude within a repository. A user's own git
    configuration does not count: the same files are checked for everyone.
    """

    exclusions: Sequence[Exclusion] = ()
    git: bool = True
    count: int = 0
    _files: dict[str, tuple[Glob, ...]] = field(default_factory=dict, repr=False)
    _chains: dict[str, tuple[Exclusion, ...]] = field(default_factory=dict, repr=False)

    def excludes(self, path: str, *, is_folder: bool) -> bool:
        """Whether the user excludes it, directly or through a parent folder."""
        place = os.path.abspath(path)
        if any(_excluded(one, place, is_folder) for one in self.exclusions):
            self.count += 1
            return True
        return False

    def leaves_out(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """Whether to skip an entry of a searched folder. Called for folders before their entries."""
        place = os.path.join(os.path.abspath(folder), name)
        out = any(_meant(one, place, is_folder) for one in self.exclusions) or (
            self.git and self._ignored(place, is_folder)
        )
        self.count += out
        return out

    def _ignored(self, place: str, is_folder: bool) -> bool:
        for one in reversed(self._chain(os.path.dirname(place))):
            decided = decides(one.globs, _names(one.folder, place), is_folder=is_folder)
            if decided is not None:
                return decided
        return False

    def _chain(self, folder: str) -> tuple[Exclusion, ...]:
        """What ignores entries of a folder, the nearest last; empty outside a repository."""
        if (known := self._chains.get(folder)) is not None:
            return known
        top = os.path.lexists(os.path.join(folder, ".git"))
        parent = os.path.dirname(folder)
        if top:
            above: tuple[Exclusion, ...] = (Exclusion(folder, self._read(_exclude_file(folder), follow=True)),)
        else:
            above = () if parent == folder else self._chain(parent)
        chain = above
        if above:
            chain = (*above, Exclusion(folder, self._read(os.path.join(folder, ".gitignore"))))
        self._chains[folder] = chain
        return chain

    def _read(self, path: str, *, follow: bool = False) -> tuple[Glob, ...]:
        """The patterns in a file; empty if it cannot be read. A .gitignore that is a link is ignored, as in git."""
        if not follow and os.path.islink(path):
            return ()
        try:
            if not os.path.isfile(path):
                return ()
            with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
                return read_globs(file.read(_MOST_BYTES).split("\n"))
        except OSError:
            return ()


def _exclude_file(repository: str) -> str:
    """A repository's ``info/exclude``: for a linked worktree or a submodule, where its .git file points."""
    place = os.path.join(repository, ".git")
    if os.path.isfile(place):
        place = os.path.join(repository, _line(place).removeprefix("gitdir:").strip())
        common = _line(os.path.join(place, "commondir"))
        place = os.path.join(place, common)
    return os.path.join(place, "info", "exclude")


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline(4096).strip()
    except OSError:
        return ""


def _names(folder: str, place: str) -> list[str]:
    """The names from a folder to a place in it; empty if it is not inside."""
    prefix = folder.rstrip("/") + "/"
    return place.removeprefix(prefix).split("/") if place.startswith(prefix) else []


def _meant(exclusion: Exclusion, place: str, is_folder: bool) -> bool:
    names = _names(exclusion.folder, place)
    return bool(names) and decides(exclusion.globs, names, is_folder=is_folder) is True


def _excluded(exclusion: Exclusion, place: str, is_folder: bool) -> bool:
    """Whether it, or a folder on the way to it, is excluded."""
    names = _names(exclusion.folder, place)
    return any(
        decides(exclusion.globs, names[:depth], is_folder=is_folder or depth < len(names)) is True
        for depth in range(1, len(names) + 1)
    )
