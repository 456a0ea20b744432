"""The simplest XPath that selects one node, before the patch and after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from ...compile import BUILT_IN_NAMESPACES
from ...libvirt_lists import Key
from ...record import record
from .trees import Element, Pairs, elements, key_values, keys_of, values_at

Wanted = tuple[tuple[str, str], ...]
"""Relative paths from a node, and the text at each."""


@record
class Step:
    """One step of a path: a name with its prefix, and what distinguishes the node.

    ``wanted`` are texts at relative paths; ``position`` counts from 1. ``built``: `merge` finds the node by these.
    ``several``: it selects more than one node.
    """

    name: str
    wanted: Wanted = ()
    position: int | None = None
    built: bool = True
    several: bool = False

    def __str__(self) -> str:
        if self.position is not None:
            return f"{self.name}[{self.position}]"
        tests = " and ".join(f"{path}={quoted(text)}" for path, text in self.wanted)
        return f"{self.name}[{tests}]" if tests else self.name

    @property
    def is_constructive(self) -> bool:
        """Whether it may be in the path of `ensure`."""
        return (
            self.position is None
            and not self.several
            and all(path.startswith("@") and "'" not in text for path, text in self.wanted)
        )


Steps = tuple[Step, ...]


def quoted(text: str) -> str:
    """Text as an XPath 1.0 literal."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    pieces = text.split("'")
    return "concat(" + ', "\'", '.join(f"'{piece}'" for piece in pieces) + ")"


def path_of(steps: Sequence[Step], *, relative: bool = False) -> str:
    return ("" if relative else "/") + "/".join(map(str, steps))


class Namespaces:
    """The prefixes of a patch: the built-in ones, and others that its paths need."""

    def __init__(self) -> None:
        self.declared: dict[str, str] = {}

    def name(self, node: Element) -> str:
        return self.of(node.tag, node.prefix)

    def of(self, clark: str, prefix: str | None) -> str:
        """A name in Clark notation as XPath writes it; an unknown prefix is declared."""
        if not clark.startswith("{"):
            return clark
        uri, local = clark[1:].split("}")
        known = self.all
        found = next((one for one, its in known.items() if its == uri), None)
        if found is None:
            found = prefix or "ns"
            number = 2
            while found in known:
                found, number = f"{prefix or 'ns'}{number}", number + 1
            self.declared[found] = uri
        return f"{found}:{local}"

    @property
    def all(self) -> dict[str, str]:
        return {**BUILT_IN_NAMESPACES, **self.declared}

    def clark(self, name: str) -> str:
        """A name of an XPath in Clark notation."""
        prefix, colon, local = name.rpartition(":")
        return f"{{{self.all[prefix]}}}{local}" if colon else name


