"""Which rules apply: by id (PL301), id prefix (PL3), or name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from .. import rules
from ..diagnostics import Diagnostic, Rule
from ..record import record

ALL = "PL"
_OPTIONAL = ("PL3", "PL7", "PL8", "PL9")


@cache
def known_rules() -> dict[str, str]:
    """The names of all rules by id, in order."""
    found = {value.id: value.slug for value in vars(rules).values() if isinstance(value, Rule)}
    return dict(sorted(found.items()))


def selectors() -> list[str]:
    """What can be written for rules, except id prefixes."""
    return [*known_rules(), *known_rules().values()]


def meant(selector: str) -> str | None:
    """The id, or the id prefix, that a selector stands for; None if it matches no rule."""
    by_name = {name: id for id, name in known_rules().items()}
    written = by_name.get(selector.lower(), selector.upper())  # no name begins like an id
    return written if written.startswith(ALL) and any(id.startswith(written) for id in known_rules()) else None


def can_be_left_out(selector: str) -> bool:
    """Whether all rules with an id, or an id prefix, can be skipped: the sidecar refuses none of them."""
    return all(id.startswith(_OPTIONAL) for id in known_rules() if id.startswith(selector))


@record
class Selection:
    """Rule ids and id prefixes. The longest match for a rule wins, and ``ignore`` wins a tie.

    What the sidecar itself refuses is always reported.
    """

    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()

    def has(self, rule: str) -> bool:
        """Whether findings of a rule, by its id, count."""
        return not rule.startswith(_OPTIONAL) or _longest(self.select, rule) > _longest(self.ignore, rule)

    def of(self, found: Iterable[Diagnostic]) -> list[Diagnostic]:
        """The findings that count."""
        return [diagnostic for diagnostic in found if self.has(diagnostic.rule.id)]


def _longest(selectors: Iterable[str], rule: str) -> int:
    return max((len(one) for one in selectors if rule.startswith(one)), default=0)
