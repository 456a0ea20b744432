"""Records behave like dataclasses, but cost little."""

from __future__ import annotations

import copy
import dataclasses
import operator
import pickle
from collections.abc import Callable
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, TypeVar
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchlang import record as records
from patchlang.record import MISSING, field, fields, is_record, record, replace

T = TypeVar("T")


@record
class Point:
    x: int
    y: int = 0


@record(kw_only=True)
class Named:
    name: str
    note: str | None = None


@record(kw_only=True)
class Place(Named):
    source: str = field(key="from")
    point: Point = Point(1)
    name: str = "here"


class Marked(Point):
    __slots__ = ()


@record
class Box(Generic[T]):
    value: T
    hidden: T | None = field(default=None, compare=False, repr=False)


@record(frozen=False)
class Count:
    seen: list[int] = field(default_factory=list)


@record(slots=False)
class Lazy:
    text: str = "a"

    @cached_property
    def length(self) -> int:
        return len(self.text)


def test_instances_are_made_by_place_and_by_name() -> None:
    assert (Point(1, 2).x, Point(1, y=2).y, Point(x=1).y) == (1, 2, 0)
    assert Place(source="s") == Place(name="here", source="s", point=Point(1, 0), note=None)
    assert Place(source="s").name == "here"


@pytest.mark.parametrize(("arguments", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 1})])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
        Point(*arguments, **named)
    with pytest.raises(TypeError, match="positional"):
        Place("s", "t")  # type: ignore[misc, call-arg]


def test_slots_hold_the_fields_and_nothing_else() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 2  # type: ignore[attr-defined]
    assert not hasattr(Point(1), "__dict__")
    assert not hasattr(Place(source="s"), "__dict__")
    assert (Lazy("abc").length, Lazy.text) == (3, "a")


def test_a_subclass_is_equal_to_its_own_kind_only() -> None:
    assert Point(1) != Marked(1)
    assert Marked(1) == Marked(1, 0)
    assert repr(Marked(1)) == "Marked(x=1, y=0)"


def test_a_field_can_be_left_out_of_comparison_and_repr() -> None:
    assert Box(1, 2) == Box(1, 3)
    assert hash(Box(1, 2)) == hash(Box(1, 3))
    assert repr(Box(1, 2)) == "Box(value=1)"


def test_what_can_be_changed_has_no_hash_and_shares_no_default() -> None:
    first, second = Count(), Count()
    first.seen.append(1)
    assert (first.seen, second.seen) == ([1], [])
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)
    with pytest.raises(ValueError, match="is mutable"):

        @record
        class _Shared:
            seen: list[int] = []  # noqa: RUF012


def test_without_eq_a_record_is_itself_alone() -> None:
    @record(eq=False)
    class Node:
        x: int

    assert Node(1) != Node(1)
    assert hash(Node(1)) is not None


def test_methods_of_the_class_are_kept() -> None:
    @record
    class Own:
        x: int

        def __init__(self, x: int) -> None:
            self.x = x + 1

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

    assert (Own(1).x, repr(Own(1)), Own(1) == 5, hash(Own(1)) == hash(Own(1))) == (2, "own", True, True)


def test_matching_takes_fields_in_order() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert (Place.__match_args__, Box.__match_args__) == ((), ("value", "hidden"))


def test_replace_keeps_the_rest_and_the_class() -> None:
    place = Place(source="s", note="n")
    assert replace(place, source="t") == Place(source="t", note="n")
    assert type(replace(Marked(1), y=2)) is Marked
    with pytest.raises(TypeError, match="unexpected keyword"):
        replace(place, other=1)
    with pytest.raises(TypeError, match="not a record"):
        replace(5, x=1)


def test_fields_are_told_of_a_record_and_its_class() -> None:
    assert [one.name for one in fields(Place)] == ["name", "note", "source", "point"]
    assert fields(Place(source="s")) is fields(Place)
    assert [one.is_required for one in fields(Place)] == [False, False, True, False]
    assert [one.key for one in fields(Place)] == [None, None, "from", None]
    assert fields(Count)[0].default is MISSING
    assert (is_record(Point), is_record(Point(1)), is_record(Marked), is_record(5)) == (True, True, True, False)


