"""Build the index of libvirt's grammar, ``patchlang/grammar/libvirt-VERSION.json``, from its RELAX NG files.

    python tools/index_grammar.py --libvirt 9.0.0 /usr/share/libvirt/schemas > patchlang/grammar/libvirt-9.0.0.json

The index contains only facts: which elements, attributes and text an element may hold, the values that the grammar
lists, and the datatypes of the others: integer ranges and patterns. Debian ships the files in ``libvirt-common``
(Debian 12: ``libvirt0``); ``apt-get download`` and ``dpkg-deb -x`` unpack them without installing anything.

An element is identified by its context: each ``<element>`` in the grammar is its own type. If a parent has several
elements with the same name (``source`` of an interface, by the interface's type), a path cannot tell them apart; they
become one type that may hold whatever any of them may. Types that are equal all the way down are then merged.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from lxml import etree

RNG = "{http://relaxng.org/ns/structure/1.0}"
ANY = "*"

# XML Schema's integer types by minimum and maximum
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "positiveInteger": (1, None),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
}
# the parts of a definition that is a single datatype
SIMPLE = ("data", "param", "choice", "value", "except", "ref")


@dataclass(frozen=True)
class Datatype:
    """A kind of text; ``name`` is the name of its definition, if it has its own."""

    name: str | None
    number: bool
    least: int | None
    most: int | None
    pattern: str | None

    def shown(self) -> dict[str, Any]:
        found = {"name": self.name, "least": self.least, "most": self.most, "pattern": self.pattern}
        number = {"number": True} if self.number else {}
        return {**number, **{key: value for key, value in found.items() if value is not None}}


# the values of an attribute or text: the ones that the grammar lists or describes, or None for any
Values = frozenset[str | Datatype] | None
State = frozenset[etree._Element]


@dataclass(frozen=True)
class Content:
    """What a pattern allows: attributes and elements by name, and text (no values: none)."""

    attributes: dict[str, Values] = field(default_factory=dict)
    elements: dict[str, State] = field(default_factory=dict)
    text: Values = frozenset()

    def __or__(self, other: Content) -> Content:
        attributes, elements = dict(self.attributes), dict(self.elements)
        for name, values in other.attributes.items():
            attributes[name] = either(attributes.get(name, frozenset()), values)
        for name, state in other.elements.items():
            elements[name] = elements.get(name, frozenset()) | state
        return Content(attributes, elements, either(self.text, other.text))


def either(one: Values, other: Values) -> Values:
    return None if one is None or other is None else one | other


class Schema:
    """The definitions of a grammar, including everything it includes."""

    def __init__(self, start: Path) -> None:
        self.defines: dict[str, list[etree._Element]] = {}
        self.start: list[etree._Element] = []
        self.namespaces: dict[str, str] = {}
        self._nodes: list[etree._Element] = []  # lxml's nodes have a stable identity only while referenced
        self._load(start, frozenset())
        self._known: dict[etree._Element, Content | None] = {}

    def _load(self, file: Path, overridden: frozenset[str]) -> None:
        root = etree.parse(file).getroot()
        self._nodes += root.iter()
        for node in root.iterchildren(etree.Element):
            self._declare(file, node, overridden)

    def _declare(self, file: Path, node: etree._Element, overridden: frozenset[str]) -> None:
        match kind(node):
            case "start":
                self.start.append(node)
            case "define" if node.get("name") not in overridden:
                self.defines.setdefault(str(node.get("name")), []).append(node)
            case "include":
                own = list(node.iterchildren(etree.Element))
                names = frozenset(str(one.get("name")) for one in own if kind(one) == "define")
                self._load(file.parent / str(node.get("href")), overridden | names)
                for one in own:
                    self._declare(file, one, overridden)
            case "define":
                pass
            case other:
                raise ValueError(f"{file.name}: <{other}> in a grammar")

    def content(self, pattern: etree._Element) -> Content | None:
        """What a pattern allows; None if it can never match."""
        if pattern not in self._known:
            self._known[pattern] = self._content(pattern)
        return self._known[pattern]

    def inside(self, element: etree._Element) -> Content | None:
        """What may appear in an ``<element>`` pattern."""
        return self._all([p for p in element.iterchildren(etree.Element) if kind(p) not in ("name", "anyName")])

    def _content(self, pattern: etree._Element) -> Content | None:
        inner = list(pattern.iterchildren(etree.Element))
        match kind(pattern):
            case "element":
                return Content(elements={name: frozenset([pattern]) for name in self._names(pattern)})
            case "attribute":
                values = self._all([p for p in inner if kind(p) not in ("name", "anyName")], values=True)
                if values is None:
                    return None
                # an attribute without a pattern accepts any text
                text = values.text if inner else None
                return Content(dict.fromkeys(self._names(pattern), text))
            case "ref":
                return self._define(str(pattern.get("name")))
            case "choice":
                found = [content for content in map(self.content, inner) if content is not None]
                return reduce(Content.__or__, found) if found else None
            case "group" | "interleave" | "oneOrMore":
                return self._all(inner)
            case "optional" | "zeroOrMore" | "mixed":
                content = self._all(inner) or Content()
                return content | Content(text=None) if kind(pattern) == "mixed" else content
            case "text" | "list":
                return Content(text=None)
            case "data":
                return Content(text=datatype(pattern))
            case "value":
                return Content(text=frozenset([" ".join((pattern.text or "").split())]))
            case "empty":
                return Content()
            case "notAllowed":
                return None
            case other:
                raise ValueError(f"<{other}> is not supported (line {pattern.sourceline})")

    def _all(self, patterns: list[etree._Element], values: bool = False) -> Content | None:
        """All of them together. With ``values``, an empty pattern means the empty text."""
        whole = Content()
        for pattern in patterns:
            content = self.content(pattern)
            if content is None:
                return None
            if values and any(kind(one) == "empty" for one in self._reached(pattern)):
                content |= Content(text=frozenset([""]))
            whole |= content
        return whole

    def _reached(self, pattern: etree._Element) -> list[etree._Element]:
        """The pattern and everything in it, including what its references point to."""
        found = list(pattern.iter(etree.Element))
        for ref in [one for one in found if kind(one) == "ref"]:
            for define in self.defines[str(ref.get("name"))]:
                found += self._reached(define)
        return found

    def _define(self, name: str) -> Content | None:
        parts = self.defines[name]
        contents = [self._all(list(part.iterchildren(etree.Element))) for part in parts]
        possible = [content for content in contents if content is not None]
        if any(part.get("combine") == "choice" for part in parts):
            return reduce(Content.__or__, possible) if possible else None
        return reduce(Content.__or__, possible) if len(possible) == len(parts) else None

    def _names(self, pattern: etree._Element) -> list[str]:
        """The names of an ``<element>`` or ``<attribute>``, with libvirt's prefix if they have a namespace."""
        name = pattern.get("name")
        if name is None:
            if any(kind(one) == "anyName" for one in pattern.iterchildren(etree.Element)):
                return [ANY]
            raise ValueError(f"this name class is not supported (line {pattern.sourceline})")
        if kind(pattern) == "attribute":
            return [name]
        uri = next((str(one.get("ns")) for one in (pattern, *pattern.iterancestors()) if one.get("ns")), "")
        if not uri:
            return [name]
        prefix = uri.split("/")[-2]  # …/schemas/domain/qemu/1.0
        self.namespaces[prefix] = uri
        return [f"{prefix}:{name}"]


