"""What is invalid in a domain by libvirt's schema, and was not before.

KubeVirt's own domains are not valid by it: they hold what libvirt passes over. So only what is new counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from .domainschema import DomainSchema, smallest_domain, take_out, units
from .xmlmatch import Match, match_path, node_path
from .xmlread import read_root
from .xmltext import attributes_of, set_attributes

# the names on the way from the root to a node, an attribute's with `@`
Names = tuple[str, ...]
# these, and what tells the node from others there
_Key = tuple[Names, bytes]

_ROOT: Names = ("domain",)
_MAX_TRIED = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """``path`` is for people, ``names`` the same without numbers, ``says`` what is wrong there.

    One that is not ``sure`` lies in something that was refused before, and may be no new one.
    """

    path: str
    names: Names
    says: str
    sure: bool = True


def new_faults(schema: DomainSchema, before: bytes, after: bytes) -> list[Fault]:
    """The faults of ``after`` that ``before`` does not have. Raises PatchError (PL5xx) where one is no domain."""
    if before == after:
        return []
    old, new = _Domain(schema, read_root(before)), _Domain(schema, read_root(after))
    gone = old.but(new)
    found: list[Fault] = []
    for names, arrived in new.but(old).items():
        left = gone.get(names, [])
        for number, unit in enumerate(arrived):
            if not new.allows(unit):
                # a new unit has nothing that it came from; but it may be a copy, with faults that are KubeVirt's
                former = [left[number]] if len(left) == len(arrived) else left or old.some(names)
                found += _in_unit(unit, new, old, former)
    return found or _as_a_whole(old, new)


class _Domain:
    """A domain in units, each with what tells it from others."""

    def __init__(self, schema: DomainSchema, root: etree._Element) -> None:
        self.schema = schema
        self.root = root
        self.units = {unit: (_names(unit), _content(unit)) for unit in units(root)}
        self._keys = Counter(self.units.values())
        self._allowed: dict[etree._Element, bool] = {}

    def allows(self, unit: etree._Element) -> bool:
        """Is a unit valid?"""
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
        """A copy without the units that are refused, and the others in it by the original.

        What every domain must have is put in where it was refused, or is of those that are ``lacking``.
        """
        copy = deepcopy(self.root)
        copies = dict(zip(self.units, list(units(copy)), strict=True))
        needed = set(lacking)
        for unit in self.units:
            if not self.allows(unit):
                take_out(copies.pop(unit))
                needed.add(unit.tag)
        for child in smallest_domain():
            if child.tag in needed:
                copy.append(child)
        return copy, copies


def _in_unit(unit: etree._Element, new: _Domain, old: _Domain, former: Sequence[etree._Element]) -> Iterator[Fault]:
    """The faults of a unit that came from one of the ``former``, or from none."""
    keys = _keys(unit)
    there: set[_Key] = set()
    before: list[tuple[_Key, Match]] = []
    for other in former:
        keys_before = _keys(other)
        there.update(keys_before.values())
        if not old.allows(other):
            before += [(keys_before[match], match) for match in old.schema.refused(other)]
    left = Counter(key for key, _ in before)
    known = []
    for match, key in keys.items():
        if left[key] > 0:
            left[key] -= 1
            known.append(match)
    changed = [(key[0], match) for key, match in before if left[key] > 0]
    for match in new.schema.refused(unit, known=known, prefer=lambda match: keys[match] not in there):
        names = keys[match][0]
        # what had parts and was refused was so for any of them
        doubtful = any(_has_parts(other) and names[: len(above)] == above for above, other in changed)
        yield Fault(match_path(match), names, "is not allowed", sure=not doubtful)


def _has_parts(match: Match) -> bool:
    return match.attribute is None and bool(len(match.element) or match.element.attrib)


def _as_a_whole(old: _Domain, new: _Domain) -> list[Fault]:
    """Why a domain is invalid whose units are valid: something is missing, or does not go with the rest."""
    allows = new.schema.allows
    lacking = {child.tag for child in smallest_domain()} - {child.tag for child in old.root}
    domain, copies = new.without_refused(lacking)
    if allows(domain):
        return []
    if not allows(old.without_refused(lacking)[0]):
        return [Fault("/domain", _ROOT, "is not valid", sure=False)]
    mended = (fault for fault in _mendings(old, new, domain, copies) if allows(domain))
    return [next(mended, Fault("/domain", _ROOT, "is not valid"))]


def _mendings(
    old: _Domain, new: _Domain, domain: etree._Element, copies: dict[etree._Element, etree._Element]
) -> Iterator[Fault]:
    """What may be the fault; while each is looked at, ``domain`` is without it."""
    for arrived in new.but(old).values():
        for unit in arrived[:_MAX_TRIED]:
            put_back = take_out(copies[unit])
            yield Fault(node_path(unit), _names(unit), "may not stand beside the rest")
            put_back()
    for names, gone in old.but(new).items():
        parent = domain if len(names) == 2 else domain.find("devices")
        if parent is not None:
            parent.append(deepcopy(gone[0]))
            yield Fault(node_path(gone[0]), names, "is missing")
            parent.remove(parent[-1])
    for names in (_ROOT, (*_ROOT, "devices")):
        element, before = (root if len(names) == 1 else root.find("devices") for root in (domain, old.root))
        if element is not None and before is not None:
            yield from _attributes(names, element, before)


def _attributes(names: Names, element: etree._Element, before: etree._Element) -> Iterator[Fault]:
    """As :func:`_mendings`, of the attributes in which two elements differ."""
    now, then = attributes_of(element), attributes_of(before)
    for name in sorted(name for name in {*now, *then} if now.get(name) != then.get(name)):
        mended = {key: value for key, value in now.items() if key != name}
        set_attributes(element, (mended | ({name: then[name]} if name in then else {})).items())
        way = (*names, f"@{name}")
        yield Fault("/" + "/".join(way), way, "is not allowed" if name in now else "is missing")
        set_attributes(element, now.items())


def _names(element: etree._Element) -> Names:
    return (*(str(above.tag) for above in reversed(list(element.iterancestors()))), str(element.tag))


def _content(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, with_tail=False)


def _keys(unit: etree._Element) -> dict[Match, _Key]:
    """All elements and attributes in a unit, and what tells each from others."""
    found: dict[Match, _Key] = {}
    for element in unit.iter(etree.Element):
        names = _names(element)
        found[Match(element)] = (names, _content(element))
        for name, value in attributes_of(element).items():
            found[Match(element, name)] = ((*names, f"@{name}"), value.encode())
    return found
