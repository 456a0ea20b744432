"""For people: each finding with its line and a caret, and a summary at the end."""

from __future__ import annotations

from typing import TextIO

from ..render import render
from ..validation.report import Checked, Totals


class Text:
    def __init__(self, out: TextIO, *, colour: bool = False, quiet: bool = False) -> None:
        self.out = out
        self.colour = colour
        self.quiet = quiet

    def add(self, file: Checked) -> None:
        self.out.write(render(file.diagnostics, colour=self.colour))

    def finish(self, totals: Totals) -> None:
        if not self.quiet:
            self.out.write(f"{summary(totals)}\n")


def summary(totals: Totals) -> str:
    """What was checked and found, in one line."""
    checked = [_count(totals.files, "file") + " checked"]
    if not totals.errors:
        checked.append(_count(totals.patches, "patch"))
        for number, what in ((totals.machines, "machine"), (totals.tests, "test")):
            if number:
                checked.append(_count(number, what))
    found = [_count(totals.errors, "error") if totals.errors else "no errors"]
    if totals.warnings:
        found.append(_count(totals.warnings, "warning"))
    if totals.advice:
        found.append(f"{totals.advice} advice")
    why = "; with --strict, warnings and advice fail too" if totals.failed and not totals.errors else ""
    templates = f"; {helm_templates(totals.templates)}" if totals.templates else ""
    return ", ".join([*checked, *found]) + why + templates


def helm_templates(number: int) -> str:
    """The note about skipped templates."""
    return f"{_count(number, 'Helm template')} not checked: pipe `helm template CHART | patchlang validate -`"


def _count(number: int, what: str) -> str:
    ending = "" if number == 1 else "es" if what.endswith("ch") else "s"
    return f"{number} {what}{ending}"
