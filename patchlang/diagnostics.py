"""Findings as data: what is wrong, where, and what to do about it.

A user's mistake never crosses a module boundary as an uncaught exception: stages collect
:class:`Diagnostic` values; :class:`PatchError` carries one out of a deep call to the stage that collects it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

from .record import record
from .source import Span


class Severity(Enum):
    """The severity of a finding: an ``ERROR`` stops the work, a ``WARNING`` and ``ADVICE`` do not."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@record
class Rule:
    """A kind of finding. ``id`` is stable (``PL`` and three digits), ``slug`` its readable name."""

    id: str
    slug: str


@record
class Diagnostic:
    """One finding. ``help`` says what to write instead, ``related`` are other relevant places.

    ``edit`` names the edit if its number matters, as in a JSON Patch; ``manifest`` the Kubernetes object that
    contains it.
    """

    rule: Rule
    message: str
    span: Span | None = None
    help: str | None = None
    severity: Severity = Severity.ERROR
    patch: str | None = None
    related: tuple[tuple[Span, str], ...] = ()
    edit: str | None = None
    manifest: str | None = None

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        """``file:line:column: error[PL201 bad-xpath] message``, on one line."""
        where = f"{self.span}: " if self.span else ""
        return f"{where}{self.severity.value}[{self.rule.id} {self.rule.slug}] {self.message}{self.origin}"

    @property
    def origin(self) -> str:
        """`` (patch NAME, EDIT; MANIFEST)``, as far as known, to append to the message."""
        edit = f", {self.edit}" if self.edit else ""
        patch = f"patch {self.patch}{edit}" if self.patch else ""
        known = "; ".join(filter(None, (patch, self.manifest)))
        return f" ({known})" if known else ""


class PatchError(Exception):
    """Carries one diagnostic to the stage that collects it."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


def fail(rule: Rule, message: str, span: Span | None = None, help: str | None = None) -> PatchError:
    """The exception for one error, to be raised by the caller."""
    return PatchError(Diagnostic(rule, message, span, help))


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by file, place, rule and message; those without a place come first."""

    def key(d: Diagnostic) -> tuple[str, int, str, str]:
        return (d.span.source.name if d.span else "", d.span.start if d.span else -1, d.rule.id, d.message)

    return tuple(sorted(diagnostics, key=key))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(d.is_error for d in diagnostics)


_MOST_COMPARED, _LONGEST_COMPARED = 1000, 200
_LEAST_LIKE = 0.6


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name``, or None if none is close enough to be a typo."""
    from difflib import SequenceMatcher

    by_lower = {c.lower(): c for c in known}
    written = name.lower()
    if written in by_lower:
        return by_lower[written]
    if len(by_lower) > _MOST_COMPARED or len(name) > _LONGEST_COMPARED:
        return None  # comparing takes long, and a patch may have thousands of errors
    matcher, letters = SequenceMatcher(b=written), _letters(written)
    best, nearest = _LEAST_LIKE, ""
    for one in by_lower:
        # an upper bound for the matching characters: finding the exact number takes long
        theirs, both = _letters(one), len(one) + len(written)
        alike = min(len(one) - (theirs & ~letters).bit_count(), len(written) - (letters & ~theirs).bit_count())
        if 2 * alike < best * both:
            continue
        matcher.set_seq1(one)
        if matcher.quick_ratio() >= best:
            best, nearest = max((best, nearest), (matcher.ratio(), one))
    return by_lower.get(nearest)


@lru_cache(maxsize=4096)
def _letters(text: str) -> int:
    """The characters of a text as bits; some share a bit."""
    bits = 0
    for character in text:
        bits |= 1 << (ord(character) & 63)
    return bits


def did_you_mean(name: str, known: Iterable[str], what: str = "known") -> str:
    """A help line for an unknown name: the closest one, otherwise all of them in the given order."""
    candidates = list(known) if isinstance(known, (list, tuple)) else sorted(known)
    near = closest(name, candidates)
    if near is not None:
        return f"did you mean `{near}`?"
    shown = ", ".join(candidates[:20]) + (", …" if len(candidates) > 20 else "")
    return f"{what}: {shown}" if candidates else f"{what}: none"