@pytest.mark.parametrize("value", [Point(1, 2), Place(source="s"), Marked(1), Box(3, 4), Count([1]), Lazy("x")])
def test_records_can_be_copied_and_sent_to_another_process(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == copy.copy(value) == value


NAMES = st.lists(st.sampled_from("abcdefg"), unique=True, max_size=5)
VALUES = st.one_of(st.integers(-1, 1), st.sampled_from(["", "x", None, (), (1, "y"), float("nan")]))
Members = list[tuple[str, str, Any]]


@st.composite
def members(draw: st.DrawFn, *, kw_only: bool, before: Members) -> Members:
    """Fields with their declarations and defaults. Fields without a default come first if order matters."""
    taken = {name for name, _, _ in before}
    found = []
    for name in draw(NAMES):
        plain = not kw_only and name in taken
        how = "plain" if plain else draw(st.sampled_from(("plain", "default", "factory", "hidden")))
        found.append((name, how, draw(VALUES)))
    return found if kw_only else sorted(found, key=lambda one: one[1] != "plain")


def define(base: type, members: Members, decorate: Any, field: Any, options: dict[str, bool]) -> type:
    body: dict[str, Any] = {"__annotations__": {name: "object" for name, _, _ in members}, "__module__": __name__}
    for name, how, value in members:
        match how:
            case "default":
                body[name] = value
            case "factory":
                body[name] = field(default_factory=lambda value=value: value)
            case "hidden":
                body[name] = field(default=value, compare=False, repr=False)
    made: type = decorate(**options)(type("Kind", (base,), body))
    return made


def outcome(work: Callable[..., object], *arguments: object) -> object:
    try:
        return work(*arguments)
    except TypeError:
        return TypeError


@given(st.data())
def test_a_record_behaves_as_the_equal_dataclass(data: st.DataObject) -> None:
    options = data.draw(st.fixed_dictionaries({n: st.booleans() for n in ("frozen", "eq", "kw_only", "slots")}))
    options["order"] = options["eq"] and data.draw(st.booleans())
    base = data.draw(members(kw_only=options["kw_only"], before=[]))
    if not options["kw_only"]:
        base = [(name, "plain", value) for name, _, value in base]
    own = data.draw(members(kw_only=options["kw_only"], before=base))
    with mock.patch.object(records, "FEW", data.draw(st.sampled_from((0, 1, records.FEW)))):
        ours, theirs = (
            define(define(object, base, *made, options), own, *made, options)
            for made in ((record, field), (dataclasses.dataclass, dataclasses.field))
        )
    known = [one.name for one in dataclasses.fields(theirs)]
    assert [one.name for one in fields(ours)] == known
    assert ours.__match_args__ == theirs.__match_args__  # type: ignore[attr-defined]

    optional = {name for name, how, _ in [*base, *own] if how != "plain"} - {n for n, how, _ in own if how == "plain"}
    given = [
        {name: data.draw(VALUES) for name in known if name not in optional or data.draw(st.booleans())}
        for _ in range(2)
    ]
    pairs = []
    for values in given:
        most = 0 if options["kw_only"] else len([*takewhile(values.__contains__, known)])
        by_place = [values.pop(name) for name in known[: data.draw(st.integers(0, most))]]
        pairs.append((ours(*by_place, **values), theirs(*by_place, **values)))
    for one, other in pairs:
        assert [getattr(one, name) for name in known] == [getattr(other, name) for name in known]
        assert hasattr(one, "__dict__") == hasattr(other, "__dict__")
        if known:
            assert repr(one) == repr(other)
        if options["eq"]:
            assert outcome(hash, one) == outcome(hash, other)
    (a, b), (c, d) = pairs
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert outcome(compare, a, c) == outcome(compare, b, d)
        assert outcome(compare, a, a) == outcome(compare, b, b)
        mixed = {operator.eq: False, operator.ne: True}.get(compare, TypeError)
        assert outcome(compare, a, b) == outcome(compare, b, a) == mixed
    changes = {name: data.draw(VALUES) for name in known if data.draw(st.booleans())}
    changed, wanted = replace(a, **changes), dataclasses.replace(b, **changes)
    assert [getattr(changed, name) for name in known] == [getattr(wanted, name) for name in known]


def test_no_dataclass_is_left_where_records_are() -> None:
    folder = Path(records.__file__).parent
    assert [path.name for path in folder.rglob("*.py") if "import dataclass" in path.read_text("utf-8")] == []