def kind(pattern: etree._Element) -> str:
    return str(pattern.tag).removeprefix(RNG)


def datatype(data: etree._Element) -> Values:
    """What a ``<data>`` accepts; exceptions and lengths are ignored, and an unknown type accepts any text."""
    parameters = {str(one.get("name")): str(one.text) for one in data.iterchildren(f"{RNG}param")}
    pattern, base = parameters.get("pattern"), str(data.get("type"))
    if base in NUMBERS:
        least, most = NUMBERS[base]
        least = int(parameters["minInclusive"]) if "minInclusive" in parameters else least
        most = int(parameters["maxInclusive"]) if "maxInclusive" in parameters else most
        return frozenset([Datatype(defined(data), True, least, most, pattern)])
    if base != "string" or pattern is None:
        return None
    return frozenset([Datatype(defined(data), False, None, None, pattern)])


def defined(data: etree._Element) -> str | None:
    """The name of the definition that is exactly this datatype, or a choice that includes it."""
    define = next(data.iterancestors(f"{RNG}define"), None)
    if define is None or any(kind(one) not in SIMPLE for one in define.iterdescendants(etree.Element)):
        return None
    return str(define.get("name"))


def states(schema: Schema) -> tuple[State, dict[State, Content]]:
    """The state of ``/domain``, and what may appear in it and in every state below."""
    start = reduce(Content.__or__, (c for node in schema.start if (c := schema._all(list(node))) is not None))
    root = start.elements["domain"]
    found: dict[State, Content] = {}
    pending = [root]
    while pending:
        state = pending.pop()
        if state not in found:
            contents = (schema.inside(element) for element in state)
            found[state] = reduce(Content.__or__, (content for content in contents if content is not None), Content())
            pending += found[state].elements.values()
    return root, found


