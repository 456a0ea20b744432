"""What KubeVirt finds a domain and its devices by: its name, its uuid, and aliases that begin with ``ua-``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..record import record
from ..xpath.match import Match, string_value
from .index import Element

_NAMES = ("name", "uuid")
_OURS = "ua-"

_Texts = tuple[str | None, ...]


@record
class Broken:
    """What an edit did to a protected node, for people. ``is_loss``: the node is gone."""

    message: str
    is_loss: bool


class Protected:
    """Protected nodes as they were before the edit at work, as far as its changes may reach them.

    The tree says of each element what is about to change, so an edit costs no more than what it touches.
    """

    def __init__(self, root: Element, path: Callable[[Match], str]) -> None:
        """``path`` is that of a node for messages."""
        self._root = root
        self._path = path
        self._before: dict[Element, tuple[_Texts, ...]] = {}
        self._heirs: dict[Element, Element] = {}

    def begin(self) -> None:
        """Another edit begins."""
        self._before.clear()
        self._heirs.clear()

    def before_change(self, element: Element) -> None:
        """The text of an element, or a child's name or attribute, is about to change; or which children there are."""
        if element in self._before:
            return
        self._before[element] = self._texts(element)
        root, above = self._root, element
        while above is not root and (parent := above.getparent()) is not None:
            if parent is root and above.tag in _NAMES:
                self.before_change(root)
            above = parent

    def before_replacement(self, element: Element, nodes: Iterable[Element]) -> None:
        """An element is about to be replaced; a node of its name is the same device from then on."""
        heir = next((node for node in nodes if node.tag == element.tag), None)
        if heir is not None:
            self.before_change(element)
            self._heirs[element] = heir

    def release(self, element: Element) -> None:
        """Nothing in the element is protected: it is new."""
        for node in element.iter():
            self._before.pop(node, None)

    def broken(self) -> Broken | None:
        """What the edit changed of what was protected."""
        return next(self._all_broken(), None)

    def _all_broken(self) -> Iterator[Broken]:
        for element, (aliases, *names) in self._before.items():
            if any((alias or "").startswith(_OURS) for alias in aliases):
                stays = self._heirs.get(element, element)
                if self._is_attached(stays) and (now := _aliases(stays)) != aliases:
                    what = f"{self._path(Match(stays))}/alias names a device of KubeVirt's"
                    yield Broken(f"{what}; KubeVirt finds its devices by their `ua-` aliases", len(now) < len(aliases))
            for tag, before, after in zip(_NAMES, names, self._texts(element)[1:], strict=False):
                if before == after or (not before and len(after) == 1):
                    continue
                is_second = len(after) > len(before)
                what = f"a second `{tag}` cannot be put into the domain" if is_second else f"/domain/{tag} is protected"
                yield Broken(f"{what}; KubeVirt finds the domain by its name and uuid", len(after) < len(before))

    def _texts(self, element: Element) -> tuple[_Texts, ...]:
        """The aliases in an element; of the root the texts of its names, too."""
        if element is not self._root:
            return (_aliases(element),)
        names = (tuple(string_value(child) for child in element.iterchildren(tag)) for tag in _NAMES)
        return (_aliases(element), *names)

    def _is_attached(self, element: Element) -> bool:
        return element is self._root or any(above is self._root for above in element.iterancestors())


def _aliases(element: Element) -> _Texts:
    return tuple(child.get("name") for child in element.iterchildren("alias"))
