"""The help pages: every rule has one, and its samples are run, so that they stay correct.

The header of a fenced block describes it: ``yaml wrong`` triggers the rule, ``yaml right`` does not. A file name
after it (``xml wrong domain.xml``) gives the name of the file; the default is patch.yaml. A block with only a file
name belongs to both cases. A list of edits, or the keys of a spec, is short for a patch with just these.

With domain.xml or cloud-init.json, the patch is applied; with test.yaml, it is tested. Otherwise all files are
validated, as they also are if the rule is advice.
"""

from __future__ import annotations

import io
import re
import textwrap
from pathlib import Path

import pytest

from patchlang import cli, handbook
from patchlang.diagnostics import Rule
from patchlang.document import model
from patchlang.document.keys import model_fields

# pages without samples → why
NO_SAMPLE = {
    "PL002": "a page is UTF-8 itself",
    "PL004": "it would take 256 KiB",
    "PL009": "a page has no schema",
    "PL414": "of the sidecar alone, and it takes a minute",
    "PL416": "a page has no schema",
    "PL417": "of the sidecar alone",
    "PL418": "of the sidecar alone",
    "PL506": "of the sidecar alone",
    "PL715": "it would take 1 MiB",
}

# rules that need options → which
OPTIONS = {"PL322": ["--plugins"], "PL906": ["--libvirt", "9.0"]}

RULES = list(handbook.all_rules().values())


def blocks(text: str) -> list[tuple[str, str, str]]:
    """``wrong``, ``right`` or ``both``, the name of the file, and its content."""
    found = []
    for head, body in re.findall(r"^```(.*)\n((?:.*\n)*?)```$", text, re.MULTILINE):
        words = head.split()[1:]
        when = words.pop(0) if words and words[0] in ("wrong", "right") else "both"
        found.append((when, words[0] if words else "patch.yaml", body))
    return found


def document(text: str) -> str:
    """A whole patch from the short form on a page."""
    first = next((line for line in text.split("\n") if line and not line.startswith("#")), "")
    if first.startswith("- "):
        text = "domain:\n" + textwrap.indent(text, "  ")
    elif first.split(":")[0] not in model_fields(model.Spec):
        return text
    return "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: example}\nspec:\n" + textwrap.indent(text, "  ")


