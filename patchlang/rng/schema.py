"""libvirt's RELAX NG schema as a validator that names the nodes it refuses.

libxml2 stops at the first fault and says little about it. So faults are found by trial: nodes without which the
rest is valid. Children of ``<domain>`` and of ``<devices>``, called units here, are tried one by one, each in the
smallest possible domain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from functools import cached_property
from itertools import combinations
from pathlib import Path

from lxml import etree

from .. import rules
from ..diagnostics import fail
from ..markup import attributes_of, set_attributes
from ..out_of_memory import raise_if_exhausted
from ..xpath.match import Match

_SMALLEST = b"<domain type='kvm'><name>n</name><memory>1</memory><os><type>hvm</type></os></domain>"
_RNG = "http://relaxng.org/ns/structure/1.0"
_MAX_TRIALS = 1000
"""For one unit; if the fault is not found by then, it is the unit as a whole."""
_FEW = 60
"""With more nodes than this, halves are tried before single nodes."""


class DomainSchema:
    """The schema of libvirt's domains, from a folder with ``domain.rng`` and everything that it includes.

    Raises PatchError (PL009) if it cannot be read, or describes something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / "domain.rng"
        help = "pass a folder like libvirt's `/usr/share/libvirt/schemas`, with `domain.rng` and the files it includes"
        try:
            if not file.is_file():
                raise fail(rules.UNREADABLE_SCHEMA, f"`{file}` does not exist", help=help)
            self._relaxng = etree.RelaxNG(file=str(file))
        except (etree.LxmlError, OSError) as e:
            raise_if_exhausted(e)
            reason = " ".join(str(e).split())
            raise fail(rules.UNREADABLE_SCHEMA, f"`{file}` is not a RELAX NG schema: {reason}", help=help) from None
        if not self.allows(smallest_domain()):
            raise fail(rules.UNREADABLE_SCHEMA, f"`{file}` is not the schema of libvirt's domains", help=help)

    def allows(self, domain: etree._Element) -> bool:
        """Whether a domain is valid as a whole."""
        return bool(self._relaxng.validate(domain))

    def allows_unit(self, unit: etree._Element) -> bool:
        """Whether a unit is valid, regardless of what is next to it."""
        return self.allows(_alone(deepcopy(unit), unit))

    def values(self, node: Match, unit: etree._Element) -> list[str]:
        """What an attribute or a text of a unit may be: kinds of text, and the words that the schema lists."""
        from .kinds import described  # which a boot that succeeds never needs

        copy = deepcopy(unit)
        domain = _alone(copy, unit)
        copies = dict(zip(unit.iter(etree.Element), copy.iter(etree.Element), strict=True))
        around = {node.element, *node.element.iterancestors()}  # refused if they need the node
        for other in self.refused(unit, known=[node]):
            if other != node and (other.attribute is not None or other.element not in around):
                take(Match(copies[other.element], other.attribute))
        element = copies[node.element]

        def is_allowed(word: str) -> bool:
            if node.attribute is not None:
                element.set(node.attribute, word)
            else:
                element.text = word
            return self.allows(domain)

        return described(is_allowed, self._words)

    @cached_property
    def _words(self) -> list[str]:
        """Everything that the schema lists anywhere: trial determines which of it one place accepts."""
        found: dict[str, None] = {}
        for file in sorted(self.folder.glob("*.rng")):
            for value in etree.parse(file).iter(f"{{{_RNG}}}value", f"{{{_RNG}}}param"):
                text = value.text or ""
                # a pattern such as `(ipv4)|(ipv6)` is a list of words
                words = text.replace("(", "").replace(")", "").split("|")
                if value.tag.endswith("value"):
                    found[text] = None
                elif len(words) > 1 and all(word.isidentifier() for word in words):
                    found.update(dict.fromkeys(words))
        return [word for word in found if word]

    def refused(
        self, unit: etree._Element, *, known: Collection[Match] = (), prefer: Callable[[Match], bool] | None = None
    ) -> list[Match]:
        """The nodes of a unit that make it invalid, in document order.

        ``known`` are excluded from the start. If any of several would do, those that ``prefer`` accepts come first.
        """
        copy = deepcopy(unit)
        domain = _alone(copy, unit)
        originals = dict(zip(copy.iter(etree.Element), unit.iter(etree.Element), strict=True))
        copies = {original: copied for copied, original in originals.items()}
        etree.strip_elements(copy, etree.Comment, etree.ProcessingInstruction, with_tail=False)

        def original(part: Match) -> Match:
            return Match(originals[part.element], part.attribute)

        trial = _Trial(lambda: self.allows(domain), lambda part: prefer is not None and prefer(original(part)))
        if Match(unit) in known:
            return []
        for match in known:
            take(Match(copies[match.element], match.attribute))
        try:
            found = trial.locate(copy)
        except _TooManyError:
            found = None
        if found is None:
            return [Match(unit)]
        place = {element: number for number, element in enumerate(originals)}
        return [original(part) for part in sorted(found, key=lambda part: place[part.element])]


