"""What a target of the fuzzer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Parts = dict[str, bytes]
"""An input: its pieces by name, as a person would name the files."""


@dataclass(frozen=True)
class Target:
    """Something that reads input. ``share`` is its part of a run, relative to the others.

    ``make`` gives the input that a generator of random numbers leads to; ``check`` raises where a law does not hold,
    and else says what became of the input (``result`` or ``refused``). One input may take ``cpu_seconds`` of processor
    time: what is slow but not hopeless ends far below, on a busy machine too, since waiting does not count.
    ``refuses``: whether some inputs are refused, as a run is expected to show.
    """

    name: str
    share: int
    make: Callable[[Random], Parts]
    check: Callable[[Parts], str]
    cpu_seconds: float = 10
    wait_seconds: float = 120
    refuses: bool = True
