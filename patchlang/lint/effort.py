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
    message = f"the checks against {against} stop here: the paths so far match too many places"
    help = "start searches (`//`, `*`) at named elements, or split the patches into several folders"
    return Diagnostic(rules.COSTLY_XPATH, message, edit.span, help, Severity.ADVICE, patch.metadata.name.text)