def smallest_domain() -> etree._Element:
    """A valid domain with only the required content."""
    return etree.fromstring(_SMALLEST)


def units(root: etree._Element) -> Iterator[etree._Element]:
    """The children of ``<domain>`` and of ``<devices>``, in document order."""
    for child in root.iterchildren(etree.Element):
        if child.tag == "devices":
            yield from child.iterchildren(etree.Element)
        else:
            yield child


def take_out(element: etree._Element) -> Callable[[], None]:
    """Remove an element from its parent; the returned function puts it back."""
    parent = element.getparent()
    assert parent is not None, "the root is never removed"
    at = parent.index(element)
    parent.remove(element)
    return lambda: parent.insert(at, element)


def take(node: Match) -> Callable[[], None]:
    """Remove an element or attribute; the returned function puts it back."""
    element, name, _ = node
    if name is None:
        return take_out(element)
    value = element.attrib.pop(name)
    return lambda: element.set(name, value)


def _alone(copy: etree._Element, unit: etree._Element) -> etree._Element:
    """A domain with the copy of a unit and little else."""
    domain = smallest_domain()
    parent = unit.getparent()
    if parent is not None and parent.tag == "devices":
        etree.SubElement(domain, "devices").append(copy)
    else:
        for other in domain.findall(copy.tag):
            domain.remove(other)
        domain.append(copy)
    return domain


class _TooManyError(Exception):
    """The trials are used up."""


class _Trial:
    """Removes nodes from a tree, and checks whether the rest is valid."""

    def __init__(self, is_valid: Callable[[], bool], prefer: Callable[[Match], bool]) -> None:
        self._is_valid = is_valid
        self._prefer = prefer
        self._trials = 0

    def locate(self, element: etree._Element) -> list[Match] | None:
        """Removes from an element what makes the tree invalid; None if that is the element itself.

        Then the tree is unchanged. Everything except this element is valid.
        """
        if self._try():
            return []
        parts = _parts(element)
        steps = (self._one_of(parts), self._several_of(element))
        for step in steps if len(parts) <= _FEW else reversed(steps):
            found = next(step, None)
            if found is not None:
                return found
        return None

    def _try(self) -> bool:
        self._trials += 1
        if self._trials > _MAX_TRIALS:
            raise _TooManyError
        return self._is_valid()

    def _one_of(self, parts: list[Match]) -> Iterator[list[Match]]:
        """The smallest node that alone is at fault."""
        for part in sorted(parts, key=lambda part: (not self._prefer(part), _size(part))):
            put_back = take(part)
            if self._try():
                yield [part]
                return
            put_back()

    def _several_of(self, element: etree._Element) -> Iterator[list[Match]]:
        """Starting with a few children with which the element is valid, adds all others that keep it valid."""
        attributes, children = attributes_of(element), list(element)

        def keep(names: Collection[str], kept: Collection[etree._Element]) -> None:
            set_attributes(element, [(name, attributes[name]) for name in names])
            element[:] = [child for child in children if child in kept]

        for names, few in _beginnings(list(attributes), children):
            keep(names, few)
            if self._try():
                break
        else:
            keep(attributes, children)
            return
        found = [Match(element, name) for name in attributes if name not in names]
        kept = set(few)
        pending = [[child for child in children if child not in kept]]
        while pending:
            more = pending.pop()
            keep(names, kept.union(more))
            if not more or self._try():
                kept.update(more)
            elif len(more) > 1:
                half = len(more) // 2
                pending += [more[half:], more[:half]]
            else:
                inner = self.locate(more[0])
                if inner is None:
                    found.append(Match(more[0]))
                else:
                    found += inner
                    kept.update(more)
        keep(names, kept)
        yield found


def _beginnings(names: list[str], children: list[etree._Element]) -> Iterator[tuple[list[str], list[etree._Element]]]:
    """Minimal content for an element: all its attributes, or all but one, and no child, one or two."""
    for count in range(3):
        for few in combinations(children[:_FEW], count):
            yield names, list(few)
    for left_out in names:
        for count in range(2):
            for few in combinations(children[:_FEW], count):
                yield [name for name in names if name != left_out], list(few)


def _parts(element: etree._Element) -> list[Match]:
    """All attributes and elements in an element, including its own attributes."""
    found: list[Match] = []
    for inner in element.iter(etree.Element):
        if inner is not element:
            found.append(Match(inner))
        found += [Match(inner, str(name)) for name in inner.attrib]
    return found


def _size(part: Match) -> int:
    """How many elements and attributes are removed with it."""
    if part.attribute is not None:
        return 1
    return sum(1 + len(inner.attrib) for inner in part.element.iter(etree.Element))
