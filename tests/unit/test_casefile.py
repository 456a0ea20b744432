"""The format of the cases: a case has exactly the bytes in its file, and invalid content is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from casefile import CASES, CaseError, CaseFile, cases, parse, written
from hypothesis import example, given
from hypothesis import strategies as st

KINDS = ("apply", "reject", "cli", "cloudinit")
PATH = Path("some.txtar")
PIECES = [
    "\n",
    "\r\n",
    "\r",
    "-- a --",
    "-- ",
    " --",
    "--",
    "-",
    "\\",
    "\\r",
    "\\x41",
    "\ufeff",
    "\0",
    "é",
    "a",
    "\x85",
]


@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(lambda pieces: "".join(pieces).encode()), st.binary())
@example(b"-- --", b"")
@example(b"-- b --\n", b"-- a --\r\n")
@example("\ufeffa\r\n".encode("utf-16"), b"\n")
def test_all_bytes_can_be_said(first: bytes, second: bytes) -> None:
    case = CaseFile(PATH, b"A comment.\n", {"a": written("a", first), "b/c d": written("b/c d", second)})
    again = parse(PATH, case.whole())
    assert again == case
    assert (again.read("a"), again.read("b/c d"), again.read("c")) == (first, second, None)


def test_parts_are_written_plainly_where_they_can_be() -> None:
    assert written("a", b"x\\y\n").lines == b"-- a --\nx\\y\n"
    assert written("a", b"").lines == b"-- a --\n"
    assert written("a", b"<a/>").lines == b"-- a (no newline) --\n<a/>\n"
    assert written("a", b"x\\\r\n\xff").lines == b"-- a (escaped, no newline) --\nx\\\\\\r\n\\xff\n"


def test_a_part_can_be_generated() -> None:
    case = parse(PATH, b'-- a (generated) --\n["<", {repeat: "{n},", times: 3}, ">"]\n')
    assert case.read("a") == b"<0,1,2,>"
    assert case.parts["a"].generated


def test_a_part_can_be_that_of_a_base() -> None:
    case = parse(PATH, b"-- a = base/hello.yaml --\n-- b --\n")
    assert case.read("a") == (CASES / "base" / "hello.yaml").read_bytes()
    assert case.read("b") == b""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"-- a --\nx", r"some.txtar: the last line has no line break"),
        (b"-- a --\nx\r\n", r"some.txtar:2: a carriage return; write `\\r`"),
        (b"-- a --\n--  --\n", r"some.txtar:2: `--  --` is not a header"),
        (b"-- a --\n-- a --\n", r"some.txtar:2: there is another part `a`"),
        (b"-- a (escape) --\n", r"some.txtar:1: unknown flags \['escape'\]"),
        (b"-- a (no newline) --\n", r"some.txtar:1: `a` has no line"),
        (b"-- a (escaped) --\n\\y\n", r"some.txtar:1: a backslash in an escaped part"),
        (b"-- a (generated, escaped) --\n[]\n", r"some.txtar:1: `generated` goes with no other flag"),
        (b"-- a = base/none --\n", r"some.txtar:1: there is no tests/cases/base/none"),
        (b"-- a = base/hello.yaml --\nx\n", r"some.txtar:1: `a` is a copy of a base"),
        (b"-- ../a --\n", r"some.txtar:1: `../a` is outside of the case"),
        (b"-- /a --\n", r"some.txtar:1: `/a` is outside of the case"),
    ],
)
def test_what_is_not_a_case_is_an_error(text: bytes, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        parse(PATH, text)


def test_an_update_changes_one_part_and_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txtar"
    before = b"Why.\n-- a = base/hello.yaml --\n-- b (generated) --\n[x] # 1\n-- c (escaped) --\n\\x41\n-- d --\nd\n"
    path.write_bytes(before)
    case = parse(path, before)
    for name in ("a", "b", "c", "d"):
        case.update(name, case.read(name) or b"")
    assert path.read_bytes() == before
    case.update("d", b"D")
    case.update("e", b"e\n")
    assert path.read_bytes() == before.replace(b"-- d --\nd\n", b"-- d (no newline) --\nD\n-- e --\ne\n")
    case.update("d", b"")
    case.update("e", b"")
    assert path.read_bytes() == before.replace(b"-- d --\nd\n", b"")


def test_a_case_is_unpacked_into_a_folder(tmp_path: Path) -> None:
    case = parse(PATH, b"-- cmd --\nx\n-- a/b.yaml (no newline) --\nb\n")
    case.unpack(tmp_path / "here", but="cmd")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == [Path("here/a/b.yaml")]
    assert (tmp_path / "here/a/b.yaml").read_bytes() == b"b"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_folder_of_cases_is_passed_over(kind: str) -> None:
    assert [path.name for path in (CASES / kind).iterdir() if path.suffix != ".txtar"] == []


def test_every_base_is_used_by_several_cases() -> None:
    lines = [part.lines for kind in KINDS for case in cases(kind) for part in case.parts.values()]
    for base in (CASES / "base").iterdir():
        assert sum(line.endswith(f" = base/{base.name} --\n".encode()) for line in lines) > 2, base.name
