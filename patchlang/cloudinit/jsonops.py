"""One function per operation on plain data: RFC 6902, RFC 7396, and ``ensure``.

Each takes the whole data and returns the whole data after the operation. The argument is never changed, so a failed
operation leaves everything as it was; what the operation does not touch is shared, and an operation without effect
returns the very same object. Errors are :class:`.pointer.PointerError`, with the pointer token that failed;
sizes beyond the limits of :mod:`patchlang.values` also raise one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonpatch

from .. import rules
from ..document.model import ListPosition
from ..values import TooBigError, check_size, equal, identical, kind, scalar_text
from . import lineage
from .pointer import (
    Equal,
    Key,
    Match,
    NotFoundError,
    Pointer,
    PointerError,
    find_key,
    list_index,
    parse_index,
    resolve,
    step,
)

_Change = Callable[[Any, int], Any]
_OPERATIONS = {
    "add": jsonpatch.AddOperation, "remove": jsonpatch.RemoveOperation, "replace": jsonpatch.ReplaceOperation,
}  # fmt: skip


def add(
    data: Any,
    path: Pointer,
    value: Any,
    position: ListPosition | None = None,
    come_from: lineage.Origin | None = None,
) -> Any:
    """RFC 6902 section 4.1: a new member, an insertion before a list element, ``-`` at the end; the root is replaced.

    With ``position`` the path names an existing list element, and the value goes before or after it, or the path ends
    in ``-``, and the value goes to the start. ``come_from``: the entry is not new, but moved.
    """

    def change(parent: Any, depth: int) -> Any:
        if position is not None:
            return _inserted(parent, path, depth, value, position)
        if isinstance(parent, list):
            return _applied("add", parent, _insertion_index(parent, path, depth), value, come_from)
        return _with_member(parent, path, depth, value, come_from)

    if position is not None and not path.tokens:
        raise path.error(0, f"`position: {position.value}` needs a path to a list element")
    return _grown(_at_parent(data, path, change) if path.tokens else _kept(data, value), path)


def remove(data: Any, path: Pointer) -> Any:
    """RFC 6902 section 4.2. The root cannot be removed, only replaced."""
    if not path.tokens:
        raise path.error(0, "the root cannot be removed", 'replace it: `{op: replace, path: "", value: …}`')
    return _at_parent(data, path, lambda parent, depth: _applied("remove", parent, step(parent, path, depth)))


def replace(data: Any, path: Pointer, value: Any) -> Any:
    """RFC 6902 section 4.3: the value must exist."""

    def change(parent: Any, depth: int) -> Any:
        at = step(parent, path, depth)
        return parent if identical(parent[at], value) else _applied("replace", parent, at, value)

    return _grown(_at_parent(data, path, change) if path.tokens else _kept(data, value), path)


def move(data: Any, source: Pointer, path: Pointer) -> Any:
    """RFC 6902 section 4.4: ``remove`` at the source, then ``add``. Within one map the entry keeps its place."""
    value = resolve(data, source)
    origin, target = _steps(data, source), _steps(data, path, -1)
    if origin == _steps(data, path):
        return data
    if origin is None or target is None:
        return add(remove(data, source), path, value)
    come_from = lineage.origin(_follow(data, origin[:-1]), origin[-1]) if origin else None
    if origin == target[: len(origin)] and path.tokens:
        raise path.error(len(path.tokens) - 1, f"`{path}` is inside `{source}`: a value cannot be moved into itself")
    if path.tokens and origin[:-1] == target and isinstance(parent := _follow(data, target), dict):
        return _replaced(data, target, lineage.renamed(parent, origin[-1], _new_key(path, len(path.tokens) - 1)))
    return add(remove(data, source), path, value, come_from=come_from)


def copy(data: Any, source: Pointer, path: Pointer) -> Any:
    """RFC 6902 section 4.5: ``add`` with the source's value."""
    return add(data, path, lineage.fresh(resolve(data, source)))


def test(data: Any, path: Pointer, value: Any) -> None:
    """RFC 6902 section 4.6: raises PointerError (test-failed) unless the value there is equal."""
    found = resolve(data, path)
    if equal(found, value):
        return
    last = max(len(path.tokens) - 1, 0)
    at = path.where(len(path.tokens))
    if kind(found) != kind(value):
        raise path.error(
            last, f"the value at {at} is {kind(found)}, but the test expects {kind(value)}", rule=rules.TEST_FAILED
        )
    raise path.error(last, f"{kind(found)} at {at} differs from what the test expects", rule=rules.TEST_FAILED)


