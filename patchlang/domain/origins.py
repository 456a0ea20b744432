"""The origins of what edits wrote, for reports that show an expression in place of its value.

A run does not need this; a caller that does gives the tree an :class:`Origins` before the first edit.
"""

from __future__ import annotations

from ..record import field, record
from .index import Element

Place = tuple[Element, str | None]
"""An attribute of an element by its Clark name, or (None) the text before its first child."""


@record(frozen=False)
class Origins:
    """``computed`` are the places with computed values, and their source: ``cache-$[ item ]``.

    ``copies`` are copies and everything in them, with their originals in the domain.
    """

    computed: dict[Place, str] = field(default_factory=dict)
    copies: dict[Element, Element] = field(default_factory=dict)

    def wrote(self, node: Element, attribute: str | None, written: str | None) -> None:
        """A value was written; ``written`` is None if it is not computed."""
        if written is None:
            self.computed.pop((node, attribute), None)
        else:
            self.computed[node, attribute] = written

    def handed_on(self, node: Element, attribute: str | None, to: Element) -> None:
        """A value was written that was built for another node."""
        self.wrote(to, attribute, self.computed.get((node, attribute)))

    def built_as(self, node: Element, new: Element) -> None:
        """``new`` is a copy of a built element, which is written instead."""
        for old, copied in zip(node.iter(), new.iter(), strict=True):
            for attribute in (None, *map(str, old.keys())):
                if (written := self.computed.get((old, attribute))) is not None:
                    self.computed[copied, attribute] = written

    def copied(self, node: Element, new: Element) -> None:
        """``new`` is a copy of an element of the domain."""
        self.built_as(node, new)
        self.copies.update(zip(new.iter(), node.iter(), strict=True))
