"""The "did you mean" of a finding: when it is inserted in place, the result is what the author meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from casefile import CaseFile, cases

from patchlang import rules
from patchlang.diagnostics import Diagnostic, did_you_mean
from patchlang.grammar.index import versions
from patchlang.source import SourceFile, Span
from patchlang.suggestions import Suggestion, suggestion
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.run import validate_files

OPTIONS = Options(libvirt=versions()[-1])
CASES = [case for case in cases("reject") if any(b"did you mean" in part.data for part in case.parts.values())]


def found(folder: Path) -> list[Diagnostic]:
    inputs = [Input(str(path), False) for path in sorted(folder.glob("patch*.yaml"))]
    return [one for file in validate_files(inputs, options=OPTIONS) for one in file.diagnostics]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_finding_goes_when_what_was_meant_is_written(case: CaseFile, tmp_path: Path) -> None:
    case.unpack(tmp_path)
    for one in found(tmp_path):
        meant = suggestion(one)
        if meant is None:
            continue
        path = Path(meant.span.source.name)
        before = path.read_bytes()
        text = meant.span.source.text
        path.write_text(text[: meant.span.start] + meant.text + text[meant.span.end :], newline="")
        messages = [other.message for other in found(tmp_path)]
        path.write_bytes(before)
        assert one.message not in messages or [d.message for d in found(tmp_path)].count(one.message) > messages.count(
            one.message
        )


@pytest.mark.parametrize(
    ("written", "meant", "outcome"),
    [
        ("pth", "path", "path"),
        ('"pth"', "path", '"path"'),
        ("@buss", "bus", "@bus"),
        ("self::dsik", "disk", "self::disk"),
        ("$vendr", "vendor", "$vendor"),
        ("patch:wen", "when", "patch:when"),
        ("qmu:commandline", "qemu", "qemu:commandline"),
        ("commandline", "qemu:commandline", "qemu:commandline"),
        ("patch.yaml", "memory", None),
    ],
)
def test_what_is_replaced(written: str, meant: str, outcome: str | None) -> None:
    source = SourceFile("patch.yaml", f"a: {written} b")
    finding = Diagnostic(rules.UNKNOWN_KEY, "", Span(source, 3, 3 + len(written)), f"did you mean `{meant}`?")
    made = suggestion(finding)
    after = None if made is None else source.text[: made.span.start] + made.text + source.text[made.span.end :]
    assert after == (None if outcome is None else f"a: {outcome} b")


def test_the_words_of_help_lines_are_read() -> None:
    source = SourceFile("patch.yaml", "pth")
    finding = Diagnostic(rules.UNKNOWN_KEY, "", Span(source, 0, 3), did_you_mean("pth", ["path"]))
    assert suggestion(finding) == Suggestion(Span(source, 0, 3), "path")