def classes(contents: dict[State, Content]) -> dict[State, int]:
    """Group the states: states that allow the same all the way down share a class."""
    known: dict[State, int] = dict.fromkeys(contents, 0)
    while True:
        numbers: dict[Any, int] = {}
        finer: dict[State, int] = {}
        for state, content in contents.items():
            below = frozenset((name, known[child]) for name, child in content.elements.items())
            signature = (known[state], frozenset(content.attributes.items()), content.text, below)
            finer[state] = numbers.setdefault(signature, len(numbers))
        if len(numbers) == len(set(known.values())):
            return finer
        known = finer


def index(folder: Path, version: str) -> str:
    """The index as JSON: one type per line, numbered in the order they are reached from the root, by name."""
    schema = Schema(folder / "domain.rng")
    root, contents = states(schema)
    known = classes(contents)
    of_class = {number: state for state, number in known.items()}
    order: dict[int, int] = {}
    pending = [known[root]]
    while pending:
        number = pending.pop(0)
        if number not in order:
            order[number] = len(order)
            below = contents[of_class[number]].elements
            pending += [known[below[name]] for name in sorted(below) if name != ANY]
    lists: dict[frozenset[str | Datatype], int] = {}
    types = []
    for number in order:
        content = contents[of_class[number]]
        shown: dict[str, Any] = {}
        if elements := {name: order[known[state]] for name, state in sorted(content.elements.items()) if name != ANY}:
            shown["elements"] = elements
        if attributes := {name: values for name, values in sorted(content.attributes.items()) if name != ANY}:
            shown["attributes"] = {
                name: None if values is None else lists.setdefault(values, len(lists))
                for name, values in attributes.items()
            }
        if content.text is None or content.text:
            shown["text"] = None if content.text is None else lists.setdefault(content.text, len(lists))
        if ANY in content.elements or ANY in content.attributes:
            shown["open"] = True
        types.append(shown)
    head = {"libvirt": version, "namespaces": dict(sorted(schema.namespaces.items()))}
    datatypes = sorted({one for values in lists for one in values if isinstance(one, Datatype)}, key=repr)
    values = [
        [
            *sorted(one for one in found if isinstance(one, str)),
            *(number for number, one in enumerate(datatypes) if one in found),
        ]
        for found in lists
    ]
    lines = [
        json.dumps(head)[:-1],
        f'"datatypes": {_rows([one.shown() for one in datatypes])}',
        f'"values": {_rows(values)}',
        f'"types": {_rows(types)}}}',
    ]
    return ",\n".join(lines) + "\n"


def _rows(items: list[Any]) -> str:
    return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("schemas", type=Path, help="the folder with domain.rng, such as /usr/share/libvirt/schemas")
    parser.add_argument(
        "--libvirt", required=True, metavar="VERSION", help="the libvirt version that they belong to, such as 9.0.0"
    )
    args = parser.parse_args()
    sys.stdout.write(index(args.schemas, args.libvirt))


if __name__ == "__main__":
    main()
