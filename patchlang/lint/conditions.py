"""Advice on conditions whose value does not depend on anything."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from .. import rules
from ..cel import tree as cel_tree
from ..diagnostics import Diagnostic
from ..document import model
from ..document.model import Role
from ..source import Span, Text
from ..xpath.tree import Binary, Literal, Step, walk
from .guards import variables_of
from .nested import flat
from .reading import advice, directives, queries, shown, tree
from .roles import parts, texts
from .truth import NOTHING, all_of, number, truth

_EMPTY = (cel_tree.ListExpr(), cel_tree.Call("range", cel_tree.Literal("int", 0)))
_JOINS = ("and", "or")
_COMPARE = "compare both: `[@name='a' or @name='b']`"
_NOT_TEXT = "annotations and labels are strings: compare with 'true', not true"


def constant_condition(patch: model.Patch) -> Iterator[Diagnostic]:
    """A condition that is always true, or never, for any VMI and domain.

    Such as an annotation (a string) compared with ``true``, a value that would have to equal two strings, ``in``
    an empty list, or text as a predicate.
    """
    variables = variables_of(patch)
    for key, condition in _conditions(patch):
        read = variables.condition(condition.text)
        value = _truth_of(read) if read is not None else None
        if value is not None:
            yield _finding(patch, f"`{key}` is {_word(value)} true", condition, _why(condition.text))
    for edit in (*patch.spec.domain, *patch.spec.cloud_init):
        loop = edit.for_each
        if loop is not None and variables.condition(loop.text) in _EMPTY:
            yield _finding(patch, "`forEach` is always empty: the edit never runs", loop, "remove the edit")
    for edit in patch.spec.domain:
        if edit.unless is not None and (asked := tree(edit.unless.text)) is not None:
            value = truth(asked, NOTHING)
            if value is not None:
                help = "`unless` is an XPath from the matched node, such as `../tpm` or `@model='none'`"
                yield _finding(patch, f"`unless` is {_word(value)} true", edit.unless, help)
    yield from _predicates(patch)


def unexplained(
    found: Iterable[Diagnostic], slips: Iterable[Diagnostic], patches: Sequence[model.Patch]
) -> list[Diagnostic]:
    """The findings, without conditions that are constant because of one of the ``slips``: that one says so, and where.

    Such a finding is in the condition, or in a variable that the condition reads.
    """
    starts = sorted(one.span.start for one in slips if one.span is not None)
    findings = list(found)
    if not starts or not any(one.rule is rules.CONSTANT_CONDITION for one in findings):
        return findings
    explained: set[Span] = set()
    for patch in patches:
        for _, condition in _conditions(flat(patch)):
            spans = (text.span() for text in variables_of(patch).reached(condition))
            if any(bisect_left(starts, one.start) < bisect_left(starts, one.end) for one in spans):
                explained.add(condition.span())
    return [one for one in findings if one.rule is not rules.CONSTANT_CONDITION or one.span not in explained]


def _conditions(patch: model.Patch) -> Iterator[tuple[str, Text]]:
    if patch.spec.when is not None:
        yield "when", patch.spec.when
    for edit in (*patch.spec.domain, *patch.spec.cloud_init):
        if edit.when is not None:
            yield "when", edit.when
        yield from ((part.key, part.value) for part in parts(edit) if part.role is Role.CONDITION)
        for xml in texts(edit, model.Fragment, Role.INSERTS, Role.MERGES):
            yield from (("patch:when", condition) for condition in directives(xml, "when"))


def _predicates(patch: model.Patch) -> Iterator[Diagnostic]:
    for query in queries(patch):
        for step in walk(query.tree):
            if not isinstance(step, Step) or not step.predicates:
                continue
            value = all_of(step.predicates, NOTHING)
            if value is None:
                for text in _alone(step):
                    message = f"`{shown(query.source.text[text.start : text.end])}` alone is true for every node"
                    span = query.source.span(text.start, text.end)
                    yield advice(patch, rules.CONSTANT_CONDITION, message, span, _COMPARE)
                continue
            start, end = step.predicates[0].start, step.predicates[-1].end
            message = f"`[{shown(query.source.text[start:end])}]` is true for {'every' if value else 'no'} node"
            help = "an attribute has one value; write `or` if either is fine"
            if any(number(predicate) is not None for predicate in step.predicates):
                help = "positions are whole numbers and count from 1"
            elif _alone(step):
                help = _COMPARE
            elif any(isinstance(predicate, Literal) for predicate in step.predicates):
                help = "text alone is always true: compare it, such as `[@name='…']`"
            yield advice(patch, rules.CONSTANT_CONDITION, message, query.source.span(start, end), help)


def _alone(step: Step) -> list[Literal]:
    """Text as one side of ``and`` or ``or``: it is true for every node."""
    parts = (part for predicate in step.predicates for part in walk(predicate))
    sides = (side for part in parts if isinstance(part, Binary) and part.operator in _JOINS for side in part.children)
    return [side for side in sides if isinstance(side, Literal) and side.value]


def _finding(patch: model.Patch, message: str, condition: Text, help: str) -> Diagnostic:
    return advice(patch, rules.CONSTANT_CONDITION, f"{message}: `{shown(condition.text)}`", condition.span(), help)


def _truth_of(condition: cel_tree.Node) -> bool | None:
    from . import celtruth

    return celtruth.truth(condition)


def _word(value: bool) -> str:
    return "always" if value else "never"


def _why(text: str) -> str:
    if ("annotations" in text or "labels" in text) and "null" in text:
        return "a missing key is not null, and fails: test with `'KEY' in vmi.metadata.annotations`"
    if "annotations" in text or "labels" in text:
        return _NOT_TEXT if "true" in text or "false" in text else "annotations and labels are strings"
    if "xpath(" in text:
        return "`xpath('…')` gives a list for nodes; for one string write `xpath('string(…)')`"
    return "make it depend on something, or remove it"
