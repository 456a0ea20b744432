"""The content of an XML document as facts, so that two documents can be compared.

A fact is a path of names with an attribute's value, with a text, or alone if an element has neither. A fact does not
tell which of two disks it describes, but equal facts are counted.
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
    """Facts that a patch wrote and that are missing when read back."""
    old, new, found = facts(before), facts(after), facts(read)
    yield from (f"lost {fact}" for fact in new - old if found[fact] < new[fact])


def returned(before: bytes, after: bytes, read: bytes) -> Iterator[str]:
    """Facts that a patch removed and that are back."""
    old, new, found = facts(before), facts(after), facts(read)
    yield from (f"back {fact}" for fact in old - new if found[fact] > new[fact])
