"""The definition of a fuzzer target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Parts = dict[str, bytes]
"""An input: its pieces by name, like file names that a person would choose."""


@dataclass(frozen=True)
class Target:
    """A piece of code that reads input. ``share`` is its part of a run, relative to the others.

    ``make`` builds an input from a random number generator; ``check`` raises if the input breaks a law, and otherwise
    returns its result (``result`` or ``refused``). One input may take ``cpu_seconds`` of CPU time: slow but acceptable
    inputs finish far below that, even on a busy machine, since waiting does not count. ``refuses``: whether a run is
    expected to refuse some inputs.
    """

    name: str
    share: int
    make: Callable[[Random], Parts]
    check: Callable[[Parts], str]
    cpu_seconds: float = 10
    wait_seconds: float = 120
    refuses: bool = True
