"""Minimal changes to JSON text, written in Go's style."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchlang.cloudinit import jsontext
from patchlang.strictjson import JsonError
from patchlang.values import TooBigError, identical

PRETTY = """{
  "links": [
    {"id": "a", "mtu": 1500},
    {"id": "b"}
  ],
  "list": [1, 2],
  "empty": [],
  "one": {
    "x": 1.50
  }
}
"""


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ('{"a":1,"b":"<&>"}', {"a": 2, "b": "<&>"}, '{"a":2,"b":"<&>"}'),
        ('{"a":1}', {"a": 1, "b": [1, {"c": None}]}, '{"a":1,"b":[1,{"c":null}]}'),
        ('{"a": 1}', {"a": 1, "b": [1, 2]}, '{"a": 1, "b": [1, 2]}'),
        ('{ "a" : 1 , "b" : 2 }', {"b": 2}, '{ "b" : 2 }'),
        (
            '{"a":1e3,"b":1.0,"c":"\\u00e9\\/"}',
            {"a": 1e3, "b": 1.0, "c": "é/", "d": "é/"},
            '{"a":1e3,"b":1.0,"c":"\\u00e9\\/","d":"é/"}',
        ),
        ('{"a":1,"b":2,"a":3}', {"a": 4, "b": 2}, '{"a":1,"b":2,"a":4}'),
        ('{"a":1,"b":2,"a":3}', {"b": 2}, '{"b":2}'),
        ('{"a":1,"b":2}', {"z": 1, "b": 2}, '{"z":1,"b":2}'),
        ("[1,2,3]", [1, 3], "[1,3]"),
        ("[1,2,3]", [], "[]"),
        ("[]", [1, 2], "[1,2]"),
        ('{"a":1}', [1], "[1]"),
        (' "x"\n', "y", ' "y"\n'),
        ('{"a":1}', {"a": True}, '{"a":true}'),
        ('{"a":1}', {"a": 1.0}, '{"a":1.0}'),
        ('{"a":"\\ud83d"}', {"a": "\ud83d", "b": "\ud83d"}, '{"a":"\\ud83d","b":"\\ud83d"}'),
    ],
)
def test_rewrite(before: str, value: Any, after: str) -> None:
    assert jsontext.rewrite(before, value) == after
    assert jsontext.rewrite(after, value) == after


def test_pretty_text_stays_pretty() -> None:
    value = json.loads(PRETTY)
    value["links"].append({"id": "c"})
    value["list"].insert(1, 9)
    value["empty"].append({"k": [1]})
    value["one"]["y"] = {}
    value["new"] = {"z": [True]}
    assert (
        jsontext.rewrite(PRETTY, value)
        == """{
  "links": [
    {"id": "a", "mtu": 1500},
    {"id": "b"},
    {
      "id": "c"
    }
  ],
  "list": [1, 9, 2],
  "empty": [
    {
      "k": [
        1
      ]
    }
  ],
  "one": {
    "x": 1.50,
    "y": {}
  },
  "new": {
    "z": [
      true
    ]
  }
}
"""
    )


def test_windows_line_breaks_stay() -> None:
    value = json.loads(PRETTY)
    value["empty"] = [1]
    result = jsontext.rewrite(PRETTY.replace("\n", "\r\n"), value)
    assert "\n" not in result.replace("\r\n", "")


def test_go_escapes() -> None:
    assert (
        jsontext.go_string('<a> & \u2028 é 😀 " \\ \t\n\x01\x7f')
        == '"\\u003ca\\u003e \\u0026 \\u2028 é 😀 \\" \\\\ \\t\\n\\u0001\x7f"'
    )
    assert jsontext.rewrite('{"a":"<"}', {"a": "<", "b>": "&"}, go=True) == '{"a":"<","b\\u003e":"\\u0026"}'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=4),
    max_leaves=15,
)
STYLES = st.sampled_from(
    [{"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {}, {"indent": 1, "ensure_ascii": False}]
)


@given(VALUES, VALUES, STYLES, st.booleans())
def test_any_text_can_come_to_mean_anything(old: Any, new: Any, style: Any, go: bool) -> None:
    text = json.dumps(old, **style)
    assert jsontext.rewrite(text, old, go=go) == text
    mixed = {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
    mixed = [*old[:1], *new, *old[1:]] if isinstance(old, list) and isinstance(new, list) else mixed
    for wanted in (mixed, new):
        assert identical(json.loads(jsontext.rewrite(text, wanted, go=go)), wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expecting value in line 1, column 1"),
        ('{"a": secret}', "expecting value in line 1, column 7"),
        ('{"a": 1,}', "in line 1, column"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("\ufeff{}", "unexpected byte order mark in line 1, column 1"),
        ('{"a": "\n"}', "invalid control character at in line 1, column 8"),
        ("1" * 5000, "a number has too many digits"),
    ],
)
def test_what_is_no_json(text: str, message: str) -> None:
    with pytest.raises(JsonError) as e:
        jsontext.read(text)
    assert message in str(e.value)
    assert "secret" not in str(e.value)


@pytest.mark.parametrize("text", ["[" * 150 + "]" * 150, "[" * 100_000, '"' + "x" * ((1 << 20) + 1) + '"'])
def test_limits(text: str) -> None:
    with pytest.raises((TooBigError, JsonError)):
        jsontext.read(text)
