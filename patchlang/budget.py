"""What a run makes, in bytes of memory, counted before it is made and bounded in sum.

The weights are what Python and libxml2 take, rounded up. Whatever computes a value holds it, and whatever changes the
domain keeps it, so that no op counts by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from . import rules
from .diagnostics import fail
from .source import Span

LIMIT = 16 << 20
ELEMENT = 1024
"""An element in the domain that was not there: its node, what is known of it, and its markup."""
BUILT = 256
"""One that is built and not in the domain yet."""
TOUCHED = 1024
"""What an element of the input was before its first change."""
CHILD = 128
"""A child of an element whose content changes, as it was."""
CHANGE = 256
"""What is noted of a change."""
WRITTEN = 4
"""A character of text in the domain, and in what becomes of it."""


class Budget:
    """Of one run. Raises PatchError (PL413) before the limit is passed."""

    def __init__(self) -> None:
        self.kept = 0
        self.held = 0

    def check(self, size: int, place: Callable[[], Span] | None = None) -> None:
        """Would it fit? ``place`` is of an error; without one it is the edit."""
        left = LIMIT - self.kept - self.held
        if size > left:
            message = (
                f"this makes {size:,} bytes, but only {max(left, 0):,} of the {LIMIT:,} that a run may make are left"
            )
            help = "select fewer nodes, write less to each, or compute shorter values"
            raise fail(rules.LIMIT, message, place and place(), help)

    def hold(self, size: int, place: Callable[[], Span] | None = None) -> None:
        """For what goes with the edit, or with the variables of the document."""
        if size > LIMIT - self.kept - self.held:
            self.check(size, place)
        self.held += size

    def keep(self, size: int) -> None:
        """For what stays to the end of the run."""
        if size > LIMIT - self.kept - self.held:
            self.check(size)
        self.kept += size

    def passing(self) -> _Passing:
        """What is held within goes at its end."""
        return _Passing(self)


class _Passing:
    """Not a generator, which costs more: every edit and every item of a list has one."""

    __slots__ = ("_before", "_budget")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._before = budget.held

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._budget.held = self._before
