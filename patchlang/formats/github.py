"""For GitHub Actions: workflow commands, which show each finding at its line."""

from __future__ import annotations

from typing import TextIO

from ..diagnostics import Diagnostic, Severity
from ..render import printable
from ..validation.report import Checked, Totals
from .text import summary

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}


class GitHub:
    def __init__(self, out: TextIO, *, quiet: bool = False) -> None:
        self.out = out
        self.quiet = quiet

    def add(self, file: Checked) -> None:
        for diagnostic in file.diagnostics:
            self.out.write(command(diagnostic))

    def finish(self, totals: Totals) -> None:
        if not self.quiet:
            self.out.write(f"{summary(totals)}\n")


def command(diagnostic: Diagnostic) -> str:
    """The workflow command for a finding, with the line break."""
    properties = []
    span = diagnostic.span
    if span:
        begin, finish = span.begin, span.finish
        properties += [("file", printable(span.source.name)), ("line", begin.line), ("endLine", finish.line)]
        if begin.line == finish.line:  # GitHub only takes columns on a single line
            properties += [("col", begin.column), ("endColumn", finish.column)]
    properties.append(("title", f"{diagnostic.rule.id} {diagnostic.rule.slug}"))
    text = diagnostic.message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")
    text = "\n".join(map(printable, text.split("\n")))
    written = ",".join(f"{name}={_property(value)}" for name, value in properties)
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_data(text)}\n"


def _data(value: object) -> str:
    return str(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