def run(
    folder: Path,
    rule: Rule,
    files: dict[str, str],
    capture: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, str]:
    """The exit status and all output."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in files.items():
        Path(name).write_text(document(text) if name == "patch.yaml" else text)
    if rule.id.startswith("PL3"):
        args = ["validate", *OPTIONS.get(rule.id, ()), *files]
    elif "test.yaml" in files:
        args = ["test", *files]
    elif "domain.xml" in files or "cloud-init.json" in files:
        given = next(name for name in ("domain.xml", "cloud-init.json") if name in files)
        args = ["apply", "-p", "patch.yaml", f"--{given.split('.')[0]}", given]
        args += ["--vmi", "vmi.yaml"] if "vmi.yaml" in files else []
    else:
        args = ["validate", *OPTIONS.get(rule.id, ()), *(name for name in files if not name.startswith("."))]
    monkeypatch.setattr("sys.argv", ["patchlang", *args])
    monkeypatch.setattr("patchlang.cli.apply.SYSTEM_SCHEMAS", Path("installed-schemas"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    capture.readouterr()
    status = 0
    try:
        cli.main()
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else 0
    captured = capture.readouterr()
    return status, captured.out + captured.err


def name(rule: Rule) -> str:
    return rule.id


TEXTS = [
    *(handbook.page(rule).text for rule in RULES),
    *(handbook.op_page(op) for op in handbook.ops()),
    *(handbook.topic_page(topic) for topic in handbook.TOPICS),
]


def test_no_page_leads_to_a_file_that_is_not_installed() -> None:
    """The documents are only in the sources; a page names them by their titles."""
    named = [title for text in TEXTS for title in re.findall(r"[\w/-]+\.md\b", text)]
    assert named == []


def test_pages_of_the_language_reference_are_named_by_their_titles() -> None:
    titles = {
        path.read_text().partition("\n")[0].removeprefix("# ").replace("`", "")
        for path in (Path(__file__).parents[1] / "docs" / "language").glob("*.md")
    }
    named = [
        title
        for text in TEXTS
        for names in re.findall(r'[Tt]he\s+pages?\s+("[^.]*?)\s+of\s+the\s+language\s+reference', text)
        for title in re.findall(r'"([^"]*)"', names)
    ]
    assert len(named) > 5
    assert set(named) <= titles


def test_every_rule_has_a_page() -> None:
    folder = Path(handbook.__file__).parent / "pages"
    pages = {path.stem for path in folder.glob("*.md")}
    missing = {rule.id for rule in RULES} - pages
    assert missing == set(), f"write patchlang/pages/ID.md for each of {sorted(missing)}"
    assert pages - {rule.id for rule in RULES} == set()


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_a_page_is_laid_out_as_the_others(rule: Rule) -> None:
    text = handbook.page(rule).text
    assert text.startswith(f"# {rule.id} {rule.slug}\n\n")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert re.fullmatch(r"[^\n]+[.]", handbook.page(rule).summary), "one sentence on one line"
    assert len(handbook.page(rule).summary) <= 110
    assert [line for line in text.split("\n") if len(line) > 125] == []
    samples = {when for when, _, _ in blocks(text)} - {"both"}
    assert samples == (set() if rule.id in NO_SAMPLE else {"wrong", "right"})


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.id not in NO_SAMPLE], ids=name)
def test_what_is_wrong_brings_the_rule_about_and_what_is_right_does_not(
    rule: Rule, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(handbook.page(rule).text)
    for case in ("wrong", "right"):
        files = {file: text for when, file, text in found if when in (case, "both")}
        status, said = run(tmp_path / case, rule, files, capsys, monkeypatch)
        assert status in ((0, 1) if rule.id != "PL012" else (0, 2)), said
        assert (f"[{rule.id} {rule.slug}]" in said) is (case == "wrong"), said
        assert case == "wrong" or status == 0, said
        assert case == "wrong" or not re.search(r"\[PL(?!308)\d\d\d ", said), said


# -- the command -------------------------------------------------------------------------------------------------------


def explain(*args: str, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["patchlang", "explain", *args])
    with pytest.raises(SystemExit) as raised:
        cli.main()
    captured = capture.readouterr()
    return raised.value.code or 0, captured.out, captured.err  # type: ignore[return-value]


@pytest.mark.parametrize("topic", ["PL301", "pl301", "positional-predicate"])
def test_a_rule_by_its_id_or_name(
    topic: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = explain(topic, capture=capsys, monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    assert out.startswith("PL301 positional-predicate\n")
    assert "```" not in out


def test_without_a_topic_everything_is_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = explain(capture=capsys, monkeypatch=monkeypatch)
    assert status == 0
    lines = out.split("\n")
    for rule in RULES:
        assert len([line for line in lines if line.startswith(f"{rule.id}  {rule.slug} ")]) == 1
    for op in handbook.ops():
        assert any(line.startswith(f"{op} ") for line in lines)


@pytest.mark.parametrize("op", handbook.ops())
def test_an_op_with_all_its_keys(op: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = explain(op, capture=capsys, monkeypatch=monkeypatch)
    assert status == 0
    for _, cls in handbook.ops()[op]:
        for key in set(model_fields(cls)) - handbook.NOT_TAKEN.get(cls, frozenset()):
            assert f"- `{key}` (" in out


@pytest.mark.parametrize(
    ("topic", "help"),
    [("ensur", "did you mean `ensure`?"), ("piles", "did you mean `piles-up`?"), ("PL999", "for a list")],
)
def test_what_is_not_known(
    topic: str, help: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = explain(topic, capture=capsys, monkeypatch=monkeypatch)
    assert (status, out) == (2, "")
    assert f"no rule, op or topic `{topic}`" in err
    assert help in err


@pytest.mark.parametrize("topic", handbook.TOPICS)
def test_a_topic_with_an_example(
    topic: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = explain(topic, capture=capsys, monkeypatch=monkeypatch)
    assert status == 0
    assert out.startswith(f"{topic}: {handbook.topic_title(topic)}\n")
    assert "\n    - op: " in out or "\n    - {op: " in out or "\n      - op: " in out
    for cls in handbook.TOPICS[topic]:
        assert all(f"- `{key}` (" in out for key in model_fields(cls))
    _, listed, _ = explain(capture=capsys, monkeypatch=monkeypatch)
    assert f"\n{topic:9} {handbook.topic_title(topic).replace('`', '')}\n" in listed


def test_an_op_with_an_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = explain("within", capture=capsys, monkeypatch=monkeypatch)
    assert "- op: within\n" in out


def test_every_file_of_a_topic_is_shown() -> None:
    files = {path.stem for path in (Path(handbook.__file__).parent / "topics").glob("*.md")}
    assert set(handbook.TOPICS) <= files <= {*handbook.TOPICS, *handbook.ops()}


def test_every_stage_is_listed() -> None:
    assert {rule.id[:3] for rule in RULES} == set(handbook.STAGES)
