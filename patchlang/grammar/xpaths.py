"""XPath against the grammar: each step to the places it may lead to, as far as possible.

A set of places always includes at least what the path may select: if something is unknown, it includes
:data:`~patchlang.grammar.places.OPEN`, and nothing is found there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from .. import rules
from ..diagnostics import Severity
from ..lint.effort import Effort
from ..record import field, record, replace
from ..xpath.parser import XPathSyntaxError, parse
from ..xpath.tree import Binary, Call, Expr, Literal, Number, Path, Step
from . import findings
from .axes import SEARCHES, SIBLINGS, Places, along, origins, unique
from .findings import Finding
from .index import NOTHING, Index, Texts, Values
from .places import OPEN, Place, Unfolding
from .texts import ANYTHING, Unknown, fits

# replaces each computed character; the path can then be parsed, and keeps the places of the text
FILLER = "\ud7fb"
# work that takes longer than looking at a place: guessing what was meant, naming a place or its contents
_OF_A_FINDING, _OF_A_PATH = 800, 10


@record
class Answer:
    """Where a path leads, and its findings; ``computed`` has possible findings that depend on computed values."""

    places: Places
    findings: tuple[Finding, ...]
    computed: tuple[ComputedText, ...] = ()


@record
class ComputedText:
    """A text at ``start`` that becomes the text of the places; computed parts are filled with placeholders."""

    text: str
    start: int
    places: Places


@record
class Dialect:
    """The grammar, and the prefixes of a patch as pairs of prefix and namespace; readers use ``effort``."""

    unfolding: Unfolding
    namespaces: tuple[tuple[str, str], ...]
    effort: Effort = field(default_factory=Effort, compare=False, repr=False)

    def name(self, written: str) -> str | None:
        """A name with libvirt's prefix; None for a foreign or computed one."""
        return canonical(written, dict(self.namespaces), self.unfolding.index) if ":" in written else _plain(written)


def canonical(written: str, namespaces: Mapping[str, str], index: Index) -> str | None:
    """As :meth:`Dialect.name`."""
    prefix, _, local = written.partition(":")
    known = index.prefixes.get(namespaces.get(prefix, ""))
    return _plain(f"{known}:{local}") if known else None


def _plain(name: str) -> str | None:
    return None if FILLER in name else name


@lru_cache(maxsize=4096)
def answer(text: str, context: Places, dialect: Dialect) -> Answer:
    """Where an XPath leads from the places ``context``. An invalid XPath leads anywhere."""
    try:
        tree = parse(text)
    except XPathSyntaxError:
        return Answer((OPEN,), ())
    reader = _Reader(text, dialect)
    places = reader.places(tree, context, top=True)
    return Answer((OPEN,) if places is None else places, tuple(reader.found), tuple(reader.computed))


