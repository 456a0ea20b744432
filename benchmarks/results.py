"""The results of a run: rows with their bounds, curves, and the machine it ran on; to JSON and back."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """Median and minimum of several measurements."""

    median: float
    minimum: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(_short(statistics.median(values)), _short(min(values)), len(values))


def _short(value: float) -> float:
    """Six significant digits: anything more is noise."""
    return float(f"{value:.6g}")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, ``against`` another or on its own.

    ``reach`` is the upper bound for the ratio of the medians (for the figure itself, if nothing is compared). Without
    ``ours`` nothing could be measured, and ``note`` says why.
    """

    what: str
    unit: str
    ours: Figure | None
    against: str = ""
    theirs: Figure | None = None
    reach: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians."""
        return self.ours.median / self.theirs.median if self.ours and self.theirs else None

    @property
    def ratio_of_minima(self) -> float | None:
        return self.ours.minimum / self.theirs.minimum if self.ours and self.theirs else None

    @property
    def met(self) -> bool | None:
        """Whether the bound is met; None if there is no bound, or nothing was measured."""
        if self.reach is None or self.ours is None:
            return None
        return (self.ours.median if self.ratio is None else self.ratio) <= self.reach


@dataclass(frozen=True, slots=True)
class Curve:
    """How time grows with a number of things. ``points`` are pairs of the number and the minimum milliseconds."""

    name: str
    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def exponent(self) -> float:
        """The slope at the end, where fixed costs matter least, over at least the last factor of four: 1 is linear."""
        last, milliseconds = self.points[-1]
        before = max((point for point in self.points if point[0] * 4 <= last), default=self.points[0])
        return _short(math.log(milliseconds / before[1]) / math.log(last / before[0]))


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where the time or the memory goes: parts, and the amount of each in ``unit``."""

    title: str
    unit: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The results of one module of :mod:`benchmarks.groups`. ``about`` describes the method in a sentence or two."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    commit: str
    date: str
    machine: dict[str, str]
    seconds: float
    groups: tuple[Group, ...]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        data = json.loads(path.read_text())
        return cls(**{**data, "groups": tuple(_group(group) for group in data["groups"])})


def _group(data: dict[str, Any]) -> Group:
    rows = tuple(Row(**{**row, "ours": _figure(row["ours"]), "theirs": _figure(row["theirs"])}) for row in data["rows"])
    curves = tuple(Curve(c["name"], c["label"], tuple((n, ms) for n, ms in c["points"])) for c in data["curves"])
    breakdowns = tuple(
        Breakdown(b["title"], b["unit"], tuple((name, value) for name, value in b["parts"])) for b in data["breakdowns"]
    )
    return Group(**{**data, "rows": rows, "curves": curves, "breakdowns": breakdowns})


def _figure(data: dict[str, Any] | None) -> Figure | None:
    return None if data is None else Figure(**data)
