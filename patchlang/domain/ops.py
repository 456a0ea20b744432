"""The ops on a domain: each a compiled form that applies itself to a tree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lxml import etree

from .. import rules
from ..cel.template import TemplateProgram, check_true
from ..diagnostics import PatchError, fail
from ..document.model import Expect, Position
from ..record import record
from ..result import SHOWN_PLACES, Effect
from ..source import Span, Text
from ..xpath.match import Match, local_name, string_value
from ..xpath.query import AttributeSelector, Query, Selector
from .guarded import Editor, LazySpan

if TYPE_CHECKING:
    from ..cel.compiled import Compiled
    from ..run_scope import Scope
    from .fragment import FragmentProgram
    from .tree import DomainTree

T = TypeVar("T")


def note(effect: Effect, matches: Sequence[Match], tree: DomainTree) -> None:
    effect.matched += len(matches)
    effect.places += [tree.provenance.path(m) for m in matches[: SHOWN_PLACES - len(effect.places)]]
    if tree.tells_spots:
        effect.spots = [*(effect.spots or ()), *tree.spots(matches)]


class DomainOp(Protocol):
    """A compiled op."""

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        """Change the tree. Raises PatchError (PL4xx); the tree is unusable after that."""


@record
class ProtectingOp:
    """An op that changes no protected node: the places that it ``changes``, and those that it ``takes`` elsewhere."""

    op: DomainOp
    changes: LazySpan
    takes: LazySpan

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        tree.protected.begin()
        effect = self.op.apply(tree, scope)
        if broken := tree.protected.broken():
            place, help = (
                self.takes if broken.is_loss else self.changes,
                "if you are sure, add `allowProtected: true` to the edit",
            )
            raise fail(rules.PROTECTED, broken.message, place(), help)
        return effect


@record
class Targets:
    """The nodes an op works on; ``missing`` says what to do if there are none."""

    selector: Selector
    expect: Expect
    unless: Query | None = None
    attribute: AttributeSelector | None = None
    missing: str | None = None

    def find(self, tree: DomainTree, scope: Scope, effect: Effect) -> list[Match]:
        """The matched nodes without those that ``unless`` skips, as ``expect`` allows."""
        found = (self.attribute or self.selector).select(tree.document, scope, scope.context)
        if not self.expect.allows(len(found)):
            quotes = tree.provenance
            at = scope.context
            from ..xpath.explain import count_error

            raise count_error(self.selector, self.expect, found, tree.document, scope, quotes, at, self.missing)
        note(effect, found, tree)
        if self.unless is None:
            return found
        unless = self.unless
        return [m for m in found if not _truth(unless.evaluate(tree.document, scope, m.context))]


def _truth(result: Any) -> bool:
    """XPath 1.0's boolean(): NaN is false."""
    return bool(result) and result == result


def facts_of(match: Match, index: int) -> dict[str, Any]:
    """CEL's ``node`` at a matched node."""
    element = match.element
    if match.attribute is not None:
        name, value = match.attribute, element.get(match.attribute, "")
    elif match.text is not None:
        name, value = "#text", (element.tail if match.text == "tail" else element.text) or ""
    else:
        name, value = str(element.tag), string_value(element)
    attributes = {local_name(key): str(value) for key, value in match.context.attrib.items()}
    return {"name": local_name(name), "text": value, "attributes": attributes, "index": index}


def at_each(matches: Iterable[Match], scope: Scope, compute: Callable[[], T]) -> list[tuple[Match, T]]:
    """The values of all nodes, computed before any of them changes."""
    values: list[tuple[Match, T]] = []
    for index, match in enumerate(matches):
        with scope.at(match.context, partial(facts_of, match, index)):
            values.append((match, compute()))
    return values


def only_elements(matches: list[Match], source: Text, op: str) -> list[etree._Element]:
    for match in matches:
        if not match.is_element:
            found = "a text node" if match.attribute is None else "an attribute"
            raise fail(rules.WRONG_NODE, f"`{op}` works on elements, but the path selects {found}", source.span())
    return [m.element for m in matches]


