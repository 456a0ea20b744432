"""How much the checks of a patch set look at: limited, whatever the patches say."""

from __future__ import annotations

from .. import rules
from ..diagnostics import Diagnostic, Severity
from ..document import model

_MOST = 3_000_000


class SpentError(Exception):
    """The effort is used up."""


class Effort:
    """How many more places, that a step may lead to, can be looked at."""

    def __init__(self, most: int = _MOST) -> None:
        self.most = self.left = most

    def spend(self, amount: int) -> None:
        """Raises SpentError if that is too much."""
        self.left -= amount
        if self.left < 0:
            raise SpentError


def unfinished(patch: model.Patch, edit: model.Edit, against: str) -> Diagnostic:
    """The advice instead of further findings."""
    message = f"the checks against {against} stop here: the paths so far match too many places"
    help = "start searches (`//`, `*`) at named elements, or split the patches into several folders"
    return Diagnostic(rules.COSTLY_XPATH, message, edit.span, help, Severity.ADVICE, patch.metadata.name.text)
