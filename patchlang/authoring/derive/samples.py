"""Samples: a domain or cloud-init data before and after a hook, and the VMI that the hook was given."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from ...record import record
from . import trees
from .meaning import meaning
from .telling import texts_in
from .trees import Element


@record(slots=False, eq=False)
class Sample:
    """``name`` is for people; ``vmi`` is JSON.

    ``any_order``: the order of elements with different names does not count.

    What a script does to the whole domain does not count as its purpose: dropping all comments, or sorting elements.
    """

    name: str
    before: bytes
    after: bytes
    vmi: bytes = b"{}"
    is_domain: bool = True
    any_order: bool = False

    @cached_property
    def document(self) -> dict[str, Any]:
        """The VMI."""
        found = json.loads(self.vmi)
        return found if isinstance(found, dict) else {}

    @cached_property
    def drops_comments(self) -> bool:
        """Whether there were comments before and none after: Python's ElementTree drops all of them."""
        return self.is_domain and b"<!--" in self.before and b"<!--" not in self.after

    @cached_property
    def roots(self) -> tuple[Element, Element]:
        """The domains before and after. Raises PatchError."""
        return self.tree(self.before), self.tree(self.after)

    @cached_property
    def reorders(self) -> bool:
        """Whether the hook reorders the elements of the domain, or their order does not count."""
        return self.any_order or (
            self.is_domain and trees.is_reordered(trees.parse(self.before), trees.parse(self.after))
        )

    @cached_property
    def texts(self) -> str:
        """Everything in the VMI, and before and after the hook. Raises PatchError."""
        vmi = json.dumps(self.document, ensure_ascii=False)
        if self.is_domain:
            return vmi + "".join(map(texts_in, self.roots))
        return "".join((vmi, *(_laid_out(meaning(data)).decode() for data in (self.before, self.after))))

    def tree(self, data: bytes) -> Element:
        root = trees.parse(data)
        if self.drops_comments:
            trees.without_comments(root)
        if self.reorders:
            trees.in_order(root)
        return root

    def differences(self, found: bytes) -> str:
        """The difference between a patch's result and the hook's, as a diff; empty if there is none."""
        from ...diffs import diff

        if found == self.after:
            return ""
        if not self.is_domain:
            made, seen = meaning(found), meaning(self.after)
            return "" if made == seen else diff(_laid_out(seen), _laid_out(made), "seen", "made")
        made, seen = self.tree(found), self.roots[1]
        if trees.form(made) == trees.form(seen):
            return ""
        return diff(trees.shown(seen), trees.shown(made), "seen", "made") or "comments or namespaces differ\n"


def _laid_out(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, default=str, ensure_ascii=False) + "\n").encode()