@record
class EachOp(ABC):
    """An op that changes its targets one by one."""

    targets: Targets

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.targets.selector.source.span)
        for match, value in self.values(self.targets.find(tree, scope, effect), scope):
            effect.changed += self.change(edit, match, value)
        return effect

    def values(self, matches: list[Match], _scope: Scope) -> Iterable[tuple[Match, Any]]:
        """The targets in the order of their changes, each with what was computed for it before the first change."""
        return [(match, None) for match in matches]

    @abstractmethod
    def change(self, edit: Editor, match: Match, value: Any) -> bool:
        """Change one target; whether that changed the document."""


@record
class FragmentOp(EachOp):
    """An op with its own elements, built for each element that it works on."""

    fragment: FragmentProgram
    name = ""

    def values(self, matches: list[Match], scope: Scope) -> Iterable[tuple[Match, list[etree._Element]]]:
        only_elements(matches, self.targets.selector.source, self.name)
        scope.budget.check(len(matches) * self.fragment.size)
        return at_each(matches, scope, lambda: self.fragment.build(scope))


@record
class AddOp(FragmentOp):
    position: Position
    name = "add"

    def change(self, edit: Editor, match: Match, value: list[etree._Element]) -> bool:
        edit.insert(value, match.element, self.position)
        return True


@record
class SetOp(EachOp):
    value: TemplateProgram

    def values(self, matches: list[Match], scope: Scope) -> Iterable[tuple[Match, str | None]]:
        return at_each(matches, scope, lambda: self.value.text_or_absent(scope))

    def change(self, edit: Editor, match: Match, value: str | None) -> bool:
        if value is not None and edit.tree.origins is not None:
            edit.tree.origins.wrote(match.element, match.attribute, self.value.written)
        return value is not None and set_at(edit, match, value, self.value.source.span)


def set_at(edit: Editor, match: Match, text: str, place: LazySpan) -> bool:
    if match.attribute is not None:
        return edit.set_attribute(match.element, match.attribute, text, place)
    if match.text is not None:
        raise fail(
            rules.WRONG_NODE,
            "`set` needs an element or an attribute, but the path selects a text node",
            edit.span,
            "remove `/text()`: `set` sets the text of the element",
        )
    return edit.set_text(match.element, text, place)


@record
class ReplaceOp(FragmentOp):
    name = "replace"

    def change(self, edit: Editor, match: Match, value: list[etree._Element]) -> bool:
        if not edit.is_attached(match.element):
            return False
        if value:
            edit.replace(match.element, value)
        else:
            edit.remove(match.element)
        return True


@record
class RemoveOp(EachOp):
    def values(self, matches: list[Match], _scope: Scope) -> Iterable[tuple[Match, None]]:
        return [(match, None) for match in reversed(matches)]

    def change(self, edit: Editor, match: Match, _value: None) -> bool:
        if match.attribute is not None:
            return edit.remove_attribute(match.element, match.attribute)
        if match.text is not None:
            return edit.remove_text(match.element, match.text == "tail")
        edit.remove(match.element)
        return True


@record
class RenameOp(EachOp):
    to: str

    def change(self, edit: Editor, match: Match, _value: None) -> bool:
        if match.attribute is not None:
            return edit.rename_attribute(match.element, match.attribute, self.to)
        if match.text is not None:
            message = "`rename` needs elements or attributes, but the path selects a text node"
            raise fail(rules.WRONG_NODE, message, edit.span)
        return edit.rename(match.element, self.to)


@record
class TestOp:
    targets: Targets | None
    expression: Compiled | None
    message: TemplateProgram | None
    span: Span

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect = Effect()
        try:
            if self.targets is not None:
                self.targets.find(tree, scope, effect)
            elif self.expression is not None:
                check_true(self.expression, scope)
        except PatchError as e:
            if self.message is None or e.diagnostic.rule not in (rules.MATCH_COUNT, rules.TEST_FAILED):
                raise
            raise fail(rules.TEST_FAILED, self.message.text(scope), self.span, e.diagnostic.message) from None
        return effect
