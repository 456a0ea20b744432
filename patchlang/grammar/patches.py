"""A patch against the grammar: every path, value and fragment of its domain edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, assert_never

from .. import rules
from ..compile import BUILT_IN_NAMESPACES
from ..diagnostics import Diagnostic, Severity, in_order
from ..document import model
from ..document.model import Role
from ..lint.effort import Effort, SpentError, unfinished
from ..lint.guards import variables_of
from ..lint.nested import distinct, flat
from ..lint.reading import constant, expressions, filled, xpath_literals
from ..lint.roles import is_beside, parts, selecting, texts
from ..patterns import pattern
from ..record import replace
from ..source import Text
from . import findings
from .axes import Places, ancestors_of, owners_of, parents_of, unique
from .findings import Finding
from .index import NOTHING, versions
from .places import unfolding
from .texts import fits, shown
from .xpaths import FILLER, ComputedText, Dialect, allowed, answer, check_value

if TYPE_CHECKING:
    from ..cel.template import ComputedPiece
    from .computed import Known

_NAMED = pattern(r"(?:(.*)/)?([^/]+)")

# a finding, and its text
_Located = tuple[Text, Finding]


def check(patches: Iterable[model.Patch], version: str) -> list[Diagnostic]:
    """What the grammar of a libvirt, one of :func:`~patchlang.grammar.index.versions`, does not know in patches."""
    effort = Effort()
    found: list[Diagnostic] = []
    for patch in patches:
        if patch.spec.domain and effort.left >= 0:
            found += _diagnostics(flat(patch, copies=True), version, effort)
    return list(in_order(distinct(found)))


def _diagnostics(patch: model.Patch, version: str, effort: Effort) -> Iterator[Diagnostic]:
    checker = _Checker(patch, version, effort)
    found = checker.check()
    others: dict[str, list[list[_Located]]] = {}
    if checker.ended_at is None and any(finding.severity is Severity.ERROR for part in found for _, finding in part):
        for other in versions():
            asked = _Checker(patch, other, Effort(2 * (effort.most - effort.left)))
            if other != version and (parts := asked.check()) and asked.ended_at is None:
                others[other] = parts
    for number, part in enumerate(found):
        ours = {_key(*one) for one in part}
        asked_too = {other: _Unknown(parts[number], ours) for other, parts in others.items()} if part else {}
        for text, finding in part:
            knowing = [other for other, unknown in asked_too.items() if unknown.knows(text, finding)]
            if knowing and finding.rule in _OF_VERSIONS:
                finding = _of_other_version(finding, version, knowing)
            span, name = text.span(finding.start, finding.end), patch.metadata.name.text
            yield Diagnostic(finding.rule, finding.message, span, finding.help, finding.severity, name)
    if checker.ended_at is not None:
        yield unfinished(patch, checker.ended_at, f"the grammar of libvirt {version}")


class _Unknown:
    """What another libvirt finds in an edit, given the places of the requested one's findings."""

    def __init__(self, found: Sequence[_Located], ours: set[tuple[int, int]]) -> None:
        self._keys = {_key(*one) for one in found}
        self._first: dict[str, int] = {}
        self._paths: set[str] = set()
        for text, finding in found:
            if _key(text, finding) not in ours:
                self._first[text.text] = min(finding.start, self._first.get(text.text, finding.start))
                if isinstance(text, _PATHS):
                    self._paths.add(text.text)

    def knows(self, text: Text, finding: Finding) -> bool:
        """Whether it knows what was found.

        Not if it lacks a name on the way there that this one has: it does not look further.
        """
        is_behind = self._first.get(text.text, finding.start) < finding.start or bool(self._paths - {text.text})
        return not is_behind and _key(text, finding) not in self._keys


_PATHS = (model.XPath, model.ConstructivePath)
_OF_VERSIONS = (rules.UNKNOWN_ELEMENT, rules.UNKNOWN_ATTRIBUTE, rules.UNKNOWN_VALUE, rules.MISPLACED_TEXT)


def _key(text: Text, finding: Finding) -> tuple[int, int]:
    span = text.span(finding.start, finding.end)
    return span.start, span.end


