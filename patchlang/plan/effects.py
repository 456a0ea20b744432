"""What edits did to a domain, in words that are equal for VMs with equal changes.

Nodes are named by what identifies them (``disk[target/@dev='vda']``), not by a VM's own name, UUIDs and addresses;
computed values are shown as their expressions, with an example of the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..domain.index import Element
from ..domain.origins import Origins
from ..domain.splice import Changes, content_of
from ..domain.tree import DomainTree
from ..libvirt_lists import MERGE_KEYS, Key
from ..markup import Chunk
from ..patterns import pattern
from ..quoting import SECRET
from ..record import field, record
from ..xpath.match import local_name

_OWN = pattern(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
"""UUIDs and MAC addresses."""
_ANY: tuple[Key, ...] = (("@type",), ("@name",))
"""What may identify elements for which libvirt has no list."""
_MOST_SHOWN = 200
"""Length limit of an example value."""


@record(frozen=False)
class Effect:
    """``lines`` describe the changes, sorted; ``values`` what the expressions gave."""

    lines: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)


def effect_of(tree: DomainTree, name: str) -> Effect:
    """What the edits of a tree with :class:`Origins` did; ``name`` is the VM's own."""
    assert tree.origins is not None
    return _Reader(tree.changes, tree.origins, tree.root, name).read()


class _Reader:
    def __init__(self, changes: Changes, origins: Origins, root: Element, name: str) -> None:
        self.changes = changes
        self.origins = origins
        self.root = root
        self.name = name
        self.effect = Effect()
        self.steps: dict[Element, str] = {}
        self.paths: dict[Element, str] = {root: f"/{_name(root)}"}

    def read(self) -> Effect:
        for element, (tag, before) in self.changes.starts.items():
            if self.is_here(element):
                self.start(element, tag, before)
        for element in self.changes.contents:
            if self.is_here(element):
                self.content(element)
        self.effect.lines.sort()
        return self.effect

    def say(self, line: str) -> None:
        self.effect.lines.append(line)

    def is_here(self, element: Element) -> bool:
        node: Element | None = element
        while node is not None and node is not self.root:
            node = node.getparent()
        return node is self.root

    # -- what was there, and has changed -------------------------------------------------------------------------------

    def start(self, element: Element, tag: str, before: dict[str, str]) -> None:
        path = self.path(element)
        if tag != element.tag:
            self.say(f"{path}: renamed from {local_name(tag)}")
        for name, value in element.attrib.items():
            if before.get(str(name)) != value:
                self.say(f"{path}/@{local_name(name)} = {self.value(element, str(name), str(value))}")
        for name in before:
            if name not in element.attrib:
                self.say(f"{path}/@{local_name(name)}: removed")

    def content(self, element: Element) -> None:
        old, path = self.changes.contents[element], self.path(element)
        before = [node for node in old if not isinstance(node, str)]
        now = list(element)
        kept, there = set(before), set(now)
        for node in now:
            if node in self.changes.new:
                self.say(f"{path}: + {self.built(node)}")
            elif node not in kept:
                self.say(f"{path}: + {self.step(node, now)}, moved here")
        for node in before:
            if node not in there and not self.is_here(node):
                self.say(f"{path}/{self.step(node, before)}: removed")
        if [node for node in before if node in there] != [node for node in now if node in kept]:
            self.say(f"{path}: reordered")
        if _text(old) != _text(content_of(element)):
            self.say(f"{path} = {self.value(element, None, _text(content_of(element)))}")

    # -- what is new ---------------------------------------------------------------------------------------------------

    def built(self, node: Element) -> str:
        """A new element in one line, with expressions in place of their results."""
        if not isinstance(node.tag, str):
            return f"<!--{node.text}-->"
        original = self.origins.copies.get(node)
        if original is not None:
            return "; ".join([f"a copy of {self.path(original)}", *self.differences(node, original, _name(node))])
        said = [_name(node)]
        said += (f"{local_name(k)}={self.value(node, str(k), str(v))}" for k, v in sorted(node.attrib.items()))
        text = _text(content_of(node))
        inner = [self.value(node, None, text)] if text else []
        inner += map(self.built, node)
        return " ".join([f"<{' '.join(said)}>", *inner])

    def differences(self, node: Element, original: Element, path: str) -> Iterator[str]:
        """What edits in a copy changed."""
        for name, value in sorted(node.attrib.items()):
            if original.get(name) != value:
                yield f"{path}/@{local_name(name)} = {self.value(node, str(name), str(value))}"
        for name in sorted(map(str, original.keys())):
            if name not in node.attrib:
                yield f"{path}/@{local_name(name)}: removed"
        copied = [self.origins.copies.get(child) for child in node]
        for child, of in zip(node, copied, strict=True):
            if of is None:
                yield f"{path}: + {self.built(child)}"
            elif isinstance(child.tag, str):
                yield from self.differences(child, of, f"{path}/{self.step(child, list(node))}")
        for child in original:
            if child not in copied and isinstance(child.tag, str):
                yield f"{path}/{self.step(child, list(original))}: removed"
        if (text := _text(content_of(node))) != _text(content_of(original)):
            yield f"{path} = {self.value(node, None, text)}"

    def value(self, node: Element, attribute: str | None, value: str) -> str:
        written = self.origins.computed.get((node, attribute))
        if written is None:
            return repr(value)
        if written not in self.effect.values:
            named = (written, attribute or "", str(node.tag), *map(str, node.attrib.values()))
            is_secret = any(map(SECRET.search, named))
            shown = value if len(value) <= _MOST_SHOWN else value[:_MOST_SHOWN] + "…"
            self.effect.values[written] = "…" if is_secret else shown
        return written

    # -- places --------------------------------------------------------------------------------------------------------

    def path(self, element: Element) -> str:
        known = self.paths.get(element)
        if known is None:
            parent = element.getparent()
            above = "" if parent is None else self.path(parent)
            siblings = [element] if parent is None else list(parent)
            known = self.paths[element] = f"{above}/{self.step(element, siblings)}"
        return known

    def step(self, element: Element, siblings: list[Element]) -> str:
        """The name of an element, with what distinguishes it from its siblings."""
        name = _name(element)
        alike = [node for node in siblings if node.tag == element.tag]
        if len(alike) < 2 and element in alike:
            # unique here, but another VM may have more of its kind
            return name + (self.predicate(element, alike) or "")
        return name + (self.predicate(element, alike) or f"[{alike.index(element) + 1 if element in alike else '?'}]")

    def predicate(self, element: Element, alike: list[Element]) -> str | None:
        for key in (*_keys(element), *(_ANY if len(alike) > 1 else ())):
            values = _values(element, key)
            if values is None or any(self.is_own(value) for value in values):
                continue
            if key and sum(_values(node, key) == values for node in alike) < 2:
                return "".join(f"[{path}='{value}']" for path, value in zip(key, values, strict=True))
        return None

    def is_own(self, value: str) -> bool:
        at = value.find(self.name)
        around = value[at - 1 : at] + value[at + len(self.name) :][:1]
        return bool(_OWN.search(value)) or (self.name != "" and at >= 0 and not any(map(str.isalnum, around)))


