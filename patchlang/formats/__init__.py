"""Forms of a report, one a module. Each is made for a stream, given the files in order, and told when all are there."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, TextIO

from ..validation.report import Checked, Totals


class Format(Protocol):
    """Writes a report to a stream."""

    def add(self, file: Checked) -> None:
        """The next file with its findings; its name is empty for findings that have no place."""

    def finish(self, totals: Totals) -> None:
        """All files are there."""


# form → the class in the module of that name
FORMATS = {"text": "Text", "json": "Json", "github": "GitHub", "sarif": "Sarif", "junit": "JUnit"}


def make(form: str, stream: TextIO) -> Format:
    """The form of that name, which alone is loaded."""
    made: Format = getattr(import_module(f".{form}", __name__), FORMATS[form])(stream)
    return made