def merge(data: Any, path: Pointer, value: Any) -> Any:
    """RFC 7396 at the pointer's location: maps are merged, null removes, everything else replaces.

    A missing last key is created, as with ``add``.
    """

    def change(parent: Any, depth: int) -> Any:
        if isinstance(parent, dict) and isinstance(token := path.tokens[depth], Key):
            key = find_key(parent, token.text)
            return _with(parent, key[0] if key else token.text, _merged(parent[key[0]] if key else None, value))
        at = step(parent, path, depth)
        return _with(parent, at, _merged(parent[at], value))

    return _grown(_at_parent(data, path, change) if path.tokens else _merged(data, value), path)


def ensure(data: Any, path: Pointer, value: Any, *, prepend: bool = False) -> Any:
    """Creates what the pointer names if it is missing, and sets the value. Idempotent.

    Missing parents are created: a list before ``-`` or ``[…]``, otherwise a map; null counts as missing. ``-`` appends
    unless an equal element exists (at the start with ``prepend``); ``[key=value]`` without a match appends a map with
    that key.
    """
    return _grown(_ensured(data, path, 0, value, prepend), path)


def _ensured(here: Any, path: Pointer, depth: int, value: Any, prepend: bool) -> Any:
    if depth == len(path.tokens):
        return _kept(here, value)
    token = path.tokens[depth]
    if here is None:
        here = [] if not isinstance(token, Key) or token.text == "-" else {}
    if isinstance(here, list):
        return _ensured_element(here, path, depth, value, prepend)
    if not isinstance(here, dict) or not isinstance(token, Key):
        step(here, path, depth)
    key = find_key(here, token.text) if isinstance(token, Key) else None
    if key is not None:
        return _with(here, key[0], _ensured(here[key[0]], path, depth + 1, value, prepend))
    if isinstance(token, Key) and token.text == "-":
        raise path.error(depth, f"the value at {path.where(depth)} is a map, but `-` appends to a list")
    return _with(here, _new_key(path, depth), _ensured(None, path, depth + 1, value, prepend))


def _ensured_element(here: list[Any], path: Pointer, depth: int, value: Any, prepend: bool) -> Any:
    token, last = path.tokens[depth], depth == len(path.tokens) - 1
    index = _element(here, path, depth)
    if index is not None:
        if last and isinstance(token, Match):
            value = _keyed(value, token, path, depth, here[index])
        element = _ensured(here[index], path, depth + 1, value, prepend)
        if isinstance(token, Match) and not token.picks(element):
            raise _unstable(path, depth)
        return _with(here, index, element)
    if isinstance(token, Equal) and not last:
        raise path.error(
            depth,
            f"`{path.token_text(depth)}` matches no element at {path.where(depth)}, and text has no members to create",
        )
    made = _ensured(None, path, depth + 1, value, prepend)
    if isinstance(token, Match):
        made = _keyed(made, token, path, depth, {})
    elif (isinstance(token, Equal) or token.text == "-") and any(equal(item, made) for item in here):
        return here
    if prepend and last:
        return lineage.follow(here, [made, *here], "add", 0)
    return lineage.follow(here, [*here, made], "add", len(here))


def _element(here: list[Any], path: Pointer, depth: int) -> int | None:
    """The index of the element that a token names; None to append one."""
    token = path.tokens[depth]
    if isinstance(token, Key) and token.text == "-":
        return None
    try:
        return list_index(here, path, depth)
    except NotFoundError:
        if isinstance(token, Key) and token.text != str(len(here)):
            raise
        return None


def _keyed(made: Any, token: Match, path: Pointer, depth: int, present: dict[Any, Any]) -> dict[Any, Any]:
    """``made`` with the token's key, so that the token matches it in the next run."""
    written = path.token_text(depth)
    if not isinstance(made, dict):
        raise path.error(depth, f"`{written}` matches a map with that key, but the value is {kind(made)}")
    if (key := find_key(made, token.key)) is None:
        old = find_key(present, token.key)
        return {token.key: token.value, **made} if old is None else {old[0]: present[old[0]], **made}
    if scalar_text(made[key[0]]) != token.value:
        raise _unstable(path, depth)
    return made


def _unstable(path: Pointer, depth: int) -> PointerError:
    written = path.token_text(depth)
    return path.error(
        depth,
        f"the value's own key differs from `{written}`: the next run would append it",
        "remove the key from the value, or make both equal",
    )


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return _kept(target, patch)
    before: dict[Any, Any] = target if isinstance(target, dict) else {}
    result, others = before, list[Any]()
    for name, value in patch.items():
        key = find_key(result, name) if isinstance(name, str) else ((name,) if name in result else None)
        at = key[0] if key else name
        if value is not None:
            value = _merged(result[at] if key else None, value)
            if key and result[at] is value:
                continue
        elif not key:
            continue
        if result is before:
            result = dict(before)
        if value is None or not key:
            others.append(at)
        if value is None:
            del result[at]
        else:
            result[at] = value
    return before if result is before else lineage.with_others(before, result, others)


