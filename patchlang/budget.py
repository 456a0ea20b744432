"""What a run makes, in bytes of memory, counted before it is made and limited in total.

The weights are what Python and libxml2 need, rounded up. Whatever computes a value holds it, and whatever changes the
domain keeps it, so that ops need not count.
"""

from __future__ import annotations

from collections.abc import Callable

from . import rules
from .diagnostics import fail
from .source import Span

LIMIT = 16 << 20
ELEMENT = 1024
"""A new element in the domain: its node, what is known about it, and its markup."""
BUILT = 256
"""An element that is built but not yet in the domain."""
TOUCHED = 1024
"""The original of an input element before its first change."""
CHILD = 128
"""The original of a child whose parent's content changes."""
CHANGE = 256
"""What is recorded about a change."""
WRITTEN = 4
"""A character of text in the domain, and in its serialized form."""


class Budget:
    """The budget of one run. Raises PatchError (PL413) before the limit is exceeded."""

    def __init__(self) -> None:
        self.kept = 0
        self.held = 0

    def check(self, size: int, place: Callable[[], Span] | None = None) -> None:
        """Checks whether it would fit. ``place`` is for the error; the default is the edit."""
        left = LIMIT - self.kept - self.held
        if size > left:
            rest = f"{max(left, 0):,} of the {LIMIT:,} that a run may create"
            message = f"this creates {size:,} bytes, but only {rest} are left"
            help = "select fewer nodes, write less to each, or compute shorter values"
            raise fail(rules.LIMIT, message, place and place(), help)

    def hold(self, size: int, place: Callable[[], Span] | None = None) -> None:
        """For what is freed with the edit, or with the variables of the document."""
        if size > LIMIT - self.kept - self.held:
            self.check(size, place)
        self.held += size

    def keep(self, size: int) -> None:
        """For what stays until the end of the run."""
        if size > LIMIT - self.kept - self.held:
            self.check(size)
        self.kept += size

    def passing(self) -> _Passing:
        """What is held inside is released at the end."""
        return _Passing(self)


class _Passing:
    """Not a generator, which costs more: every edit and every list item has one."""

    __slots__ = ("_before", "_budget")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._before = budget.held

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._budget.held = self._before
