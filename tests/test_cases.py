"""The cases under tests/cases: the effect of patches, the messages of refusals, the output of the command line.

``tests/cases/README.md`` describes the content of a case file.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from casefile import CASES, CaseFile, cases
from lxml import etree

from patchlang import cli, engine, rules
from patchlang.diagnostics import Diagnostic, Rule
from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.extract import read_vmi
from patchlang.files import source_of
from patchlang.lint.roles import declared, parts
from patchlang.loading import decode_source, load
from patchlang.record import MISSING
from patchlang.render import render

OPS: dict[str, Any] = dict(model.DOMAIN_OPS)
# rules that no domain, patch file or command line can trigger (they belong to cloud-init and to the sidecar), and two
# that would need too big a case file: see test_input_limits.py and test_validate_manifests.py
ELSEWHERE = {
    rules.AMBIGUOUS_SCALAR, rules.BAD_CLOUD_INIT, rules.BAD_POINTER, rules.CONFIG_MAP_TOO_BIG, rules.DEADLINE,
    rules.ENGINE_CRASHED, rules.FILE_TOO_BIG, rules.FORMAT, rules.INPUT_TOO_BIG, rules.OPERATION, rules.OUT_OF_MEMORY,
    rules.UNUSABLE_RESULT,
}  # fmt: skip


# the parts that a case may have
PARTS = {
    "apply": r"patch(-\w+)?\.yaml|domain\.xml|vmi\.(yaml|json)|expected\.xml|(warnings|trace)\.txt|not-idempotent",
    "reject": r"patch(-\w+)?\.yaml|domain\.xml|vmi\.(yaml|json)|expected\.txt",
}


def name(case: CaseFile) -> str:
    return case.name


class Golden:
    """Compares with the parts of a case, or writes them into its file. A missing part means empty content."""

    def __init__(self, rewrite: bool) -> None:
        self.rewrite = rewrite

    def check(self, case: CaseFile, part: str, actual: bytes) -> None:
        if self.rewrite:
            case.update(part, actual)
            return
        expected = case.read(part) or b""
        if actual != expected:
            assert actual.decode(errors="backslashreplace") == expected.decode(errors="backslashreplace")
        assert actual == expected


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(bool(request.config.getoption("--rewrite-cases")))


class Finished(NamedTuple):
    status: int
    stdout: bytes
    stderr: bytes


def patchlang(
    args: list[str], capture: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, stdin: bytes = b""
) -> Finished:
    """Run the command in this process."""
    monkeypatch.setattr(sys, "argv", ["patchlang", *args])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("patchlang.cli.apply.SYSTEM_SCHEMAS", Path("installed-schemas"))
    capture.readouterr()
    status = 0
    try:
        cli.main()
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    out, err = capture.readouterr()
    return Finished(status, out, err)


# -- apply ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("apply"), ids=name)
def test_apply(
    case: CaseFile,
    golden: Golden,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(case.unpack(tmp_path))
    files = patch_files()
    loaded = load(files)
    assert render(loaded.diagnostics) == ""
    assert loaded.program is not None
    domain, vmi = Path("domain.xml").read_bytes(), vmi_of_case()

    outcome = engine.patch_domain(loaded.program, domain, vmi)
    assert outcome.data is not None, render(outcome.diagnostics)
    etree.fromstring(outcome.data)
    golden.check(case, "expected.xml", outcome.data)
    golden.check(case, "warnings.txt", render(outcome.diagnostics).encode())
    options = [arg for file in files for arg in ("-p", str(file))]
    vmis = [arg for file in vmi_files() for arg in ("--vmi", str(file))]
    args = ["apply", *options, "--domain", "domain.xml", *vmis]
    if "trace.txt" in case:
        run = patchlang([*args, "--trace", "--no-validate"], capsysbinary, monkeypatch)
        assert (run.status, run.stdout) == (0, outcome.data)
        golden.check(case, "trace.txt", run.stderr)
    Path("installed-schemas").mkdir()
    shutil.copy(CASES / "base/small-schema.rng", "installed-schemas/domain.rng")
    run = patchlang(args, capsysbinary, monkeypatch)
    assert (run.status, run.stdout) == (0, outcome.data), "whatever is found"
    assert b"error[" not in run.stderr

    again = engine.patch_domain(loaded.program, outcome.data, vmi)
    if "not-idempotent" in case:
        assert again.data != outcome.data, "the case is idempotent: remove its part `not-idempotent`"
    else:
        assert again.data is not None, render(again.diagnostics)
        assert again.data.decode() == outcome.data.decode()


def patch_files() -> list[Path]:
    return sorted(Path().glob("patch*.yaml"))


def vmi_files() -> list[Path]:
    return sorted(Path().glob("vmi.*"))


def vmi_of_case() -> bytes:
    files = vmi_files()
    if not files:
        return b"{}"
    data = files[0].read_bytes()
    return data if files[0].suffix == ".json" else read_vmi(data)


# -- reject --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("reject"), ids=name)
def test_reject(case: CaseFile, golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.unpack(tmp_path))
    diagnostics = diagnostics_of_case()
    assert any(d.is_error for d in diagnostics)
    golden.check(case, "expected.txt", render(diagnostics).encode())


def diagnostics_of_case() -> tuple[Diagnostic, ...]:
    loaded = load(patch_files())
    if loaded.program is None:
        return loaded.diagnostics
    outcome = engine.patch_domain(loaded.program, Path("domain.xml").read_bytes(), vmi_of_case())
    assert outcome.data is None
    return outcome.diagnostics


# -- the command line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("cli"), ids=name)
def test_cli(
    case: CaseFile,
    golden: Golden,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = case.unpack(tmp_path / "work", but=r"cmd|stdin|stdout|stderr|status|written/.*")
    monkeypatch.chdir(work)
    before = {p.relative_to(work) for p in work.rglob("*")}
    arguments = shlex.split(case.parts["cmd"].text)
    run = patchlang(arguments, capsysbinary, monkeypatch, case.read("stdin") or b"")
    golden.check(case, "stdout", run.stdout)
    golden.check(case, "stderr", run.stderr)
    golden.check(case, "status", b"" if run.status == 0 else b"%d\n" % run.status)
    after = {p.relative_to(work) for p in work.rglob("*")}
    for path in sorted(after - before):
        golden.check(case, f"written/{path}", (work / path).read_bytes())
    assert {part.name for part in case.named("written/.*")} <= {f"written/{path}" for path in after}


# -- the cases as a whole ------------------------------------------------------------------------------------------


def test_every_rule_has_a_case() -> None:
    shown = "".join(
        part.text
        for kind, pattern in (("reject", r"expected\.txt"), ("apply", r"warnings\.txt"), ("cli", "stderr|stdout"))
        for case in cases(kind)
        for part in case.named(pattern)
        if part.name != "stdout" or case.name.startswith(("test-", "validate-"))
    )
    seen = set(re.findall(r"\[(PL[0-9]{3}) ", shown))
    all_rules = {value for value in vars(rules).values() if isinstance(value, Rule)}
    advice = {rule for rule in all_rules if rule.id.startswith("PL3")}
    wanted = {rule.id for rule in all_rules - ELSEWHERE - advice}
    assert wanted - seen == set()


def test_every_field_of_every_op_has_a_case() -> None:
    """An edit covers every key that differs from its default."""
    edits = [edit for patch in applied_patches() for edit in patch.spec.domain]
    wanted = {(op, key) for op, cls in OPS.items() for key in model_fields(cls)}
    # no path, no nodes to count; decode refuses them
    wanted -= {("qemuArgs", "expect"), ("qemuArgs", "unless")}
    # they change nothing
    wanted -= {("test", "allowProtected"), ("within", "allowProtected")}
    seen = {
        (op, key)
        for op, cls in OPS.items()
        for edit in edits
        if isinstance(edit, cls)
        for key, (field, _) in model_fields(cls).items()
        if field.default is MISSING or getattr(edit, field.name) != field.default
    }
    assert wanted - seen == set()


def test_every_field_of_a_spec_and_every_position_has_a_case() -> None:
    specs = [patch.spec for patch in applied_patches()]
    unused = {
        key
        for key, (field, _) in model_fields(model.Spec).items()
        if not any(getattr(spec, field.name) != field.default for spec in specs)
    }
    assert unused - {"cloudInit"} == set()
    placed = {
        (type(edit), part.value)
        for spec in specs
        for edit in spec.domain
        for part in parts(edit)
        if part.role is model.Role.POSITION
    }
    placing = [op for op in OPS.values() if any(one.role is model.Role.POSITION for one in declared(op))]
    assert {(op, position) for op in placing for position in model.Position} - placed == set()


def applied_patches() -> list[model.Patch]:
    files = [part for case in cases("apply") for part in case.named(r"patch.*\.yaml")]
    return [patch for file in files for patch in decode_source(source_of(file.name, file.data))[0]]


@pytest.mark.parametrize("kind", PARTS)
def test_every_part_is_one_that_a_case_may_have(kind: str) -> None:
    found = {f"{case.name}: {part}": part for case in cases(kind) for part in case.parts}
    assert [where for where, part in found.items() if not re.fullmatch(PARTS[kind], part)] == []


def test_rewriting_is_refused_in_ci() -> None:
    command = [sys.executable, "-m", "pytest", "--rewrite-cases", "--collect-only", str(CASES.parent / "test_cases.py")]
    environment = {**os.environ, "CI": "true"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "not allowed in CI" in run.stdout + run.stderr
