"""The index of libvirt's grammar: element types, with the names and values that they allow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, overload

from ..record import record

_HERE = os.path.dirname(__file__)


@record
class Datatype:
    """A kind of text: a whole number from ``least`` to ``most``, an XML Schema ``pattern``, or both.

    ``name`` is libvirt's name for it, if any.
    """

    name: str | None
    number: bool
    least: int | None
    most: int | None
    pattern: str | None


@record
class Texts:
    """What an attribute or the text of an element may be: fixed words, and text of certain kinds."""

    words: tuple[str, ...] = ()
    datatypes: tuple[Datatype, ...] = ()

    def __or__(self, other: Texts) -> Texts:
        return Texts(_each_once(self.words + other.words), _each_once(self.datatypes + other.datatypes))


T = TypeVar("T")


def _each_once(found: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))


# None: any text
Values = Texts | None
NOTHING = Texts()


@record(eq=False)
class Type:
    """What an element may contain; an ``open`` one (metadata) may contain anything. Names have libvirt's prefixes."""

    elements: Mapping[str, int]
    attributes: Mapping[str, Values]
    text: Values
    open: bool


@record(eq=False)
class Index:
    """The grammar of one libvirt; ``types[0]`` is ``/domain``. ``prefixes`` are libvirt's, by namespace."""

    version: str
    prefixes: Mapping[str, str]
    types: Sequence[Type]


@cache
def versions() -> tuple[str, ...]:
    """The versions with an index, oldest first."""
    names = [name[8:-5] for name in os.listdir(_HERE) if name.startswith("libvirt-") and name.endswith(".json")]
    return tuple(sorted(names, key=lambda v: [int(part) for part in v.split(".")]))


def named(version: str) -> str | None:
    """The version that a user means by its first numbers, such as 9.0 or 12; the newest match."""
    return next((v for v in reversed(versions()) if f"{v}.".startswith(f"{version}.")), None)


@cache
def load(version: str) -> Index:
    """The index of a version in :func:`versions`."""
    with open(os.path.join(_HERE, f"libvirt-{version}.json"), encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    prefixes = {uri: prefix for prefix, uri in read["namespaces"].items()}
    return Index(read["libvirt"], prefixes, _Types(read))


class _Types(Sequence[Type]):
    """Types, each created on demand: a patch involves only a few."""

    def __init__(self, read: dict[str, Any]) -> None:
        self.read = read
        self.made: list[Type | None] = [None] * len(read["types"])
        self.lists: dict[int, Texts] = {}
        self.datatypes: dict[int, Datatype] = {}

    def __len__(self) -> int:
        return len(self.made)

    @overload
    def __getitem__(self, at: int) -> Type: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Type]: ...

    def __getitem__(self, at: int | slice) -> Type | Sequence[Type]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        made = self.made[at]
        if made is None:
            made = self.made[at] = self.type(self.read["types"][at])
        return made

    def type(self, one: dict[str, Any]) -> Type:
        return Type(
            one.get("elements", {}),
            {name: self.values(number) for name, number in one.get("attributes", {}).items()},
            self.values(one["text"]) if "text" in one else NOTHING,
            one.get("open", False),
        )

    def values(self, number: int | None) -> Values:
        if number is None:
            return None
        if number not in self.lists:
            found = self.read["values"][number]
            words = tuple(one for one in found if isinstance(one, str))
            self.lists[number] = Texts(words, tuple(self.datatype(one) for one in found if isinstance(one, int)))
        return self.lists[number]

    def datatype(self, number: int) -> Datatype:
        if number not in self.datatypes:
            one = self.read["datatypes"][number]
            self.datatypes[number] = Datatype(*map(one.get, ("name", "number", "least", "most", "pattern")))
        return self.datatypes[number]
