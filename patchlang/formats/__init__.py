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
FORMATS = {
    "text": "Text", "json": "Json", "github": "GitHub", "gitlab": "GitLab", "sarif": "Sarif", "junit": "JUnit"
}  # fmt: skip
# what people read: it may be told to leave its summary out
_QUIET = ("text", "github")


def make(form: str, stream: TextIO, *, colour: bool = False, quiet: bool = False) -> Format:
    """The form of that name, which alone is loaded. ``colour`` is for text; ``quiet``: findings without a summary."""
    options = {"quiet": quiet} if form in _QUIET else {}
    if form == "text":
        options["colour"] = colour
    made: Format = getattr(import_module(f".{form}", __name__), FORMATS[form])(stream, **options)
    return made
