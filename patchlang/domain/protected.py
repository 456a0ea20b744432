"""How KubeVirt finds a domain and its devices: by its name, its uuid, and aliases that begin with ``ua-``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..record import record
from ..xpath.match import Match, string_value
from .index import Element

_NAMES = ("name", "uuid")
_ALIAS = "alias"
_OURS = "ua-"

_Texts = tuple[str | None, ...]


@record
class Broken:
    """What an edit did to a protected node, in words. ``is_loss``: the node is gone."""

    message: str
    is_loss: bool


class Protected:
    """Protected nodes as they were before the current edit, as far as its changes may reach them.

    The tree announces what is about to change in each element, so an edit costs no more than what it touches.
    """

    def __init__(self, root: Element, path: Callable[[Match], str]) -> None:
        """``path`` gives the path of a node for messages."""
        self._root = root
        self._path = path
        self._before: dict[Element, tuple[_Texts, ...]] = {}
        self.made: set[Element] = set()
        """What the current edit creates: nothing in it existed before."""
        self._heirs: dict[Element, Element] = {}

    def begin(self) -> None:
        """Another edit begins."""
        self._before.clear()
        self.made.clear()
        self._heirs.clear()

    def before_change(self, element: Element) -> None:
        """The text of an element, or a child's name or attribute, or the list of children is about to change."""
        if element in self._before or element in self.made:
            return
        self._before[element] = self._texts(element)
        for above in (element, *element.iterancestors(*_NAMES)):
            if above.tag in _NAMES and above.getparent() is self._root:
                self.before_change(self._root)

    def before_attribute(self, element: Element) -> None:
        """An attribute of an element is about to change."""
        if element.tag == _ALIAS and (parent := element.getparent()) is not None:
            self.before_change(parent)

    def before_replacement(self, element: Element, nodes: Iterable[Element]) -> None:
        """An element is about to be replaced; from then on a node of its name is the same device."""
        heir = next((node for node in nodes if node.tag == element.tag), None)
        if heir is not None:
            self.before_change(element)
            self._heirs[element] = heir

    def broken(self) -> Broken | None:
        """Which protected nodes the edit changed."""
        for element, before in self._before.items():
            if before and (found := self._broken_alias(element, before[0]) or self._broken_name(before)):
                return found
        return None

    def _broken_alias(self, element: Element, before: _Texts) -> Broken | None:
        if not _has_ours(before):
            return None
        stays = self._heirs.get(element, element)
        if not self._is_attached(stays) or (now := _aliases(stays)) == before:
            return None
        what = f"{self._path(Match(stays))}/alias identifies a KubeVirt device"
        return Broken(f"{what}; KubeVirt finds devices by their `ua-` aliases", len(now) < len(before))

    def _broken_name(self, texts: tuple[_Texts, ...]) -> Broken | None:
        if len(texts) == 1:
            return None
        for tag, before, after in zip(_NAMES, texts[1:], self._texts(self._root)[1:], strict=True):
            if before == after or (not before and len(after) == 1):
                continue
            is_second = len(after) > len(before)
            what = f"a second `{tag}` cannot be added to the domain" if is_second else f"/domain/{tag} is protected"
            return Broken(f"{what}; KubeVirt finds the domain by its name and uuid", len(after) < len(before))
        return None

    def _texts(self, element: Element) -> tuple[_Texts, ...]:
        """The aliases in an element that contains a protected one; for the root always, with the text of its names."""
        aliases = _aliases(element)
        if element is not self._root:
            return (aliases,) if _has_ours(aliases) else ()
        return (aliases, *[tuple([string_value(child) for child in element.iterchildren(tag)]) for tag in _NAMES])

    def _is_attached(self, element: Element) -> bool:
        return element is self._root or any(above is self._root for above in element.iterancestors())


def _aliases(element: Element) -> _Texts:
    return tuple([child.get("name") for child in element.iterchildren(_ALIAS)])


def _has_ours(aliases: _Texts) -> bool:
    return bool(aliases) and any((alias or "").startswith(_OURS) for alias in aliases)
