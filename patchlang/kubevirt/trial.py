"""One edit tried on a domain made for it: what the second run of a boot does with what KubeVirt kept.

The domain contains the nodes that the edit's paths select, and nothing else. What cannot be tried is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from lxml import etree

from ..compile import compile_program
from ..document import model
from ..document.model import Role
from ..engine import patch_domain
from ..lint.effects import namespaces
from ..lint.reading import locations_of
from ..lint.roles import selecting, texts
from ..xpath.tree import Binary, Call, Expr, Literal, Path, Step, VariableRef
from . import structs
from .marks import mark, marked
from .replay import content, second_run


class Fate(Enum):
    """What run 2 does with the edit's work."""

    LOST = "lost"
    DOUBLED = "doubled"


def fate(patch: model.Patch, edit: model.DomainEdit, release: str) -> Fate | None:
    """What happens to an edit's work; None if run 2 gives the same result as run 1, or if that is unknown.

    Also None if run 2 differs although KubeVirt dropped nothing: then KubeVirt is not the cause.
    """
    alone = marked(patch, edit)
    program = compile_program([alone])[0] if alone is not None else None
    if program is None:
        return None
    domain = _domain(patch, edit, release)

    def run(data: bytes) -> bytes | None:
        return patch_domain(program, data, b"{}").data

    first = run(domain)
    if first is None or first == domain:
        return None
    whole = run(second_run(domain, first, keeps_aliases=True))
    read_back = run(second_run(domain, first, read_back_by=release, keeps_aliases=True))
    if whole is None or read_back is None or _differ(first, whole) or not _differ(first, read_back):
        return None
    return Fate.DOUBLED if _size(read_back) > _size(first) else Fate.LOST


def _differ(one: bytes, other: bytes) -> bool:
    return content(etree.fromstring(one)) != content(etree.fromstring(other))


def _size(domain: bytes) -> int:
    return sum(1 + len(node.attrib) for node in etree.fromstring(domain).iter(etree.Element))


def _domain(patch: model.Patch, edit: model.DomainEdit, release: str) -> bytes:
    grower = _Grower(namespaces(patch), structs.domain(release).children["devices"])
    for text in (*selecting(edit), *texts(edit, model.XPath, Role.GOAL)):
        for found in locations_of(text):
            grower.grow(grower.document, found.steps)
    return etree.tostring(grower.document[0])


class _Grower:
    """Creates the nodes that paths select, as far as they name them."""

    def __init__(self, prefixes: dict[str, str], devices: structs.Struct) -> None:
        self.prefixes = prefixes
        self.devices = devices
        self.document = etree.Element("document")
        etree.SubElement(etree.SubElement(self.document, "domain"), "devices")

    def grow(self, node: etree._Element, steps: tuple[Step, ...], value: str | None = None) -> None:
        """Creates what the steps lead to, with ``value`` as its text."""
        search = False
        for step in steps:
            if step.abbreviated:
                search = True
            elif step.axis == "attribute":
                if not step.test.endswith("*"):
                    name = self.clark(step.test)
                    node.set(name, value if value is not None else node.get(name, ""))
                return
            elif step.axis == "child" and not step.test.endswith(("*", ")")):
                if search and step.test in self.devices.children:
                    node = self.document[0][0]
                search = False
                node = self.child(node, step)
            elif step.axis != "self" or step.test != "node()":
                return
        if value is not None:
            node.text = value

    def child(self, node: etree._Element, step: Step) -> etree._Element:
        tag = self.clark(step.test)
        found = node.find(tag)
        if found is None or step.predicates:
            found = found if found is not None and len(found) == 0 and not found.attrib else etree.SubElement(node, tag)
        for predicate in step.predicates:
            self.satisfy(found, predicate)
        return found

    def satisfy(self, node: etree._Element, predicate: Expr) -> None:
        """Creates what a predicate requires; what it excludes, and positions, are left to chance."""
        match predicate:
            case Binary(operator="and", left=left, right=right):
                self.satisfy(node, left)
                self.satisfy(node, right)
            case Path(base=Expr() as inner, steps=(), filters=()):
                self.satisfy(node, inner)
            case (
                Binary(operator="=", left=Path() as path, right=value)
                | Binary(operator="=", left=value, right=Path() as path)
            ):
                for text in _text(value):
                    self.grow(node, path.steps, text)
            case Call(name="starts-with" | "contains", args=(Path() as path, value)):
                for text in _text(value):
                    self.grow(node, path.steps, text)
            case Path(absolute=False, base=None, steps=steps):
                self.grow(node, steps)
            case _:
                pass

    def clark(self, name: str) -> str:
        prefix, colon, local = name.partition(":")
        return f"{{{self.prefixes[prefix]}}}{local}" if colon and prefix in self.prefixes else name


def _text(value: Expr) -> Iterator[str]:
    match value:
        case Literal(value=text):
            yield text
        case VariableRef(name=name):
            yield mark(name)
        case _:
            pass
