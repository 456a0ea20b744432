"""Forms of a report, one a module. Each is made for a stream, given the files in order, and told when all are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TextIO

from ..validation.report import Checked, Totals
from .github import GitHub
from .json import Json
from .junit import JUnit
from .sarif import Sarif
from .text import Text


class Format(Protocol):
    """Writes a report to a stream."""

    def add(self, file: Checked) -> None:
        """The next file with its findings; its name is empty for findings that have no place."""

    def finish(self, totals: Totals) -> None:
        """All files are there."""


FORMATS: dict[str, Callable[[TextIO], Format]] = {
    "text": Text,
    "json": Json,
    "github": GitHub,
    "sarif": Sarif,
    "junit": JUnit,
}