class Paths:
    """Paths of the nodes of one domain."""

    def __init__(self, pairs: Pairs, namespaces: Namespaces) -> None:
        self._pairs = pairs
        self._namespaces = namespaces
        self._steps: dict[Element, Steps] = {}
        self._index: dict[tuple[Element, str, tuple[str, ...]], dict[tuple[str, ...], list[Element]]] = {}

    def steps(self, node: Element) -> Steps:
        """The steps from the root to an element of the domain before the hook."""
        if node not in self._steps:
            parent = node.getparent()
            inner = (Step(self._namespaces.name(node)),) if parent is None else (self.step(node),)
            self._steps[node] = (*self.steps(parent), *inner) if parent is not None else inner
        return self._steps[node]

    def step(self, node: Element) -> Step:
        """What selects an element among its siblings, both now and after the patch has run."""
        parent = node.getparent()
        name = self._namespaces.name(node)
        after = self._pairs.after.get(node)
        then = None if after is None else after.getparent()
        is_alone = len(self._alike(parent, node.tag)) == 1 and (then is None or len(self._alike(then, node.tag)) <= 1)
        for wanted, built in self._ways(node, keys_of(parent, node)):
            if is_alone and not built:
                break
            if self._having(parent, node.tag, wanted) != [node]:
                continue
            if after is not None and self._having(then, node.tag, wanted) != [after]:
                continue
            if after is None and self._found_later(node, wanted):
                continue
            return Step(name, wanted, built=built)
        if is_alone:
            return Step(name, built=not keys_of(parent, node))
        return Step(name, position=self._alike(parent, node.tag).index(node) + 1, built=False)

    def gone_step(self, node: Element) -> Step:
        """What selects an element to remove, but not the element with the same name that replaces it."""
        parent = node.getparent()
        ways = [wanted for wanted, _ in self._ways(node, keys_of(parent, node)) if wanted]
        ways += [(*ways[0], *wanted) for wanted in ways[1:]]
        for wanted in ways:
            if self._having(parent, node.tag, wanted) == [node] and not self._found_later(node, wanted):
                return Step(self._namespaces.name(node), wanted, built=False)
        return self.step(node)

    def _found_later(self, node: Element, wanted: Wanted) -> bool:
        """Whether the path of a removed element would match something that the patch leaves there."""
        parent = self._pairs.after.get(node.getparent())
        return parent is not None and bool(self._having(parent, node.tag, wanted))

    def _alike(self, parent: Element, tag: str) -> list[Element]:
        return self._having(parent, tag, ())

    def _having(self, parent: Element, tag: str, wanted: Wanted) -> list[Element]:
        """The children with a name that have the wanted texts."""
        paths = tuple(path for path, _ in wanted)
        index = self._index.get((parent, tag, paths))
        if index is None:
            index = self._index[parent, tag, paths] = {}
            for child in parent:
                if child.tag == tag:
                    for texts in product(*(set(texts_at(child, path)) for path in paths)):
                        index.setdefault(texts, []).append(child)
        return index.get(tuple(text for _, text in wanted), [])

    def _ways(self, node: Element, keys: Sequence[Key]) -> Iterator[tuple[Wanted, bool]]:
        if not keys:
            yield (), True
        for key in keys:
            if key_values(node, key):
                yield self._wanted(node, key), True
        for attribute, value in node.attrib.items():
            yield ((self._attribute(attribute), value),), False
        for child in elements(node):
            for attribute in child.attrib:
                yield ((f"{self._namespaces.name(child)}/{self._attribute(attribute)}", child.get(attribute)),), False
        if not len(node) and node.text:
            yield ((".", node.text),), False

    def _wanted(self, node: Element, key: Key) -> Wanted:
        return tuple((path, values_at(node, path)[0]) for path in key)

    def _attribute(self, clark: str) -> str:
        return "@" + self._namespaces.of(clark, None)


def texts_at(node: Element, path: str) -> list[str]:
    """The texts at a path of a step's ``wanted``, with names in Clark notation."""
    if path == ".":
        return [node.text or ""] if not len(node) else []
    *names, last = path.split("/")
    plain = "/".join([*names, last])
    return values_at(node, plain)


def widened(nodes: Sequence[Element], step: Step, pairs: Pairs, namespaces: Namespaces) -> Step | None:
    """One step for several elements of one parent: their name, or an attribute that only they have; otherwise None."""
    first = nodes[0]
    chosen = set(nodes)
    alike = [one for one in elements(first.getparent()) if one.tag == first.tag]
    if len(alike) == len(nodes):
        return Step(step.name, several=True, built=False)
    places = [(f"@{namespaces.of(name, None)}", name, None) for name in first.attrib]
    places += [
        (f"{namespaces.name(child)}/@{namespaces.of(name, None)}", name, child.tag)
        for child in elements(first)
        for name in child.attrib
    ]
    for path, name, tag in places:
        plain = f"@{name}" if tag is None else f"{tag}/@{name}"
        for text in values_at(first, plain):
            having = {one for one in alike if text in values_at(one, plain)}
            then = all(text in values_at(pairs.after[one], plain) for one in nodes if one in pairs.after)
            if having == chosen and then:
                return Step(step.name, ((path, text),), several=True, built=False)
    return None
