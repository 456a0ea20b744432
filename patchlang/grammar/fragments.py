"""XML fragments against the grammar: what they add, at its destination."""

from __future__ import annotations

from functools import lru_cache

from ..lint.fragments import FragmentNode, read
from ..record import field, record
from . import findings
from .axes import Places
from .findings import Finding
from .xpaths import FILLER, ComputedText, Dialect, check_value

_MOST = 100  # findings in one fragment: more would not help
_HOLDERS = ("element", "document")


@record
class CheckedFragment:
    """The destinations of a fragment's elements, by name, and what was found or may be, as in an Answer."""

    places: dict[str, Places]
    findings: tuple[Finding, ...]
    computed: tuple[ComputedText, ...] = ()


@lru_cache(maxsize=2048)
def check(text: str, parents: Places, dialect: Dialect) -> CheckedFragment:
    """A fragment whose elements become children of the places. Invalid XML has no findings here."""
    checker = _Checker(dialect)
    for node in read(text):
        checker.check(node, parents, dict(dialect.namespaces))
    return CheckedFragment(checker.places, tuple(checker.found), tuple(checker.computed))


@record(frozen=False)
class _Checker:
    dialect: Dialect
    found: list[Finding] = field(default_factory=list)
    places: dict[str, Places] = field(default_factory=dict)
    computed: list[ComputedText] = field(default_factory=list)

    def check(self, node: FragmentNode, parents: Places, namespaces: dict[str, str]) -> None:
        version = self.dialect.unfolding.index.version
        scope = {**namespaces, **node.declared}
        name = self._name(node, scope)
        if (
            len(self.found) >= _MOST
            or name is None
            or any(parent.is_open or parent.kind not in _HOLDERS for parent in parents)
        ):
            return
        self.dialect.effort.spend(len(parents))
        start, end = node.start, node.start + len(node.name)
        here = tuple(parent.elements[name] for parent in parents if name in parent.elements)
        if not here:
            self.found.append(findings.unknown_element(version, name, parents, start, end, below=False))
            return
        self.places[node.name] = tuple(dict.fromkeys((*self.places.get(node.name, ()), *here)))
        if any(place.is_open for place in here):
            return
        for attribute, value, at, value_at in node.attributes:
            owned = tuple(place.attributes[attribute] for place in here if attribute in place.attributes)
            if owned:
                self._value(value, owned, value_at)
            elif ":" not in attribute:
                found = findings.unknown_attribute(version, attribute, here, at, at + len(attribute))
                self.found.append(found)
        for text, at in node.texts:
            if all(place.text is None for place in here):
                self.found.append(findings.no_text(version, here, at, at + len(text)))
            elif len(node.texts) == 1 and not node.nodes:
                self._value(text, here, at)
        for child in node.nodes:
            self.check(child, here, scope)

    def _value(self, value: str, places: Places, at: int) -> None:
        if FILLER in value:
            self.computed.append(ComputedText(value, at, places))
        else:
            self.found += check_value(value, places, self.dialect, at)

    def _name(self, node: FragmentNode, scope: dict[str, str]) -> str | None:
        """The element's name with libvirt's prefix; None for a foreign one."""
        prefix, colon, local = node.name.rpartition(":")
        uri = scope.get(prefix, "")
        if not uri:
            return None if colon else local
        known = self.dialect.unfolding.index.prefixes.get(uri)
        return f"{known}:{local}" if known else None
