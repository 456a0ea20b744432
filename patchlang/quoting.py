"""What a message may quote: decided here and in :mod:`patchlang.domain.provenance`, and nowhere else.

- What the patch files hold literally.
- The names of elements, attributes and keys that came with the input. A name that an edit made of a value is a value.
- Values of the domain that no edit wrote, where a path compares them, unless a name around them says secret.
- No other value: of the VMI, of cloud-init data, or that an edit wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from .patterns import pattern

# in names, and in texts that name something, as in `<entry name="password">`
SECRET = pattern(r"passw|passphrase|secret|token|credential|(?:api|access|private).?key", re.IGNORECASE)

_LONGEST = 1000
"""What is longer is no name: a regular expression of it would take a hundred times its memory."""


class Names:
    """The names that messages of a run may hold: those in the text of its ``patches``, and the keys of its ``inputs``.

    Both are looked at when a message needs them: most runs have none.
    """

    def __init__(self, patches: Iterable[str] = (), inputs: Callable[[], Iterable[Any]] = tuple) -> None:
        self._patches = tuple(dict.fromkeys(patches))
        self._inputs = inputs

    @cached_property
    def _keys(self) -> frozenset[str]:
        found: set[str] = set()
        pending = list(self._inputs())
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                found.update(map(str, value))
                pending += value.values()
            elif isinstance(value, list):
                pending += value
        return frozenset(found)

    def known(self, name: str) -> bool:
        if name in self._keys:
            return True
        if len(name) > _LONGEST:
            return False
        whole = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return any(name in text and whole.search(text) for text in self._patches)

    def of(self, names: Iterable[str]) -> list[str]:
        """Those of the names that may be quoted."""
        return [name for name in names if self.known(name)]


NO_NAMES = Names()


class AllNames(Names):
    """Where values are shown on purpose, as in the failures of tests."""

    def known(self, name: str) -> bool:
        return True
