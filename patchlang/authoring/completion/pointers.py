"""Completion of JSON Pointers, with the keys that cloud-init knows."""

from __future__ import annotations

from collections.abc import Iterator

from .cloudkeys import Keys, keys_of
from .model import Completions, Hover, Item, Kind
from .spot import Spot


def complete(spot: Spot, target: str) -> Completions:
    """The completions in a pointer into a target (``userData`` …)."""
    start = spot.text.rfind("/", 0, spot.at) + 1
    if not start:
        return spot.offer((Item(f"/{key}", Kind.KEY, f"/{key}") for key in keys_of(target).below), 0, len(spot.text))
    end = spot.text.find("/", spot.at)
    end = len(spot.text.rstrip()) if end < 0 else end
    known = _at(spot.text[: start - 1], target)
    return spot.offer(_items(known), start, max(end, spot.at)) if known else spot.offer((), spot.at, spot.at)


def _items(known: Keys) -> Iterator[Item]:
    if known.is_list:
        yield Item("-", Kind.KEY, "-", "the end of the list")
        yield from (Item(f"[{key}=]", Kind.KEY, f"[{key}=", "the entry with this value") for key in known.below)
    else:
        yield from (Item(key, Kind.KEY, key, one.words) for key, one in known.below.items() if key != "*")


def _at(pointer: str, target: str) -> Keys | None:
    """What cloud-init knows at a pointer."""
    known: Keys | None = keys_of(target)
    for token in pointer.split("/")[1:]:
        if known is None:
            return None
        is_entry = known.is_list
        known = Keys(known.words, known.below) if is_entry else known.below.get(token, known.below.get("*"))
    return known


def below(target: str, pointer: str, keys: tuple[str, ...]) -> Iterator[Item]:
    """The keys of a map that is at ``keys`` in the value for a pointer."""
    known = _at("/".join([pointer.rstrip("/"), *keys]), target)
    if known is not None and not known.is_list:
        for key, one in known.below.items():
            if key == "*":
                continue
            yield Item(key, Kind.KEY, f"{key}: " if not one.below else f"{key}:", one.words)


def hover(spot: Spot, target: str) -> Hover | None:
    """The hover text for the key at the cursor."""
    start = spot.text.rfind("/", 0, spot.at) + 1
    end = spot.text.find("/", spot.at)
    end = len(spot.text.rstrip()) if end < 0 else end
    known = _at(spot.text[:end], target) if start else None
    if known is None or not known.words or start == end:
        return None
    return spot.say(f"`{spot.text[start:end]}`: {known.words}", start, end)
