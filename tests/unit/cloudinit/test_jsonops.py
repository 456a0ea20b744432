"""The operations on plain data: RFC 6902's cases, RFC 7396's table, ``ensure``, limits."""

import copy
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from patchlang import values as plain_data
from patchlang.cloudinit import jsonops
from patchlang.cloudinit.pointer import PointerError, parse
from patchlang.document.model import ListPosition

CASES = Path(__file__).parents[2] / "cases" / "rfc6902"
RFC_CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(CASES.glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


def apply(data: Any, op: dict[str, Any]) -> Any:
    path = parse(op["path"])
    match op["op"]:
        case "move":
            return jsonops.move(data, parse(op["from"]), path)
        case "copy":
            return jsonops.copy(data, parse(op["from"]), path)
        case "remove":
            return jsonops.remove(data, path)
        case "test":
            jsonops.test(data, path, op["value"])
            return data
        case name:
            return getattr(jsonops, name)(data, path, op["value"])


@pytest.mark.parametrize("case", RFC_CASES)
def test_rfc6902(case: dict[str, Any]) -> None:
    state = before = case["doc"]
    original = copy.deepcopy(before)
    failing = case.get("failing", 0) if "error" in case else len(case["patch"])
    for op in case["patch"][:failing]:
        state = apply(state, op)
    if "error" in case:
        op = case["patch"][failing]
        with pytest.raises(PointerError) as e:
            apply(state, op)
        assert case["error"] in e.value.message
        assert e.value.start <= e.value.end <= max(len(op["path"]), len(op.get("from", "")))
    else:
        assert plain_data.identical(state, case.get("result", original))
    assert plain_data.identical(before, original)


def test_the_cases_cover_every_operation() -> None:
    seen = {op["op"] for case in RFC_CASES for op in case.values[0]["patch"]}
    assert seen == {"add", "remove", "replace", "move", "copy", "test"}


KEYS = st.sampled_from(["a", "b", "0", "-", "", "x/y"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "~", "/", "0", "-"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "2", "-", "", "x~1y", "01"]), max_size=3).map(
    lambda tokens: "".join("/" + t for t in tokens)
)
WITH_VALUE = st.sampled_from(["add", "replace", "test"])
OPS = st.one_of(
    st.builds(lambda o, p, v: {"op": o, "path": p, "value": v}, WITH_VALUE, PATHS, JSON),
    st.builds(lambda p: {"op": "remove", "path": p}, PATHS),
    st.builds(lambda f, p, o: {"op": o, "from": f, "path": p}, PATHS, PATHS, st.sampled_from(["move", "copy"])),
)


@given(JSON, OPS)
def test_the_same_outcome_as_the_jsonpatch_library(doc: Any, op: dict[str, Any]) -> None:
    """Compare with an independent implementation, except for removing the root, which leaves no document."""
    try:
        theirs = jsonpatch.apply_patch(copy.deepcopy(doc), [op])
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        with pytest.raises(PointerError):
            apply(doc, op)
        return
    if op["op"] == "remove" and op["path"] == "":
        return
    assert plain_data.identical(apply(doc, op), theirs)


@given(JSON, PATHS, JSON)
def test_ensure_twice_is_once(doc: Any, path: str, value: Any) -> None:
    try:
        once = jsonops.ensure(doc, parse(path), value)
    except PointerError:
        return
    assert jsonops.ensure(once, parse(path), value) is once


@given(JSON, OPS)
def test_no_effect_gives_the_same_object(doc: Any, op: dict[str, Any]) -> None:
    try:
        after = apply(doc, op)
    except PointerError:
        return
    if plain_data.identical(doc, after):
        assert after is doc or op["op"] in ("move", "copy")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # the table of RFC 7396 appendix A, as facts
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge(target: Any, patch: Any, result: Any) -> None:
    assert plain_data.identical(jsonops.merge(target, parse(""), patch), result)
    assert plain_data.identical(jsonops.merge({"x": [target]}, parse("/x/0"), patch), {"x": [result]})


def test_merge_makes_the_last_key_alone() -> None:
    assert jsonops.merge({"a": {}}, parse("/a/b"), {"c": 1, "d": None}) == {"a": {"b": {"c": 1}}}
    with pytest.raises(PointerError, match="no key `x` at `/a`"):
        jsonops.merge({"a": {}}, parse("/a/x/y"), {"c": 1})


