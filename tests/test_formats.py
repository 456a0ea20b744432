"""Reports in all formats: the same findings at the same places, each format as its consumers expect it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
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
# (rule, source text at the finding)
FOUND = {
    ("PL301", "1"): "notice",
    ("PL107", "sett"): "error",
    ("PL103", "1"): "error",
    ("PL104", "😀"): "error",
}


QUIET = {"text": ["--quiet"], "github": ["--quiet"]}


class Run:
    """Runs ``patchlang validate`` in a separate folder."""

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
    """The rule, file, line and column of each finding in the text format."""
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
    assert places_in_text(outputs["text"].stdout) == starts
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
    run_with_file = run(*args, "--quiet", "--output", f"{form}=report")
    assert run_with_file.status == status
    if status != 2:
        assert Path("report").read_bytes() == run(*args, "--format", form, *QUIET.get(form, ())).stdout


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


# -- what other programs require ---------------------------------------------------------------------------------------


def test_every_rule_in_sarif_says_what_code_scanning_shows(run: Run) -> None:
    """Rules GH2012, SARIF2005 and SARIF2012 of Microsoft's multitool."""
    Path("a.yaml").write_text(MANIFEST)
    [sarif] = json.loads(run("a.yaml", "none", "--format", "sarif").stdout)["runs"]
    driver = sarif["tool"]["driver"]
    assert re.fullmatch(r"https://\S+", driver["informationUri"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", driver["semanticVersion"])
    assert len(driver["rules"]) > 3
    for rule in driver["rules"]:
        assert re.fullmatch(r"([A-Z][a-z0-9]+)+", rule["name"])
        assert rule["shortDescription"]["text"]
        assert len(rule["fullDescription"]["text"]) <= 1024, "as much as GitHub takes"
        assert rule["help"]["text"].startswith(f"# {rule['id']} ")
        page = rule["helpUri"].partition("/patchlang/pages/")[2]
        assert page == f"{rule['id']}.md"


def test_the_multitool_has_no_error_and_no_warning(run: Run) -> None:
    multitool = shutil.which("Sarif.Multitool") or shutil.which("sarif")
    if multitool is None:
        pytest.skip("needs Sarif.Multitool (github.com/microsoft/sarif-sdk)")
    Path("a.yaml").write_text(MANIFEST)
    run("a.yaml", "none", "--output", "sarif=a.sarif")
    command = [multitool, "validate", "a.sarif", "--rule-kind", "Sarif;Gh", "--level", "Error;Warning"]
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    said = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    assert re.findall(r"^.*: (?:error|warning) .*$", said, re.MULTILINE) == []
    assert "successfully" in said


def test_a_fingerprint_of_gitlab_is_of_one_finding_and_stays_when_lines_move(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = "    - {op: set, path: '/domain/devices/disk[1]/serial', value: b}\n"
    Path("patches").mkdir()
    file = Path("patches/a.yaml")

    def quality() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(run("patches", "--format", "gitlab").stdout)
        assert {tuple(sorted(one)) for one in found} == {
            ("check_name", "description", "fingerprint", "location", "severity")
        }
        assert {one["severity"] for one in found} <= {"info", "minor", "major", "critical", "blocker"}
        assert len({one["fingerprint"] for one in found}) == len(found)
        return found

    file.write_text(patch("/domain/titel") + edit + edit)
    before = quality()
    assert len(before) > 2
    file.write_text("# one line more\n" + file.read_text())
    after = quality()
    assert [one["fingerprint"] for one in after] == [one["fingerprint"] for one in before]
    assert [one["location"]["lines"]["begin"] - 1 for one in after] == [
        one["location"]["lines"]["begin"] for one in before
    ]
    assert {one["location"]["path"] for one in after} == {"patches/a.yaml"}
    monkeypatch.chdir("patches")
    monkeypatch.setenv("CI_PROJECT_DIR", str(Path("..").resolve()))
    [inner, *_] = json.loads(run(".", "--format", "gitlab").stdout)
    assert inner["location"]["path"] == "patches/a.yaml"
