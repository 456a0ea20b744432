"""The requests of the page, as records.

The page is ours, but anyone who has its token may send anything.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from ...record import record

Json: TypeAlias = dict[str, object]

T = TypeVar("T")

MOST_PATCHES = 1000


class RequestError(Exception):
    """The request cannot be answered; the message says why."""


@record
class PatchText:
    """A patch file: its name in messages, and its content."""

    name: str
    text: str


@record
class Given:
    """The texts on the page. An empty text means that nothing is given."""

    patches: tuple[PatchText, ...]
    domain: str = ""
    vmi: str = ""
    cloud_init: str = ""
    facts: str = ""


def given(asked: Json) -> Given:
    """The texts in a request. Raises RequestError if it has another structure."""
    patches = item(asked, "patches", list)
    if len(patches) > MOST_PATCHES:
        raise RequestError(f"there are {len(patches)} patch files, but at most {MOST_PATCHES} are accepted")
    found: list[PatchText] = []
    for one in patches:
        if not isinstance(one, dict):
            raise RequestError("an entry of `patches` is not an object")
        found.append(PatchText(item(one, "name", str), item(one, "text", str)))
    if len({one.name for one in found}) < len(found):
        raise RequestError("two entries of `patches` have the same name")
    texts = (item(asked, key, str, "") for key in ("domain", "vmi", "cloudInit", "facts"))
    return Given(tuple(found), *texts)


_WORDS = {str: "a text", int: "a whole number", list: "a list"}


def item(asked: Json, key: str, kind: type[T], default: T | None = None) -> T:
    """A value of a request. Raises RequestError if it has another type, or is missing and has no default."""
    value = asked.get(key, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        problem = "is not" if key in asked else "is missing; it must be"
        raise RequestError(f"`{key}` {problem} {_WORDS[kind]}")
    return value
