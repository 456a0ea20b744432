"""What is invalid in a domain according to libvirt's schema, and was not before.

KubeVirt's own domains are not valid: they contain things that libvirt ignores. So only new faults count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from itertools import islice

from lxml import etree

from ..domain.read import read_root
from ..markup import attributes_of, set_attributes
from ..record import field, record
from ..xpath.match import Match, match_path, node_path
from .schema import DomainSchema, smallest_domain, take, take_out, units

# the names from the root to a node, an attribute's with `@`
Names = tuple[str, ...]
# these names, and what distinguishes the node from others there
_Key = tuple[Names, bytes]

WHOLE: Names = ("domain",)
_MAX_TRIED = 50


@record
class Fault:
    """``path`` is for people, ``names`` the same without indexes, ``says`` what is wrong there.

    ``text`` is that of an attribute, or of an element without children. A fault that is not ``sure`` is in
    something that was refused before, and may not be new. ``node`` is the faulty node in a ``unit``.
    """

    path: str
    names: Names
    says: str
    text: bytes | None = None
    sure: bool = True
    node: Match | None = field(default=None, compare=False)
    unit: etree._Element | None = field(default=None, compare=False)


class Comparison:
    """Domains compared with the one that they were made from."""

    def __init__(self, schema: DomainSchema, before: bytes) -> None:
        self.schema = schema
        self._before = before

    @cached_property
    def _old(self) -> _Domain:
        return _Domain(self.schema, read_root(self._before))

    @cached_property
    def names(self) -> dict[str, None]:
        """The names of elements and attributes in the original domain, with prefixes separate."""
        nodes = list(self._old.root.iter("*"))
        tags = [*(str(node.tag) for node in nodes), *(str(name) for node in nodes for name in node.attrib)]
        prefixes = [prefix for node in nodes for prefix in node.nsmap if prefix]
        return dict.fromkeys([*(etree.QName(tag).localname for tag in tags), *prefixes])

    def new_faults(self, after: bytes) -> list[Fault]:
        """The faults of a domain that the original does not have. Raises PatchError (PL5xx) if one is not a domain.

        Of units with the same name, the first fifty with faults are examined.
        """
        if after == self._before:
            return []
        root = read_root(after)
        if self.schema.allows(root):
            return []
        old, new = self._old, _Domain(self.schema, root)
        gone = old.but(new)
        found: list[Fault] = []
        for names, arrived in new.but(old).items():
            left = gone.get(names, [])
            refused = [(number, unit) for number, unit in enumerate(arrived) if not new.allows(unit)]
            for number, unit in refused[:_MAX_TRIED]:
                likely = left[number] if len(left) == len(arrived) else None
                # a new unit has no origin; but it may be a copy, with faults that are KubeVirt's
                found += _in_unit(unit, new, old, left or old.some(names), likely)
        return found if any(fault.sure for fault in found) else [*found, *_as_a_whole(old, new)]


class _Domain:
    """A domain as units, each with what distinguishes it from others."""

    def __init__(self, schema: DomainSchema, root: etree._Element) -> None:
        self.schema = schema
        self.root = root
        self.units = {unit: (_names(unit), _content(unit)) for unit in units(root)}
        self._keys = Counter(self.units.values())
        self._allowed: dict[etree._Element, bool] = {}
        self._refused: dict[etree._Element, list[Match]] = {}
        self._nodes: dict[etree._Element, dict[Match, _Key]] = {}

    def refused(self, unit: etree._Element) -> list[Match]:
        """The nodes of a unit that make it invalid."""
        if unit not in self._refused:
            self._refused[unit] = [] if self.allows(unit) else self.schema.refused(unit)
        return self._refused[unit]

    def nodes(self, unit: etree._Element) -> dict[Match, _Key]:
        """All elements and attributes in a unit, and what distinguishes each from others."""
        if unit not in self._nodes:
            self._nodes[unit] = _keys(unit)
        return self._nodes[unit]

    def allows(self, unit: etree._Element) -> bool:
        """Whether a unit is valid."""
        if unit not in self._allowed:
            self._allowed[unit] = self.schema.allows_unit(unit)
        return self._allowed[unit]

    def but(self, other: _Domain) -> dict[Names, list[etree._Element]]:
        """The units that the other one does not have, in document order."""
        more, found = self._keys - other._keys, defaultdict[Names, list[etree._Element]](list)
        for unit, key in self.units.items():
            if more[key] > 0:
                more[key] -= 1
                found[key[0]].append(unit)
        return found

    def some(self, names: Names) -> list[etree._Element]:
        """Units of these names that are refused."""
        found = (unit for unit, key in self.units.items() if key[0] == names and not self.allows(unit))
        return list(islice(found, _MAX_TRIED))

    def without_refused(self, lacking: Collection[str]) -> tuple[etree._Element, dict[etree._Element, etree._Element]]:
        """A copy without what is refused, and its units by their original.

        What every domain needs is added if it was refused, or is in ``lacking``.
        """
        copy = deepcopy(self.root)
        copies = dict(zip(self.units, list(units(copy)), strict=True))
        several = Counter(key[0] for key in self.units.values())
        for unit, key in self.units.items():
            if self.allows(unit):
                continue
            # a child of the domain may usually occur once: of several, all are kept as long as they are valid
            if len(key[0]) > 2 or several[key[0]] == 1 or not self._cure(unit, copies[unit]):
                take_out(copies.pop(unit))
        for child in smallest_domain():
            if child.tag in lacking or (
                child.tag in {unit.tag for unit in self.units} and copy.find(child.tag) is None
            ):
                copy.append(child)
        return copy, copies

    def _cure(self, unit: etree._Element, copy: etree._Element) -> bool:
        """Removes what is refused from the copy of a unit. False if that is all of it."""
        refused = self.refused(unit)
        if refused == [Match(unit)]:
            return False
        copies = dict(zip(unit.iter(etree.Element), copy.iter(etree.Element), strict=True))
        for match in refused:
            take(Match(copies[match.element], match.attribute))
        return True


def _in_unit(
    unit: etree._Element,
    new: _Domain,
    old: _Domain,
    former: Sequence[etree._Element],
    likely: etree._Element | None,
) -> Iterator[Fault]:
    """The faults of a unit that is one of the ``former``, most ``likely`` the one in its place, or new."""
    keys = new.nodes(unit)
    left = Counter(old.nodes(other)[match] for other in former for match in old.refused(other))
    known = []
    for match, key in keys.items():
        if left[key] > 0:
            left[key] -= 1
            known.append(match)
    partner = _partner(set(keys.values()), old, former, likely)
    before = {} if partner is None else old.nodes(partner)
    there = set(before.values())
    changed = [] if partner is None else [match for match in old.refused(partner) if left[before[match]] > 0]
    for match in new.schema.refused(unit, known=known, prefer=lambda match: keys[match] not in there):
        names = keys[match][0]
        # anything with parts that was refused may have been refused for any of them
        doubtful = any(_has_parts(other) and names[: len(before[other][0])] == before[other][0] for other in changed)
        says = "is not allowed in this form"
        yield Fault(match_path(match), names, says, _written(match), sure=not doubtful, node=match, unit=unit)


def _written(match: Match) -> bytes | None:
    """The text of an attribute, or of an element without children."""
    element, name, _ = match
    if name is not None:
        return str(element.get(name)).encode()
    return None if len(element) else (element.text or "").encode()


def _partner(
    keys: set[_Key], old: _Domain, former: Sequence[etree._Element], likely: etree._Element | None
) -> etree._Element | None:
    """The origin of a unit with these nodes: the likely one if they are alike, otherwise the most similar."""

    def shared(other: etree._Element) -> int:
        return len(keys.intersection(old.nodes(other).values()))

    if likely is not None and 2 * shared(likely) >= len(keys):
        return likely
    return max(former, key=shared, default=None)


def _has_parts(match: Match) -> bool:
    return match.attribute is None and bool(len(match.element) or match.element.attrib)


def _as_a_whole(old: _Domain, new: _Domain) -> list[Fault]:
    """Why a domain of valid units is invalid: something is missing, or does not fit the rest."""
    allows = new.schema.allows
    needed = {str(child.tag) for child in smallest_domain()}
    lacking = needed - {str(child.tag) for domain in (old, new) for child in domain.root}
    domain, copies = new.without_refused(lacking)
    if allows(domain):
        return []
    if not allows(old.without_refused(lacking)[0]):
        return [Fault("/domain", WHOLE, "is not valid", sure=False)]
    mended = (fault for fault in _mendings(old, new, domain, copies) if allows(domain))
    return [next(mended, Fault("/domain", WHOLE, "is not valid"))]


def _mendings(
    old: _Domain, new: _Domain, domain: etree._Element, copies: dict[etree._Element, etree._Element]
) -> Iterator[Fault]:
    """Candidates for the fault; while each is examined, ``domain`` lacks it."""
    for arrived in new.but(old).values():
        for unit in [unit for unit in arrived if unit in copies][:_MAX_TRIED]:
            put_back = take_out(copies[unit])
            yield Fault(node_path(unit), _names(unit), "is not allowed together with the rest")
            put_back()
    for names, gone in old.but(new).items():
        parent = domain if len(names) == 2 else domain.find("devices")
        if parent is not None:
            parent.append(deepcopy(gone[0]))
            yield Fault(node_path(gone[0]), names, "is missing")
            parent.remove(parent[-1])
    for names in (WHOLE, (*WHOLE, "devices")):
        element, before = (root if len(names) == 1 else root.find("devices") for root in (domain, old.root))
        if element is not None and before is not None:
            yield from _attributes(names, element, before)


def _attributes(names: Names, element: etree._Element, before: etree._Element) -> Iterator[Fault]:
    """As :func:`_mendings`, for the attributes in which two elements differ."""
    now, then = attributes_of(element), attributes_of(before)
    for name in sorted(name for name in {*now, *then} if now.get(name) != then.get(name)):
        mended = {key: value for key, value in now.items() if key != name}
        set_attributes(element, (mended | ({name: then[name]} if name in then else {})).items())
        way = (*names, f"@{name}")
        yield Fault("/" + "/".join(way), way, "is not allowed in this form" if name in now else "is missing")
        set_attributes(element, now.items())


def _names(element: etree._Element) -> Names:
    return (*(str(above.tag) for above in reversed(list(element.iterancestors()))), str(element.tag))


def _content(element: etree._Element) -> bytes:
    """Everything in an element, regardless of prefixes, comments and attribute order.

    Canonical XML would be that, but does not exist if a namespace is a relative URI.
    """
    pieces: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end", "comment", "pi")):
        if event == "start":
            attributes = sorted(attributes_of(node).items())
            pieces += [f"\0<{node.tag}", *(f"\0{name}\0{value}" for name, value in attributes), "\0>", node.text or ""]
            continue
        if event == "end":
            pieces.append("\0/")
        elif event == "pi":
            pieces.append(f"\0?{node.target}\0{node.text or ''}\0")
        if node is not element:
            pieces.append(node.tail or "")
    return "".join(pieces).encode()


def _keys(unit: etree._Element) -> dict[Match, _Key]:
    """All elements and attributes in a unit, and what distinguishes each from others."""
    found: dict[Match, _Key] = {}
    for element in unit.iter(etree.Element):
        names = _names(element)
        found[Match(element)] = (names, _content(element))
        for name, value in attributes_of(element).items():
            found[Match(element, name)] = ((*names, f"@{name}"), value.encode())
    return found
