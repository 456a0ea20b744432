"""Report formats, one per module. Each is created for a stream, gets the files in order, and then a final call."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, TextIO

from ..validation.report import Checked, Totals


class Format(Protocol):
    """Writes a report to a stream."""

    def add(self, file: Checked) -> None:
        """The next file with its findings; its name is empty for findings without a place."""

    def finish(self, totals: Totals) -> None:
        """All files have been reported."""


# format → the class in the module of that name
FORMATS = {
    "text": "Text", "json": "Json", "github": "GitHub", "gitlab": "GitLab", "sarif": "Sarif", "junit": "JUnit"
}  # fmt: skip
# formats for people, which can omit the summary
_QUIET = ("text", "github")


def make(form: str, stream: TextIO, *, colour: bool = False, quiet: bool = False) -> Format:
    """The format of that name; only its module is loaded. ``colour`` is for text; ``quiet``: no summary."""
    options = {"quiet": quiet} if form in _QUIET else {}
    if form == "text":
        options["colour"] = colour
    made: Format = getattr(import_module(f".{form}", __name__), FORMATS[form])(stream, **options)
    return made
