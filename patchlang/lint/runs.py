"""Advice on edits that later runs of one boot repeat, or fail at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from .. import rules
from ..cel import tree as cel_tree
from ..diagnostics import Diagnostic
from ..document import model
from ..document.model import Role
from ..record import record
from ..source import Text
from ..xpath.tree import Call, Path, Step, walk
from .effects import (
    Known,
    computed_parts,
    facts_after,
    fragment_roots,
    inserted,
    made_names,
    prefixed,
    replacement_facts,
    roots,
    steps_above,
    zone,
)
from .guards import Guard, Zone, guards, reads_domain, zone_of
from .reading import advice, cel, locations_of, names, shown, template, tree
from .roles import SELECTING, adds, anchors, has, is_beside, only_asks, parts, selecting, texts
from .truth import NodeFacts, Steps, all_of

_RUNS = "the hook runs up to three times per boot, each time on the result of the previous run"


def piles_up(patch: model.Patch) -> Iterator[Diagnostic]:
    """``add`` and ``copy`` without a guard, values built on the old one, another ``a`` created inside each ``//a``.

    A guard is ``unless``, a ``when`` or a loop that reads the domain, or a path that no longer matches. What an earlier
    edit of the patch removed or replaced is created again, and does not pile up.
    """
    survey = _Survey(patch)
    for number, edit in enumerate(patch.spec.domain):
        if nested := _nests(edit, survey.made[number]):
            message = f"each run puts `<{nested}>` into the ones that the previous run created"
            help = "select with a path from the root, or with a predicate that new ones do not match"
            yield advice(patch, rules.PILES_UP, message, edit.span, help)
            continue
        if adds(edit):
            new = inserted(patch, edit)
            gone = [survey.is_made_anew(number, place) or survey.is_temporary(number, place) for place in new]
            if (gone and all(gone)) or guards(patch, edit) or _guards_itself(survey, edit):
                continue
            what = " and ".join(f"`<{name}>`" for name in roots(patch, edit)) or "the elements"
            help = f"{_RUNS}; guard it with `unless`, or use `ensure` or `merge`, which change nothing the second time"
            span = next((path.span() for path in anchors(edit)), edit.span)
            yield advice(patch, rules.PILES_UP, f"each run adds {what} again", span, help)
        for value in texts(edit, model.Template, Role.VALUE):
            if not guards(patch, edit) and _grows(value):
                message = f"each run builds on the value of the previous run: `{shown(value.text)}`"
                help = f"{_RUNS}; build on something stable, such as the VMI, or guard it with `unless`"
                yield advice(patch, rules.PILES_UP, message, value.span(), help)


def _nests(edit: model.DomainEdit, made: set[str]) -> str | None:
    """The name of the elements that an edit finds anywhere and creates below themselves."""
    if is_beside(edit) or not has(edit, Role.MAKES, Role.INSERTS, Role.MERGES):
        return None
    for path in texts(edit, model.XPath, Role.CHANGES):
        for place in locations_of(path):
            last = place.steps[-1] if place.steps else None
            anywhere = any(step.abbreviated for step in place.steps)
            if anywhere and last is not None and last.axis == "child" and not last.predicates and last.test in made:
                return last.test
    return None


_OLD = (
    cel_tree.Select(cel_tree.Ident("node"), "text"),
    cel_tree.Call("xpath", cel_tree.Literal("string", "string(.)")),
)
_CHOICES = ("_?_:_", "_?._", "_[?_]")


def _grows(value: Text) -> bool:
    """Whether a value is the old one and more: ``$[ node.text ]-x``, ``$[ int(node.text) * 2 ]``."""
    parts = [read for part in computed_parts(value) if (read := cel(part)) is not None]
    beside = len(template(value)) > 1
    return any(_is_more(part) or (beside and part in _OLD) for part in parts)


def _is_more(node: cel_tree.Node) -> bool:
    match node:
        case cel_tree.Call(
            function, children=(cel_tree.Call("int", False, children=(old,)), cel_tree.Literal("int"))
        ) if old in _OLD:
            return function in ("_+_", "_-_", "_*_", "_/_")
        case cel_tree.Call("_+_", children=(left, right)):
            while isinstance(left, cel_tree.Call) and left.function == "_+_":
                left = left.children[0]
            return (left in _OLD or right in _OLD) and not any(cel_tree.calls(node, choice) for choice in _CHOICES)
        case _:
            return False


def _guards_itself(survey: _Survey, edit: model.DomainEdit) -> bool:
    """Whether a path tests for absence, and the patch creates it."""
    trees = [read for path in selecting(edit) if (read := tree(path.text)) is not None]
    denied = [part for read in trees for part in walk(read) if isinstance(part, Call) and part.name == "not"]
    asked = {name for call in denied for part in walk(call) if isinstance(part, Step) for name in names((part,)) or ()}
    return any(name in survey.times for name in asked)


@record
class _Taken:
    """A path that an edit removes, with its names from the root; for ``replace``, what is below it."""

    number: int
    below: bool
    names: Steps
    anywhere: bool

    def covers(self, place: Steps) -> bool:
        """Whether it names the place, or something above it. Predicates are ignored."""
        if self.anywhere:
            return self.names[-1] in place[: -1 if self.below else None]
        alike = all(one in (other, "*") for one, other in zip(self.names, place, strict=False))
        return alike and len(self.names) + self.below <= len(place)


class _Survey:
    """What all edits of a patch remove, and how many create each name."""

    def __init__(self, patch: model.Patch) -> None:
        self.made = [made_names(patch, edit) for edit in patch.spec.domain]
        self.times = Counter(name for one in self.made for name in one)
        # by a name that a place must have, or by all of them, so that big patches take no longer than needed
        self._plain: dict[Steps, list[_Taken]] = {}
        self._others: dict[str, list[_Taken]] = {}
        for taken in _all_taken(patch):
            if not taken.anywhere and "*" not in taken.names:
                self._plain.setdefault(taken.names, []).append(taken)
            else:
                named = taken.names[-1:] if taken.anywhere else tuple(name for name in taken.names if name != "*")
                self._others.setdefault(named[-1] if named else "*", []).append(taken)

    def is_made_anew(self, number: int, place: Steps) -> bool:
        """Whether an edit before this one removes what is at a place, or something above it."""
        return any(taken.number < number for taken in self._covering(place))

    def is_temporary(self, number: int, place: Steps) -> bool:
        """Whether an edit after this one removes what it creates."""
        return any(taken.number > number and not taken.below for taken in self._covering(place))

    def is_made_elsewhere(self, number: int, name: str) -> bool:
        """Whether another edit creates a name."""
        return self.times[name] > (name in self.made[number])

    def _covering(self, place: Steps) -> Iterator[_Taken]:
        for end in range(1, len(place) + 1):
            yield from (taken for taken in self._plain.get(place[:end], ()) if taken.covers(place))
        for name in dict.fromkeys((*place, "*")):
            yield from (taken for taken in self._others.get(name, ()) if taken.covers(place))


def _all_taken(patch: model.Patch) -> Iterator[_Taken]:
    for number, edit in enumerate(patch.spec.domain):
        for role in (Role.REMOVES, Role.REPLACES):
            for path in (path for text in texts(edit, model.XPath, role) for path in locations_of(text)):
                found = names(tuple(step for step in path.steps if not step.abbreviated))
                if found:
                    anywhere = any(step.abbreviated for step in path.steps)
                    yield _Taken(number, role is Role.REPLACES, found, anywhere)


def fails_again(patch: model.Patch) -> Iterator[Diagnostic]:
    """An edit that requires a match and removes what its own path selects, so that the next run fails.

    ``remove`` with ``expect: 1``, ``rename`` and ``move`` out of reach, ``replace`` with another, ``set`` of what
    a predicate of the path compares.
    """
    survey = _Survey(patch)
    for number, edit in enumerate(patch.spec.domain):
        if not _insists(edit) or reads_domain(patch, edit):
            continue
        for _, role, path in parts(edit):
            selected = locations_of(path) if role in SELECTING else ()
            if not selected or any(survey.is_made_anew(number, names(place.steps) or ()) for place in selected):
                continue
            reasons = [_why_gone(patch, survey, number, role, place) for place in selected]
            if all(reasons):
                message = f"{reasons[0]}: the next run finds nothing and fails"
                help = f'{_RUNS}; set `expect: "{_lenient(edit)}"`, or guard the edit with `when`'
                yield advice(patch, rules.FAILS_AGAIN, message, path.span(), help)


def finds_more(patch: model.Patch) -> Iterator[Diagnostic]:
    """An edit that expects one node, and leaves several that its own path selects, so that the next run fails.

    ``copy`` next to its original, and ``replace`` by several elements of the same name: matches are counted before
    ``unless`` skips any.
    """
    survey = _Survey(patch)
    for number, edit in enumerate(patch.spec.domain):
        if (edit.expect.high if edit.expect else 1) != 1 or reads_domain(patch, edit):
            continue
        for path in texts(edit, model.XPath, Role.COPIES, Role.REPLACES):
            places = locations_of(path)
            found = [names(place.steps) or () for place in places]
            if not _leaves_more(patch, edit, places) or any(survey.is_made_anew(number, one) for one in found):
                continue
            message = f"`{shown(path.text)}` also selects what the edit adds: the next run finds several and fails"
            help = f'{_RUNS}; identify the original with a predicate, or set `expect: "1+"`'
            yield advice(patch, rules.FAILS_AGAIN, message, path.span(), help)


def _leaves_more(patch: model.Patch, edit: model.DomainEdit, places: Sequence[Path]) -> bool:
    if len(places) != 1 or not places[0].steps or any(step.predicates for step in places[0].steps):
        return False
    last = places[0].steps[-1]
    if isinstance(edit, model.Copy):
        return edit.path is None and not any(isinstance(inner, model.Rename) for inner in edit.edits)
    return sum(prefixed(patch, str(node.tag)) == last.test for node in fragment_roots(patch, edit, certain=True)) > 1


def _insists(edit: model.DomainEdit) -> bool:
    if only_asks(edit):
        return False
    return edit.expect.low > 0 if edit.expect else not has(edit, Role.REMOVES, Role.RENAMES, Role.MOVES)


def _lenient(edit: model.DomainEdit) -> str:
    if edit.expect is None or edit.expect.high == 1:
        return "0..1"
    return f"0..{edit.expect.high}" if edit.expect.high else "0+"


def _why_gone(patch: model.Patch, survey: _Survey, number: int, role: Role, path: Path) -> str | None:
    """Why a path no longer matches after its edit; None if it may."""
    edit = patch.spec.domain[number]
    last = path.steps[-1] if path.steps else None
    name = (names((last,)) or (None,))[0] if last else None
    match role:
        case Role.REMOVES:
            again = name is None or survey.is_made_elsewhere(number, name)
            return None if again else "the removed nodes are gone"
        case Role.RENAMES:
            to = [text.text for text in texts(edit, model.QName, Role.NAME)]
            kept = name is None or name.endswith("*") or name.lstrip("@") in to
            again = kept or (name is not None and survey.is_made_elsewhere(number, name))
            return None if again else f"`{name}` is renamed"
        case Role.MOVES:
            return _moved_away(patch, edit, path)
        case Role.REPLACES:
            return _replaced_by_another(patch, edit, last)
        case _:
            known = facts_after(patch, edit)
            if known and any(_is_false(step, below, known) for step, below in steps_above(path)):
                return "the edit changes what its own path selects"
            return None


def _is_false(step: Step, below: Steps, known: Known) -> bool:
    """Whether the predicates of a step are no longer true; ``known`` is about the node with the names ``below`` it."""
    return all_of(step.predicates, NodeFacts({(*below, *steps): value for steps, value in known.items()})) is False


def _moved_away(patch: model.Patch, edit: model.DomainEdit, path: Path) -> str | None:
    before = names(path.steps)
    after = inserted(patch, edit)
    if before is None or not after or any("*" in steps for steps in (before, *after)) or before in after:
        return None
    return "the moved nodes are no longer where `from` looks"


def _replaced_by_another(patch: model.Patch, edit: model.DomainEdit, last: Step | None) -> str | None:
    if last is None or last.axis != "child" or last.test.endswith((")", "*")):
        return None
    alike = [node for node in fragment_roots(patch, edit) if prefixed(patch, str(node.tag)) == last.test]
    if not alike:
        return f"the fragment has no `{last.test}`" if fragment_roots(patch, edit) else None
    kept = [node for node in alike if all_of(last.predicates, replacement_facts(patch, node)) is not False]
    return None if kept else f"the path does not select the new `{last.test}`"


def unseen_guard(patch: model.Patch) -> Iterator[Diagnostic]:
    """A guard that reads another part of the domain than the edit changes, which run 2 of a boot sees in another state.

    Run 2 sees the devices as edited, but interfaces and everything else as before any edit. The same applies to a
    `move` from one part to the other, whose path is itself a guard.
    """
    devices = [edit for edit in patch.spec.domain if zone(patch, edit) is Zone.DEVICES]
    made_there = {name for edit in devices for name in made_names(patch, edit)}
    reported: set[tuple[int, str]] = set()
    for edit in patch.spec.domain:
        if only_asks(edit):
            continue
        where, found = zone(patch, edit), guards(patch, edit)
        yield from _moved_across(patch, edit, where)
        for guard in found:
            message = None
            if where is Zone.DEVICES and adds(edit):
                if all(other.absent and other.zone is Zone.ELSEWHERE for other in found):
                    message = "run 2 of a boot sees this unedited, but the devices edited: it adds again"
            elif where is Zone.ELSEWHERE and guard.zone is Zone.DEVICES and _asks_for(guard, made_there):
                message = (
                    "run 2 of a boot sees the devices edited, but everything else unedited: "
                    f"it skips the edit in line {edit.span.begin.line}, whose result is lost"
                )
            span = guard.source.span()
            if message and (span.start, message) not in reported:
                reported.add((span.start, message))
                help = "guard each edit with its own result: `unless`, or an op that changes nothing the second time"
                yield advice(patch, rules.UNSEEN_GUARD, message, span, help, ((edit.span, "the edit"),))


def _moved_across(patch: model.Patch, edit: model.DomainEdit, to: Zone) -> Iterator[Diagnostic]:
    for path in texts(edit, model.XPath, Role.MOVES):
        zones = {zone_of(names(place.steps) or (), place) for place in locations_of(path)}
        if zones == {Zone.DEVICES} and to is Zone.ELSEWHERE:
            message = (
                "run 2 of a boot sees the devices edited, but everything else unedited: it loses what the edit moves"
            )
        elif zones == {Zone.ELSEWHERE} and to is Zone.DEVICES:
            message = "run 2 of a boot sees this unedited, but the devices edited: it moves again"
        else:
            continue
        help = "create it in its new place with `ensure` or `merge`, and `remove` it here"
        yield advice(patch, rules.UNSEEN_GUARD, message, path.span(), help)


def _asks_for(guard: Guard, made: set[str]) -> bool:
    ends = [(names(path.steps[-1:]) or ("",))[0] for path in guard.absent if path.steps]
    return bool(made.intersection(ends))
