"""The intended effect of the ops, in a few lines of plain lxml: no positions, no bytes, no undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

Element = etree._Element
SPACE = " \t\r\n"


class RefusedError(Exception):
    """The engine must refuse this edit."""


def canonical(element: Element, *, exact: bool = False) -> Any:
    """The document as nested tuples. Documents with the same meaning are equal, whatever prefixes they use.

    White space between elements is left out unless ``exact`` is set. Next to other text it is content.
    """
    if not isinstance(element.tag, str):
        target = element.target if isinstance(element, etree._ProcessingInstruction) else "comment"
        return target, element.text or ""
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if not exact and not any(text.strip(SPACE) for text in texts):
        texts = [""] * len(texts)
    children = [canonical(child, exact=exact) for child in element]
    return str(element.tag), tuple(sorted(element.attrib.items())), texts, children


def elements(root: Element) -> list[Element]:
    return [node for node in root.iter() if isinstance(node.tag, str)]


def clone(element: Element) -> Element:
    """A copy without the tail. ``deepcopy`` looks up namespaces by prefix, which is wrong if the prefix is rebound."""
    if isinstance(element, etree._ProcessingInstruction):
        return etree.ProcessingInstruction(str(element.target), element.text or "")
    if not isinstance(element.tag, str):
        return etree.Comment(element.text)
    copied = etree.Element(element.tag)
    copied.text = element.text
    for name, value in element.attrib.items():
        copied.set(name, value)
    for child in element:
        copied.append(clone(child))
        copied[-1].tail = child.tail
    return copied


def text_slots(element: Element) -> list[str]:
    return [element.text or "", *(child.tail or "" for child in element)]


def fragment(xml: str) -> list[Element]:
    return list(etree.fromstring(f"<fragment xmlns:p='urn:one' xmlns:q='urn:two'>{xml}</fragment>"))


def insert(nodes: list[Element], anchor: Element, position: str) -> None:
    if position in ("before", "after"):
        if anchor.getparent() is None:
            raise RefusedError
        if position == "before":
            for node in nodes:
                anchor.addprevious(node)
        else:
            tail, anchor.tail = anchor.tail, None
            for node in reversed(nodes):
                anchor.addnext(node)
            nodes[-1].tail = tail
    elif position == "append":
        anchor.extend(nodes)
    else:
        text, anchor.text = anchor.text, None
        for node in reversed(nodes):
            anchor.insert(0, node)
        nodes[-1].tail = text


def detach(element: Element) -> None:
    """Without its tail, which stays in place."""
    parent, previous = element.getparent(), element.getprevious()
    if parent is None:
        raise RefusedError
    tail, element.tail = element.tail, None
    if previous is not None:
        previous.tail = (previous.tail or "") + (tail or "")
    else:
        parent.text = (parent.text or "") + (tail or "")
    parent.remove(element)


def set_text(element: Element, value: str) -> None:
    if any(isinstance(child.tag, str) for child in element):
        raise RefusedError
    for child in element:
        child.tail = None
    element.text = value


def remove_texts(element: Element) -> None:
    element.text = None
    for child in element:
        child.tail = None


def replace(element: Element, xml: str) -> None:
    if element.getparent() is None:
        raise RefusedError
    insert(fragment(xml), element, "before")
    detach(element)


def rename(element: Element, name: str) -> None:
    if element.getparent() is None:
        raise RefusedError
    element.tag = name


def rename_attribute(element: Element, name: str, to: str) -> None:
    if to != name and to in element.attrib:
        raise RefusedError
    element.set(to, element.attrib.pop(name))


def relocate(element: Element, anchor: Element, position: str, *, copies: bool) -> None:
    """``move``, or ``copy`` if ``copies`` is set."""
    inside = position in ("append", "prepend")
    if not copies:
        if element in anchor.iterancestors() or (inside and element is anchor):
            raise RefusedError
        if element is anchor:
            return
    if not inside and anchor.getparent() is None:
        raise RefusedError
    placed = element
    if copies:
        placed = clone(element)
    else:
        detach(element)
    insert([placed], anchor, position)


def outcome(root: Element, change: Callable[[Element], None]) -> Element | None:
    """A changed copy of the document, or None if the engine must refuse the change."""
    root = clone(root)
    try:
        change(root)
    except RefusedError:
        return None
    return root
