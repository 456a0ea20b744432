"""The rules in a comment that ignores findings: ``# patchlang: ignore[PL301] reason``."""

from __future__ import annotations

from ... import handbook
from ...patterns import pattern
from ...validation.ignores import can_be_ignored
from .model import Completions, Hover, Item, Kind

_IGNORE = pattern(r"(?<!\S)#[ \t]*patchlang:[ \t]*ignore[ \t]*\[([^\]\n]*)")
_ID = pattern(r"[^\s,]+")


def complete(text: str, at: int) -> Completions | None:
    """The rules that can be ignored; None if no rule can be named at the cursor."""
    found = _word(text, at)
    if found is None:
        return None
    rules = (rule for rule in handbook.all_rules().values() if can_be_ignored(rule.id))
    return Completions(tuple(rule_item(rule.id) for rule in rules), *found)


def hover(text: str, at: int) -> Hover | None:
    """The page of the rule at the cursor."""
    found = _word(text, at)
    return rule_page(text[slice(*found)], *found) if found is not None else None


def rule_item(rule: str) -> Item:
    """A rule as something to write."""
    return Item(rule, Kind.RULE, rule, handbook.page(handbook.all_rules()[rule]).summary)


def rule_page(rule: str, start: int, end: int) -> Hover | None:
    """The page of a rule; None if there is none of this name."""
    known = handbook.find_rule(rule)
    return Hover(handbook.page(known).text, start, end) if known is not None else None


def _word(text: str, at: int) -> tuple[int, int] | None:
    """Start and end of the word at the cursor, in the brackets of such a comment."""
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    found = _IGNORE.search(text, start, len(text) if end < 0 else end)
    if found is None or not found.start(1) <= at <= found.end(1):
        return None
    words = (word.span() for word in _ID.finditer(text, *found.span(1)))
    return next((span for span in words if span[0] <= at <= span[1]), (at, at))