@record(frozen=False)
class _Reader:
    text: str
    dialect: Dialect
    found: list[Finding] = field(default_factory=list)
    computed: list[ComputedText] = field(default_factory=list)

    @property
    def version(self) -> str:
        return self.dialect.unfolding.index.version

    def places(self, expr: Expr, context: Places, *, top: bool = False) -> Places | None:
        """Where an expression leads; None if it gives no nodes. Its parts are checked too."""
        match expr:
            case Path(base=None, absolute=True):
                before = len(self.found)
                places = self._steps((self.dialect.unfolding.document,), expr.steps, top)
                if not top:
                    self._meant_relative(expr, context, before)
                return places
            case Path(base=None):
                return self._steps(context, expr.steps, top)
            case Path(base=Expr() as base, filters=(), steps=()):
                return self.places(base, context, top=top)
            case Path(base=Expr() as base):
                start = self.places(base, context, top=top)
                start = (OPEN,) if start is None else start
                for condition in expr.filters:
                    self.places(condition, start)
                return self._steps(start, expr.steps, top)
            case Binary(operator="|"):
                # a union of unions is as deep as it is long: its right side is new each time
                sides = [self.places(side, context, top=top) for side in (expr.left, expr.right)]
                self._look(sum(len(places or ()) for places in sides))
                return unique(place for places in sides for place in places or (OPEN,))
            case Binary(operator="=" | "!="):
                left, right = self._side(expr.left, context), self._side(expr.right, context)
                self._compare(expr.left, left, expr.right, context)
                self._compare(expr.right, right, expr.left, context)
                self._unquoted(expr.left, expr.right)
                self._unquoted(expr.right, expr.left)
            case Call(name="starts-with" | "contains"):
                of, _ = [self.places(argument, context) for argument in expr.args]
                self._part(expr, of)
            case _:
                for child in expr.children:
                    self.places(child, context)
        return (OPEN,) if isinstance(expr, Call) and expr.name == "id" else None

    # -- steps -----------------------------------------------------------------------------------------------------

    def _steps(self, places: Places, steps: tuple[Step, ...], top: bool) -> Places:
        search: Step | None = None
        for step in steps:
            if step.abbreviated:
                search = step
                continue
            places = self._step(places, step, search, top)
            search = None
            for predicate in step.predicates:
                self.places(predicate, places)
        return places

    def _look(self, at: int) -> None:
        """Announces that many places to look at. Raises SpentError."""
        self.dialect.effort.spend(at)

    def _step(self, places: Places, step: Step, search: Step | None, top: bool) -> Places:
        self._look(len(places))
        axis = step.axis
        if search is not None:
            if axis == "child":
                axis = "descendant"
            else:
                searched = origins(places, "descendant-or-self")
                places = unique(node for place in searched for node in along(place, "descendant-or-self"))
        found = unique(node for place in origins(places, axis) for node in self._tested(place, axis, step.test))
        if found or not places:
            if search is not None and top and len(found) == 1:
                self._advise(search, step, places, found[0])
            return found or (OPEN,)
        if step.test == "node()":
            return (OPEN,)  # a comment, say
        self._look(_OF_A_FINDING + _OF_A_PATH * len(places))
        self.found.append(self._nothing(places, axis, step))
        return (OPEN,)

    def _tested(self, place: Place, axis: str, test: str) -> Iterator[Place]:
        name = None if test.endswith(("*", ")")) else self.dialect.name(test)
        if name is not None and axis == "descendant" and place is not OPEN and not place.is_open:
            named = place.unfolding.named_below(place, name)
            self._look(len(named))
            yield from named
            return
        principal = "attribute" if axis == "attribute" else "element"
        prefix = self.dialect.name(test) if test.endswith(":*") else None
        for node in along(place, axis):
            self._look(1)
            if node is OPEN:
                # an unprefixed name that is searched for is not in metadata
                if name is None or place.is_open or axis not in SEARCHES:
                    yield node
            elif test == "node()" or (test == "*" and node.kind == principal):
                yield node
            elif test == "text()":
                if node.kind == "text":
                    yield node
            elif test.endswith(")"):
                yield OPEN
            elif prefix is not None:
                if node.kind == principal and node.name.startswith(prefix[:-1]):
                    yield node
            elif name is None and test != "*":
                yield OPEN
            elif node.kind == principal and node.name == name:
                yield node

    def _nothing(self, places: Places, axis: str, step: Step) -> Finding:
        """The finding for a step that matches nothing."""
        start, end = step.start, step.head_end
        written = self.text[start:end]
        if step.test == "text()" and axis in ("child", *SEARCHES):
            return findings.no_text(self.version, places, start, end)
        elements = [place for place in places if place.kind in ("element", "document")]
        if not step.test.endswith(("*", ")")) and elements:
            name = self.dialect.name(step.test) or step.test
            if axis == "attribute":
                return findings.unknown_attribute(self.version, name, elements, start, end)
            if axis in ("child", *SEARCHES):
                return findings.unknown_element(self.version, name, elements, start, end, below=axis != "child")
            parents = unique(p.parent for p in elements if p.parent is not None)
            if axis in ("self", *SIBLINGS) and parents and not any(name in p.elements for p in parents):
                return findings.unknown_element(self.version, name, parents, start, end, below=False)
        from_here = places[0].path or "the document"
        message = f"`{written}` matches nothing from `{from_here}`"
        if axis in ("child", *SEARCHES, *SIBLINGS) and not elements:
            what = "an attribute" if places[0].kind == "attribute" else "text"
            return findings.nothing_there(message, start, end, f"{what} has no children; `..` is its element")
        above = list(dict.fromkeys(p.name for place in places for p in place.ancestors if p.name))
        help = f"its ancestors: {', '.join(above)}" if axis.startswith(("parent", "ancestor")) and above else None
        if axis in ("child", "attribute"):
            help = "it has no child elements" if axis == "child" else "it has no attributes"
        return findings.nothing_there(message, start, end, help)

    def _advise(self, search: Step, step: Step, places: Places, found: Place) -> None:
        """``//`` that matches only a single path."""
        if found.kind != "element" or len(places) != 1 or places[0] is OPEN or step.axis != "child":
            return
        if any(place.may_stand_deeper for place in (found, *found.ancestors)):
            return
        written = self.text[search.start : step.head_end]
        direct = found.path.removeprefix(places[0].path)
        message = f"`{written}` is always `{direct}` here"
        help = "write it out, so that messages can name the missing step"
        advice = Finding(rules.NEEDLESS_SEARCH, message, search.start, step.head_end, help, Severity.ADVICE)
        self.found.append(advice)

    # -- values ----------------------------------------------------------------------------------------------------

    def _compare(self, side: Expr, places: Places | None, other: Expr, context: Places) -> None:
        """A path that is compared with text or a number."""
        if isinstance(side, Call) and side.name in ("name", "local-name") and not side.args:
            if isinstance(other, Literal):
                self._compare_name(context, other, local=side.name == "local-name")
            return
        if places is None or OPEN in places:
            return
        self._look(_OF_A_PATH * len(places))
        match other:
            case Literal(value=value) if FILLER in value:
                self.computed.append(ComputedText(value, other.start + 1, places))
            case Literal(value=value) if "$[" in value:
                pass  # a path that compiling refuses
            case Literal(value=value):
                self.found += against(_values(places), value, places, self.version, *self._inside(other))
            case Number(value=number):
                text, values = self.text[other.start : other.end], _values(places)
                if values is not None and not _equals(values, number):
                    self.found += against(values, text, places, self.version, other.start, other.end)

    def _meant_relative(self, path: Path, context: Places, before: int) -> None:
        """A path in a predicate that begins at the document, but would lead somewhere without its ``/``."""
        if not path.steps or not any(path.steps[0].test in place.elements for place in context if place is not OPEN):
            return
        for number, one in enumerate(self.found[before:], before):
            if one.rule is rules.UNKNOWN_ELEMENT and one.start == path.steps[0].start:
                written = self.text[path.steps[0].start : path.end]
                help = f"a path that begins with `/` begins at the document: write `{written}`"
                self.found[number] = replace(one, help=help)

    def _unquoted(self, side: Expr, other: Expr) -> None:
        """An unknown name compared with a path: probably text without its quotes."""
        match side:
            case Path(absolute=False, base=None, steps=(Step(axis="child", test=test, predicates=()),)) if (
                isinstance(other, Path) and other.steps
            ):
                for number, one in enumerate(self.found):
                    if one.rule is rules.UNKNOWN_ELEMENT and one.start == side.start:
                        help = f"quote text: `'{test}'`; {one.help}"
                        self.found[number] = replace(one, help=help)
            case _:
                pass

    def _side(self, expr: Expr, context: Places) -> Places | None:
        """Where one side of a comparison leads; `string(…)` is the text of its nodes themselves."""
        match expr:
            case Call(name="string" | "normalize-space", args=(inner,)):
                return self.places(inner, context)
            case Call(name="string" | "normalize-space", args=()):
                return context
            case _:
                return self.places(expr, context)

    def _compare_name(self, places: Places, literal: Literal, *, local: bool) -> None:
        if OPEN in places or not places or FILLER in literal.value or any(p.kind != "element" for p in places):
            return
        names = {p.name.rpartition(":")[2] if local else p.name for p in places}
        parents = unique(p.parent for p in places if p.parent is not None)
        if (
            literal.value not in names
            and ":" not in literal.value
            and all(literal.value not in p.elements for p in parents)
        ):
            start, end = self._inside(literal)
            self.found.append(findings.unknown_element(self.version, literal.value, parents, start, end, below=False))

    def _part(self, call: Call, places: Places | None) -> None:
        """``starts-with(@type, 'pci')``: some value must match."""
        literal = call.args[1]
        if places is None or OPEN in places or not isinstance(literal, Literal) or _is_rendered(literal.value):
            return
        values = _values(places)
        before = () if call.name == "starts-with" else (ANYTHING,)
        if values and not fits(values, (*before, literal.value, ANYTHING)):
            start, end = self._inside(literal)
            self.found.append(findings.unknown_value(self.version, literal.value, places, start, end))

    def _inside(self, literal: Literal) -> tuple[int, int]:
        """The characters between the quotes."""
        return (literal.start + 1, literal.end - 1) if literal.value else (literal.start, literal.end)


