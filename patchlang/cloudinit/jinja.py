"""Jinja in user data: a value that a patch computes stays text there, and never becomes something the guest runs.

What the guest renders is compared before and after an edit. Each piece of Jinja must have been there before, or be
spelled out in the patch itself; however a computed value gets in, it cannot open, close or extend one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..diagnostics import PatchError
from ..patterns import pattern
from .archive import Archive
from .userdata import USER_DATA, Opened, guarded, read_parts, unwrapped
from .userformat import detect, refused

if TYPE_CHECKING:
    from . import archive, mime

BEGIN = pattern(r"\{[{%#]")
_PIECES = {
    "{{": pattern(r"\{\{(?:[^'\"}]++|'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"|\}(?!\}))*+\}\}", 16),
    "{%": pattern(r"\{%(?:[^'\"%]++|'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"|%(?!\}))*+%\}", 16),
    "{#": pattern(r"\{#(?:[^#]++|#(?!\}))*+#\}"),
}
_HELP = (
    "write the Jinja in the patch itself, and compute text without `{{`, `{%` and `{#`; `copy` and `move` keep "
    "existing Jinja"
)


def pieces(text: str) -> Iterator[str]:
    """Everything in a text that Jinja interprets; an unclosed piece extends to the end."""
    at = 0
    while found := BEGIN.search(text, at):
        whole = _PIECES[found[0]].match(text, found.start())
        if whole is None:
            yield text[found.start() :]
            return
        yield whole[0]
        at = whole.end()


def check_value(opened: Opened, new: Any, own: Iterable[str]) -> None:
    """Whether an edit may write that value. ``own``: the text of the patch. Raises PatchError (PL411)."""
    if opened.jinja:
        _check(opened.value, new, own)
    elif isinstance(new, list):
        _check(opened.value, _templates(Archive(new, opened.write).parts), own)


def check_text(before: str, new: Any, own: Iterable[str]) -> None:
    """Whether an edit may write user data, or part of it, as that text. Raises PatchError (PL411)."""
    if isinstance(new, str) and (templates := _templates_of(new)):
        _check([before, *_templates_of(before)], templates, own)


def _check(before: Any, new: Any, own: Iterable[str]) -> None:
    added = _pieces_of(new) - _pieces_of(before)
    if added and not added <= {piece for text in own for piece in pieces(text)}:
        raise refused(
            f"{USER_DATA} is a Jinja template, and this edit computes part of its Jinja, which the guest would run",
            _HELP,
        )


def _templates_of(text: str) -> list[str]:
    """All Jinja templates in user data, as far as it can be read."""
    with suppress(PatchError):
        inner = unwrapped(text).text
        found = detect(inner)
        if found.jinja:
            return [inner]
        holder = read_parts(inner, found)
        return _templates(holder.parts) if holder else []
    return []


def _templates(parts: Iterable[mime.Part | archive.Part]) -> list[str]:
    found = []
    for part in parts:
        with suppress(PatchError):
            if detect(text := guarded(part.text)).jinja:
                found.append(text)
    return found


def _pieces_of(data: Any) -> set[str]:
    return {piece for text in _texts(data) for piece in pieces(text)}


def _texts(data: Any) -> Iterator[str]:
    """The strings in JSON types, including keys."""
    pending = [data]
    while pending:
        match pending.pop():
            case str(text):
                yield text
            case dict(members):
                pending += [*members, *members.values()]
            case list(items):
                pending += items
