"""Path patterns as in .gitignore (gitignore(5)), matched without a regular expression.

A pattern without ``/`` (except at its end) matches names at any depth, any other matches the path relative to its
folder. ``*``, ``?`` and ``[a-z]`` match within a name, ``**`` between slashes matches any folders, a
backslash escapes the next character, ``!`` reverts an earlier pattern, ``/`` at the end matches
only folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..record import record

_SEVERAL = "**"
_LONGEST = 4096
"""No path is longer; a longer pattern is ignored."""
_CLASSES = {
    "alnum": str.isalnum, "alpha": str.isalpha, "blank": " \t".__contains__, "digit": "0123456789".__contains__,
    "lower": str.islower, "space": str.isspace, "upper": str.isupper, "xdigit": "0123456789abcdefABCDEF".__contains__,
    "punct": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".__contains__,
}  # fmt: skip


@record
class Glob:
    """One pattern. ``steps`` are the parts between its slashes; ``takes_back``: what matches is included again."""

    steps: tuple[str, ...]
    takes_back: bool
    folders_only: bool
    any_depth: bool

    def matches(self, path: Sequence[str], *, is_folder: bool) -> bool:
        """Whether it matches a path, given as names relative to the pattern's folder."""
        if self.folders_only and not is_folder:
            return False
        if self.any_depth:
            return _name_matches(self.steps[0], path[-1])
        return _path_matches(self.steps, path)


def read_globs(lines: Iterable[str]) -> tuple[Glob, ...]:
    """The patterns in lines; blank lines and comments are skipped."""
    return tuple(glob for line in lines for glob in _read(line))


def _read(line: str) -> Iterator[Glob]:
    text = _without_blanks(line.removesuffix("\n").removesuffix("\r"))
    if not text or text.startswith("#") or len(text) > _LONGEST:
        return
    takes_back = text.startswith("!")
    text = text[takes_back:]
    folders_only = text.endswith("/")
    text = text[: len(text) - folders_only]
    if text:
        yield Glob(tuple(_steps(text.removeprefix("/"))), takes_back, folders_only, "/" not in text)


def _steps(text: str) -> Iterator[str]:
    """The parts between the slashes; a slash in brackets does not count."""
    start = at = 0
    while at < len(text):
        if text[at] == "/":
            yield text[start:at]
            start = at + 1
        end = _one_matches(text, at, "")[0] if text[at] in "[\\" else 0
        at = end or at + 1
    yield text[start:]


def _without_blanks(line: str) -> str:
    """Without trailing spaces, except one after a backslash."""
    bare = line.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if backslashes % 2 and bare != line else bare


def decides(globs: Sequence[Glob], path: Sequence[str], *, is_folder: bool) -> bool | None:
    """Whether a path is excluded, by the last pattern that matches it; None if none does."""
    for glob in reversed(globs):
        if glob.matches(path, is_folder=is_folder):
            return not glob.takes_back
    return None


def _path_matches(steps: Sequence[str], path: Sequence[str]) -> bool:
    """Steps against names; ``**`` matches any number of folders, and at the end at least one name."""
    if not steps[-1]:
        return False  # `a//`
    if steps[-1] == _SEVERAL and len(steps) > 1:
        steps = [*steps, "*"]  # what is inside, not the folder itself
    step = name = 0
    retry, from_name = -1, 0
    while name < len(path):
        if step < len(steps) and steps[step] == _SEVERAL:
            step += 1
            retry, from_name = step, name
        elif step < len(steps) and _name_matches(steps[step], path[name]):
            step += 1
            name += 1
        elif retry >= 0:
            from_name += 1
            step, name = retry, from_name
        else:
            return False
    return step == len(steps)


def _name_matches(pattern: str, name: str) -> bool:
    """A pattern without slashes against a name. A star that matched too little matches one more character, so the time
    is at most that of comparing each character of one with each of the other."""
    at = here = 0
    retry, from_here = -1, 0
    while here < len(name):
        if at < len(pattern) and pattern[at] == "*":
            at += 1
            retry, from_here = at, here
            continue
        end, taken = _one_matches(pattern, at, name[here]) if at < len(pattern) else (at, False)
        if taken:
            at = end
            here += 1
        elif retry >= 0:
            from_here += 1
            at, here = retry, from_here
        else:
            return False
    return not pattern[at:].strip("*")


def _one_matches(pattern: str, at: int, character: str) -> tuple[int, bool]:
    """Where the pattern continues after what is at ``at``, and whether that matches the character.

    0 if it cannot continue: unclosed or invalid brackets match nothing, nor does a backslash at the end.
    """
    match pattern[at]:
        case "?":
            return at + 1, True
        case "\\":
            return (at + 2, pattern[at + 1] == character) if at + 1 < len(pattern) else (0, False)
        case "[":
            return _in_brackets(pattern, at + 1, character)
        case literal:
            return at + 1, literal == character


def _in_brackets(pattern: str, at: int, character: str) -> tuple[int, bool]:
    """As ``_one_matches``, for what follows a ``[``."""
    is_none = pattern[at : at + 1] in ("!", "^")
    at += is_none
    first, found = at, False
    while at < len(pattern) and (pattern[at] != "]" or at == first):
        if pattern.startswith("[:", at) and (end := pattern.find(":]", at)) >= 0:
            known = _CLASSES.get(pattern[at + 2 : end])
            if known is None:
                return 0, False
            found |= known(character)
            at = end + 2
            continue
        at += pattern[at] == "\\"
        low = high = pattern[at : at + 1]
        at += 1
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            at += 1
            at += pattern[at] == "\\"
            high = pattern[at : at + 1]
            at += 1
        found |= low <= character <= high
    return (at + 1, found is not is_none) if at < len(pattern) else (0, False)
