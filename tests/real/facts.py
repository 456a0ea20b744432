"""What an XML document says, fact by fact, so that two documents can be held against each other.

A fact is a path of names with an attribute's value, with a text, or alone where an element has neither. Which of two
disks a fact is about is not told, how many disks it holds for is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lxml import etree

PREFIXES = {"http://libvirt.org/schemas/domain/qemu/1.0": "qemu"}


def facts(document: bytes) -> Counter[str]:
    return Counter(_below(etree.fromstring(document), ""))


def _below(element: Any, parent: str) -> Iterator[str]:
    path = f"{parent}/{named(element)}"
    text = (element.text or "").strip()
    yield from (f"{path}/@{name}={value}" for name, value in element.attrib.items())
    if text:
        yield f"{path}={text}"
    elif not element.attrib and not len(element):
        yield path
    for child in element.iterchildren("*"):
        yield from _below(child, path)


def named(element: Any) -> str:
    name = etree.QName(element)
    prefix = PREFIXES.get(name.namespace or "")
    return f"{prefix}:{name.localname}" if prefix else str(name.localname)


def lost(before: bytes, after: bytes, read: bytes) -> Iterator[str]:
    """What a patch wrote and is not there in what was read back."""
    old, new, found = facts(before), facts(after), facts(read)
    yield from (f"lost {fact}" for fact in new - old if found[fact] < new[fact])


def returned(before: bytes, after: bytes, read: bytes) -> Iterator[str]:
    """What a patch removed and is there again."""
    old, new, found = facts(before), facts(after), facts(read)
    yield from (f"back {fact}" for fact in old - new if found[fact] > new[fact])