@pytest.mark.parametrize(
    ("doc", "path", "value", "result"),
    [
        ({}, "/a/b/c", 1, {"a": {"b": {"c": 1}}}),
        ({}, "/bootcmd/-", ["echo", "x"], {"bootcmd": [["echo", "x"]]}),
        ({"bootcmd": None}, "/bootcmd/-", "x", {"bootcmd": ["x"]}),
        ({"bootcmd": ["x"]}, "/bootcmd/-", "x", {"bootcmd": ["x"]}),
        ({"l": [1]}, "/l/-", True, {"l": [1, True]}),
        ({"l": [1]}, "/l/-", 1.0, {"l": [1]}),
        ({"l": []}, "/l/0", "x", {"l": ["x"]}),
        ({"l": ["a"]}, "/l/0", "x", {"l": ["x"]}),
        ({"l": ["x"]}, "/l/1", "x", {"l": ["x", "x"]}),
        ({}, "/write_files/[path=/a]/content", "x", {"write_files": [{"path": "/a", "content": "x"}]}),
        (
            {"w": [{"path": "/a", "mode": 1}]},
            "/w/[path=/a]/content",
            "x",
            {"w": [{"path": "/a", "mode": 1, "content": "x"}]},
        ),
        ({"w": [{"path": "/a", "mode": 1}]}, "/w/[path=/a]", {"path": "/a"}, {"w": [{"path": "/a"}]}),
        ({"w": [{"id": 7}]}, "/w/[id=7]", {"x": 1}, {"w": [{"id": 7, "x": 1}]}),
        ({"w": ["default"]}, "/w/[path=/a]", {"mode": 2}, {"w": ["default", {"path": "/a", "mode": 2}]}),
        ({"w": []}, "/w/[id=7]", {"id": 7}, {"w": [{"id": 7}]}),
        ({"p": ["vim"]}, "/p/[=git]", "git", {"p": ["vim", "git"]}),
        ({"p": ["vim"]}, "/p/[=vim]", "git", {"p": ["git"]}),
        ({"p": ["git"]}, "/p/[=vim]", "git", {"p": ["git"]}),
        ({"a": 1}, "/a", "1", {"a": "1"}),
        ({True: 1}, "/true", 2, {True: 2}),
        (None, "/a", 1, {"a": 1}),
        (None, "/-", 1, [1]),
        ({}, "", {"a": 1}, {"a": 1}),
        ({}, "/l/-/name", "x", {"l": [{"name": "x"}]}),
    ],
)
def test_ensure(doc: Any, path: str, value: Any, result: Any) -> None:
    once = jsonops.ensure(doc, parse(path), value)
    assert plain_data.identical(once, result)
    assert jsonops.ensure(once, parse(path), value) is once


@pytest.mark.parametrize(
    ("doc", "path", "value", "message"),
    [
        ({"a": "text"}, "/a/b", 1, "at `/a` is text, not a map"),
        ({"a": {}}, "/a/-", 1, "the value at `/a` is a map, but `-` appends to a list"),
        ({"a": {}}, "/a/[k=v]", {}, "at `/a` is a map, not a list"),
        ({"a": [1]}, "/a/3", 1, "no index 3: the list at `/a` has 1 element"),
        ({"a": [1]}, "/a/name", 1, "and `name` is not an index"),
        ({"a": []}, "/a/[=x]/y", 1, "text has no members to create"),
        ({"a": []}, "/a/[k=v]", "x", "`[k=v]` matches a map with that key, but the value is text"),
        ({"a": []}, "/a/[k=v]", {"k": "w"}, "the next run would append it"),
        ({"a": []}, "/a/[k=v]/k", "w", "the next run would append it"),
        ({"a": [{"k": "v"}]}, "/a/[k=v]/k", "w", "the next run would append it"),
        ({"a": [{"k": 1}, {"k": 1}]}, "/a/[k=1]", {}, "matches 2 elements"),
    ],
)
def test_ensure_refuses(doc: Any, path: str, value: Any, message: str) -> None:
    with pytest.raises(PointerError) as e:
        jsonops.ensure(doc, parse(path), value)
    assert message in e.value.message


