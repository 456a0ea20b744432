"""The op ``ensure``: walks a constructive path and creates what is missing."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..cel.template import TemplateProgram, as_text
from ..diagnostics import fail
from ..document.model import Position
from ..quoting import Names
from ..record import record
from ..result import Effect
from ..source import Text
from ..xpath.constructive import BuildPath, BuildProgram, BuildStep, Condition
from ..xpath.match import Match, local_name, string_value
from ..xpath.query import Namespaces, no_value
from .guarded import Editor, LazySpan
from .ops import Targets, at_each, note, only_elements, set_at
from .placement import Placement

if TYPE_CHECKING:
    from ..cel.compiled import Compiled
    from ..run_scope import Scope
    from .tree import DomainTree

Wanted = list[tuple[str | None, str]]
"""The value that each attribute (None: the text) of an element must have."""
Walked = list[tuple[etree._Element, BuildStep, Wanted]]


class Start(Enum):
    """Where a path starts: the document, the node around the edit for a relative path, the nodes of ``in``."""

    DOCUMENT = "document"
    NODE = "node"
    MATCHED = "matched"

    def is_root(self, path: BuildPath) -> bool:
        return self is Start.DOCUMENT or (self is Start.NODE and path.absolute)


@record
class EnsureOp:
    path: BuildProgram
    computed: tuple[Compiled, ...]
    source: Text
    namespaces: Namespaces
    start: Start
    within: Targets | None
    value: TemplateProgram | None
    place: Placement

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.source.span)
        if self.within is None:
            matches = [Match(tree.root if self.start is Start.DOCUMENT else scope.context)]
        else:
            matches = self.within.find(tree, scope, effect)
            only_elements(matches, self.within.selector.source, "ensure")

        def compute() -> tuple[BuildPath, str | None] | None:
            text = self.value.text_or_absent(scope) if self.value else None
            return None if self.value and text is None else (self._path(scope), text)

        for match, computed in at_each(matches, scope, compute):
            if computed is None:
                continue
            path, text = computed
            if self.computed:
                tree.provenance.computed |= self._names_of_values(path)
            is_root = self.start.is_root(path)
            start = tree.root if is_root else match.element
            if is_root:
                _check_root(edit, start, path.steps[0], scope)
            walked, made = self._walk(edit, start, path.steps[is_root:], scope)
            end = Match(walked[-1][0] if walked else start, attribute=path.attribute)
            if self.within is None:
                note(effect, [end], tree)
            place = self.value.source.span if self.value else edit.place
            if self.value and text is not None and tree.origins is not None:
                tree.origins.wrote(end.element, end.attribute, self.value.written)
            changed = (text is not None and set_at(edit, end, text, place)) or made
            if changed:
                _check_settled(walked, place)
            effect.changed += changed
        return effect

    def _path(self, scope: Scope) -> BuildPath:
        if not self.computed:
            return self.path.shape
        path = self.path.path([as_text(expression.evaluate(scope), expression) for expression in self.computed])
        check_build_path(self.source, path, self.start, self.value is not None)
        return path

    def _names_of_values(self, path: BuildPath) -> set[str]:
        """The names in a computed path that its text does not contain."""
        names = {path.attribute or "", *(step.tag for step in path.steps)}
        names |= {condition.attribute or "" for step in path.steps for condition in step.conditions}
        written = Names([self.source.text])
        return {name for name in names if not written.known(local_name(name))}

    def _walk(
        self, edit: Editor, start: etree._Element, steps: tuple[BuildStep, ...], scope: Scope
    ) -> tuple[Walked, bool]:
        """The steps with their elements, from ``start`` on, and whether any of them was missing and thus created."""
        walked: Walked = []
        made = False
        for step in steps:
            above = walked[-1][0] if walked else start
            wanted = _all_wanted(step, scope) if step.conditions else []
            found = [child for child in above.iterchildren(step.tag) if not wanted or _fits(child, wanted)]
            if len(found) > 1:
                help = f"add a predicate that only one of them matches, such as `{step.written}[@…='…']`, or use `in`"
                from ..xpath.explain import ambiguous

                raise fail(rules.AMBIGUOUS, ambiguous(step.written, found, edit.tree.provenance), edit.span, help)
            if found:
                walked.append((found[0], step, wanted))
                continue
            anchor, position = (above, Position.APPEND) if made else self.place.find(edit.tree, scope, above)
            walked.append((self._make(edit, anchor, position, step, wanted), step, wanted))
            made = True
        return walked, made

    def _make(
        self, edit: Editor, anchor: etree._Element, position: Position, step: BuildStep, wanted: Wanted
    ) -> etree._Element:
        nsmap = {step.prefix: uri} if step.prefix and (uri := self.namespaces.get(step.prefix)) else None
        node = etree.Element(step.tag, nsmap=nsmap)
        for (attribute, value), condition in zip(wanted, step.conditions, strict=True):
            edit.check_text(value, edit.place)
            if edit.tree.origins is not None:
                edit.tree.origins.wrote(node, attribute, _written(step, condition))
            if attribute is None:
                node.text = value
            else:
                node.set(attribute, value)
        if not _fits(node, wanted):
            raise fail(rules.BAD_ENSURE_PATH, f"the predicates of `{step.written}` contradict each other", edit.span)
        edit.insert([node], anchor, position)
        return node


def check_build_path(source: Text, path: BuildPath, start: Start, has_value: bool) -> None:
    """What the form of an ``ensure`` requires of its path. Raises PatchError (PL207)."""
    if start is Start.MATCHED and path.absolute:
        raise fail(
            rules.BAD_ENSURE_PATH,
            "with `in`, the path must start at the nodes that `in` selects",
            source.span(),
            f"write it without the leading `/`: `{source.text.lstrip('/')}`" if source.text.startswith("/") else None,
        )
    if start.is_root(path) and not path.steps:
        raise fail(rules.BAD_ENSURE_PATH, "the path has no element", source.span(), "start with `/domain`")
    if path.attribute is not None and not has_value:
        raise fail(rules.BAD_ENSURE_PATH, "an attribute at the end of the path needs a `value`", source.span())


def _check_root(edit: Editor, root: etree._Element, step: BuildStep, scope: Scope) -> None:
    if step.tag != root.tag or (step.conditions and not _fits(root, _all_wanted(step, scope))):
        message = f"the path starts with `{step.written}`, but the document starts with `domain`"
        raise fail(rules.MATCH_COUNT, message, edit.span, "a domain has one root, which cannot be created")


def _check_settled(walked: Walked, place: LazySpan) -> None:
    """The next run must find what this one created."""
    for element, step, wanted in walked:
        if wanted and not _fits(element, wanted):
            message = (
                f"the finished `{step.written}` does not match its predicate, so the next run would create another"
            )
            help = "remove the predicate, or use one that stays true"
            raise fail(rules.BAD_ENSURE_PATH, message, place(), help)


def _wanted(condition: Condition, scope: Scope) -> str:
    if condition.variable is None:
        return condition.literal or ""
    try:
        value = scope.xpath_value(condition.variable)
    except LookupError as e:
        raise no_value(e, None) from None
    if isinstance(value, bool):
        raise fail(rules.EVALUATION, f"`${condition.variable}` is a boolean, not text")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _written(step: BuildStep, condition: Condition) -> str | None:
    """The expression of a condition's value; None if it is not computed."""
    if condition.variable is not None:
        return f"${condition.variable}"
    return step.written if "$[" in step.written else None


def _all_wanted(step: BuildStep, scope: Scope) -> Wanted:
    return [(condition.attribute, _wanted(condition, scope)) for condition in step.conditions]


def _fits(element: etree._Element, wanted: Wanted) -> bool:
    for attribute, value in wanted:
        if (string_value(element) if attribute is None else element.get(attribute)) != value:
            return False
    return True