def _keys(element: Element) -> tuple[Key, ...]:
    """Paths that identify an element and may be equal on several VMs: no file paths, no host addresses."""
    parent = element.getparent()
    tag = str(element.tag)
    names = (tag,) if parent is None else (f"{local_name(parent.tag)}/{tag}", tag)
    keys = next((MERGE_KEYS[name] for name in names if name in MERGE_KEYS), ())
    found = [key for key in keys if not any(path.startswith("source/") or "address" in path for path in key)]
    return tuple(found)


def _values(element: Element, key: Key) -> tuple[str, ...] | None:
    values = [_value(element, path) for path in key]
    return None if None in values else tuple(value for value in values if value is not None)


def _value(element: Element, path: str) -> str | None:
    node: Element | None = element
    for name in path.split("/"):
        if node is None or name.startswith("@"):
            break
        node = node.find(name)
    if node is None:
        return None
    return node.get(path.rpartition("@")[2]) if "@" in path else (node.text or "")


def _name(element: Element) -> str:
    if not isinstance(element.tag, str):
        return "comment()"
    local = local_name(element.tag)
    return f"{element.prefix}:{local}" if element.prefix and element.tag.startswith("{") else local


def _text(content: list[str | Element]) -> str:
    """The text of an element in which white space is insignificant."""
    return re.sub(r"\s+", " ", "".join(item for item in content if isinstance(item, str))).strip()


def with_expressions(tree: DomainTree) -> bytes:
    """The result with expressions in place of their values. The tree is unusable after that."""
    assert tree.origins is not None
    changes = tree.changes
    for (node, attribute), written in tree.origins.computed.items():
        if attribute is None:
            if len(node) == 0 and (node in changes.new or node in changes.contents):
                node.text = written
                changes.chunks[node, False] = (Chunk(written),)
        elif attribute in node.attrib and (node in changes.new or node in changes.starts):
            node.set(attribute, written)
    return tree.result()
