"""JSON pointers: their grammar, their extensions, and their resolution."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cloudinit import pointer
from patchlang.cloudinit.pointer import HOLE, Equal, Key, Match, NotFoundError, PointerError
from patchlang.quoting import AllNames

USERS = {"users": ["default", {"name": "ops", "uid": 7}, {"name": "web", "groups": ["adm", "wheel"]}]}


def written(text: str) -> str:
    """The exact characters that an error of the pointer marks."""
    with pytest.raises(PointerError) as e:
        pointer.parse(text)
    return text[e.value.start : e.value.end]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="["))))
def test_every_key_can_be_written(keys: list[str]) -> None:
    text = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    if len(keys) <= pointer.MAX_TOKENS:
        assert [token.text for token in pointer.parse(text).tokens if isinstance(token, Key)] == keys


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("/[name=ops]", Match("name", "ops", 1, 11)),
        ("/[path=/etc/motd.d/10~site]", Match("path", "/etc/motd.d/10~site", 1, 27)),
        ('/[path="/a]b"]', Match("path", "/a]b", 1, 14)),
        ("/[path='x\"]y']", Match("path", 'x"]y', 1, 14)),
        ("/[=vim]", Equal("vim", 1, 7)),
        ("/[=]", Equal("", 1, 4)),
        ("/[a=b=c]", Match("a", "b=c", 1, 8)),
        ("/[plain]", Key("[plain]", 1, 8)),
        ("/[", Key("[", 1, 2)),
        ("/-", Key("-", 1, 2)),
    ],
)
def test_tokens(text: str, token: pointer.Token) -> None:
    assert pointer.parse(text).tokens == (token,)


def test_a_bracket_is_one_token_among_others() -> None:
    tokens = pointer.parse("/write_files/[path=/etc/a]/content").tokens
    assert [type(t).__name__ for t in tokens] == ["Key", "Match", "Key"]


@pytest.mark.parametrize(
    ("text", "place"),
    [("users", "u"), ("/a/b~c", "~"), ("/[a=b", "[a=b"), ('/[a="b]', '"b]'), ("/[a=b]c", "c"), ("/x/[=y]]", "]")],
)
def test_a_fault_is_pointed_at(text: str, place: str) -> None:
    assert written(text) == place


def test_too_many_tokens() -> None:
    with pytest.raises(PointerError, match="more than 64 tokens"):
        pointer.parse("/a" * 65)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", USERS),
        ("/users/[name=ops]/uid", 7),
        ("/users/[uid=7]/name", "ops"),
        ("/users/[=default]", "default"),
        ("/users/[name=web]/groups/[=wheel]", "wheel"),
        ("/users/2/groups/0", "adm"),
    ],
)
def test_resolve(text: str, value: object) -> None:
    assert pointer.resolve(USERS, pointer.parse(text)) == value


@pytest.mark.parametrize(
    ("text", "message", "place", "help"),
    [
        ("/user", "no key `user` at the root", "user", "did you mean `users`?"),
        (
            "/users/[nam=ops]",
            "`[nam=ops]` matches none of the 3 elements of the list at `/users`",
            "[nam=ops]",
            "did you mean `name`?",
        ),
        ("/users/[name=me]", "`[name=me]` matches none of the 3 elements of the list at `/users`", "[name=me]", None),
        ("/users/0/name", "the value at `/users/0` is text, not a map, so `name` matches nothing", "name", None),
        ("/users/5", "no index 5: the list at `/users` has 3 elements", "5", "the first element has index 0"),
        ("/[name=x]", "the value at the root is a map, not a list, so `[name=x]` matches nothing", "[name=x]", None),
    ],
)
def test_what_is_not_there(text: str, message: str, place: str, help: str | None) -> None:
    parsed = pointer.parse(text)
    with pytest.raises(NotFoundError) as e:
        pointer.resolve(USERS, parsed)
    e.value.with_names(AllNames())
    assert (e.value.message, text[e.value.start : e.value.end], e.value.help) == (message, place, help)
    assert e.value.pointer is parsed
    assert not pointer.exists(USERS, parsed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/users/ops", "the value at `/users` is a list with 3 elements, and `ops` is not an index"),
        ("/users/-", "`-` is the position after the last element of the list at `/users`, where nothing exists"),
        ("/users/01", "the value at `/users` is a list with 3 elements, and `01` is not an index"),
    ],
)
def test_what_can_never_be_there_is_no_mere_absence(text: str, message: str) -> None:
    with pytest.raises(PointerError) as e:
        pointer.exists(USERS, pointer.parse(text))
    assert e.value.message == message
    assert not isinstance(e.value, NotFoundError)


def test_several_hits_are_an_error() -> None:
    data = [{"path": "a"}, {"path": "b"}, {"path": "a"}]
    with pytest.raises(PointerError, match=r"matches 2 elements of the list at the root: index 0, 2") as e:
        pointer.exists(data, pointer.parse("/[path=a]"))
    assert e.value.rule.slug == "ambiguous-target"


@pytest.mark.parametrize(
    ("key", "token"),
    [(0, "0"), (True, "true"), (None, "null"), (1.5, "1.5"), (datetime.date(2024, 1, 2), "2024-01-02")],
)
def test_keys_that_yaml_reads_as_another_type(key: object, token: str) -> None:
    assert pointer.resolve({key: "found"}, pointer.parse("/" + token)) == "found"


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (7, "7"), (2.0, "2"), (None, "null")])
def test_match_compares_as_text(value: object, text: str) -> None:
    assert pointer.exists([{"k": value}], pointer.parse(f"/[k={text}]"))
    assert pointer.exists([value], pointer.parse(f"/[={text}]"))


def test_the_text_of_a_key_comes_before_its_reading() -> None:
    assert pointer.resolve({0: "number", "0": "text"}, pointer.parse("/0")) == "text"


def test_holes_are_filled_with_data() -> None:
    parsed = pointer.parse(f"/vlans/{HOLE}.{HOLE}/[path={HOLE}]")
    assert parsed.holes == 3
    filled = parsed.fill(["a/b~1", "12", "x]y"])
    assert [getattr(t, "text", None) or t.value for t in filled.tokens] == ["vlans", "a/b~1.12", "x]y"]  # type: ignore[union-attr]


def test_an_error_never_shows_what_a_hole_was_filled_with() -> None:
    filled = pointer.parse(f"/users/[name={HOLE}]/{HOLE}").fill(["secret", "hidden"])
    with pytest.raises(NotFoundError) as e:
        pointer.resolve(USERS, filled)
    assert e.value.message == "`[name=$[…]]` matches none of the 3 elements of the list at `/users`"