@pytest.mark.parametrize(
    ("path", "position", "result"),
    [
        ("/0", ListPosition.BEFORE, ["x", "a", {"n": 1}]),
        ("/0", ListPosition.AFTER, ["a", "x", {"n": 1}]),
        ("/[n=1]", ListPosition.AFTER, ["a", {"n": 1}, "x"]),
        ("/[=a]", ListPosition.BEFORE, ["x", "a", {"n": 1}]),
    ],
)
def test_add_beside(path: str, position: ListPosition, result: list[Any]) -> None:
    assert jsonops.add(["a", {"n": 1}], parse(path), "x", position) == result


@pytest.mark.parametrize(
    ("doc", "path", "message"),
    [
        ({"a": 1}, "/a", "needs a path to a list element, but the value at the root is a map"),
        ([1], "/1", "no index 1"),
        ([1], "/-", "`-` is the position after the last element"),
        ([1], "", "needs a path to a list element"),
    ],
)
def test_add_beside_refuses(doc: Any, path: str, message: str) -> None:
    with pytest.raises(PointerError) as e:
        jsonops.add(doc, parse(path), 2, ListPosition.AFTER)
    assert message in e.value.message


def test_move_within_a_map_keeps_the_place() -> None:
    doc = {"first": 1, "ca-certs": {"trusted": []}, "last": 2}
    assert list(jsonops.move(doc, parse("/ca-certs"), parse("/ca_certs"))) == ["first", "ca_certs", "last"]
    assert list(jsonops.move(doc, parse("/last"), parse("/first"))) == ["ca-certs", "first"]
    nested = {"x": doc}
    assert list(jsonops.move(nested, parse("/x/first"), parse("/x/1st"))["x"]) == ["1st", "ca-certs", "last"]


def test_the_error_tells_source_from_path() -> None:
    source, path = parse("/gone"), parse("/there")
    with pytest.raises(PointerError) as e:
        jsonops.move({}, source, path)
    assert e.value.pointer is source


def test_doubling_copies_hit_the_limit() -> None:
    state: Any = {"a": [1]}
    for _ in range(14):
        state = jsonops.copy(state, parse("/a"), parse("/a/-"))
    with pytest.raises(PointerError, match="exceeds the limit: more than 50000 values") as e:
        jsonops.copy(state, parse("/a"), parse("/a/-"))
    assert e.value.rule.slug == "limit-reached"


def test_deep_nesting_hits_the_limit() -> None:
    value: Any = 1
    for _ in range(plain_data.MAX_DEPTH + 5):
        value = [value]
    with pytest.raises(PointerError, match="nested deeper"):
        jsonops.add({}, parse("/a"), value)


def test_much_text_hits_the_limit() -> None:
    with pytest.raises(PointerError, match="characters of text"):
        jsonops.ensure({}, parse("/a"), "x" * (plain_data.MAX_TEXT + 1))


def test_no_value_in_any_message() -> None:
    doc = {"password": "hunter2", "keys": ["s3cret", {"name": "x", "token": "s3cret"}]}
    wrong = [
        ("test", "/password", "x"),
        ("test", "/keys", "x"),
        ("add", "/password/x", 1),
        ("replace", "/keys/9", 1),
        ("ensure", "/keys/1/token/x", 1),
        ("merge", "/keys/0/x", 1),
    ]
    for op, path, value in wrong:
        with pytest.raises(PointerError) as e:
            apply(doc, {"op": op, "path": path, "value": value})
        assert "s3cret" not in f"{e.value.message}{e.value.help}"
        assert "hunter2" not in f"{e.value.message}{e.value.help}"


class Unread(list[Any]):
    """A list that must not be read."""

    def __iter__(self) -> Any:
        raise AssertionError("looked at")


def test_what_two_values_share_is_not_compared() -> None:
    """With large data, a thousand edits would compare all of it each time."""
    shared = Unread(["much"])
    assert plain_data.identical({"a": shared, "b": [shared, 1]}, {"b": [shared, 1], "a": shared})
    assert not plain_data.identical({"a": shared, "b": 1}, {"a": shared, "b": True})


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ("1", 1), (None, "")])
def test_keys_of_other_types_are_other_keys(one: Any, other: Any) -> None:
    assert not plain_data.identical({one: 0}, {other: 0})
    assert plain_data.identical({one: 0, "b": [other]}, {"b": [other], one: 0})
