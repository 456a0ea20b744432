"""Compiled expectations of a test: what an XPath or a pointer must find in a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Protocol, TypeAlias

from .. import rules
from ..cloudinit import pointer
from ..cloudinit.pointer import Pointer, PointerError
from ..cloudinit.state import open_cloud_init
from ..cloudinit.userdata import PartSelector
from ..diagnostics import Diagnostic, PatchError, fail
from ..document import model
from ..document.model import Expect, Literal, Part
from ..domain import tree as domain_tree
from ..quoting import AllNames
from ..record import record
from ..run_scope import Scope
from ..source import Span
from ..values import equal, plain
from ..xpath.explain import count_error
from ..xpath.match import string_value
from ..xpath.query import Namespaces, Query, Selector, to_cel
from ..xpath.tree import result_kind
from .model import PointerExpectation, XPathExpectation

_NOBODY = Scope({})
_ALL_NAMES = AllNames()
_SHOWN = 200


class Check(Protocol):
    """One expectation, ready to be checked against results."""

    @property
    def of_domain(self) -> bool:
        """Whether it reads the domain, or the cloud-init data."""

    def fault(self, outcome: bytes) -> Diagnostic | None:
        """The problem of a result (PL601)."""


def compile_check(expectation: XPathExpectation | PointerExpectation, namespaces: Namespaces) -> Check:
    """Raises PatchError (PL1xx, PL2xx) for an expectation that can never be checked."""
    if expectation.matches is not None and _search("", expectation.matches.text) is None:
        raise fail(rules.BAD_VALUE, "this is not a valid regular expression (RE2)", expectation.matches.span())
    if isinstance(expectation, XPathExpectation):
        return _compile_xpath(expectation, namespaces)
    try:
        parsed = pointer.parse(expectation.pointer.text)
    except PointerError as e:
        raise fail(e.rule, e.message, expectation.pointer.span(e.start, e.end), e.help) from None
    return PointerCheck(expectation, parsed)


def _compile_xpath(expectation: XPathExpectation, namespaces: Namespaces) -> Check:
    source = expectation.xpath
    query = Query(source, namespaces, frozenset())
    if result_kind(query.tree) in ("nodes", "any"):
        return XPathCheck(expectation, Selector(source, namespaces, frozenset()))
    if expectation.count is not None or expectation.absent:
        word = "absent" if expectation.absent else "count"
        message = f"`{word}` counts nodes, but this gives a {result_kind(query.tree)}"
        raise fail(rules.BAD_XPATH, message, source.span(), "write `equals`, or a path that selects nodes")
    return XPathCheck(expectation, query)


@record
class XPathCheck:
    """An XPath: for nodes if the query is a Selector, otherwise for a string, number or boolean."""

    expectation: XPathExpectation
    query: Query

    @property
    def of_domain(self) -> bool:
        return True

    def fault(self, outcome: bytes) -> Diagnostic | None:
        wanted = self.expectation
        tree = domain_tree.parse(outcome)
        document = tree.document
        try:
            result = self.query.evaluate(document, _NOBODY)
            texts = [string_value(n) for n in result] if isinstance(result, list) else [_as_text(to_cel(result))]
        except PatchError as e:
            return _fault(wanted.xpath.span(), e.diagnostic.message, e.diagnostic.help)
        if wanted.absent:
            return _fault(wanted.xpath.span(), f"{_nodes(texts)}, none expected") if texts else None
        if not texts and isinstance(self.query, Selector) and (expect := self._needed()) is not None:
            explained = count_error(self.query, expect, [], document, _NOBODY, tree.provenance).diagnostic
            return _fault(wanted.xpath.span(), explained.message)
        if wanted.count is not None and not wanted.count.allows(len(texts)):
            return _fault(wanted.xpath.span(), f"{_nodes(texts)}, {wanted.count} expected")
        if wanted.equals is not None and texts != [text.text for text in wanted.equals]:
            expected = _listed(text.text for text in wanted.equals)
            return _fault(_span(wanted.equals) or wanted.xpath.span(), f"found {_listed(texts)}, expected {expected}")
        return self._one_text(texts)

    def _needed(self) -> Expect | None:
        """The expected number of nodes, None if there may be none."""
        wanted = self.expectation
        if wanted.contains is not None or wanted.matches is not None:
            return Expect(1, 1)
        if wanted.equals:
            return Expect(len(wanted.equals), len(wanted.equals))
        return None if wanted.count is None or wanted.count.allows(0) else wanted.count

    def _one_text(self, texts: list[str]) -> Diagnostic | None:
        for check, fits, words in _text_checks(self.expectation.contains, self.expectation.matches):
            if len(texts) != 1:
                return _fault(check.span(), f"{_nodes(texts)}, exactly 1 expected")
            if not fits(texts[0]):
                return _fault(check.span(), f"found {_listed(texts)}, {words}")
        return None


@record
class PointerCheck:
    """A pointer into the cloud-init data."""

    expectation: PointerExpectation
    parsed: Pointer

    @property
    def of_domain(self) -> bool:
        return False

    def fault(self, outcome: bytes) -> Diagnostic | None:
        wanted, span = self.expectation, self.expectation.pointer.span()
        part = _selector(wanted.part) if wanted.part else None
        try:
            state = open_cloud_init(outcome)
            data = state.value(wanted.target, part)
            found = plain(pointer.resolve(data, state.pointer(wanted.target, self.parsed)))
        except PatchError as e:
            return _fault(span, e.diagnostic.message, e.diagnostic.help)
        except PointerError as e:
            missing = isinstance(e, pointer.NotFoundError)
            if missing and wanted.absent:
                return None
            help = e.with_names(_ALL_NAMES).help
            return _fault(wanted.pointer.span(e.start, e.end), e.message, help)
        if wanted.absent:
            return _fault(span, f"found {_shown(found)}, nothing expected")
        if wanted.equals is not None and not equal(found, value := plain_value(wanted.equals)):
            return _fault(_value_span(wanted.equals), f"found {_shown(found)}, expected {_shown(value)}")
        return self._contents(found)

    def _contents(self, found: Any) -> Diagnostic | None:
        wanted = self.expectation
        if wanted.contains is not None:
            value, span = plain_value(wanted.contains), _value_span(wanted.contains)
            if isinstance(found, list):
                if not any(equal(item, value) for item in found):
                    return _fault(span, f"found {_shown(found)}, which does not contain {_shown(value)}")
            elif not isinstance(found, str) or not isinstance(value, str) or value not in found:
                return _fault(span, f"found {_shown(found)}, which does not contain {_shown(value)}")
        if wanted.matches is not None and not (isinstance(found, str) and _search(found, wanted.matches.text)):
            return _fault(wanted.matches.span(), f"found {_shown(found)}, which does not match")
        return None


def _selector(part: Part) -> PartSelector:
    return PartSelector(*(name.text if name else None for name in (part.content_type, part.filename)))


_TextCheck: TypeAlias = tuple[Literal, Callable[[str], bool], str]


def _text_checks(contains: Literal | None, matches: Literal | None) -> Iterator[_TextCheck]:
    if contains is not None:
        yield contains, lambda text: contains.text in text, f"which does not contain {_listed([contains.text])}"
    if matches is not None:
        yield matches, lambda text: bool(_search(text, matches.text)), "which does not match"


def plain_value(value: model.Value) -> Any:
    """A value as plain data; ``$[ ]`` is not computed in it."""
    match value:
        case model.Constant(data=data):
            return data
        case model.Template(text=text):
            return text
        case model.ListValue(items=items):
            return [plain_value(item) for item in items]
        case model.MapValue(entries=entries):
            return {key: plain_value(item) for key, item in entries}


def _value_span(value: model.Value) -> Span:
    return value.span() if isinstance(value, model.Template) else value.span


def _span(texts: tuple[Literal, ...]) -> Span | None:
    return texts[0].span() if texts else None


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _nodes(texts: list[str]) -> str:
    return "found 1 node" if len(texts) == 1 else f"found {len(texts)} nodes"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(_shown(text) for text in texts) or "nothing"


def _shown(value: Any) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _fault(span: Span, message: str, help: str | None = None) -> Diagnostic:
    return Diagnostic(rules.EXPECTATION, message, span, help)


@cache
def _matcher() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables={"text": cel.Type.STRING, "pattern": cel.Type.STRING}).compile("text.matches(pattern)")


def _search(text: str, pattern: str) -> bool | None:
    """Whether a pattern (RE2, as in CEL's ``matches``) matches part of a text; None if it is invalid."""
    value = _matcher().eval(data={"text": text, "pattern": pattern})
    return None if value.type().name() == "ERROR" else bool(value.plain_value())
