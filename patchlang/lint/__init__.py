"""Advice: what a patch may do but probably should not. Each rule is a function whose docstring says what it finds.

The rules only see the patches, so they only say what the text tells; `patchlang test` runs them on a domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..compile import Program
from ..diagnostics import Diagnostic, in_order
from ..document import model
from .conditions import constant_condition
from .literals import unusable_literal
from .nested import distinct, flat
from .paths import costly_xpath, nested_search, positional_predicate, text_as_number
from .places import same_place, untested
from .runs import fails_again, finds_more, piles_up, unseen_guard
from .values import joined_argument, not_computed, trailing_break

__all__ = ["advise", "untested"]

# rules for one patch at a time
CHECKS: tuple[Callable[[model.Patch], Iterator[Diagnostic]], ...] = (
    positional_predicate,
    nested_search,
    costly_xpath,
    text_as_number,
    piles_up,
    fails_again,
    finds_more,
    unseen_guard,
    constant_condition,
    unusable_literal,
    not_computed,
    joined_argument,
    trailing_break,
)


def advise(patches: Sequence[model.Patch], program: Program | None) -> list[Diagnostic]:
    """All advice on the patches of a set, given in file order, except :func:`untested`, which needs the tests.

    Without a ``program`` some patch has errors; then the patches of the set are not checked against each other.
    """
    patches = [flat(patch) for patch in patches]
    found = [diagnostic for patch in patches for check in CHECKS for diagnostic in check(patch)]
    if program is not None:
        found += same_place(patches)
    return list(in_order(distinct(found)))
