"""Reports in all formats: the same findings at the same places, and each format as its readers want it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from jsonschema import Draft4Validator
from test_cases import Finished, patchlang

from patchlang.diagnostics import Diagnostic, Rule, Severity
from patchlang.formats import FORMATS, make
from patchlang.formats.text import summary
from patchlang.source import SourceFile, Span
from patchlang.validation.report import Held, report

SCHEMA = json.loads((Path(__file__).parent / "formats" / "sarif-2.1.0.schema.json").read_text())

# an astral character, a tab, quotes, a percent sign, a comma: each before a finding on its line
MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: patches}
data:
  a,b%.yaml: |-
    # é 😀
    apiVersion: patchlang/v1
    kind: Patch
    metadata: {name: a}
    spec:
      domain:
        - {name: "😀é\\t%0A::", op: set, path: "/domain/devices/disk[1]/serial", value: "b,%"}
        - {name: "😀", op: sett}
        - op: add
          path: /domain
          xml: |
            <a>
              <é>😀</b>
            </a>
  json: '{"apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "😀"}, "spec": {"domain": 1}}'
"""
# (rule, what is written at the finding)
FOUND = {
    ("PL301", "1"): "notice",
    ("PL107", "sett"): "error",
    ("PL103", "1"): "error",
    ("PL104", "😀"): "error",
}


