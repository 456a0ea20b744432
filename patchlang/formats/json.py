"""For programs: one JSON object, described in ``docs/validate.md``. ``version`` changes with its fields."""

from __future__ import annotations

import json
from typing import Any, TextIO

from .. import __version__
from ..diagnostics import Diagnostic
from ..record import fields
from ..source import Position, Span
from ..validation.report import Checked, Totals

VERSION = 1


class Json:
    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.files: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []

    def add(self, file: Checked) -> None:
        if file.held.name:
            held = file.held
            counts = {"patches": held.patches, "machines": held.machines, "tests": held.tests}
            self.files.append({"path": held.name, **counts})
        self.findings += [finding(diagnostic) for diagnostic in file.diagnostics]

    def finish(self, totals: Totals) -> None:
        report = {
            "version": VERSION,
            "tool": {"name": "patchlang", "version": __version__},
            "summary": {field.name: getattr(totals, field.name) for field in fields(totals)},
            "files": self.files,
            "findings": self.findings,
        }
        json.dump(report, self.out, indent=2)
        self.out.write("\n")


def finding(diagnostic: Diagnostic) -> dict[str, Any]:
    """A finding as JSON, without place if it has none."""
    return {
        "rule": diagnostic.rule.id,
        "name": diagnostic.rule.slug,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "patch": diagnostic.patch,
        "manifest": diagnostic.manifest,
        **(_place(diagnostic.span) if diagnostic.span else {}),
        "related": [{**_place(span), "message": text} for span, text in diagnostic.related],
    }


def _place(span: Span) -> dict[str, Any]:
    return {"path": span.source.name, "start": _position(span.begin), "end": _position(span.finish)}


def _position(position: Position) -> dict[str, int]:
    return {"line": position.line, "column": position.column}