def _grown(data: Any, path: Pointer) -> Any:
    try:
        check_size(data)
    except TooBigError as e:
        raise path.error(len(path.tokens) - 1, f"the data exceeds the limit: {e}", rule=rules.LIMIT) from None
    return data


def _kept(old: Any, new: Any) -> Any:
    """The old object if nothing changes, so that an operation without effect is recognized by identity."""
    return old if identical(old, new) else new


def _at_parent(data: Any, path: Pointer, change: _Change, depth: int = 0) -> Any:
    """``data`` with the container of the pointer's last token changed by ``change(container, depth)``."""
    if depth == len(path.tokens) - 1:
        return change(data, depth)
    at = step(data, path, depth)
    return _with(data, at, _at_parent(data[at], path, change, depth + 1))


def _with(container: Any, at: Any, value: Any) -> Any:
    if isinstance(container, dict):
        if at in container and container[at] is value:
            return container
        return lineage.follow(container, {**container, at: value}, "replace", at)
    if container[at] is value:
        return container
    return lineage.follow(container, [*container[:at], value, *container[at + 1 :]], "replace", at)


def _applied(op: str, container: Any, at: Any, value: Any = None, come_from: lineage.Origin | None = None) -> Any:
    """A copy of a map or list after one operation at one of its keys or indexes, using the jsonpatch library.

    Done before: selection by content, exact error places, and strictness about indexes and
    booleans. It works in place, hence on a copy; and JSON Pointer cannot express the keys that only YAML has.
    """
    changed = container.copy()
    if not isinstance(container, dict) or isinstance(at, str):
        token = str(at).replace("~", "~0").replace("/", "~1")
        changed = _OPERATIONS[op]({"op": op, "path": f"/{token}", "value": None}).apply(changed)
    elif op == "remove":
        del changed[at]
    if op != "remove":
        changed[at] = value  # itself: the library would copy it
    return lineage.follow(container, changed, op, at, come_from)


def _with_member(parent: Any, path: Pointer, depth: int, value: Any, come_from: lineage.Origin | None) -> Any:
    token = path.tokens[depth]
    if not isinstance(parent, dict) or not isinstance(token, Key):
        step(parent, path, depth)
    key = find_key(parent, token.text) if isinstance(token, Key) else None
    if key and identical(parent[key[0]], value):
        return parent
    return _applied("add", parent, key[0] if key else _new_key(path, depth), value, come_from)


def _new_key(path: Pointer, depth: int) -> str:
    token = path.tokens[depth]
    if not isinstance(token, Key):
        raise path.error(
            depth, f"`{path.token_text(depth)}` selects list elements, but the value at {path.where(depth)} is a map"
        )
    return token.text


def _insertion_index(parent: list[Any], path: Pointer, depth: int) -> int:
    token = path.tokens[depth]
    if not isinstance(token, Key):
        return list_index(parent, path, depth)
    if token.text == "-":
        return len(parent)
    index = parse_index(parent, path, depth)
    if index > len(parent):
        raise path.error(
            depth,
            f"index {index} is past the end of the list at {path.where(depth)}",
            f"the last index to add at is {len(parent)}, also written `-`",
        )
    return index


def _inserted(parent: Any, path: Pointer, depth: int, value: Any, position: ListPosition) -> Any:
    if parent is None:
        step(parent, path, depth)
    if not isinstance(parent, list):
        raise path.error(
            depth,
            f"`position: {position.value}` needs a path to a list element, but the value at {path.where(depth)} is "
            f"{kind(parent)}",
        )
    if position is ListPosition.PREPEND:
        return _applied("add", parent, 0, value)
    return _applied("add", parent, list_index(parent, path, depth) + (position is ListPosition.AFTER), value)


def _steps(data: Any, pointer: Pointer, end: int | None = None) -> list[Any] | None:
    """The keys and indexes that the pointer's tokens name, up to token ``end``; None if one names nothing."""
    steps: list[Any] = []
    try:
        for depth in range(len(pointer.tokens))[:end]:
            steps.append(step(data, pointer, depth))
            data = data[steps[-1]]
    except PointerError:
        return None
    return steps


def _follow(data: Any, steps: list[Any]) -> Any:
    for at in steps:
        data = data[at]
    return data


def _replaced(data: Any, steps: list[Any], value: Any) -> Any:
    if not steps:
        return value
    return _with(data, steps[0], _replaced(data[steps[0]], steps[1:], value))
