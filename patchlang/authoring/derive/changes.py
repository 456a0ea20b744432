"""The differences between two domains, as steps that a person would name."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from typing import Any

from ...libvirt_lists import QEMU_NAMESPACE
from ...record import record
from .paths import Namespaces, Paths, Step, Steps, path_of
from .trees import (
    Element,
    Pairs,
    elements,
    has_mixed_content,
    is_element,
    key_values,
    keys_of,
    longest_rising,
    values_at,
)

_COMMANDLINE = f"{{{QEMU_NAMESPACE}}}commandline"


class Kind(Enum):
    """The kind of a change: to an attribute, to a text, or to a node in its parent."""

    ATTRIBUTE = "attribute"
    TEXT = "text"
    PUT = "put"
    DROP = "drop"
    MOVE = "move"
    SWAP = "swap"
    ARGS = "args"
    ENV = "env"


@record
class Place:
    """Where a new node goes, as in `position` and `at`; without a position, at the end."""

    position: str | None = None
    at: str | None = None


END = Place()


@record(frozen=False, eq=False)
class Change:
    """One change; ``steps`` select the changed element, or the parent of a new one.

    ``name`` is the name of the attribute, or for a new element, what distinguishes it from similar ones. ``values`` are
    the text, the new element or None by the number of the sample. ``place`` is where a new or moved element goes,
    ``made`` the step that finds it then. ``own`` is the value as it comes from the node itself, for nodes that change
    in the same way.
    """

    kind: Kind
    steps: Steps
    name: str
    values: dict[int, Any]
    place: Place = END
    made: Step | None = None
    own: Any = None

    @property
    def shared(self) -> Any:
        """The value that it may have together with changes of other nodes."""
        return self.value if self.own is None else self.own

    @property
    def key(self) -> tuple[object, ...]:
        """The same for equal changes in several samples."""
        return self.kind, path_of(self.steps), self.name, self.place

    def of(self, numbers: set[int]) -> Change:
        """The change in some of its samples."""
        values = {number: value for number, value in self.values.items() if number in numbers}
        return Change(self.kind, self.steps, self.name, values, self.place, self.made)

    @property
    def value(self) -> Any:
        return next(iter(self.values.values()))


class Differences:
    """The changes from one domain to another; ``number`` is the number of the sample.

    Without ``is_ordered``, the place of a new element does not count.
    """

    def __init__(
        self, before: Element, after: Element, namespaces: Namespaces, number: int = 0, *, is_ordered: bool = True
    ) -> None:
        self._is_ordered = is_ordered
        self.before, self.after = before, after
        self.pairs = Pairs(before, after)
        self.paths = Paths(self.pairs, namespaces)
        self.namespaces = namespaces
        self._number = number

    @cached_property
    def nodes(self) -> dict[str, Element]:
        """The elements of the domain before, by their paths."""
        return {path_of(self.paths.steps(node)): node for node in self.before.iter("*")}

    def changes(self) -> list[Change]:
        """The changes, in the order of the domain; QEMU's arguments are one change, and each variable is another."""
        found = list(self._of(self.before, self.after))
        arguments = [change for change in found if _is_of_commandline(change)]
        told = self._told_to_qemu(arguments)
        if not told:
            return found
        return [*(change for change in found if change not in arguments), *told]

    def _told_to_qemu(self, changes: list[Change]) -> list[Change]:
        """Changes of the command line, as arguments and variables; empty if anything else in it changes."""
        args: list[str] = []
        env: dict[str, str] = {}
        for change in changes:
            if change.kind is Kind.ATTRIBUTE and change.steps[-1].name == "qemu:env" and change.name == "@value":
                nodes = [] if change.value is None else [(change.steps[-1].wanted, change.value)]
                if not nodes or not nodes[0][0]:
                    return []
                env[nodes[0][0][0][1]] = change.value
                continue
            if change.kind is not Kind.PUT:
                return []
            for node in change.value if change.value.tag == _COMMANDLINE else [change.value]:
                if node.tag == f"{{{QEMU_NAMESPACE}}}arg":
                    args.append(node.get("value", ""))
                elif node.tag == f"{{{QEMU_NAMESPACE}}}env" and node.get("name"):
                    env[node.get("name")] = node.get("value", "")
                else:
                    return []
        steps = (Step("domain"), Step("qemu:commandline"))
        found = [Change(Kind.ARGS, steps, "", {self._number: args})] if args else []
        return found + [Change(Kind.ENV, steps, name, {self._number: value}) for name, value in env.items()]

    def _change(self, kind: Kind, node: Element, name: str, value: Any, place: Place = END) -> Change:
        return Change(kind, self.paths.steps(node), name, {self._number: value}, place)

    def _of(self, before: Element, after: Element) -> Iterator[Change]:
        if self.pairs.forms[before] == self.pairs.forms[after]:
            return
        if before.getparent() is not None and (
            has_mixed_content(before) or has_mixed_content(after) or self._comments_differ(before, after)
        ):
            yield self._change(Kind.SWAP, before, "", after)
            return
        for name in [*before.attrib, *(name for name in after.attrib if name not in before.attrib)]:
            if before.get(name) != after.get(name):
                called = "@" + self.namespaces.of(name, None)
                yield self._change(Kind.ATTRIBUTE, before, called, after.get(name))
        if (before.text or "") != (after.text or ""):
            yield self._change(Kind.TEXT, before, "", after.text or "")
        yield from self._children(before, after)

    def _comments_differ(self, before: Element, after: Element) -> bool:
        forms = self.pairs.forms
        return [forms[n] for n in before if not is_element(n)] != [forms[n] for n in after if not is_element(n)]

    def _children(self, before: Element, after: Element) -> Iterator[Change]:
        kept = [node for node in before if node in self.pairs.after]
        order = {node: number for number, node in enumerate(after)}
        stays = {kept[at] for at in longest_rising([order[self.pairs.after[node]] for node in kept])}
        replaced: set[Element] = set()
        for node in before:
            if not is_element(node):
                continue
            if node not in self.pairs.after:
                yield self._change(Kind.DROP, node, "", None)
            elif node not in stays and not self.pairs.is_same(node):
                replaced.add(node)
                steps = (*self.paths.steps(before), self.paths.gone_step(node))
                yield Change(Kind.DROP, steps, "", {self._number: None})
        gone = {self.pairs.after[node] for node in replaced}
        settled = {self.pairs.after[node] for node in stays}
        for node in after:
            if not is_element(node):
                continue
            partner = self.pairs.before.get(node)
            if partner is None or node in gone:
                made = self._own_step(after, node)
                place = self._place(after, node, settled)
                yield Change(
                    Kind.PUT, self.paths.steps(before), self._called(after, node), {self._number: node}, place, made
                )
            elif partner not in stays:
                yield self._change(Kind.MOVE, partner, "", node, self._place(after, node, settled))
            else:
                yield from self._of(partner, node)
            settled.add(node)

    def _called(self, parent: Element, node: Element) -> str:
        """A new element by what distinguishes it from other new ones: its name and key, or else its number."""
        name = self.namespaces.name(node)
        for key in keys_of(parent, node):
            if values := key_values(node, key):
                return f"{name} {dict(zip(key, values, strict=True))}"
        alike = [one for one in elements(parent) if one.tag == node.tag and one not in self.pairs.before]
        return f"{name} {alike.index(node)}" if node in alike else name

    def _place(self, parent: Element, node: Element, settled: set[Element]) -> Place:
        """By the elements that are already in their places."""
        if not self._is_ordered:
            return END
        siblings = elements(parent)
        at = siblings.index(node)
        later = [one for one in siblings[at + 1 :] if one in settled]
        if not later:
            return END
        earlier = [one for one in siblings[:at] if one in settled]
        if not earlier:
            return Place("prepend")
        if not any(one.tag == earlier[-1].tag for one in later):
            return Place("after", self.namespaces.name(earlier[-1]))
        if not any(one.tag == later[0].tag for one in earlier):
            return Place("before", self.namespaces.name(later[0]))
        for one, position in ((earlier[-1], "after"), (later[0], "before")):
            step = self._own_step(parent, one)
            if step is not None and (step.wanted or step.position):
                return Place(position, str(step))
        return END

    def _own_step(self, parent: Element, node: Element) -> Step | None:
        partner = self.pairs.before.get(node)
        if partner is not None:
            return self.paths.step(partner)
        keys = keys_of(parent, node)
        for key in keys:
            if key_values(node, key):
                wanted = tuple((path, values_at(node, path)[0]) for path in key)
                return Step(self.namespaces.name(node), wanted)
        return None if keys else Step(self.namespaces.name(node))


def _is_of_commandline(change: Change) -> bool:
    if change.kind is Kind.PUT and change.value.tag == _COMMANDLINE:
        return True
    return len(change.steps) > 1 and change.steps[1].name == "qemu:commandline"
