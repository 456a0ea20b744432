"""Completion and hover in a text of a patch: a path, an expression, XML, a pointer, or a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...document import model
from ...document.model import Role
from ...domain.directives import PREFIX, start_tags
from ...grammar.axes import Places
from ...lint.effort import SpentError
from ...lint.roles import declared as declared_fields
from ...patchtest.model import XPathExpectation
from . import elements, expressions, pointers, xpaths
from .computed import around, filled
from .expressions import Known
from .ground import Ground, at, variables
from .model import Completions, Hover, Item
from .outline import Mapping, Node, Scalar
from .outline import Sequence as ListNode
from .slots import ANY, Edit, Slot
from .spot import Spot
from .view import said

_PATHS = (model.XPath, model.ConstructivePath, model.QName)
_TEMPLATES = (model.Template, model.ComputedName, model.Fragment, model.ConstructivePath, model.Pointer)


class TextAt:
    """A cursor in a text of the patch. ``libvirt`` and ``kubevirt`` as in the settings."""

    def __init__(self, slot: Slot, spot: Spot, libvirt: str | None, kubevirt: str | None) -> None:
        self.slot = slot
        self.spot = spot
        self.kubevirt = kubevirt
        self.ground = Ground(slot.root, libvirt)
        self.edits: Sequence[Edit] = slot.edits

    # -- answers ---------------------------------------------------------------------------------------------------

    def complete(self) -> Completions:
        """The completions at the cursor."""
        try:
            return self._complete()
        except SpentError:
            return self.spot.offer((), self.spot.at, self.spot.at)

    def hover(self) -> Hover | None:
        """The hover text at the cursor."""
        try:
            return self._hover()
        except SpentError:
            return None

    def _complete(self) -> Completions:
        spot, hint = self.spot, self.slot.hint
        if (code := self.code()) is not None:
            if (path := self._path_in(code)) is not None:
                return xpaths.complete(path, path.text, self._owners(), self.ground, self._names())
            return expressions.complete(code, self.known())
        text = filled(spot.text)
        if role(self.slot) is Role.NAME:
            return xpaths.complete_name(spot, self.ground.matched(self.edits), self.ground)
        if hint in _PATHS:
            return xpaths.complete(spot, text, self._context(), self.ground, self._names())
        if hint is model.Fragment:
            return elements.complete(spot, text, self.ground.parents(self.edits), self.ground)
        if hint is model.Pointer:
            return pointers.complete(spot, self._target())
        return spot.offer(xpaths.words(self._valued()), 0, len(spot.text.rstrip()))

    def _hover(self) -> Hover | None:
        spot, hint = self.spot, self.slot.hint
        if (code := self.code()) is not None:
            if (path := self._path_in(code)) is not None:
                return xpaths.hover(path, path.text, self._owners(), self.ground, self._names())
            return expressions.hover(code, self.known())
        text = filled(spot.text)
        if hint in _PATHS:
            return xpaths.hover(spot, text, self._context(), self.ground, self._names())
        if hint is model.Fragment:
            return elements.hover(spot, text, self.ground.parents(self.edits), self.ground)
        if hint is model.Pointer:
            return pointers.hover(spot, self._target())
        places = self._valued()
        return spot.say(xpaths.about(places), 0, len(spot.text.rstrip())) if places else None

    # -- CEL -------------------------------------------------------------------------------------------------------

    def code(self) -> Spot | None:
        """The cursor in the expression that contains it, if any."""
        spot, hint = self.spot, self.slot.hint
        if hint is model.Expression:
            return spot
        if hint not in _TEMPLATES and hint is not ANY:
            return None
        if (piece := around(spot.text, spot.at)) is not None:
            return spot.part(piece.start, piece.end)
        if hint is model.Fragment and PREFIX in spot.text:
            here = elements.find(filled(spot.text), spot.at)
            if here is not None and here.kind == "value" and here.attribute.startswith(PREFIX):
                return spot.part(here.start, here.end)
        return None

    def _path_in(self, code: Spot) -> Spot | None:
        """The path of ``xpath('…')`` that contains the cursor."""
        found = expressions.in_text(code)
        return code.part(found.start, found.end) if found is not None and found.function == "xpath" else None

    def known(self) -> Known:
        """What expressions see at the cursor."""
        spec = self.slot.root.get("spec")
        facts = at(spec, "facts")
        declared: list[str] = []
        if isinstance(facts, Mapping):
            env, files = facts.get("env"), facts.get("files")
            listed = [said(one) for one in env.items] if isinstance(env, ListNode) else [said(env)]
            declared += [f"env.{name}" for name in listed if name]
            declared += [f"files.{name}" for name in files.keys] if isinstance(files, Mapping) else []
        known = tuple(variables(self.slot))
        names: set[str] = {"vmi"}
        names |= {"variables"} if known else set()
        names |= {"facts"} if declared else set()
        loop = self._loop()
        names |= {"item", "index"} if loop is not None else set()
        in_domain = self.edits and self.edits[0].union is model.DomainEdit
        if self.edits:
            names |= {"cloudInit"} if not in_domain else {"node"} if self._has_node() else set()
        elif isinstance(spec, Mapping) and spec.get("domain") is None:
            names |= {"cloudInit"}
        return Known(self.kubevirt, known, tuple(declared), loop, frozenset(names), "cloudInit" not in names)

    def _has_node(self) -> bool:
        """Whether the expression is computed at each matched node."""
        if len(self.edits) > 1 or self.slot.hint is model.ConstructivePath:
            return True
        return role(self.slot) in (Role.VALUE, Role.INSERTS, Role.MERGES)

    def _loop(self) -> str | None:
        """The list that ``item`` comes from."""
        loops = [said(edit.node.get("forEach")) for edit in self.edits]
        if self.slot.key == "forEach":
            loops = loops[:-1]
        if self.slot.hint is model.Fragment and PREFIX in self.spot.text:
            text = filled(self.spot.text)
            loops += [
                self.spot.text[one.value_start : one.value_end]
                for tag in start_tags(text)
                for one in tag.directives
                if one.name == "forEach" and one.value_end < self.spot.at
            ]
        found = [loop for loop in loops if loop]
        return found[-1] if found else None

    def _names(self) -> dict[str, str]:
        """The variables of XPath."""
        found = dict(variables(self.slot))
        if self._loop() is not None:
            found |= {"item": "the item of the loop", "index": "the number of the item, from 0"}
        return found

    def variable(self) -> str | None:
        """The name of the variable at the cursor."""
        code = self.code()
        if code is not None and (path := self._path_in(code)) is None:
            return expressions.variable_at(code)
        spot = self.spot if code is None else path
        if spot is None or (code is None and self.slot.hint not in _PATHS):
            return None
        return xpaths.variable_at(spot, filled(spot.text), self.ground)

    # -- places ----------------------------------------------------------------------------------------------------

    def _owners(self) -> Places:
        return self.ground.owners(self.edits)

    def _context(self) -> Places:
        """Where a path starts, according to the role of its field."""
        slot, ground, edits = self.slot, self.ground, self.edits
        if not edits:
            return ground.document
        match role(slot):
            case Role.MAKES:
                return ground.matched(edits)
            case Role.AT:
                return ground.anchors(edits)
            case Role.KEYS:
                return ground.named(edits, slot.keys[0]) if slot.keys else ()
            case None:
                return ground.owners(edits)
            case _:
                return ground.start(edits)

    def _valued(self) -> Places:
        """The place whose text it becomes."""
        slot = self.slot
        if self.edits and role(slot) is Role.VALUE and self.edits[0].union is model.DomainEdit:
            return self.ground.made(self.edits)
        if slot.cls is XPathExpectation and slot.key in ("equals", "contains") and isinstance(slot.marked, Scalar):
            holder = slot.marked.owner
            holder = holder if isinstance(holder, Mapping) else holder.owner if holder is not None else None
            path = said(holder.get("xpath")) if isinstance(holder, Mapping) else ""
            return self.ground.leads(path, self.ground.document) if path else ()
        return ()

    # -- cloud-init ------------------------------------------------------------------------------------------------

    def _target(self) -> str:
        return target(self.slot)


def target(slot: Slot) -> str:
    """What the pointer of an edit or of an expectation points into."""
    holder = slot.edits[-1].node if slot.edits else slot.marked.owner
    return said(holder.get("target")) or "cloudInitData" if isinstance(holder, Mapping) else "cloudInitData"


def declared(slot: Slot, name: str) -> Node | None:
    """Where a variable of the patch is named."""
    found = at(slot.root, "spec", "variables")
    for one in found.items if isinstance(found, ListNode) else ():
        if isinstance(one, Mapping) and said(one.get("name")) == name:
            return one.get("name")
    return None


def may_be_key(slot: Slot) -> bool:
    """Whether a text in a value of cloud-init data may become the first key of a map: it has its own line."""
    marked = slot.marked
    if slot.hint is not ANY or not isinstance(marked, Scalar) or marked.style or marked.entry is None:
        return False
    return "\n" in marked.source[marked.entry.end : marked.start]


def keys_below(slot: Slot) -> Iterator[Item]:
    """The keys that a map in the value of an edit may have."""
    edit = slot.edits[-1] if slot.edits else None
    if edit is not None and edit.union is model.CloudInitEdit:
        entries = slot.mapping.entries if slot.mapping is not None else ()
        written = {one.key for one in entries if one is not slot.marked}
        for item in pointers.below(target(slot), said(edit.node.get("path")), slot.keys):
            if item.label not in written:
                yield item


def key_below(slot: Slot, key: str) -> str:
    """A description of the key; empty if it is unknown."""
    return next((item.detail for item in keys_below(slot) if item.label == key), "")


def role(slot: Slot) -> Role | None:
    """The role of the field at a cursor in its edit; None for fields of every edit."""
    edit = slot.edits[-1] if slot.edits else None
    if edit is None or edit.cls is None:
        return Role.ASKS if slot.key in ("path", "from", "in") else None
    return next((one.role for one in declared_fields(edit.cls) if one.key == slot.key), None)
