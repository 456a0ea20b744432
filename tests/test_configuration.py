"""The configuration of the checks: what it excludes and which rules it selects."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from patchlang.diagnostics import PatchError
from patchlang.files import source_of
from patchlang.validation.configfile import KEYS, read_configuration, schema
from patchlang.validation.configuration import Configuration
from patchlang.validation.discovery import find
from patchlang.validation.leftout import LeftOut, excluding
from patchlang.validation.nearest import configuration
from patchlang.validation.selection import Selection, can_be_left_out, known_rules, meant
from patchlang.validation.toml import read_table


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- location and content ----------------------------------------------------------------------------------------------


def test_the_nearest_counts_and_no_other() -> None:
    Path("a/b/c").mkdir(parents=True)
    Path(".patchlang.yaml").write_text("ignore: [PL3]\nkubevirt: '1.6'\n")
    Path("a/pyproject.toml").write_text("[tool.patchlang]\nkubevirt = '1.7'\n")
    Path("a/b/pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
    for place, expected in ((".", ("1.6", ("PL3",))), ("a", ("1.7", ())), ("a/b", ("1.7", ())), ("a/b/c", ("1.7", ()))):
        found, wrong = configuration(place)
        assert wrong == ()
        assert (found.kubevirt, found.ignore) == expected


def test_there_may_be_none_and_an_empty_one() -> None:
    assert configuration(".") == (Configuration(), ())
    Path(".patchlang.yaml").write_text("# nothing yet\n")
    assert configuration(".") == (Configuration(), ())


def test_patterns_are_from_the_folder_of_the_file() -> None:
    Path("a/old").mkdir(parents=True)
    Path("old").mkdir()
    for name in ("old/x.yaml", "a/old/x.yaml", "a/y.yaml"):
        Path(name).touch()
    Path(".patchlang.yaml").write_text("exclude: [/old]\n")
    os.chdir("a")
    settings, _ = configuration(".")
    assert settings.exclude is not None
    assert [one.name for one in find(["..", "."], LeftOut([settings.exclude]))[0]] == ["../a/old/x.yaml", "../a/y.yaml"]
    mine = LeftOut([settings.exclude, excluding(".", ["/old"])])
    assert [one.name for one in find([".."], mine)[0]] == ["../a/y.yaml"]


@pytest.mark.parametrize("text", ["[" * 2000, "a = " + "[" * 100_000, "a = \x00", "\ud800", "a" * 300_000, "{" * 9999])
@pytest.mark.parametrize("name", [".patchlang.yaml", "pyproject.toml"])
def test_a_hostile_file_is_a_finding(name: str, text: str) -> None:
    head = "[tool.patchlang]" if name == "pyproject.toml" else "# patchlang"
    Path(name).write_bytes(f"{head}\n{text}".encode(errors="surrogatepass"))
    _, wrong = configuration(".")
    assert [one.is_error for one in wrong] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "[tool.patchlang]",
        '[ "tool" . patchlang ]',
        "a = 1\ntool.patchlang.x = 1",
        "[tool]\npatchlang = {}",
        "tool = {patchlang = {}}",
    ],
)
def test_a_table_of_ours_is_seen_however_it_is_written(text: str) -> None:
    Path(".patchlang.yaml").touch()
    Path("pyproject.toml").write_text(text)
    _, wrong = configuration(".")
    assert [one.message for one in wrong[:1]] == [".patchlang.yaml next to it is also a configuration"]


@pytest.mark.parametrize("text", ["dependencies = ['patchlang']", "[tool.other]\nx = 'patchlang'", "[[[ patchlang"])
def test_a_file_that_only_names_us_is_left_to_others(text: str) -> None:
    Path("pyproject.toml").write_text(text)
    assert configuration(".") == (Configuration(), ())


def test_a_file_that_cannot_be_read() -> None:
    Path(".patchlang.yaml").mkdir()
    _, wrong = configuration(".")
    assert [one.rule.id for one in wrong] == ["PL001"]


# -- places in TOML ----------------------------------------------------------------------------------------------------

LAYOUTS = [
    '[tool.patchlang]\nselect = [\n  "PL3", # a "PL9" that is none\n  "PLX",\n]\n',
    '[tool]\npatchlang = { select = ["PL3", "PLX"] }\n',
    '[tool]\n  patchlang.select = ["PL3","PLX"]\n',
    "tool.patchlang.select = ['PL3', 'PLX']\n[other]\nselect = ['PLX']\n",
    '["tool".\'patchlang\']\n"select" = ["PL3", """PLX"""]\n',
    't = """\n[tool.patchlang]\nselect = ["PLX"]\n"""\n[[l]]\nselect = 1\n[tool.patchlang]\nselect = ["PL3", "PLX"]\n',
    "[tool.patchlang.other]\nselect = 'PLX'\n[tool.patchlang]\nselect = ['PL3', 'PLX']\n",
    "x = 1979-05-27T07:32:00.5Z\ny = { a.b = [1, {c = 2}], d = -1.5e3 }\n[tool.patchlang]\nselect = ['PL3', 'PLX']",
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_each_key_and_each_value_has_its_place(text: str) -> None:
    Path("pyproject.toml").write_text(text)
    _, wrong = read_configuration("pyproject.toml")
    [span] = [one.span for one in wrong if "PLX" in one.message]
    assert span is not None
    assert span.source.text[span.start : span.end].strip("\"'") == "PLX"
    assert "PL3" in text[: span.start].rpartition("select")[2], "it is the second of the list"


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(lambda t: t)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.é '", max_size=3), inner, max_size=3),
    max_leaves=8,
)


def as_toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return "[\n" + ", # x\n".join(map(as_toml, value)) + "\n]"
        case dict():
            return "{ " + ", ".join(f'"{key}" = {as_toml(one)}' for key, one in value.items()) + " }"
        case _:
            return str(value)


@given(VALUES)
def test_values_of_all_kinds_are_where_they_are_written(value: Any) -> None:
    written = as_toml(value)
    before = 'a = "[tool.patchlang]"\n[tool.patchlang]\nother.x = [1]\nkey = '
    source = source_of("pyproject.toml", f"{before}{written} # end\nnext = 1\n".encode())
    table = read_table(source, "tool", "patchlang")
    assert table is not None
    places = {key.text: key.span for key, _ in table.entries}
    assert source.text[places["key"].start : places["key"].end] == "key"
    assert source.text[places["next"].start : places["next"].end] == "next"
    node = table.get("key")
    assert node is not None
    if not isinstance(value, dict):
        assert source.text[node.span.start : node.span.end] == written


def test_what_is_no_toml_is_said_at_its_place() -> None:
    with pytest.raises(PatchError) as raised:
        read_table(source_of("pyproject.toml", b"a = 1\nb = = 2\n"), "tool", "patchlang")
    assert str(raised.value.diagnostic.span) == "pyproject.toml:2:5"


# -- the schema --------------------------------------------------------------------------------------------------------

GOOD = [
    {}, {"select": []}, {"select": ["PL", "PL3", "PL10", "positional-predicate"]}, {"ignore": ["PL801", "PL9"]},
    {"exclude": ["a", "!b"]}, {"kubevirt": "1.5"}, {"kubevirt": 1.8}, {"kubevirt": "main"}, {"libvirt": "none"},
    {"libvirt": "11"}, {"libvirt": 12.8},
]  # fmt: skip
BAD = [
    {"selct": []}, {"select": "PL3"}, {"select": ["PL4444"]}, {"ignore": ["PL1"]}, {"ignore": ["PL"]}, {"exclude": {}},
    {"kubevirt": "0.5"}, {"libvirt": "13"}, {"libvirt": []}, {"ignore": [["PL3"]]}, {"kubevirt": {}},
    {"ignore": ["bad-yaml"]},
]  # fmt: skip


@pytest.mark.parametrize("given_", [*GOOD, *BAD], ids=str)
def test_schema_and_reader_agree(given_: dict[str, Any]) -> None:
    Path(".patchlang.yaml").write_text(yaml.safe_dump(given_))
    accepted = configuration(".")[1] == ()
    assert accepted is (given_ in GOOD)
    assert Draft7Validator(schema()).is_valid(given_) is accepted


def test_the_schema_says_what_each_key_is() -> None:
    Draft7Validator.check_schema(schema())
    assert {key: one["description"] for key, one in schema()["properties"].items()} == KEYS


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "ignore", "rule", "counts"),
    [
        (("PL",), (), "PL301", True),
        (("PL9",), (), "PL301", False),
        (("PL9",), (), "PL101", True),
        (("PL",), ("PL3",), "PL301", False),
        (("PL301",), ("PL3",), "PL301", True),
        (("PL301",), ("PL3",), "PL302", False),
        (("PL3",), ("PL3",), "PL301", False),
        ((), (), "PL801", False),
        ((), (), "PL010", True),
    ],
)
def test_the_longest_decides(select: tuple[str, ...], ignore: tuple[str, ...], rule: str, counts: bool) -> None:
    assert Selection(select, ignore).has(rule) is counts


def test_rules_by_id_beginning_and_name() -> None:
    assert meant("pl301") == meant("Positional-Predicate") == "PL301"
    assert meant("PL") == "PL"
    assert [meant(text) for text in ("", "P", "PL4444", "positional", "X3", "301")] == [None] * 6
    assert {id[:3] for id in known_rules() if can_be_left_out(id)} == {"PL3", "PL7", "PL8", "PL9"}
    assert not can_be_left_out("PL")


# -- what git ignores --------------------------------------------------------------------------------------------------

ATOMS = [
    "a", "b", "ab", "*", "?", "**", "[ab]", "[!a]", "[a-c]", "\\a", "\\*", "a*", "*b", "*a*", "**a", "[[:alpha:]]",
    "[]a]", "[^]]", "c ", "c\\ ", "#", "\\#", "!", "\\!", "[a", "\\", "é*", "[^-a]", "[a-]", "a/**", "**/b", "a/**/b",
]  # fmt: skip
NAMES = ["a", "b", "ab", "ba", "abc", "c", "c ", "#", "!", "*", "]", "-", "é.yaml", "a.yaml"]


def a_pattern(choose: random.Random) -> str:
    text = "/".join(choose.choice(ATOMS) for _ in range(choose.choice([1, 1, 1, 2, 2, 3])))
    text = "/" * (choose.random() < 0.2) + text + "/" * (choose.random() < 0.25)
    return "!" * (choose.random() < 0.25) + text + " " * (choose.random() < 0.1) + "\r" * (choose.random() < 0.1)


def fill(folder: Path, choose: random.Random, depth: int = 0) -> None:
    for name in choose.sample(NAMES, 5):
        if depth < 3 and choose.random() < 0.5:
            (folder / name).mkdir()
            fill(folder / name, choose, depth + 1)
        else:
            (folder / name).touch()
    if choose.random() < 0.5:
        lines = [a_pattern(choose) for _ in range(choose.randint(1, 3))]
        (folder / ".gitignore").write_bytes("\n".join(lines).encode())


@pytest.mark.parametrize("seed", range(25))
def test_git_ignores_the_same(seed: int, folder: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("needs git (Debian package git)")
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    choose = random.Random(seed)
    subprocess.run([git, "init", "--quiet", "top"], check=True, env=environment)
    fill(Path("top"), choose)
    Path("top/.git/info/exclude").write_text(f"{a_pattern(choose)}\n")
    command = [git, "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd="top", env=environment, check=True, capture_output=True).stdout.decode()
    assert files_in("top") == {name for name in listed.split("\0") if name}


def files_in(top: str) -> set[str]:
    left_out, found = LeftOut(), set()
    for path, folders, files in os.walk(top):
        folders[:] = [one for one in folders if one != ".git" and not left_out.leaves_out(path, one, is_folder=True)]
        names = [one for one in files if not left_out.leaves_out(path, one, is_folder=False)]
        found |= {os.path.relpath(os.path.join(path, name), top) for name in names}
    return found


def test_worktrees_and_repositories_in_others() -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("needs git (Debian package git)")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.test", "-c", "commit.gpgsign=false"]
    subprocess.run([git, "init", "--quiet", "top"], check=True)
    subprocess.run([git, *identity, "commit", "--quiet", "--allow-empty", "-m", "a"], cwd="top", check=True)
    subprocess.run([git, "worktree", "add", "--quiet", "../other"], cwd="top", check=True)
    Path("top/.git/info/exclude").write_text("a.yaml\n")
    for place in ("top", "other", "top/inner"):
        Path(place).mkdir(exist_ok=True)
        Path(place, "a.yaml").touch()
    assert [one.name for one in find(["top", "other"], LeftOut())[0]] == []
    Path("top/inner/.git").mkdir()
    assert [one.name for one in find(["top", "other"], LeftOut())[0]] == ["top/inner/a.yaml"], "its rules end there"
    assert len(find(["top", "other"], LeftOut(git=False))[0]) == 3
