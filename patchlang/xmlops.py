"""The ops on a domain: each a compiled form that applies itself to a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lxml import etree

from . import rules
from .buildpath import BuildDialect, BuildPath, BuildStep, Condition, parse_build_path
from .diagnostics import PatchError, fail
from .domainxml import DomainTree
from .editor import Editor, Place
from .fragment import FragmentProgram
from .model import Expect, Position
from .result import Effect
from .scope import Scope
from .source import Span, Text
from .teach import ambiguous, count_error
from .template import TemplateProgram, as_text, check_true
from .xpath import AttributeSelector, Match, Query, Selector, match_path, no_value, string_value

if TYPE_CHECKING:
    from .expressions import Compiled

T = TypeVar("T")

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
_PLACES = 5


def _note(effect: Effect, matches: Sequence[Match]) -> None:
    effect.matched += len(matches)
    effect.places += [match_path(m) for m in matches[: _PLACES - len(effect.places)]]


class DomainOp(Protocol):
    """A compiled op."""

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        """Change the tree. Raises PatchError (PL4xx); what it had changed by then is the caller's to undo."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The nodes an op works on."""

    selector: Selector
    expect: Expect
    unless: Query | None = None
    attribute: AttributeSelector | None = None

    def find(self, tree: DomainTree, scope: Scope, effect: Effect) -> list[Match]:
        """The matched nodes that ``unless`` leaves, as ``expect`` allows."""
        found = (self.attribute or self.selector).select(tree.document, scope)
        if not self.expect.allows(len(found)):
            raise count_error(self.selector, self.expect, found, tree.document, scope)
        _note(effect, found)
        if self.unless is None:
            return found
        unless = self.unless
        return [m for m in found if not _truth(unless.evaluate(tree.document, scope, m.context))]


def _truth(result: Any) -> bool:
    return bool(result)


def facts_of(match: Match, index: int) -> dict[str, Any]:
    """CEL's ``node`` at a matched node."""
    element = match.element
    if match.attribute is not None:
        name, value = match.attribute, element.get(match.attribute, "")
    elif match.text is not None:
        name, value = "#text", (element.tail if match.text == "tail" else element.text) or ""
    else:
        name, value = str(element.tag), string_value(element)
    attributes = {_local(key): str(value) for key, value in match.context.attrib.items()}
    return {"name": _local(name), "text": value, "attributes": attributes, "index": index}


def _local(clark: object) -> str:
    return str(clark).rsplit("}", 1)[-1]


def at_each(matches: Iterable[Match], scope: Scope, compute: Callable[[], T]) -> list[tuple[Match, T]]:
    """The values of all nodes, computed before any of them changes."""
    values: list[tuple[Match, T]] = []
    for index, match in enumerate(matches):
        with scope.at(match.context, partial(facts_of, match, index)):
            values.append((match, compute()))
    return values


def _only_elements(matches: list[Match], source: Text, op: str) -> list[etree._Element]:
    for match in matches:
        if not match.is_element:
            raise fail(
                rules.WRONG_NODE, f"`{op}` works on elements, the path selects {match_path(match)}", source.span()
            )
    return [m.element for m in matches]


@dataclass(frozen=True, slots=True)
class AddOp:
    targets: Targets
    fragment: FragmentProgram
    position: Position
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.targets.selector.source.span, self.allow)
        matches = self.targets.find(tree, scope, effect)
        _only_elements(matches, self.targets.selector.source, "add")
        for match, nodes in at_each(matches, scope, lambda: self.fragment.build(scope)):
            edit.insert(nodes, match.element, self.position)
            effect.changed += 1
        return effect


@dataclass(frozen=True, slots=True)
class SetOp:
    targets: Targets
    value: TemplateProgram
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.targets.selector.source.span, self.allow)
        matches = self.targets.find(tree, scope, effect)
        for match, text in at_each(matches, scope, lambda: self.value.text(scope)):
            effect.changed += _set(edit, match, text, self.value.source.span)
        return effect


def _set(edit: Editor, match: Match, text: str, place: Place) -> bool:
    if match.attribute is not None:
        return edit.set_attribute(match.element, match.attribute, text, place)
    if match.text is not None:
        raise fail(
            rules.WRONG_NODE,
            "`set` takes an element or an attribute, the path selects a text node",
            edit.span,
            "leave out `/text()`: the text of the element is set",
        )
    return edit.set_text(match.element, text, place)


@dataclass(frozen=True, slots=True)
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
            _only_elements(matches, self.within.selector.source, "ensure")

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
            found = [c for c in node.iterchildren(step.tag) if _fits(c, step, scope)]
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
            _note(effect, [Match(node, attribute=path.attribute)])
        if text is None:
            return changed
        target = Match(node, attribute=path.attribute)
        place = self.value.source.span if self.value else edit.place
        changed = _set(edit, target, text, place) or changed
        for element, step in walked:
            if not _fits(element, step, scope):
                message = (
                    f"with this value `{step.written}` does not fit its predicate, and the next run would make another"
                )
                raise fail(
                    rules.BAD_ENSURE_PATH, message, place(), "leave the predicate out, or make it one that stays true"
                )
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


@dataclass(frozen=True, slots=True)
class ReplaceOp:
    targets: Targets
    fragment: FragmentProgram
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.targets.selector.source.span, self.allow)
        matches = self.targets.find(tree, scope, effect)
        _only_elements(matches, self.targets.selector.source, "replace")
        for match, nodes in at_each(matches, scope, lambda: self.fragment.build(scope)):
            if edit.is_attached(match.element):
                edit.replace(match.element, nodes)
                effect.changed += 1
        return effect


