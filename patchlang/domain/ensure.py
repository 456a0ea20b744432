"""The op ``ensure``: walks a constructive path, making what is missing."""

from __future__ import annotations

from lxml import etree

from .. import rules
from ..cel.template import TemplateProgram
from ..diagnostics import fail
from ..document.model import Position
from ..record import record
from ..result import Effect
from ..run_scope import Scope
from ..source import Text
from ..xpath.constructive import BuildDialect, BuildPath, BuildStep, Condition, parse_build_path
from ..xpath.explain import ambiguous
from ..xpath.match import Match, string_value
from ..xpath.query import no_value
from .guarded import Editor
from .ops import Targets, at_each, note, only_elements, set_at
from .tree import DomainTree


@record
class EnsureOp:
    path: BuildPath | TemplateProgram
    source: Text
    dialect: BuildDialect
    within: Targets | None
    value: TemplateProgram | None
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.source.span, self.allow)
        if self.within is None:
            matches = [Match(tree.root)]
        else:
            matches = self.within.find(tree, scope, effect)
            only_elements(matches, self.within.selector.source, "ensure")

        def compute() -> tuple[BuildPath, str | None]:
            return self._path(scope), self.value.text(scope) if self.value else None

        for match, (path, text) in at_each(matches, scope, compute):
            effect.changed += self._walk(edit, match.element, path, text, scope, effect)
        return effect

    def _path(self, scope: Scope) -> BuildPath:
        path = self.path
        if not isinstance(path, BuildPath):
            path = parse_build_path(self.source, self.dialect, path.text(scope))
            check_build_path(self.source, path, self.within is not None, self.value is not None)
        return path

    def _walk(
        self, edit: Editor, start: etree._Element, path: BuildPath, text: str | None, scope: Scope, effect: Effect
    ) -> bool:
        changed = False
        node = start
        steps = path.steps
        walked: list[tuple[etree._Element, BuildStep]] = []
        if self.within is None:
            root, *steps = path.steps  # type: ignore[assignment]
            if root.tag != start.tag or not _fits(start, root, scope):
                raise fail(
                    rules.MATCH_COUNT,
                    f"the path starts with `{root.written}`, the document with `domain`",
                    edit.span,
                    "a domain has one root, which is not made",
                )
        for step in steps:
            found = list(node.iterchildren(step.tag))
            if step.conditions:
                found = [child for child in found if _fits(child, step, scope)]
            if len(found) > 1:
                raise fail(
                    rules.AMBIGUOUS,
                    ambiguous(step.written, found),
                    edit.span,
                    f"add a predicate that only one of them fits, such as `{step.written}[@…='…']`, or use `in`",
                )
            if found:
                node = found[0]
            else:
                node = self._make(edit, node, step, scope)
                changed = True
            walked.append((node, step))
        if self.within is None:
            note(effect, [Match(node, attribute=path.attribute)])
        place = self.value.source.span if self.value else edit.place
        if text is not None:
            changed = set_at(edit, Match(node, attribute=path.attribute), text, place) or changed
        for element, step in walked if changed else ():
            if step.conditions and not _fits(element, step, scope):
                message = f"in the end `{step.written}` does not fit its predicate, and the next run would make another"
                help = "leave the predicate out, or make it one that stays true"
                raise fail(rules.BAD_ENSURE_PATH, message, place(), help)
        return changed

    def _make(self, edit: Editor, parent: etree._Element, step: BuildStep, scope: Scope) -> etree._Element:
        prefix = step.written.split(":")[0] if step.tag.startswith("{") else None
        nsmap = {prefix: self.dialect.namespaces[prefix]} if prefix else None
        node = etree.Element(step.tag, nsmap=nsmap)
        for condition in step.conditions:
            value = _wanted(condition, scope)
            edit.check_text(value, edit.place)
            if condition.attribute is None:
                node.text = value
            else:
                node.set(condition.attribute, value)
        if not _fits(node, step, scope):
            raise fail(rules.BAD_ENSURE_PATH, f"the predicates of `{step.written}` contradict each other", edit.span)
        edit.insert([node], parent, Position.APPEND)
        return node


def check_build_path(source: Text, path: BuildPath, within: bool, has_value: bool) -> None:
    """What the shape of an ``ensure`` demands of its path. Raises PatchError (PL207)."""
    if within and path.absolute:
        raise fail(
            rules.BAD_ENSURE_PATH,
            "with `in`, the path starts at the nodes that `in` selects",
            source.span(),
            f"write it without the leading `/`: `{source.text.lstrip('/')}`",
        )
    if not within and not path.steps:
        raise fail(rules.BAD_ENSURE_PATH, "the path names no element", source.span(), "start with `/domain`")
    if path.attribute is not None and not has_value:
        raise fail(rules.BAD_ENSURE_PATH, "an attribute at the end of the path needs a `value`", source.span())


def _wanted(condition: Condition, scope: Scope) -> str:
    if condition.variable is None:
        return condition.literal or ""
    try:
        value = scope.xpath_value(condition.variable)
    except LookupError as e:
        raise no_value(e, None) from None
    if isinstance(value, bool):
        raise fail(rules.EVALUATION, f"`${condition.variable}` is a boolean, which is no text")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _fits(element: etree._Element, step: BuildStep, scope: Scope) -> bool:
    return all(
        (string_value(element) if c.attribute is None else element.get(c.attribute)) == _wanted(c, scope)
        for c in step.conditions
    )
