"""The ops on cloud-init data: each a compiled form that applies itself to the state of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from .. import rules
from ..budget import Budget
from ..cel.template import TemplateProgram, as_text, check_true
from ..diagnostics import PatchError, fail
from ..document.model import Expect, ListPosition, Target
from ..record import record, replace
from ..result import Effect
from ..source import Span, Text
from ..values import ABSENT, identical
from . import jsonops, pointer
from .pointer import Key, NotFoundError, NullError, Pointer, PointerError, WrongKindError
from .state import CloudInit, Origin
from .userdata import PartSelector

if TYPE_CHECKING:
    from ..cel.compiled import Compiled
    from ..run_scope import Scope


class CloudInitState:
    """The cloud-init data of a run; it is replaced by each edit."""

    def __init__(self, current: CloudInit) -> None:
        self.current = current
        self.budget = Budget()
        self._facts: tuple[CloudInit, dict[str, Any]] | None = None

    def mark(self) -> tuple[CloudInit, int]:
        """A point to come back to."""
        return self.current, self.budget.kept

    def undo(self, mark: tuple[CloudInit, int]) -> bool:
        """Back to that point, which is always possible."""
        self.current, self.budget.kept = mark
        return True

    def facts(self) -> dict[str, Any]:
        """CEL's ``cloudInit`` at this moment."""
        if self._facts is None or self._facts[0] is not self.current:
            self._facts = (self.current, self.current.facts())
        return self._facts[1]


class CloudInitOp(Protocol):
    """A compiled op."""

    def apply(self, state: CloudInitState, scope: Scope) -> Effect:
        """Change the state. Raises PatchError (PL4xx)."""


@record
class PointerProgram:
    """A compiled pointer: parsed with holes for expressions, whose values fill them as data.

    ``places`` gives the source offset for each offset of the parsed text.
    """

    source: Text
    parsed: Pointer
    expressions: tuple[Compiled, ...]
    places: tuple[int, ...]

    def fill(self, scope: Scope) -> Pointer:
        """The pointer with its values. Raises PatchError (PL403, PL409)."""
        return self.parsed.fill([as_text(e.evaluate(scope), e, booleans=True) for e in self.expressions])

    def error(self, e: PointerError) -> PatchError:
        return fail(e.rule, e.message, self.span(e.start, e.end), e.help)

    def span(self, start: int, end: int) -> Span:
        return self.source.span(
            self.places[min(start, len(self.places) - 1)], self.places[min(end, len(self.places) - 1)]
        )


@record
class ValueProgram:
    """A compiled value: ``build`` returns it as plain data."""

    build: Callable[[Scope], Any]


@contextmanager
def blamed(origin: Origin) -> Iterator[None]:
    """Errors name the edit, and point at it if they do not have their own place."""
    try:
        yield
    except PatchError as e:
        raise PatchError(origin.of(e.diagnostic)) from None


@record
class Site:
    """What an edit finds: the data of its target, the counted pointer, and how other pointers are filled."""

    data: Any
    path: Pointer
    scope: Scope
    fill: Callable[[PointerProgram], Pointer]


@record
class EditTarget:
    """Where an edit works, and whether it does: ``expect`` counts the hits of ``counted``.

    ``makes``: the op creates what is missing; otherwise it has nothing to do if nothing is expected. ``ensures``: it
    treats null as missing.
    """

    target: Target
    part: PartSelector | None
    counted: PointerProgram
    expect: Expect | None
    unless: PointerProgram | None
    makes: bool
    ensures: bool = False

    def open(self, state: CloudInitState, scope: Scope, effect: Effect) -> Site | None:
        """Where there is something to do."""

        def fill(program: PointerProgram) -> Pointer:
            return state.current.pointer(self.target, program.fill(scope))

        path = fill(self.counted)
        data = state.current.value(self.target, self.part)
        count = int(self._exists(data, path, self.counted))
        effect.matched += count
        if count:
            effect.places.append(f"{self.target.value}{path}")
        if self.expect is not None and not self.expect.allows(count):
            raise self._mismatch(data, path, count, scope)
        if self.unless is not None and self._exists(data, fill(self.unless), self.unless):
            return None
        if not count and (not self.makes or self._is_left_out(data, path)):
            return None
        return Site(data, path, scope, fill)

    def _is_left_out(self, data: Any, path: Pointer) -> bool:
        """Whether what is created may be missing, and cannot be created, or its parent is missing or null."""
        if self.expect is None or not (self.expect.allows(0) and self.expect.allows(1)):
            return False
        if path.tokens and not isinstance(path.tokens[-1], Key) and not self.ensures:
            return True  # an entry found by its content: only `ensure` creates it
        parent = replace(path, tokens=path.tokens[:-1])
        return not self._exists(data, parent, self.counted) or pointer.resolve(data, parent) is None

    def _exists(self, data: Any, path: Pointer, program: PointerProgram) -> bool:
        try:
            return pointer.exists(data, path) and not (self.ensures and pointer.resolve(data, path) is None)
        except PointerError as e:
            if e.rule is rules.AMBIGUOUS:
                raise program.error(e) from None
            return False

    def _mismatch(self, data: Any, path: Pointer, count: int, scope: Scope) -> PatchError:
        if count:
            span = self.counted.source.span()
            return fail(rules.MATCH_COUNT, f"`{path}` exists, {self.expect} expected", span)
        try:
            pointer.resolve(data, path)
            message = f"`{path}` is null, which `ensure` treats as missing, {self.expect} expected"
            return fail(rules.MATCH_COUNT, message, self.counted.source.span())
        except PointerError as e:
            message = f"the pointer matches nothing, {self.expect} expected: {e.message}"
            help = e.with_names(scope.names).help or 'if it may be missing, set `expect: "0..1"`'
            return fail(rules.MATCH_COUNT, message, self.counted.span(e.start, e.end), help)