@dataclass(frozen=True, slots=True)
class RemoveOp:
    targets: Targets
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.targets.selector.source.span, self.allow)
        for match in reversed(self.targets.find(tree, scope, effect)):
            if match.attribute is not None:
                effect.changed += edit.remove_attribute(match.element, match.attribute)
            elif match.text is not None:
                effect.changed += edit.remove_text(match.element, match.text == "tail")
            else:
                edit.remove(match.element)
                effect.changed += 1
        return effect


@dataclass(frozen=True, slots=True)
class RelocateOp:
    """``move`` and, with ``copies``, ``copy``."""

    source: Targets
    destination: Targets
    position: Position
    copies: bool
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        op = "copy" if self.copies else "move"
        effect, edit = Effect(), Editor(tree, self.destination.selector.source.span, self.allow)
        nodes = _only_elements(self.source.find(tree, scope, effect), self.source.selector.source, op)
        if not nodes:
            return effect
        [anchor] = _only_elements(self.destination.find(tree, scope, Effect()), self.destination.selector.source, op)
        for node in nodes:
            inside = self.position in (Position.APPEND, Position.PREPEND)
            if not self.copies and (node in anchor.iterancestors() or (inside and node is anchor)):
                raise fail(
                    rules.WRONG_NODE, f"an element cannot be moved into itself: {match_path(Match(node))}", edit.span
                )
        position = self.position
        from_source = Editor(tree, self.source.selector.source.span, self.allow)
        for node in nodes:
            if node is anchor and not self.copies:
                position = Position.AFTER
                continue
            if self.copies:
                placed = deepcopy(node)
                placed.tail = None
                for copied in placed.iter():
                    copied.sourceline = 0  # type: ignore[assignment]  # as in a fragment
            else:
                placed = node
                from_source.remove(node)
            edit.insert([placed], anchor, position)
            anchor, position = placed, Position.AFTER
            effect.changed += 1
        return effect


@dataclass(frozen=True, slots=True)
class RenameOp:
    targets: Targets
    to: str
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.targets.selector.source.span, self.allow)
        for match in self.targets.find(tree, scope, effect):
            if match.attribute is not None:
                effect.changed += edit.rename_attribute(match.element, match.attribute, self.to)
            elif match.text is not None:
                raise fail(
                    rules.WRONG_NODE, "`rename` takes elements and attributes, the path selects a text node", edit.span
                )
            else:
                effect.changed += edit.rename(match.element, self.to)
        return effect


@dataclass(frozen=True, slots=True)
class QemuArgsOp:
    args: tuple[TemplateProgram, ...] | TemplateProgram
    env: tuple[tuple[str, TemplateProgram], ...]
    span: Span
    allow: bool

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, lambda: self.span, self.allow)
        args, env = self._arguments(scope), [(name, value.text(scope)) for name, value in self.env]
        for text in [*args, *(value for _, value in env)]:
            edit.check_text(text, edit.place)
        if not args and not env:
            return effect
        line = tree.root.find(_qemu("commandline"))
        if line is None:
            line = etree.Element(_qemu("commandline"), nsmap={"qemu": QEMU_NAMESPACE})
            edit.insert([line], tree.root, Position.APPEND)
        _note(effect, [Match(line)])
        effect.changed += self._add_arguments(edit, line, args)
        for name, value in env:
            effect.changed += self._set_variable(edit, line, name, value)
        return effect

    def _arguments(self, scope: Scope) -> list[str]:
        if isinstance(self.args, tuple):
            return [arg.text(scope) for arg in self.args]
        value, [origin] = self.args.value(scope), self.args.parts
        assert not isinstance(origin, str)
        if not isinstance(value, list):
            raise origin.error(
                rules.WRONG_RESULT, "`args` needs a list", "write `[...]`, or one `$[ ]` that gives a list"
            )
        return [as_text(item, origin) for item in value]

    def _add_arguments(self, edit: Editor, line: etree._Element, args: list[str]) -> bool:
        present = list(line.iterchildren(_qemu("arg")))
        values = [arg.get("value") for arg in present]
        if not args or any(values[i : i + len(args)] == args for i in range(len(values) - len(args) + 1)):
            return False
        nodes = []
        for value in args:
            node = etree.Element(_qemu("arg"), nsmap={"qemu": QEMU_NAMESPACE})
            node.set("value", value)
            nodes.append(node)
        if present:
            edit.insert(nodes, present[-1], Position.AFTER)
        else:
            edit.insert(nodes, line, Position.PREPEND)
        return True

    def _set_variable(self, edit: Editor, line: etree._Element, name: str, value: str) -> bool:
        found = [e for e in line.iterchildren(_qemu("env")) if e.get("name") == name]
        if found:
            changes = [edit.set_attribute(e, "value", value, edit.place) for e in found]
            return any(changes)
        node = etree.Element(_qemu("env"), nsmap={"qemu": QEMU_NAMESPACE})
        node.set("name", name)
        node.set("value", value)
        edit.insert([node], line, Position.APPEND)
        return True


def _qemu(name: str) -> str:
    return f"{{{QEMU_NAMESPACE}}}{name}"


@dataclass(frozen=True, slots=True)
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
