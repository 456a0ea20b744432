"""How much the checks of a patch set look at: all of it is bounded, whatever the patches say."""

from __future__ import annotations

from .. import rules
from ..diagnostics import Diagnostic, Severity
from ..document import model

_MOST = 3_000_000


class SpentError(Exception):
    """Nothing is left of an effort."""


class Effort:
    """What is left to look at, in places that a step may lead to."""

    def __init__(self, most: int = _MOST) -> None:
        self.most = self.left = most

    def spend(self, amount: int) -> None:
        """Raises SpentError where that is too much."""
        self.left -= amount
        if self.left < 0:
            raise SpentError


def unfinished(patch: model.Patch, edit: model.Edit, against: str) -> Diagnostic:
    """The advice in place of what is found no more."""
    message = f"the checks against {against} end here: the paths so far lead to too many places"
    help = "say with names where searches (`//`, `*`) begin, or validate the patches in several folders"
    return Diagnostic(rules.COSTLY_XPATH, message, edit.span, help, Severity.ADVICE, patch.metadata.name.text)
