"""The expression that is being evaluated: its values, its text, and how much of its budgets it has used."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ..record import field, record
from ..run_scope import Bindings

# total of all ranges that one expression makes: in a loop each uses memory until the expression is done
MAX_RANGES = 100_000
# CEL copies the result of `map` and `filter` for every entry: n entries cost about 16 n² bytes
MAX_SQUARED = 1_500_000
# total of all lists that one expression copies with `slice`, `reverse` and `sort`, or makes with `split`
MAX_ENTRIES = 200_000
# total of all text that one expression makes with `replace`
MAX_MADE = 2 << 20
# total of all text that one expression searches with regular expressions, and of the results
MAX_SEARCHED = 2 << 20


@record(frozen=False)
class Evaluation:
    """What our functions share in one evaluation. They count before they make anything."""

    bindings: Bindings
    source: str
    squared: int = 0
    ranges: int = 0
    entries: int = 0
    searched: int = 0
    made: int = 0
    given: list[list[Any] | dict[Any, Any]] = field(default_factory=list)

    def give(self, result: Any) -> Any:
        """A function's result for the library, which never frees it: a list or map is given as a copy to be emptied."""
        if isinstance(result, (list, dict)):
            result = result.copy()
            self.given.append(result)
        return result

    def range(self, count: int) -> None:
        """Counts the numbers of a range. Raises ValueError."""
        self.ranges += count
        if self.ranges > MAX_RANGES:
            raise ValueError(f"range: more than {MAX_RANGES} numbers in one expression")

    def square(self, size: int) -> bool:
        """Counts a list for which every entry costs as much as the whole list. Raises ValueError."""
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
        """Counts text that is made from other text. Raises ValueError."""
        self.made += characters
        if self.made > MAX_MADE:
            raise ValueError(f"replace: more than {MAX_MADE} characters in one expression")

    def search(self, characters: int) -> bool:
        """Counts text that regular expressions read or make. Raises ValueError."""
        self.searched += characters
        if self.searched > MAX_SEARCHED:
            text = f"regular expressions read or write more than {MAX_SEARCHED} characters in one expression"
            raise ValueError(f"capture, regex: {text}")
        return True


_now: ContextVar[Evaluation] = ContextVar("_now")
now = _now.get


class evaluating:  # noqa: N801 (a context manager, named like those in contextlib)
    """Inside it, functions see these bindings for the expression ``source``, and the budgets start fresh."""

    __slots__ = ("_before", "_evaluation")

    def __init__(self, bindings: Bindings, source: str) -> None:
        self._evaluation = Evaluation(bindings, source)

    def __enter__(self) -> None:
        self._before = _now.set(self._evaluation)

    def __exit__(self, *_: object) -> None:
        _now.reset(self._before)
        for given in self._evaluation.given:
            given.clear()
