"""Convert GitHub's Markdown to the site generator's: links, lists, tables, fences.

The documents are written for GitHub. The generator's parser (Python-Markdown) differs in a few points: the content of a
list item is indented by four, a list needs a blank line above it, and a table keeps the backslash of an escaped pipe in
code. If a comment for the tests names a file, that name becomes the title of the example.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"( *)```(.*)$")
_ITEM = re.compile(r"( *(?:[-*]|\d+\.) +)\S")
_CODE = re.compile(r"(``.*?``|`[^`]*`)", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FILE = re.compile(r"^<!-- file: (\S+) -->$")
_COMMENT = re.compile(r" *<!-- .*? -->")


def convert(text: str, target_of: Callable[[str], str]) -> str:
    """A page in the generator's Markdown. ``target_of`` gives the new target of each link."""
    lines: list[str] = []
    prose: list[str] = []
    in_fence = False
    for line in _indented(text.split("\n")):
        fence = _FENCE.match(line)
        if not in_fence and not fence:
            prose.append(line)
            continue
        named = _FILE.match(prose[-1]) if prose else None
        lines += _prose(prose, target_of)
        prose = []
        lines.append(_head(fence, named[1] if named else None) if fence and not in_fence else line)
        in_fence = in_fence != bool(fence)
    return "\n".join([*lines, *_prose(prose, target_of)])


def _indented(lines: list[str]) -> Iterator[str]:
    """Indent the content of list items by four columns per level."""
    columns: list[int] = []  # the column where the content of each open item starts
    previous = ""
    fenced = False
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        if line.strip() and not fenced:
            while columns and indent < columns[-1]:
                columns.pop()
        shifted = line[columns[-1] :] if columns else line
        item = None if fenced else _ITEM.match(line)
        if item and not columns and previous.strip() and not _ITEM.match(previous) and not previous.startswith(" "):
            yield ""
        yield "    " * len(columns) + shifted if line.strip() else ""
        if item:
            columns.append(len(item[1]))
        if _FENCE.match(line):
            fenced = not fenced
        previous = line


def _head(fence: re.Match[str], file: str | None) -> str:
    """A fence with a title: the file named in a comment, or the file of ``yaml wrong domain.xml`` on a rule's page."""
    language, *words = fence[2].split() or [""]
    name = file or next((word for word in words if "." in word), None)
    title = f' title="{name}"' if name else ""
    return f"{fence[1]}```{language}{title}"


def _prose(lines: list[str], target_of: Callable[[str], str]) -> list[str]:
    if not lines:
        return []
    parts = _CODE.split(_COMMENT.sub("", "\n".join(lines)))
    for at, part in enumerate(parts):
        if at % 2:
            parts[at] = part.replace("\\|", "|")
        else:
            parts[at] = _LINK.sub(lambda found: f"]({target_of(found[1])})", part)
    return "".join(parts).split("\n")
