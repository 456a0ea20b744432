"""Kubernetes label selectors: ``app=web,tier!=db,zone in (a,b),!canary`` (pkg/labels of apimachinery)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..patterns import pattern
from ..record import record

_EQUAL = pattern(r"([\w./-]++)[ \t]*+(==|=|!=)[ \t]*+([\w.-]*+)", re.ASCII)
_IN = pattern(r"([\w./-]++)[ \t]++(in|notin)[ \t]*+\(([\w., \t-]*+)\)", re.ASCII)
_EXISTS = pattern(r"(!?)[ \t]*+([\w./-]++)", re.ASCII)


class SelectorError(ValueError):
    """Text that is not a selector; the message says which part is wrong."""


@record
class Requirement:
    """One part. ``values`` are those that match, or with ``negated`` do not; None: any."""

    key: str
    negated: bool
    values: tuple[str, ...] | None

    def fits(self, labels: Mapping[str, object]) -> bool:
        if self.key not in labels:
            return self.negated
        is_there = self.values is None or labels[self.key] in self.values
        return is_there != self.negated


@record
class Selector:
    """The requirements for labels: each of the parts."""

    parts: tuple[Requirement, ...]

    def fits(self, labels: Mapping[str, object]) -> bool:
        return all(part.fits(labels) for part in self.parts)


def parse(text: str) -> Selector:
    """Raises SelectorError."""
    return Selector(tuple(_requirement(part) for part in _parts(text)))


def _parts(text: str) -> list[str]:
    """The text split at commas outside parentheses; an empty one has no parts."""
    parts: list[str] = []
    start = depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [part.strip() for part in (*parts, text[start:])] if text.strip() else []


def _requirement(part: str) -> Requirement:
    if found := _EQUAL.fullmatch(part):
        return Requirement(found[1], found[2] == "!=", (found[3],))
    if found := _IN.fullmatch(part):
        values = tuple(value.strip() for value in found[3].split(","))
        return Requirement(found[1], found[2] == "notin", values)
    if found := _EXISTS.fullmatch(part):
        return Requirement(found[2], found[1] == "!", None)
    raise SelectorError(f"`{part}` is not a label selector, such as `app=web`, `tier in (a,b)` or `!canary`")