class Run:
    """Runs ``patchlang validate`` in a folder of its own."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capture = capture
        self.monkeypatch = monkeypatch

    def __call__(self, *args: str, stdin: bytes = b"") -> Finished:
        return patchlang(["validate", *args], self.capture, self.monkeypatch, stdin)


@pytest.fixture
def run(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(capsysbinary, monkeypatch)


Place = tuple[str, str, int, int, int, int]


def patch(path: str) -> str:
    head = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: a}\nspec:\n  domain:\n"
    return f"{head}    - {{op: set, path: {path}, value: b}}\n"


def places_in_json(text: bytes) -> list[Place]:
    return [
        (f["rule"], f["path"], f["start"]["line"], f["start"]["column"], f["end"]["line"], f["end"]["column"])
        for f in json.loads(text)["findings"]
    ]


def places_in_sarif(text: bytes) -> list[Place]:
    [sarif] = json.loads(text)["runs"]
    assert sarif["columnKind"] == "unicodeCodePoints"
    found = []
    for result in sarif["results"]:
        assert sarif["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        [location] = result["locations"]
        place = location["physicalLocation"]
        region = place["region"]
        path = unquote(place["artifactLocation"]["uri"])
        lines = region["startLine"], region["startColumn"], region["endLine"], region["endColumn"]
        found.append((result["ruleId"], path, *lines))
    return found


def places_in_github(text: bytes) -> list[Place]:
    found = []
    for command in re.findall(r"^::(?:error|warning|notice) ([^:]*)::", text.decode(), re.MULTILINE):
        values = {}
        for one in command.split(","):
            name, _, value = one.partition("=")
            values[name] = value.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%25", "%")
        if values["line"] != values["endLine"]:
            assert "col" not in values
        places = (int(values.get(name, 0)) for name in ("line", "col", "endLine", "endColumn"))
        found.append((values["title"].split()[0], values["file"], *places))
    return found


def places_in_text(text: bytes) -> list[tuple[str, str, int, int]]:
    """With the end of what the caret marks, which is in the line."""
    pattern = r"^(.+?):(\d+):(\d+): \w+\[(PL\d+) "
    return [(m[4], m[1], int(m[2]), int(m[3])) for m in re.finditer(pattern, text.decode(), re.MULTILINE)]


def test_all_formats_have_the_same_places(run: Run) -> None:
    Path("café,.yaml").write_text(MANIFEST)
    outputs = {form: run("café,.yaml", "--format", form) for form in FORMATS}
    assert {output.status for output in outputs.values()} == {1}
    places = places_in_json(outputs["json"].stdout)
    assert places_in_sarif(outputs["sarif"].stdout) == places
    one_line = [place for place in places if place[2] == place[4]]
    assert [p for p in places_in_github(outputs["github"].stdout) if p[2] == p[4]] == one_line
    starts = [place[:4] for place in places]
    assert places_in_text(outputs["text"].stderr) == starts
    suite = ElementTree.fromstring(outputs["junit"].stdout)
    shown = "".join(node.text or "" for node in suite.iter() if node.tag in ("failure", "system-out"))
    assert sorted(places_in_text(shown.encode())) == sorted(starts)
    lines = MANIFEST.split("\n")
    written = {(rule, lines[line - 1][column - 1 : end - 1]) for rule, _, line, column, _, end in one_line}
    assert set(FOUND) - written == set()
    for command, (rule, _) in zip(FOUND.values(), FOUND, strict=True):
        assert re.search(rf"^::{command} .*title={rule} ", outputs["github"].stdout.decode(), re.MULTILINE)


@pytest.mark.parametrize("files", [{"a.yaml": MANIFEST}, {"a.yaml": "a: ["}, {"none": None}, {"a.yaml": ""}])
def test_sarif_is_valid(run: Run, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        if text is not None:
            Path(name).write_text(text)
    sarif = json.loads(run(*files, "--format", "sarif").stdout)
    Draft4Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft4Validator(SCHEMA).iter_errors(sarif)] == []


def test_sarif_of_nothing_is_valid(run: Run) -> None:
    Path("folder").mkdir()
    sarif = json.loads(run("folder", "--allow-empty", "--format", "sarif").stdout)
    assert list(Draft4Validator(SCHEMA).iter_errors(sarif)) == []
    assert sarif["runs"][0]["results"] == []


def test_a_path_that_is_missing_is_a_failure_of_the_run_in_sarif(run: Run) -> None:
    [sarif] = json.loads(run("none.yaml", "--format", "sarif").stdout)["runs"]
    [invocation] = sarif["invocations"]
    assert not invocation["executionSuccessful"]
    [notification] = invocation["toolExecutionNotifications"]
    assert "none.yaml" in notification["message"]["text"]
    assert sarif["results"] == []


def test_places_of_absolute_paths_in_sarif(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a b.yaml"
    file.write_text("a: [")
    [sarif] = json.loads(run(str(file), "--format", "sarif").stdout)["runs"]
    artifact = sarif["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": file.as_uri()}


def test_the_summary_in_json(run: Run) -> None:
    Path("a.yaml").write_text(MANIFEST)
    found: dict[str, Any] = json.loads(run("a.yaml", "--format", "json", "--strict").stdout)
    assert found["version"] == 1
    assert found["summary"] == {
        "files": 1, "patches": 2, "machines": 0, "tests": 0, "errors": 6, "warnings": 0, "advice": 2,
        "strict": True, "failed": True, "templates": 0,
    }  # fmt: skip
    assert found["files"] == [{"path": "a.yaml", "patches": 2, "machines": 0, "tests": 0}]
    assert set(found["findings"][0]) == {
        "rule", "name", "severity", "message", "help", "patch", "manifest", "path", "start", "end", "related"
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("args", "status"),
    [(["fine.yaml"], 0), (["advice.yaml"], 0), (["advice.yaml", "--strict"], 1), (["bad.yaml"], 1), (["none"], 1),
     (["."], 1), (["folder"], 2), (["folder", "--allow-empty"], 0)],
)  # fmt: skip
def test_the_status_is_the_same_in_all_formats(run: Run, form: str, args: list[str], status: int) -> None:
    Path("fine.yaml").write_text(patch("/domain/title"))
    Path("advice.yaml").write_text(patch("'/domain/devices/disk[1]/serial'"))
    Path("bad.yaml").write_text("a: [")
    Path("folder").mkdir()
    assert run(*args, "--format", form).status == status
    run_with_file = run(*args, "--format", form, "--output", "report")
    assert run_with_file.status == status
    assert run_with_file.stdout == b""
    if status != 2:
        assert Path("report").read_bytes() == (run(*args, "--format", form).stdout or run_with_file.stderr)


def test_names_that_are_no_text(run: Run) -> None:
    name = b"a\xff.yaml"
    Path(name.decode(errors="surrogateescape")).write_text("apiVersion: patchlang/v1\n")
    for form in FORMATS:
        output = run(".", "--format", form)
        assert output.status == 1
        (output.stdout + output.stderr).decode()
    sarif = json.loads(run(".", "--format", "sarif").stdout)
    uri = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%FF.yaml"


def test_related_places_and_severities() -> None:
    source = SourceFile("a.yaml", "one two\nthree\n")
    related = ((Span(source, 8, 13), "the other"),)
    rule = Rule("PL106", "duplicate-name")
    diagnostic = Diagnostic(rule, "50%\nof it", Span(source, 4, 7), "help\nit", Severity.WARNING, "p", related)
    checked = report([Held("a.yaml", 1)], [diagnostic])
    written = {}
    for name in FORMATS:
        out = io.StringIO()
        writer = make(name, out)
        for file in checked:
            writer.add(file)
        writer.finish(checked.totals(strict=False))
        written[name] = out.getvalue()
    [finding] = json.loads(written["json"])["findings"]
    start = {"line": 2, "column": 1}
    assert finding["related"] == [
        {"path": "a.yaml", "start": start, "end": {"line": 2, "column": 6}, "message": "the other"}
    ]
    sarif = json.loads(written["sarif"])
    assert list(Draft4Validator(SCHEMA).iter_errors(sarif)) == []
    [result] = sarif["runs"][0]["results"]
    assert result["level"] == "warning"
    assert result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 2
    assert "::warning file=a.yaml,line=1,endLine=1,col=5,endColumn=8," in written["github"]
    assert "::50%25%0Aof it%0Ahelp: help%0Ait\n" in written["github"]
    assert summary(checked.totals(strict=False)) == "1 file checked, 1 patch, no errors, 1 warning"
