"""Where the paths of an incomplete edit start and lead, according to libvirt's grammar."""

from __future__ import annotations

from collections.abc import Sequence

from ...compile import BUILT_IN_NAMESPACES
from ...document import model
from ...document.model import Role
from ...grammar.axes import Places, ancestors_of, owners_of, parents_of, unique
from ...grammar.fragments import check as check_fragment
from ...grammar.index import versions
from ...grammar.places import unfolding
from ...grammar.xpaths import Dialect, answer
from ...lint.effort import Effort
from ...lint.roles import SELECTING, declared
from .computed import filled
from .outline import Mapping, Node, Scalar
from .outline import Sequence as ListNode
from .slots import Edit, Slot
from .view import said

_EFFORT = 200_000
"""How many places to look at: enough for any realistic path, within a tenth of a second."""
_BESIDE = (model.Position.BEFORE.value, model.Position.AFTER.value)


class Ground:
    """The grammar, for one cursor. If a path is too expensive to follow, a method raises SpentError."""

    def __init__(self, root: Mapping, libvirt: str | None) -> None:
        self.unfolding = unfolding(libvirt or versions()[-1])
        self.dialect = Dialect(self.unfolding, tuple({**BUILT_IN_NAMESPACES, **_own(root)}.items()), Effort(_EFFORT))

    @property
    def document(self) -> Places:
        return (self.unfolding.document,)

    def leads(self, path: str, start: Places) -> Places:
        """The places that a path leads to."""
        return answer(filled(path), start, self.dialect).places

    def start(self, edits: Sequence[Edit]) -> Places:
        """Where relative paths of the last edit start: at the nodes of the enclosing edit, or else the document."""
        return self.matched(edits[:-1]) if len(edits) > 1 else self.document

    def matched(self, edits: Sequence[Edit]) -> Places:
        """The nodes that the last edit works on."""
        return self._paths(edits, *SELECTING) or self.start(edits)

    def made(self, edits: Sequence[Edit]) -> Places:
        """The nodes that the last edit creates by a path; if it creates none, the nodes that it works on."""
        found = self._texts(edits[-1], Role.MAKES)
        start = self.matched(edits)
        return unique(place for path in found for place in self.leads(path, start)) or start

    def parents(self, edits: Sequence[Edit]) -> Places:
        """The places of the elements in the last edit's fragment."""
        goal = self._paths(edits, Role.GOAL) or self.matched(edits)
        return parents_of(goal) if self._is_beside(edits[-1]) else goal

    def owners(self, edits: Sequence[Edit]) -> Places:
        """Where ``unless`` and ``xpath()`` start."""
        return owners_of(self.matched(edits)) if edits else self.document

    def anchors(self, edits: Sequence[Edit]) -> Places:
        """Where ``at`` starts: at any parent of a new node."""
        parents = self.parents(edits)
        built = [
            place
            for xml in self._texts(edits[-1], Role.INSERTS, Role.MERGES)
            for places in check_fragment(filled(xml), parents, self.dialect).places.values()
            for place in places
        ]
        return ancestors_of(unique(built) or self.made(edits))

    def named(self, edits: Sequence[Edit], name: str) -> Places:
        """The elements with a name, or ``parent/name``, that the last edit's fragment may have."""
        above, _, local = name.rpartition("/")
        found = [one for place in self.parents(edits) for one in self.unfolding.named_below(place, local)]
        return unique(one for one in found if not above or (one.parent and one.parent.name == above))

    # -- what is written -------------------------------------------------------------------------------------------

    def _paths(self, edits: Sequence[Edit], *roles: Role) -> Places:
        start = self.start(edits) if edits else self.document
        found = self._texts(edits[-1], *roles) if edits else []
        return unique(place for path in found for place in self.leads(path, start))

    def _texts(self, edit: Edit, *roles: Role) -> list[str]:
        if edit.cls is None:
            return []
        keys = [one.key for one in declared(edit.cls) if one.role in roles]
        return [text for key in keys if (text := said(edit.node.get(key)))]

    def _is_beside(self, edit: Edit) -> bool:
        """As :func:`patchlang.lint.roles.is_beside`."""
        if edit.cls is None:
            return False
        roles = {one.role for one in declared(edit.cls) if edit.node.get(one.key) is not None}
        if roles & {Role.MAKES, Role.MERGES}:
            return False
        if Role.COPIES in roles and Role.GOAL not in roles:
            return True
        return Role.REPLACES in roles or any(text in _BESIDE for text in self._texts(edit, Role.POSITION))


def at(root: Node | None, *path: str) -> Node | None:
    """The node at a path of keys."""
    for key in path:
        root = root.get(key) if isinstance(root, Mapping) else None
    return root


def _own(root: Mapping) -> dict[str, str]:
    """The prefixes that a patch declares."""
    declared = at(root, "spec", "namespaces")
    return {one.key: said(one.value) for one in declared.entries} if isinstance(declared, Mapping) else {}


def variables(slot: Slot) -> list[tuple[str, str]]:
    """The variables of a patch, name and expression, as far as they are written."""
    found = at(slot.root, "spec", "variables")
    items = found.items if isinstance(found, ListNode) else ()
    return [
        (said(one.get("name")), said(one.get("expression")))
        for one in items
        if isinstance(one, Mapping) and isinstance(one.get("name"), Scalar)
    ]
