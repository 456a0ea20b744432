"""One boot as KubeVirt runs it: what the hook sees in each run, and whether two runs made the same VM.

KubeVirt defines a domain up to three times per boot. The first run sees it untouched, with placeholder interfaces for
hotplug if it has any interface. The second sees the devices as the first left them, without the aliases that
libvirt drops, and read back into KubeVirt's own types, so without what these do not know; interfaces and everything
outside the devices are as before any edit. The third sees everything as the second left it.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from difflib import unified_diff
from typing import Any, TypeAlias

from lxml import etree

from ..markup import attributes_of, set_attributes
from . import structs
from .devices import USER_ALIAS

Element: TypeAlias = Any

PLACEHOLDERS = 2


def with_placeholders(domain: bytes) -> bytes | None:
    """The domain with placeholder interfaces for hotplug; None if it has no interface, and so gets none."""
    root = etree.fromstring(domain)
    interfaces = root.findall("devices/interface")
    if not interfaces:
        return None
    for number in range(PLACEHOLDERS, 0, -1):
        placeholder = etree.fromstring(
            f'<interface type="ethernet"><target dev="placeholder-{number}" managed="no"/>'
            '<model type="virtio-non-transitional"/></interface>'
        )
        placeholder.tail = interfaces[-1].tail
        interfaces[-1].addnext(placeholder)
    return _written(root)


def second_run(
    domain: bytes, first_result: bytes, *, read_back_by: str | None = None, keeps_aliases: bool = False
) -> bytes:
    """What the second run sees of a domain, given the result of the first.

    ``read_back_by`` is a KubeVirt release: what its types do not know of the devices is dropped, except what the domain
    itself has in such a place. With ``keeps_aliases`` no alias is dropped, for when computed values are unknown.
    """
    root = etree.fromstring(domain)
    devices, patched = root.find("devices"), etree.fromstring(first_result).find("devices")
    if devices is not None and patched is not None:
        if not keeps_aliases:
            _drop_aliases(patched, devices)
        if read_back_by is not None:
            structs.prune(patched, structs.domain(read_back_by).children["devices"], structs.Seen([devices]))
        interfaces = [child for child in devices if child.tag == "interface"]
        devices[:] = [*interfaces, *(deepcopy(child) for child in patched if child.tag != "interface")]
    return _written(root)


def _drop_aliases(devices: Element, before: Element) -> None:
    """Removes the aliases that libvirt drops; those that existed before the patches are its own."""
    own = {alias.get("name") for alias in before.iterfind("*/alias")}
    for device in devices:
        for alias in device.findall("alias"):
            name = alias.get("name", "")
            if name not in own and not USER_ALIAS.fullmatch(name):
                device.remove(alias)


def _written(root: Element) -> bytes:
    for element in root.iter("*"):
        if len(element) == 0 and not element.text:
            element.text = ""  # written as `<a></a>`, as KubeVirt does
    return bytes(etree.tostring(root, encoding="unicode").encode())


def differences(first: bytes, second: bytes, names: tuple[str, str]) -> str:
    """A unified diff of two domains as VMs, empty if they are the same.

    The order of devices, of their contents, and of attributes is ignored, and so is white space between elements.
    """
    one, other = _parsed(first), _parsed(second)
    ours, theirs = one.find("devices"), other.find("devices")
    if ours is not None and theirs is not None:
        theirs[:] = list(_in_order_of(list(ours), list(theirs)))
    before, after = (_pretty(root).splitlines(keepends=True) for root in (one, other))
    return "".join(unified_diff(before, after, *names))


def is_same_but_for_white_space(first: bytes, second: bytes) -> bool:
    """Whether two domains only differ in white space between elements and in the order of attributes."""
    return first == second or _pretty(_parsed(first)) == _pretty(_parsed(second))


def _parsed(domain: bytes) -> Element:
    """A domain without whitespace-only text, also in otherwise empty elements."""
    root = etree.fromstring(domain, etree.XMLParser(resolve_entities=False))
    for node in root.iter():
        if isinstance(node.tag, str) and not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None
    return root


def _pretty(root: Element) -> str:
    etree.indent(root)
    for element in root.iter(etree.Element):
        set_attributes(element, sorted(attributes_of(element).items()))
        if not len(element):
            element.text = element.text or ""  # written as `<a></a>`
    return str(etree.tostring(root, encoding="unicode")) + "\n"


def _in_order_of(model: list[Element], nodes: list[Element]) -> Iterator[Element]:
    """The nodes in the order of the model: each in place of its equal, otherwise of one of its name, otherwise last."""
    rest = [(content(node), node) for node in nodes]
    places: list[Element | None] = []
    for wanted in model:
        same = content(wanted)
        found = next((pair for pair in rest if pair[0] == same), None)
        places.append(deepcopy(wanted) if found else None)
        if found:
            rest.remove(found)
    for wanted, place in zip(model, places, strict=True):
        similar = next((pair for pair in rest if pair[1].tag == wanted.tag), None) if place is None else None
        if similar:
            rest.remove(similar)
            yield similar[1]
        elif place is not None:
            yield place
    yield from (node for _, node in rest)


def content(node: Element) -> tuple[object, ...]:
    """A comparable form of a device. (libxml2's canonical form would do, but crashes on a lone comment.)"""
    children = sorted(((content(child), child.tail) for child in node), key=repr)
    return node.tag, sorted(node.attrib.items()), node.text, children