# the function from the data found to the data after the op
Change = Callable[[Site], Any]


@record
class DataOp:
    """All ops that turn a target's data into other data.

    ``pointers`` are all that the change follows, so that an error finds the source of the one that failed.
    """

    place: EditTarget
    change: Change
    pointers: Sequence[PointerProgram]
    origin: Origin

    def apply(self, state: CloudInitState, scope: Scope) -> Effect:
        effect = Effect()
        with blamed(self.origin):
            site = self.place.open(state, scope, effect)
            if site is None:
                return effect
            before, path = site.data, site.path
            try:
                after = self.change(site)
            except PointerError as e:
                raise self._followed(e).error(self._helped(e.with_names(scope.names))) from None
            if after is not before and not identical(before, after):
                state.current = state.current.with_value(self.place.target, after, self.place.part, self.origin)
                effect.changed = 1
            elif not effect.matched:
                effect.matched, effect.places = 1, [f"{self.place.target.value}{path}"]
        return effect

    def _helped(self, error: PointerError) -> PointerError:
        """Mentions what creates parents, if a parent is what is missing."""
        if isinstance(error, NullError) and self.place.makes:
            error.help = "`ensure` treats null as missing, and creates what is needed"
            return error
        missing = isinstance(error, NotFoundError) and not isinstance(error, WrongKindError)
        if missing and error.pointer and error.end < len(error.pointer.text):
            error.help = "; ".join(filter(None, (error.help, "`ensure` creates missing parents")))
        return error

    def _followed(self, error: PointerError) -> PointerProgram:
        texts = (p for p in self.pointers if error.pointer is not None and p.parsed.text == error.pointer.text)
        return next(texts, self.place.counted)


def given(value: ValueProgram, change: Callable[[Site, Any], Any]) -> Change:
    """A change with a value; none if the value is omitted."""

    def changed(site: Site) -> Any:
        built = value.build(site.scope)
        return site.data if built is ABSENT else change(site, built)

    return changed


def add(value: ValueProgram, position: ListPosition | None) -> Change:
    return given(value, lambda site, built: jsonops.add(site.data, site.path, built, position))


def remove(site: Site) -> Any:
    return jsonops.remove(site.data, site.path)


def set_value(value: ValueProgram) -> Change:
    return given(value, lambda site, built: jsonops.replace(site.data, site.path, built))


def move(to: PointerProgram) -> Change:
    return lambda site: jsonops.move(site.data, site.path, site.fill(to))


def copy(to: PointerProgram) -> Change:
    return lambda site: jsonops.copy(site.data, site.path, site.fill(to))


def merge(value: ValueProgram) -> Change:
    return given(value, lambda site, built: jsonops.merge(site.data, site.path, built))


def ensure(value: ValueProgram, *, prepend: bool) -> Change:
    return given(value, lambda site, built: jsonops.ensure(site.data, site.path, built, prepend=prepend))


def test(value: ValueProgram) -> Change:
    def check(site: Site) -> Any:
        jsonops.test(site.data, site.path, value.build(site.scope))
        return site.data

    return check


@record
class JsonTestOp:
    """``test``: a pointer with its value, or an expression."""

    data: DataOp | None
    expression: Compiled | None
    message: TemplateProgram | None
    origin: Origin

    def apply(self, state: CloudInitState, scope: Scope) -> Effect:
        with blamed(self.origin):
            return self.checked(state, scope)

    def checked(self, state: CloudInitState, scope: Scope) -> Effect:
        effect = Effect()
        try:
            if self.data is not None:
                effect = self.data.apply(state, scope)
            elif self.expression is not None:
                check_true(self.expression, scope)
        except PatchError as e:
            if self.message is None or e.diagnostic.rule not in (rules.MATCH_COUNT, rules.TEST_FAILED, rules.OPERATION):
                raise
            message = self.message.text(scope, booleans=True)
            raise fail(rules.TEST_FAILED, message, e.diagnostic.span, e.diagnostic.message) from None
        return effect


@record
class AddPartOp:
    """``addPart``: afterwards the part has that content."""

    content_type: str
    filename: str
    content: TemplateProgram
    origin: Origin

    def apply(self, state: CloudInitState, scope: Scope) -> Effect:
        before = state.current
        with blamed(self.origin):
            text = self.content.text(scope, booleans=True)
            state.current = before.with_part(self.content_type, self.filename, text, self.origin)
        changed = int(state.current is not before)
        return Effect(matched=1, changed=changed, places=[f"userData part {self.filename}"])