def _of_other_version(finding: Finding, version: str, knowing: Sequence[str]) -> Finding:
    known = versions()
    newer = [other for other in knowing if known.index(other) > known.index(version)]
    other = newer[0] if newer else knowing[-1]
    message = f"{finding.message}; libvirt {other} does"
    help = f"check with `--libvirt {other}` if that is what runs the VM"
    return replace(finding, rule=rules.OTHER_VERSION, message=message, help=help)


class _Checker:
    """Checks one patch; each finding comes with its text."""

    def __init__(self, patch: model.Patch, version: str, effort: Effort) -> None:
        self.patch = patch
        own = {prefix.text: uri.text for prefix, uri in patch.spec.namespaces}
        self.dialect = Dialect(unfolding(version), tuple({**BUILT_IN_NAMESPACES, **own}.items()), effort)
        self.edit: model.DomainEdit | None = None
        self._known: Known | None = None
        self.found: list[_Located] = []
        self.ended_at: model.DomainEdit | None = None

    @property
    def document(self) -> Places:
        return (self.dialect.unfolding.document,)

    def check(self) -> list[list[_Located]]:
        """The findings in the patch's own expressions, then in each edit.

        ``ended_at`` is then the edit where the effort ran out.
        """
        spec = self.patch.spec
        found, edit = [self.found], spec.domain[0]
        try:
            self._cel((spec.when, spec.variables), self.document)
            for edit in spec.domain:
                self.found = []
                found.append(self.found)
                self._edit(edit)
        except SpentError:
            self.ended_at = edit
        return found

    @cached_property
    def outside(self) -> Known:
        """What is known outside the edits."""
        from ..kubevirt.vmicheck import scope_of
        from .computed import Known

        return Known(scope_of(self.patch, None), variables_of(self.patch).texts, effort=self.dialect.effort)

    @property
    def known(self) -> Known:
        """What is known in the current edit."""
        if self._known is None:
            edit = self.edit
            self._known = self.outside.within(edit, self.patch.spec.when, edit.when) if edit else self.outside
        return self._known

    # -- edits -----------------------------------------------------------------------------------------------------

    def _edit(self, edit: model.DomainEdit) -> None:
        self._cel((edit.when, edit.for_each), self.document)
        self.edit, self._known = edit, None
        paths, goals = selecting(edit), texts(edit, model.XPath, Role.GOAL)
        matched = self._paths(paths) if paths else self.document
        goal = self._paths(goals) if goals else matched
        parents = parents_of(goal) if is_beside(edit) else goal
        owners = owners_of(matched)
        if edit.unless:
            self._xpath(edit.unless, owners)
        made = matched
        built: dict[str, Places] = {}
        for _, role, value in parts(edit):
            match role:
                case (
                    Role.ASKS | Role.CHANGES | Role.REMOVES | Role.REPLACES | Role.RENAMES | Role.MOVES | Role.COPIES
                    | Role.POSITION | Role.ONCE | Role.EDITS
                ):  # fmt: skip
                    pass
                case Role.GOAL:
                    self._brought(value, matched, parents)
                case Role.MAKES:
                    made = self._constructive(value, matched)
                    self._cel(value, owners)
                case Role.INSERTS | Role.MERGES:
                    built |= self._fragment(value, parents)
                    self._cel(value, owners)
                case Role.AT:
                    ends = made if made is not matched else unique(one for places in built.values() for one in places)
                    self._xpath(value, ancestors_of(ends))
                case Role.KEYS:
                    self._keys(value, built)
                case Role.VALUE:
                    self._value(value, made)
                    self._cel(value, owners)
                case Role.NAME:
                    self._renamed(value, matched)
                case Role.ARGUMENT | Role.CONDITION | Role.MESSAGE:
                    self._cel(value, self.document)
                case _:
                    assert_never(role)

    def _value(self, value: model.Template, places: Places) -> None:
        text = constant(value)
        if text is not None:
            self.found += [(value, one) for one in check_value(text, places, self.dialect)]
        elif not (places and all(place.values == NOTHING and not place.is_open for place in places)):
            self._computed(value, [ComputedText(in_place(value), 0, places)])
        else:
            end = len(value.text)
            self.found.append((value, findings.no_text(self._version, places, 0, end)))

    def _computed(self, source: Text, texts: Iterable[ComputedText], xml: model.Fragment | None = None) -> None:
        """Partly computed text: each possible value, as far as it can be determined."""
        written = in_place(source)
        known: Known | None = None
        pieces: list[ComputedPiece] | None = None
        for one in texts:
            values, end = allowed(one.places), one.start + len(one.text)
            if values is None or not one.places or "$$[" in one.text or written[one.start : end] != one.text:
                continue
            from .computed import computed_pieces, outcomes

            known = known or (self.known if xml is None else self.known.in_fragment(self.patch, xml))
            pieces = computed_pieces(source) if pieces is None else pieces
            for outcome in outcomes(source, pieces, one.start, end, one.text, known):
                if not fits(values, outcome.text):
                    place = (outcome.start, outcome.end)
                    found = findings.unknown_value(self._version, shown(outcome.text), one.places, *place)
                    self.found.append((outcome.source, found))

    def _brought(self, path: model.XPath, moved: Places, parents: Places) -> None:
        """What is moved or copied must be valid at its destination."""
        if _unknown(moved) or _unknown(parents) or any(place.kind != "element" for place in (*moved, *parents)):
            return
        if not any(place.name in parent.elements for place in moved for parent in parents):
            name, end = moved[0].name, len(path.text)
            found = findings.unknown_element(self._version, name, parents, 0, end, below=False)
            self.found.append((path, found))

    def _renamed(self, to: model.QName, places: Places) -> None:
        name = self.dialect.name(to.text)
        parents = parents_of(places)
        if name is None or _unknown(parents) or not parents:
            return
        end = len(to.text)
        if all(place.kind == "attribute" for place in places):
            if not any(name in parent.attributes for parent in parents):
                self.found.append((to, findings.unknown_attribute(self._version, name, parents, 0, end)))
        elif all(place.kind == "element" for place in places) and not any(name in p.elements for p in parents):
            self.found.append((to, findings.unknown_element(self._version, name, parents, 0, end, below=False)))

    # -- texts -----------------------------------------------------------------------------------------------------

    @property
    def _version(self) -> str:
        return self.dialect.unfolding.index.version

    def _paths(self, paths: Iterable[model.XPath]) -> Places:
        return unique(place for path in paths for place in self._xpath(path, self.document))

    def _xpath(self, path: Text, context: Places, written: str | None = None) -> Places:
        found = answer(path.text if written is None else written, context, self.dialect)
        self.found += [(path, one) for one in found.findings]
        self._computed(path, found.computed)
        return found.places

    def _constructive(self, path: model.ConstructivePath, context: Places) -> Places:
        return self._xpath(path, context, in_place(path))

    def _fragment(self, xml: model.Fragment, parents: Places) -> dict[str, Places]:
        from . import fragments

        checked = fragments.check(in_place(xml), parents, self.dialect)
        self.found += [(xml, one) for one in checked.findings]
        self._computed(xml, checked.computed, xml)
        return checked.places

    def _keys(self, keys: Iterable[tuple[model.Name, tuple[model.XPath, ...]]], places: dict[str, Places]) -> None:
        """The keys of ``merge``: XPaths that start at the elements of the fragment."""
        for name, paths in keys:
            named = _NAMED.fullmatch(name.text)
            for path in paths if named else ():
                self._xpath(path, places.get(named[2] if named else "", ()))

    def _cel(self, value: object, context: Places) -> None:
        """The literal XPaths in CEL's ``xpath('…')``."""
        for expression in expressions(value):
            for literal in xpath_literals(expression):
                self._xpath(literal, context)


def _unknown(places: Places) -> bool:
    return any(place.is_open for place in places)


def in_place(text: Text) -> str:
    """A template with placeholders for what is computed, so that everything else keeps its place."""
    return filled(text, lambda piece: FILLER * (piece.end - piece.at))
