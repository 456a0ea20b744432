"""A run as text for a terminal and as the page in the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .results import Breakdown, Figure, Group, Results, Row

HEADER = ("what", "against", "median", "minimum", "other's median", "ratio", "of minima", "bound", "")
_INTRODUCTION = """\
# Performance

`make bench` generates this page from one run, whose raw figures are in [results.json](../benchmarks/results.json). Do
not edit it: a test checks the page against the figures.

"""
_HOW_TO_READ = """\
## How to read it

- **Ratios are the result.** Times depend on the machine and give the scale. A ratio compares medians from one run, in
  rounds that run everything once in a newly shuffled order (the seed is fixed), after a warm-up. Next to it is the
  ratio of the minima, which a busy machine affects least: if the two differ much, run the benchmark again on a quiet
  machine.
- **Bound** is the maximum for the ratio, or if nothing is compared, for the median itself. `met` and `MISSED` say
  whether it holds; rows without a bound show where time and memory go.
- The comparisons do not hide anything: hooks run in our own sidecar's fallback and alone, and the minimum cost of gRPC
  has its own row.
- Anything that needs root and control groups of version 1 (the sidecar's limits) says `not measured` elsewhere.

`make bench BENCH="engine call"` runs only some of the groups and prints them, without writing a file.

"""
MACHINE = {"processor": "processor", "cores": "cores", "python": "Python", "kernel": "kernel", "libraries": "libraries"}


def terminal(group: Group) -> str:
    """The rows of a group in columns."""
    lines = [list(HEADER), *(_cells(row) for row in group.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    padded = [[f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)] for line in lines]
    laid_out = ["  ".join(cells).rstrip() for cells in padded]
    for breakdown in group.breakdowns:
        laid_out += ["", f"{breakdown.title} ({breakdown.unit})"]
        laid_out += [f"  {value:>9.4g}  {name}" for name, value in breakdown.parts]
    return "\n".join([f"== {group.title}", *laid_out, ""])


def summary(results: Results) -> str:
    """How many bounds were met, and which were not."""
    judged = [(group, row) for group in results.groups for row in group.rows if row.met is not None]
    missed = [f"  {group.title}: {row.what}{_versus(row)}" for group, row in judged if not row.met]
    unmeasured = [row.what for group in results.groups for row in group.rows if row.ours is None]
    lines = [f"{len(judged) - len(missed)} of {len(judged)} bounds met" + (", missed:" if missed else ""), *missed]
    return "\n".join(lines + [f"not measured: {what}" for what in unmeasured])


def _versus(row: Row) -> str:
    return f", against {row.against}" if row.against else ""


def page(results: Results, plot: str) -> str:
    """The whole page; ``plot`` is the name of the image next to it."""
    facts = "".join(f"| {label} | {results.machine[key]} |\n" for key, label in MACHINE.items())
    taken = f"| commit | `{results.commit}` |\n| date | {results.date} |\n| duration | {results.seconds:.0f} s |\n"
    parts = [_INTRODUCTION, f"| | |\n|---|---|\n{taken}{facts}\n", summary(results).split(", missed")[0] + ".\n\n"]
    parts.append(_HOW_TO_READ)
    for group in results.groups:
        parts += _section(group, plot)
    return "".join(parts).rstrip() + "\n"


def _section(group: Group, plot: str) -> Iterable[str]:
    yield f"## {group.title}\n\n{group.about}\n\n"
    yield f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}\n"
    for row in group.rows:
        cells = _cells(row)
        yield "| " + " | ".join([*cells[:-1], f"**{cells[-1]}**" if cells[-1] == "MISSED" else cells[-1]]) + " |\n"
    yield "\n"
    if group.curves:
        yield f"![time by size of the domain and number of edits, documents, and matches]({plot})\n\n"
    for breakdown in group.breakdowns:
        yield _list(breakdown)


def _list(breakdown: Breakdown) -> str:
    total = sum(value for _, value in breakdown.parts) or 1.0
    rows = "".join(f"| {name} | {value:.4g} | {value / total:.0%} |\n" for name, value in breakdown.parts)
    return f"{breakdown.title}:\n\n| | {breakdown.unit} | share |\n|---|---|---|\n{rows}\n"


def _cells(row: Row) -> list[str]:
    judged = {None: "", True: "met", False: "MISSED"}[row.met]
    if row.ours is None:
        return [row.what, row.against, "", "", "", "", "", _reach(row), row.note]
    return [
        row.what,
        row.against,
        f"{_number(row.ours.median)} {row.unit}",
        _number(row.ours.minimum),
        _number(row.theirs.median) if isinstance(row.theirs, Figure) else "",
        _ratio(row.ratio),
        _ratio(row.ratio_of_minima),
        _reach(row),
        " ".join(filter(None, (judged, f"({row.note})" if row.note else ""))),
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} ×"


def _reach(row: Row) -> str:
    if row.reach is None:
        return ""
    return f"≤ {row.reach:g} ×" if row.theirs else f"≤ {_number(row.reach)} {row.unit}"


def write(results: Results, figures: Path, page_path: Path, plot_path: Path, plot: str) -> None:
    """Write the three files of a run."""
    results.write(figures)
    plot_path.write_text(plot)
    page_path.write_text(page(results, plot_path.name))