def check_value(value: str, places: Places, dialect: Dialect, start: int = 0) -> Iterator[Finding]:
    """Problems of a text that becomes the text of the places."""
    yield from against(allowed(places), value, places, dialect.unfolding.index.version, start, start + len(value))


def allowed(places: Places) -> Values:
    """What the text of the places may be."""
    if any(place.is_open for place in places):
        return None
    return _either(place.values for place in places)


def against(values: Values, value: str, places: Places, version: str, start: int, end: int) -> Iterator[Finding]:
    """A text that should be one of the values of the places."""
    if _is_rendered(value) or values is None or not places or OPEN in places or fits(values, (value,)):
        return
    if values != NOTHING:
        yield findings.unknown_value(version, value, places, start, end)
    elif value.strip():
        yield findings.no_text(version, places, start, end)


def _is_rendered(value: str) -> bool:
    """Whether the text is not the value itself, but where one will be, or was meant to be."""
    return any(mark in value for mark in (FILLER, "{{"))


def _values(places: Places) -> Values:
    """What the string value of nodes may be: that of an element includes the text of all elements in it."""
    for place in places:
        below = [place, *place.below] if place.type.elements else [place]
        if any(p.is_open for p in below) or (len(below) > 1 and any(p.values != NOTHING for p in below)):
            return None
    return _either(place.values for place in places)


def _either(found: Iterable[Values]) -> Values:
    either = NOTHING
    for values in found:
        if values is None:
            return None
        either |= values
    return either


def _equals(values: Texts, number: float) -> bool:
    """Whether an allowed text can be this number."""
    if any(_number(word) == number for word in values.words):
        return True
    sign, size = ("-", -number) if number < 0 else ("", number)
    return size.is_integer() and fits(Texts((), values.datatypes), (sign, Unknown("0*"), str(int(size))))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
