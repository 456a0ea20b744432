"""CEL's methods that make long strings and lists of short ones; what they make is counted first."""

from __future__ import annotations

from .evaluation import now


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """CEL's ``replace``: all occurrences, or the first ``limit``."""
    found = text.count(old) if limit < 0 else min(limit, text.count(old))
    now().make(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, limit)


def split(text: str, between: str, limit: int = -1) -> list[str]:
    """CEL's ``split``: all parts, or ``limit`` of them, the last being the rest; empty text splits characters."""
    if limit == 0:
        return []
    parts = text.count(between) + (1 if between else 0)
    now().copy(parts if limit < 0 else min(parts, limit))
    if between:
        return text.split(between, limit - 1 if limit > 0 else -1)
    whole = len(text) if limit < 0 else min(limit, len(text))
    return [*text[: whole - 1], text[whole - 1 :]] if whole else [""]
