"""Curves as an SVG: one panel per curve, both axes logarithmic, with a dashed line for linear growth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from .results import Curve

PANEL_WIDTH, PANEL_HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 44
COLUMNS = 2
STYLE = """\
text { font: 11px sans-serif; fill: #333 }
.title { font-size: 13px; font-weight: bold }
.frame { fill: #fff; stroke: #999 }
.grid { stroke: #e4e4e4 }
.linear { stroke: #999; stroke-dasharray: 5 4; fill: none }
.curve { stroke: #0b62a4; stroke-width: 2; fill: none }
.point { fill: #0b62a4 }
"""


def svg(curves: Sequence[Curve]) -> str:
    """The image; the same curves give the same text."""
    rows = math.ceil(len(curves) / COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, rows * PANEL_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>\n{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, curve in enumerate(curves):
        x, y = number % COLUMNS * PANEL_WIDTH, number // COLUMNS * PANEL_HEIGHT
        lines += [f'<g transform="translate({x} {y})">', *_panel(curve), "</g>"]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(curve: Curve) -> Iterator[str]:
    across = _Axis([n for n, _ in curve.points], LEFT, PANEL_WIDTH - RIGHT)
    up = _Axis([ms for _, ms in curve.points], PANEL_HEIGHT - BOTTOM, TOP)
    yield f'<text class="title" x="{LEFT}" y="20">by {escape(curve.name)}: exponent {curve.exponent:.2f}</text>'
    yield (
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{PANEL_WIDTH - LEFT - RIGHT}" '
        f'height="{PANEL_HEIGHT - TOP - BOTTOM}"/>'
    )
    for tick in across.ticks:
        x = across.at(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{PANEL_HEIGHT - BOTTOM}"/>'
        yield f'<text x="{x:.1f}" y="{PANEL_HEIGHT - BOTTOM + 15}" text-anchor="middle">{_short(tick)}</text>'
    for tick in up.ticks:
        y = up.at(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{PANEL_WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)} ms</text>'
    middle = (LEFT + PANEL_WIDTH - RIGHT) / 2
    yield f'<text x="{middle:.0f}" y="{PANEL_HEIGHT - 10}" text-anchor="middle">{escape(curve.label)}</text>'
    last, milliseconds = curve.points[-1]
    first = max(across.low, last * up.low / milliseconds)
    linear = ((first, milliseconds * first / last), (last, milliseconds))
    yield f'<polyline class="linear" points="{_path(linear, across, up)}"/>'
    yield f'<polyline class="curve" points="{_path(curve.points, across, up)}"/>'
    for n, ms in curve.points:
        title = f"<title>{n:,.0f} {escape(curve.label)}: {ms:.3g} ms</title>"
        yield f'<circle class="point" cx="{across.at(n):.1f}" cy="{up.at(ms):.1f}" r="3">{title}</circle>'


def _path(points: Sequence[tuple[float, float]], across: _Axis, up: _Axis) -> str:
    return " ".join(f"{across.at(n):.1f},{up.at(ms):.1f}" for n, ms in points)


class _Axis:
    """A logarithmic axis over the ticks of whole decades, from ``start`` to ``end`` in the image."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low, self.high = min(values) / 1.3, max(values) * 1.3
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self._start + share * (self._end - self._start)

    @property
    def ticks(self) -> list[float]:
        """Powers of ten, or if there are few of them also twice and five times those."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        wide = math.log10(self.high / self.low) > 2
        steps = [step * 10.0**decade for decade in decades for step in ((1,) if wide else (1, 2, 5))]
        return [step for step in steps if self.low <= step <= self.high]


def _short(value: float) -> str:
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"
