"""What a message may quote: decided only here and in :mod:`patchlang.domain.provenance`.

- The literal content of the patch files.
- The names of input elements, attributes and keys. A name that an edit made from a value is a value.
- Values of the domain that no edit wrote, if a path compares them, unless a name around them suggests a secret.
- No other value: of the VMI, of cloud-init data, or written by an edit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from .patterns import pattern

# in names, and in text that names something, as in `<entry name="password">`
SECRET = pattern(r"passw|passphrase|secret|token|credential|(?:api|access|private).?key", re.IGNORECASE)

_LONGEST = 1000
"""Anything longer is not a name: a regular expression for it would take a hundred times its memory."""


class Names:
    """The names that a run's messages may contain: from the text of its ``patches`` and the keys of its ``inputs``.

    Both are only examined when a message needs them: most runs have none.
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
        """The names that may be quoted."""
        return [name for name in names if self.known(name)]


NO_NAMES = Names()


class AllNames(Names):
    """For values that are shown on purpose, as in test failures."""

    def known(self, name: str) -> bool:
        return True
