"""What distinguishes list entries in ``merge``, and whether those of a fragment are distinguishable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from lxml import etree

from .. import rules
from ..diagnostics import PatchError, fail
from ..libvirt_lists import MERGE_KEYS, Key
from ..record import record
from ..source import Span
from ..xpath.match import local_name, string_value
from .written import MARK, WrittenFragment


@record
class Keys:
    """``own`` overrides the built-in table, by element name (Clark notation) or ``parent/name``."""

    own: Mapping[str, tuple[Key, ...]]
    namespaces: tuple[tuple[str, str], ...]

    def key(self, parent: str | None, node: etree._Element, place: Callable[[], Span]) -> Key:
        """The paths that distinguish the node from others like it; empty if there can only be one of its name.

        ``parent`` is the name of its parent, None if unknown. Raises PatchError (PL408).
        """
        keys = self._of(parent, str(node.tag))
        if keys is None:
            return ()
        key = next((k for k in keys if all(self.value(node, path) is not None for path in k)), None)
        if key is None:
            names = " or ".join(" and ".join(f"`{path}`" for path in k) for k in keys)
            message = f"`{local_name(node.tag)}` in the fragment lacks the key that identifies it: {names}"
            raise fail(rules.AMBIGUOUS, message, place(), "add it, or set `keys` to something else")
        return key

    def values(self, node: etree._Element, key: Key) -> tuple[str | None, ...]:
        return tuple(self.value(node, path) for path in key)

    def value(self, element: etree._Element, path: str) -> str | None:
        found = _evaluator(path, self.namespaces)(element)
        if isinstance(found, list):
            return string_value(found[0]) if found else None
        return str(found)

    def _of(self, parent: str | None, tag: str) -> tuple[Key, ...] | None:
        names = [tag] if parent is None else [f"{parent}/{tag}", tag]
        for table in (self.own, MERGE_KEYS):
            for name in names:
                if name in table:
                    return table[name]
        return None


def check_built(keys: Keys, parent: str, siblings: Iterable[etree._Element], place: Callable[[], Span]) -> None:
    """Siblings of one name in a fragment must be distinguishable, or the next run could not tell them apart either.

    Raises PatchError (PL408).
    """
    seen: set[tuple[str, tuple[str | None, ...]]] = set()
    for node in siblings:
        if not isinstance(node.tag, str):
            continue
        key = keys.key(parent, node, place)
        identity = (node.tag, keys.values(node, key))
        if identity in seen:
            raise _alike(node, f"{_told_by(key)} appears twice in the fragment", place())
        seen.add(identity)
        check_built(keys, local_name(node.tag), node, place)


def check_written(keys: Keys, parent: str | None, fragment: WrittenFragment) -> None:
    """As :func:`check_built`, as far as possible before values are known. Raises PatchError (PL408)."""
    _check_written(keys, parent, fragment.root, fragment)


def _check_written(keys: Keys, parent: str | None, above: etree._Element, fragment: WrittenFragment) -> None:
    seen: set[tuple[str, tuple[str | None, ...]]] = set()
    for node in above:
        if not isinstance(node.tag, str):
            continue
        own = fragment.directives.get(node, {})
        if parent is not None or above is not fragment.root:
            key = keys.key(parent, node, lambda node=node: fragment.span(node))  # type: ignore[misc]
            values = keys.values(node, key)
            computed = any(MARK in (value or "") for value in values)
            identity = (str(node.tag), values)
            if identity in seen and not own and not computed:
                raise _alike(node, f"{_told_by(key)} appears twice in the fragment", fragment.span(node))
            if "forEach" in own and not key:
                raise _alike(node, " is repeated, and nothing distinguishes the copies", fragment.span(node))
            if not own and not computed:
                seen.add(identity)
        _check_written(keys, local_name(node.tag), node, fragment)


def _told_by(key: Key) -> str:
    return f" with this {' and '.join(f'`{path}`' for path in key)}" if key else ""


def _alike(node: etree._Element, what: str, span: Span) -> PatchError:
    name = local_name(node.tag)
    help = f"set `keys: {{{name}: …}}` to distinguish them, or use `add`"
    return fail(rules.AMBIGUOUS, f"`{name}`{what}", span, help)


@lru_cache(maxsize=256)
def _evaluator(path: str, namespaces: tuple[tuple[str, str], ...]) -> etree.XPath:
    return etree.XPath(path, namespaces=dict(namespaces), regexp=False)
