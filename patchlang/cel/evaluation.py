"""Of the expression that is being evaluated: its values, its text, and what it has used of its budgets."""

from __future__ import annotations

from contextvars import ContextVar

from ..record import record
from ..run_scope import Bindings

# of all ranges that one expression makes: in a loop each of them costs memory until the expression has its value
MAX_RANGES = 100_000
# CEL builds the outcome of `map` and `filter` by copying it for every entry: n entries cost about 16 n² bytes
MAX_SQUARED = 1_500_000
# of all lists that one expression has copied by `slice`, `reverse` and `sort`, or that `split` makes, as of ranges
MAX_ENTRIES = 200_000
# of all texts that one expression makes by `replace`
MAX_MADE = 2 << 20
# of all texts that one expression searches by regular expressions, and of what comes of it
MAX_SEARCHED = 2 << 20


@record(frozen=False)
class Evaluation:
    """What the functions of ours share in one evaluation. What counts says so before it makes anything."""

    bindings: Bindings
    source: str
    squared: int = 0
    ranges: int = 0
    entries: int = 0
    searched: int = 0
    made: int = 0

    def range(self, count: int) -> None:
        """Counts the numbers of a range. Raises ValueError."""
        self.ranges += count
        if self.ranges > MAX_RANGES:
            raise ValueError(f"range: more than {MAX_RANGES} numbers in one expression")

    def square(self, size: int) -> bool:
        """Counts a list whose every entry costs as much as the list is long. Raises ValueError."""
        self.squared += size * size
        if self.squared > MAX_SQUARED:
            most = int(MAX_SQUARED**0.5)
            text = f"too many entries: at most about {most} in one expression"
            raise ValueError(f"map, filter, sortBy, distinct: {text}")
        return True

    def copy(self, size: int) -> bool:
        """Counts a list that is copied once. Raises ValueError."""
        self.entries += size
        if self.entries > MAX_ENTRIES:
            raise ValueError(f"slice, reverse, sort, split: more than {MAX_ENTRIES} entries in one expression")
        return True

    def make(self, characters: int) -> None:
        """Counts text that is made of other texts. Raises ValueError."""
        self.made += characters
        if self.made > MAX_MADE:
            raise ValueError(f"replace: more than {MAX_MADE} characters in one expression")

    def search(self, characters: int) -> bool:
        """Counts text that regular expressions read or make. Raises ValueError."""
        self.searched += characters
        if self.searched > MAX_SEARCHED:
            text = f"regular expressions read or make more than {MAX_SEARCHED} characters in one expression"
            raise ValueError(f"capture, regex: {text}")
        return True


_now: ContextVar[Evaluation] = ContextVar("_now")
now = _now.get


class evaluating:  # noqa: N801 (a context manager, as contextlib has them)
    """Within it, functions see these bindings for the expression ``source``, and the budgets are fresh."""

    __slots__ = ("_before", "_evaluation")

    def __init__(self, bindings: Bindings, source: str) -> None:
        self._evaluation = Evaluation(bindings, source)

    def __enter__(self) -> None:
        self._before = _now.set(self._evaluation)

    def __exit__(self, *_: object) -> None:
        _now.reset(self._before)
