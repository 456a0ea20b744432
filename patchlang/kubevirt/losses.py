"""What the domain edits of a patch write, and which of it the structs of a KubeVirt release do not know.

Paths are followed by name, as far as names tell where they lead; nothing is said about the rest. If a path may lead
to several places, one that knows a name is enough. Names count without their namespace, as KubeVirt reads them,
except those of ``qemu``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from ..document import model
from ..document.model import Role
from ..libvirt_lists import QEMU_NAMESPACE
from ..lint.effects import namespaces
from ..lint.effort import Effort
from ..lint.fragments import FragmentNode, read
from ..lint.reading import constant, filled, locations_of, steps_before_computed
from ..lint.roles import has, is_beside, parts, texts
from ..record import record
from ..source import Span, Text
from ..xpath.tree import Binary, Expr, Path, Step
from .structs import Struct


@record
class Lost:
    """Something written but unknown: ``element``, ``@attribute`` or ``text()``, in the element ``owner``."""

    span: Span
    name: str
    owner: str


@record
class StructPlace:
    """A known element or attribute (``@name``)."""

    name: str
    struct: Struct


# None: unknown place; empty: no known place
StructPlaces = Sequence[StructPlace] | None
_LEAF = Struct(["#text"])
_OF_A_RESULT = 3
"""What a place on a path accepts, next to the one being looked at."""


def lost(patch: model.Patch, edit: model.DomainEdit, domain: Struct, effort: Effort) -> list[Lost]:
    """What an edit writes that the structs do not know, in text order. Raises SpentError."""
    reader = _Reader(patch, edit, domain, effort)
    reader.read()
    return reader.found


class _Reader:
    def __init__(self, patch: model.Patch, edit: model.DomainEdit, domain: Struct, effort: Effort) -> None:
        self.patch = patch
        self.edit = edit
        self.document: StructPlaces = [StructPlace("", Struct(["domain"], lambda _kind: domain))]
        self.found: list[Lost] = []
        self.effort = effort
        self._namespaces = namespaces(patch)
        self._below: dict[tuple[int, ...], list[StructPlace]] = {}

    def read(self) -> None:
        changed = texts(self.edit, model.XPath, Role.CHANGES, Role.REPLACES, Role.RENAMES)
        goals = texts(self.edit, model.XPath, Role.GOAL) or texts(self.edit, model.XPath, Role.COPIES)
        around = goals or changed
        beside = is_beside(self.edit) or has(self.edit, Role.RENAMES)
        matched = self.paths(changed, parents=beside) if changed else self.document
        parents = self.paths(around, parents=beside) if around is not changed else matched
        made = matched
        for goal in goals:
            self.brought(goal, parents)
        for _, role, value in parts(self.edit):
            match role:
                case Role.MAKES:
                    made = self.path(steps_before_computed(value), matched, made=True)
                    made = made if constant(value) is not None else None
                case Role.INSERTS | Role.MERGES:
                    self.fragment(value, parents)
                case Role.VALUE:
                    self.value(value, made)
                case Role.NAME:
                    for path in changed:
                        self.renamed(path, value, parents)
                case (
                    Role.ASKS | Role.CHANGES | Role.REMOVES | Role.REPLACES | Role.RENAMES | Role.MOVES | Role.COPIES
                    | Role.GOAL | Role.POSITION | Role.AT | Role.KEYS | Role.ARGUMENT | Role.ONCE | Role.EDITS
                    | Role.CONDITION | Role.MESSAGE
                ):  # fmt: skip
                    pass
                case _:
                    assert_never(role)

    # -- paths -----------------------------------------------------------------------------------------------------

    def paths(self, texts: Iterable[Text], *, parents: bool) -> StructPlaces:
        """Where paths from the document lead; with ``parents``, the parent elements of that."""
        found = [self.path(text, self.document, parents=parents) for text in texts]
        return [place for places in found for place in places or ()] if None not in found else None

    def path(self, text: Text, start: StructPlaces, *, made: bool = False, parents: bool = False) -> StructPlaces:
        """Where a path leads; ``made``: predicates also name what is written."""
        paths = locations_of(text)
        found: dict[tuple[str, int], StructPlace] = {}
        for path in paths:
            ends = self.steps(text, path, start, made=made, parents=parents)
            if ends is None:
                return None
            self.effort.spend(_OF_A_RESULT * len(ends))
            found |= {(place.name, id(place.struct)): place for place in ends}
        return list(found.values()) if paths else None

    def steps(self, text: Text, path: Path, start: StructPlaces, *, made: bool, parents: bool) -> StructPlaces:
        places, above = start, start
        for step in path.steps:
            if not places:
                return places
            self.effort.spend(len(places))
            if step.axis == "self" and step.test == "node()":
                continue
            if step.abbreviated:
                searched = tuple(id(place.struct) for place in places)
                if searched not in self._below:
                    self._below[searched] = list(_with_all_below(places))
                places = self._below[searched]
                continue
            if step.axis not in ("child", "attribute") or step.test.endswith(")"):
                return None
            above, places = places, self.step(text, step, places)
            if made and places:
                for predicate in step.predicates:
                    self.predicate(text, predicate, places)
        if not parents or not places:
            return places
        last = path.steps[-1] if path.steps else None
        if last is None or last.axis not in ("child", "attribute"):
            return None
        return [place for place in above or () if self.below([place], last)]

    def step(self, text: Text, step: Step, places: Sequence[StructPlace]) -> StructPlaces:
        if step.test.endswith("*"):
            return None if ":" in step.test else self.below(places, step)
        found = self.below(places, step)
        if not found:
            self.lose(text.span(step.start, step.head_end), self.name(step.test), step.axis == "attribute", places)
        return found

    def below(self, places: Iterable[StructPlace], step: Step) -> list[StructPlace]:
        """The children or attributes of places that a step names."""
        structs, name = [place.struct for place in places], self.name(step.test)
        if step.axis == "attribute":
            names = [sorted(s.attributes) if step.test == "*" else [name] * (name in s.attributes) for s in structs]
            return [StructPlace(f"@{one}", _LEAF) for found in names for one in found]
        if step.test != "*":
            return [StructPlace(name, struct.children[name]) for struct in structs if name in struct.children]
        return [StructPlace(one, child) for struct in structs for one, child in struct.children.items()]

    def predicate(self, text: Text, expr: Expr, places: Sequence[StructPlace]) -> None:
        """An attribute that ``ensure`` creates with its element."""
        match expr:
            case Binary(operator="and", left=left, right=right):
                self.predicate(text, left, places)
                self.predicate(text, right, places)
            case Path(base=Expr() as inner, steps=()):
                self.predicate(text, inner, places)
            case Binary(left=Path() as path) | Binary(right=Path() as path) if path.steps[0].axis == "attribute":
                self.step(text, path.steps[0], places)
            case _:
                pass

    def name(self, written: str) -> str:
        """A name as the structs have it."""
        prefix, colon, local = written.rpartition(":")
        return _known(self._namespaces.get(prefix) if colon else None, local)

    # -- what is put there -----------------------------------------------------------------------------------------

    def value(self, value: model.Template | None, places: StructPlaces) -> None:
        if value is not None and places and not any(place.struct.text for place in places):
            self.found.append(Lost(value.span(), "text()", places[0].name))

    def brought(self, path: model.XPath, places: StructPlaces) -> None:
        """What ``move`` and ``copy`` bring, by name."""
        sources = texts(self.edit, model.XPath, Role.MOVES, Role.COPIES)
        found = [one for source in sources for one in locations_of(source)]
        names = {self.name(one.steps[-1].test) for one in found if one.steps}
        if places and len(names) == 1 and not names & {"*", "node()"}:
            (name,) = names
            if not any(name in place.struct.children for place in places):
                self.lose(path.span(), name, False, places)

    def renamed(self, path: model.XPath, to: model.QName, parents: StructPlaces) -> None:
        axes = {found.steps[-1].axis for found in locations_of(path) if found.steps}
        if parents and len(axes) == 1:
            attribute = axes == {"attribute"}
            name = self.name(to.text)
            known = [name in (place.struct.attributes if attribute else place.struct.children) for place in parents]
            if not any(known):
                self.lose(to.span(), name, attribute, parents)

    def fragment(self, xml: model.Fragment, parents: StructPlaces) -> None:
        text = filled(xml, lambda piece: "x" * (piece.end - piece.at))
        for node in read(text) if parents else ():
            self.element(xml, node, parents or (), namespaces(self.patch))

    def element(
        self, xml: model.Fragment, node: FragmentNode, parents: Sequence[StructPlace], scope: dict[str, str]
    ) -> None:
        self.effort.spend(len(parents))
        scope = {**scope, **node.declared}
        prefix, _, local = node.name.rpartition(":")
        name = _known(scope.get(prefix), local)
        places = [StructPlace(name, place.struct.children[name]) for place in parents if name in place.struct.children]
        if not places:
            self.lose(xml.span(node.start, node.start + len(node.name)), name, False, parents)
            return
        for attribute, _, at, _ in node.attributes:
            local = attribute.rpartition(":")[2]
            if not any(local in place.struct.attributes for place in places):
                self.lose(xml.span(at, at + len(attribute)), local, True, places)
        if not any(place.struct.text for place in places):
            self.found += [Lost(xml.span(at, at + len(text)), "text()", name) for text, at in node.texts]
        for child in node.nodes:
            self.element(xml, child, places, scope)

    def lose(self, span: Span, name: str, attribute: bool, owners: Sequence[StructPlace]) -> None:
        names = list(dict.fromkeys(place.name for place in owners))
        owner = names[0] if len(names) == 1 else ""
        self.found.append(Lost(span, f"@{name}" if attribute else name, owner))


def _with_all_below(places: Iterable[StructPlace]) -> Iterator[StructPlace]:
    seen: set[int] = set()
    pending = list(places)
    while pending:
        place = pending.pop()
        if id(place.struct) not in seen:
            seen.add(id(place.struct))
            yield place
            pending += [StructPlace(name, struct) for name, struct in place.struct.children.items()]


def _known(uri: str | None, local: str) -> str:
    return f"qemu:{local}" if uri == QEMU_NAMESPACE else local
