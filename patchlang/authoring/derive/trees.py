"""Domains as trees without layout, and which nodes of two domains correspond."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from lxml import etree

from ...domain.read import read_root
from ...libvirt_lists import MERGE_KEYS, QEMU_NAMESPACE, Key

Element: TypeAlias = Any  # an element, comment, or processing instruction of lxml
Form: TypeAlias = tuple[object, ...]


def parse(data: bytes) -> Element:
    """The root of a domain, without white space between elements. Raises PatchError (PL501 to PL503)."""
    root: Element = read_root(data)
    for node in root.iter():
        if is_element(node) and not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None
    return root


def without_comments(root: Element) -> None:
    """Remove the comments in place; the surrounding texts stay."""
    for node in [node for node in root.iter() if not is_element(node)]:
        parent, before = node.getparent(), node.getprevious()
        if parent is None:
            continue
        if node.tail and before is not None:
            before.tail = (before.tail or "") + node.tail
        elif node.tail:
            parent.text = (parent.text or "") + node.tail
        parent.remove(node)


def is_reordered(before: Element, after: Element) -> bool:
    """Whether a domain or its devices have another order after the hook, as after a script that sorts or rebuilds.

    At least three names of children, and a third of them, are not where they were among the others.
    """
    for one, other in ((before, after), (before.find("devices"), after.find("devices"))):
        if one is None or other is None:
            continue
        was, now = ([*dict.fromkeys(child.tag for child in elements(node))] for node in (one, other))
        shared = [tag for tag in was if tag in now]
        row = longest_rising([now.index(tag) for tag in shared])
        if len(shared) - len(row) >= max(3, len(shared) / 3):
            return True
    return False


def longest_rising(numbers: Sequence[int]) -> set[int]:
    """The longest increasing subsequence of different numbers, by position."""
    ends: list[int] = []
    at_end: list[int] = []
    came_from = [-1] * len(numbers)
    for i, number in enumerate(numbers):
        length = bisect_left(ends, number)
        came_from[i] = at_end[length - 1] if length else -1
        ends[length:] = [number] if length == len(ends) else [number, *ends[length + 1 :]]
        at_end[length:] = [i] if length == len(at_end) else [i, *at_end[length + 1 :]]
    row: set[int] = set()
    i = at_end[-1] if at_end else -1
    while i >= 0:
        row.add(i)
        i = came_from[i]
    return row


def in_order(root: Element) -> None:
    """Sort elements by name in place, except devices also by key; text and comments stay."""
    for node in [*root.iter("*")]:
        if not has_mixed_content(node) and all(map(is_element, node)):
            node[:] = sorted(node, key=lambda child: (str(child.tag), _key(node, child)))


def _key(parent: Element, node: Element) -> tuple[str, ...]:
    keys = keys_of(parent, node) if parent.tag != "devices" else ()
    return next((values for key in keys if (values := key_values(node, key))), ())


def is_element(node: Element) -> bool:
    return isinstance(node.tag, str)


def elements(node: Element) -> list[Element]:
    return [child for child in node if is_element(child)]


def has_mixed_content(node: Element) -> bool:
    """Whether there is text next to child nodes."""
    return len(node) > 0 and bool(node.text or any(child.tail for child in node))


def form(node: Element) -> Form:
    """The content of a node, for comparison. Prefixes and the order of attributes do not count."""
    tag: object = node.tag if is_element(node) else type(node).__name__
    attributes = tuple(sorted(node.attrib.items())) if is_element(node) else ()
    return tag, attributes, node.text or "", tuple((form(child), child.tail or "") for child in node)


class Forms:
    """The form of each node of some trees, computed once; equal forms have the same number."""

    def __init__(self, *roots: Element) -> None:
        self._numbers: dict[Form, int] = {}
        self._of: dict[Element, int] = {}
        for root in roots:
            for _, node in etree.iterwalk(root, events=("end", "comment", "pi")):
                self._add(node)

    def __getitem__(self, node: Element) -> int:
        return self._of[node]

    def _add(self, node: Element) -> None:
        tag: object = node.tag if is_element(node) else type(node).__name__
        attributes = tuple(sorted(node.attrib.items())) if is_element(node) else ()
        inner = tuple((self._of[child], child.tail or "") for child in node)
        made = (tag, attributes, node.text or "", inner)
        self._of[node] = self._numbers.setdefault(made, len(self._numbers))


def keys_of(parent: Element, node: Element) -> Sequence[Key]:
    """The ways to identify a node, as `merge` does, in order."""
    prefix = "" if not is_element(parent) else f"{parent.tag}/"
    return MERGE_KEYS.get(f"{prefix}{node.tag}") or MERGE_KEYS.get(node.tag) or ()


def key_values(node: Element, key: Key) -> tuple[str, ...] | None:
    """The texts of a node at the paths of a key; None if it lacks one, or if the key has none."""
    found = []
    for path in key:
        values = values_at(node, path)
        if len(values) != 1:
            return None
        found.append(values[0])
    return tuple(found) or None


def values_at(node: Element, path: str) -> list[str]:
    """The texts at a relative path of names, which may end in an attribute."""
    *names, last = path.split("/")
    nodes = [node]
    for name in [*names, *([] if last.startswith("@") else [last])]:
        nodes = [child for one in nodes for child in one if child.tag == name]
    if last.startswith("@"):
        return [one.get(last[1:]) for one in nodes if one.get(last[1:]) is not None]
    return [one.text or "" for one in nodes if not len(one)]


class Pairs:
    """Which node of the domain after the hook corresponds to which node of the domain before, and vice versa."""

    def __init__(self, before: Element, after: Element) -> None:
        self.forms = Forms(before, after)
        self.after: dict[Element, Element] = {}
        self.before: dict[Element, Element] = {}
        self._add(before, after)
        self._walk(before, after)

    def is_same(self, node: Element) -> bool:
        """Whether a node of the domain before is unchanged, including its content."""
        return node in self.after and self.forms[node] == self.forms[self.after[node]]

    def _walk(self, before: Element, after: Element) -> None:
        if self.forms[before] == self.forms[after]:
            for one, other in zip(before, after, strict=True):
                self._add(one, other)
                self._walk(one, other)
            return
        for one, other in self._children(before, after):
            self._add(one, other)
            self._walk(one, other)

    def _add(self, before: Element, after: Element) -> None:
        self.after[before] = after
        self.before[after] = before

    def _children(self, before: Element, after: Element) -> Iterator[tuple[Element, Element]]:
        left, right = list(before), list(after)
        matcher = SequenceMatcher(None, [self.forms[n] for n in left], [self.forms[n] for n in right], autojunk=False)
        blocks = matcher.get_matching_blocks()
        found = [(left[a + i], right[b + i]) for a, b, size in blocks for i in range(size)]
        left, right = _without(left, found), _without(right, found)
        for how in self._ways(before):
            more = _matched(left, right, how)
            found += more
            left, right = _without(left, more), _without(right, more)
        return iter(found)

    def _ways(self, parent: Element) -> Iterator[Callable[[Element], object]]:
        """What identifies equal children of two parents, the most reliable first; None if a child has nothing."""
        yield lambda node: self.forms[node]
        for number in range(max((len(keys) for keys in MERGE_KEYS.values()), default=0)):

            def by_key(node: Element, number: int = number) -> object:
                keys = keys_of(parent, node) if is_element(node) else ()
                values = key_values(node, keys[number]) if number < len(keys) else None
                return (node.tag, values) if values else None

            yield by_key
        yield lambda node: (node.tag, sorted(node.attrib.items())) if is_element(node) and node.attrib else None
        # outside of devices, what has another key is another thing
        yield lambda node: node.tag if is_element(node) and not _key(parent, node) else None


def _without(nodes: Iterable[Element], pairs: Iterable[tuple[Element, Element]]) -> list[Element]:
    gone = {node for pair in pairs for node in pair}
    return [node for node in nodes if node not in gone]


def _matched(
    left: Sequence[Element], right: Sequence[Element], how: Callable[[Element], object]
) -> list[tuple[Element, Element]]:
    """Pairs of similar nodes, in order of similarity."""
    waiting: dict[object, list[Element]] = {}
    for node in right:
        if (value := _hashable(how(node))) is not None:
            waiting.setdefault(value, []).append(node)
    found = []
    for node in left:
        value = _hashable(how(node))
        if value is not None and waiting.get(value):
            found.append((node, waiting[value].pop(0)))
    return found


def _hashable(value: object) -> object:
    return repr(value) if isinstance(value, tuple) else value


def shown(root: Element) -> bytes:
    """A tree with layout, for a diff of two trees, without the prefixes that a script chose."""
    uris = {name[1:].split("}")[0] for node in root.iter("*") for name in (node.tag, *node.attrib) if name[0] == "{"}
    prefixes = {f"ns{number}": uri for number, uri in enumerate(sorted(uris - {QEMU_NAMESPACE}), 1)}
    copied = _copied(root, None, {**prefixes, **({"qemu": QEMU_NAMESPACE} if QEMU_NAMESPACE in uris else {})})
    etree.indent(copied)
    return bytes(etree.tostring(copied, encoding="utf-8")) + b"\n"


def _copied(node: Element, parent: Element | None, prefixes: dict[str, str]) -> Element:
    if not is_element(node):
        made = deepcopy(node)
    elif parent is None:
        made = etree.Element(node.tag, nsmap=prefixes)
    else:
        made = etree.SubElement(parent, node.tag)
    if parent is not None and not is_element(node):
        parent.append(made)
    if is_element(node):
        made.text = node.text
        made.attrib.update(sorted(node.attrib.items()))
        for child in node:
            _copied(child, made, prefixes)
    made.tail = node.tail if parent is not None else None
    return made
