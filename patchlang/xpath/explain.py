"""Messages for a path that did not match as expected: how far it matched, what is there, what is close.

:class:`Quotes` decides what they may quote of the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

from lxml import etree

from .. import rules
from ..diagnostics import PatchError, closest, fail
from ..document.model import Expect
from ..record import record
from .match import Match, local_name
from .query import Selector, XPathValues
from .tree import Binary, Call, Expr, Literal, Path, Step, VariableRef

_PLACES = 8
_NAMES = 24
_MAX_TEXT = 60
_MOST_VALUES = 1000


class Quotes(Protocol):
    """What messages may quote of a document."""

    def path(self, match: Match) -> str:
        """The path of a node."""

    def name(self, element: etree._Element, attribute: str | None = None) -> str | None:
        """The name of an element or of one of its attributes, None if it may not be quoted."""

    def value(self, node: Any) -> str | None:
        """The text of a node that a path selected, None if it may not be quoted."""


def count_error(
    selector: Selector,
    expect: Expect,
    found: list[Match],
    tree: etree._ElementTree,
    values: XPathValues,
    quotes: Quotes,
    context: etree._Element | None = None,
    missing: str | None = None,
) -> PatchError:
    """PL401 for a path that matched another number of nodes than ``expect`` allows.

    ``context`` is where it starts; ``missing`` is what to do if nothing matches, depending on the path's purpose;
    ``{expect}`` in it is filled in.
    """
    span = selector.source.span()
    if found:
        nodes = "node" if len(found) == 1 else "nodes"
        message = f"the path matches {len(found)} {nodes}, {expect} expected: {_places(found, quotes)}"
        too_many = expect.high is not None and len(found) > expect.high
        help = "narrow the path with a predicate, or set `expect` to how many may match" if too_many else None
        return fail(rules.MATCH_COUNT, message, span, help)
    explained = [_Explanation(selector, path, tree, values, quotes, context).text() for path in selector.paths()]
    reached = "; ".join(filter(None, explained))
    message = f"the path matches nothing, {expect} expected" + (f": {reached}" if reached else "")
    help = missing.format(expect=_lenient(expect)) if missing else None
    if any("the root of the domain is" in text for text in explained):
        help = f"a path must start with `/domain`: write `/domain/{selector.text.lstrip('/')}`"
    return fail(rules.MATCH_COUNT, message, span, help)


def _lenient(expect: Expect) -> str:
    """The ``expect`` that allows fewer, and none."""
    if expect.low > 1:
        return f'`expect: "{f"0..{expect.high}" if expect.high else "0+"}"`'
    return '`expect: "0..1"` or `"0+"`'


def ambiguous(written: str, candidates: list[etree._Element], quotes: Quotes) -> str:
    """Several elements where one is needed, with their places."""
    return f"{len(candidates)} elements match `{written}`: {_places([Match(e) for e in candidates], quotes)}"


def _places(matches: list[Match], quotes: Quotes) -> str:
    more = ", …" if len(matches) > _PLACES else ""
    return ", ".join(quotes.path(m) + _line(m.element) for m in matches[:_PLACES]) + more


def _line(element: etree._Element) -> str:
    return f" (line {element.sourceline})" if element.sourceline else ""


@record
class _Explanation:
    """How far one location path matched, and what is there where it stopped."""

    selector: Selector
    path: Path
    tree: etree._ElementTree
    values: XPathValues
    quotes: Quotes
    context: etree._Element | None

    def text(self) -> str:
        for number in range(len(self.path.steps) - 1, 0, -1):
            step, before = self.path.steps[number], self.path.steps[number - 1]
            if step.abbreviated:
                continue
            if before.axis == "attribute":
                return f"the attribute `{self.written(before.end)}` has nothing below it"
            parents = self.select(before.end if not before.abbreviated else before.start, anywhere=before.abbreviated)
            if parents:
                reached = self.written(before.start if before.abbreviated else before.end)
                return self.at_step(step, reached, parents, anywhere=before.abbreviated)
        if self.context is not None and not self.path.absolute and not self.path.steps[0].abbreviated:
            return self.at_step(
                self.path.steps[0], self.quotes.path(Match(self.context)), [Match(self.context)], anywhere=False
            )
        return f"the root of the domain is `{self.tree.getroot().tag}`"

    def written(self, end: int) -> str:
        return self.selector.text[self.path.start : end]

    def select(self, end: int, *, anywhere: bool = False) -> list[Match]:
        """The elements that the path selects up to an offset, or all elements below them."""
        prefix = self.written(end) + ("//*" if anywhere else "")
        found = self.selector.run(self.selector.prefix(prefix), self.tree, self.values, self.context)
        return [Match(n) for n in found if isinstance(n, etree._Element) and isinstance(n.tag, str)]

    def at_step(self, step: Step, reached: str, parents: list[Match], *, anywhere: bool) -> str:
        if not anywhere:
            line = _line(parents[0].element) if len(parents) == 1 else ""
            where = f"`{reached}` matches{line}, but has no {{}}"
        else:
            where = f"`{reached}` has no {{}} below it" if reached else "the domain has no {}"
        if step.axis == "attribute":
            shown = (self.quotes.name(m.element, str(name)) for m in parents for name in m.element.attrib)
            names = {f"@{name}" for name in shown if name is not None}
            return _missing(where, f"attribute `@{step.test}`", f"@{step.test}", names)
        if step.axis != "child" or step.test.endswith(")"):
            return where.replace("{}", f"`{self.selector.text[step.start : step.end]}`")
        if step.predicates and (bare := self.select(step.head_end)):
            return self.at_predicate(step, bare)
        children = [child for m in parents for child in m.element if isinstance(child.tag, str)]
        if ":" not in step.test and (uri := _namespace_of(step.test, children)):
            prefix = next((p for p, known in self.selector.namespaces.items() if known == uri), None)
            written = f"write `{prefix}:{step.test}`" if prefix else "give it a prefix in `spec.namespaces`"
            return (
                where.replace("{}", f"element `{step.test}` without a namespace")
                + f"; there is one in {uri}: {written}"
            )
        return _missing(where, f"element `{step.test}`", step.test, set(filter(None, map(self.quotes.name, children))))

    def at_predicate(self, step: Step, bare: list[Match]) -> str:
        """Elements of that name exist, but none matches the predicates: show the values that the predicates compare."""
        count = "found 1" if len(bare) == 1 else f"found {len(bare)}"
        text = f"{count} `{step.test}`, none with `{self.selector.text[step.head_end : step.end]}`"
        shown = [
            (path, wanted, present) for path, wanted in self.equalities(step) if (present := self.present(path, bare))
        ]
        shown.sort(key=lambda one: one[1] in one[2])  # what none of them has comes first
        if shown:
            path, wanted, present = shown[0]
            near = closest(wanted, present) if wanted else None
            listed = ", ".join(present[:_NAMES]) + (", …" if len(present) > _NAMES else "")
            meant = f"; did you mean `{near}`?" if near and near != wanted else ""
            return f"{text}; `{path}` is: {listed}{meant}"
        return text

    def equalities(self, step: Step) -> Iterator[tuple[str, str | None]]:
        """The relative paths that the predicates compare or search, and with which text, if known."""
        pending: list[Expr] = list(step.predicates)
        while pending:
            match pending.pop(0):
                case Binary(operator="and" | "or", left=left, right=right):
                    pending += [left, right]
                case (
                    Binary(operator="=", left=Path(absolute=False, base=None) as path, right=value)
                    | Binary(operator="=", left=value, right=Path(absolute=False, base=None) as path)
                ):
                    yield self.selector.text[path.start : path.end], self.wanted(value)
                case Call(name="contains" | "starts-with", args=(Path(absolute=False, base=None) as path, *_)):
                    yield self.selector.text[path.start : path.end], None
                case _:
                    pass

    def wanted(self, value: Expr) -> str | None:
        match value:
            case Literal(value=text):
                return text
            case VariableRef(name=name):
                return str(self.values.xpath_value(name))
            case _:
                return None

    def present(self, path: str, nodes: list[Match]) -> list[str]:
        """The values of a relative path at some nodes that may be quoted, each once, in document order."""
        if "$" in path:
            return []
        evaluator = etree.XPath(path, namespaces=dict(self.selector.namespaces), regexp=False)
        results = (evaluator(m.element) for m in nodes)
        found = (value for result in results if isinstance(result, list) for value in result)
        shown = filter(None, map(self.quotes.value, islice(found, _MOST_VALUES)))
        texts = (" ".join(value.split())[:_MAX_TEXT] for value in shown)
        return list(dict.fromkeys(text for text in texts if text))


def _missing(where: str, what: str, name: str, names: set[str]) -> str:
    near = closest(name, names)
    if near and near != name:
        return f"{where.replace('{}', what)}; did you mean `{near}`?"
    listed = ", ".join(sorted(names)[:_NAMES]) + (", …" if len(names) > _NAMES else "")
    return where.replace("{}", what) + (f"; it has: {listed}" if names else "")


def _namespace_of(name: str, elements: list[etree._Element]) -> str | None:
    """The namespace of an element with that local name, if none has the name without a namespace."""
    found = [str(e.tag) for e in elements if local_name(e.tag) == name]
    return found[0][1:].split("}")[0] if found and name not in found else None
