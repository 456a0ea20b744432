"""The report of a test run: text for people, JSON, JUnit XML, GitHub Actions commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from .. import __version__
from ..diagnostics import Diagnostic, Severity
from ..diffs import for_terminal, legible
from ..patchtest.run import CaseResult, Failure, TestReport, TestResult
from ..record import replace
from ..render import painted, printable, render
from .github import command
from .json import finding

VERSION = 1
FORMATS = ("text", "json", "junit", "github")


def written(
    form: str,
    report: TestReport,
    errors: Sequence[Diagnostic],
    *,
    require_coverage: bool,
    colour: bool = False,
    quiet: bool = False,
) -> str:
    """The report in one of ``FORMATS``. ``errors`` are problems of tests and patches themselves.

    With ``quiet``, text and GitHub commands only have failures.
    """
    match form:
        case "json":
            return as_json(report, errors)
        case "junit":
            return as_junit(report, errors, require_coverage=require_coverage)
        case "github":
            return as_github(report, errors, require_coverage=require_coverage, quiet=quiet)
        case _:
            return as_text(report, errors, colour=colour, quiet=quiet)


def as_text(report: TestReport, errors: Sequence[Diagnostic], *, colour: bool, quiet: bool) -> str:
    """Problems of the files, one line per case with its failures below, edits that never fired, a summary."""
    lines: list[str] = [render(errors, colour=colour)]
    for test in report.tests:
        for case in test.cases:
            if quiet and not case.failures:
                continue
            word = painted("FAIL", "31", colour) if case.failures else painted("ok  ", "32", colour)
            lines.append(f"{word}  {printable(test.name)}: {printable(case.name)}\n")
            for failure in case.failures:
                lines += [f"  {line}\n" for line in render([failure.diagnostic], colour=colour).splitlines()]
                changes = for_terminal(failure.diff) if colour else legible(failure.diff)
                lines += [f"    {line}\n" for line in changes.split("\n")[:-1]]
    lines += [f"written {printable(str(path))}\n" for path in report.written]
    lines.append(render(report.unfired, colour=colour))
    return "".join(lines) + ("" if quiet else f"{summary(report, errors)}\n")


def as_github(report: TestReport, errors: Sequence[Diagnostic], *, require_coverage: bool, quiet: bool) -> str:
    """A workflow command for each failure at its line, with the difference in its text; then the summary.

    An edit that no test fired is a notice, or an error if edits must be tested.
    """
    severity = Severity.ERROR if require_coverage else Severity.ADVICE
    found = [
        *errors,
        *(_with_case(test, case, failure) for test in report.tests for case in test.cases for failure in case.failures),
        *(replace(edit, severity=severity) for edit in report.unfired),
    ]
    return "".join(map(command, found)) + ("" if quiet else f"{summary(report, errors)}\n")


def _with_case(test: TestResult, case: CaseResult, failure: Failure) -> Diagnostic:
    """A failure as a finding that names its test and case, with the difference."""
    diagnostic = failure.diagnostic
    said = f"{test.name}: {case.name}: {diagnostic.message}"
    return replace(diagnostic, message=said + (f"\n{legible(failure.diff)}" if failure.diff else ""))


def summary(report: TestReport, errors: Sequence[Diagnostic]) -> str:
    """The counts, in words."""
    cases, failed = _counts(report)
    words = f"{_number(len(report.tests), 'test')}, {_number(cases, 'case')}: {cases - failed} passed, {failed} failed"
    words += f", {_number(len(report.unfired), 'edit')} never fired" if report.unfired else ""
    return words + (f", {_number(len(errors), 'error')}" if errors else "")


def as_json(report: TestReport, errors: Iterable[Diagnostic]) -> str:
    """One JSON object, described in ``docs/testing.md``. ``errors`` are problems of tests and patches."""
    cases, failed = _counts(report)
    data = {
        "version": VERSION,
        "tool": {"name": "patchlang", "version": __version__},
        "summary": {
            "tests": len(report.tests),
            "cases": cases,
            "passed": cases - failed,
            "failed": failed,
            "unfired": len(report.unfired),
        },
        "tests": [
            {
                "path": test.file,
                "line": test.span.begin.line,
                "name": test.name,
                "cases": [
                    {
                        "line": case.span.begin.line,
                        "name": case.name,
                        "passed": not case.failures,
                        "failures": [_failure(failure) for failure in case.failures],
                    }
                    for case in test.cases
                ],
            }
            for test in report.tests
        ],
        "errors": [finding(error) for error in errors],
        "unfired": [finding(edit) for edit in report.unfired],
        "written": [str(path) for path in report.written],
    }
    return json.dumps(data, indent=2) + "\n"


def as_junit(report: TestReport, errors: Iterable[Diagnostic], *, require_coverage: bool) -> str:
    """The report as JUnit XML: a suite per test, one for faulty files, and one for edits if they must be tested."""
    suites = [
        _suite(test.name, test.file, [(case.name, case.span.begin.line, case.failures) for case in test.cases])
        for test in report.tests
    ]
    faulty = [(d.rule.slug, d.span.begin.line if d.span else 0, (Failure(d),)) for d in errors]
    if faulty:
        suites.append(_suite("files", "", faulty))
    if require_coverage and report.unfired:
        edits = [(d.message, d.span.begin.line if d.span else 0, (Failure(d),)) for d in report.unfired]
        suites.append(_suite("coverage", "", edits))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="patchlang test">\n'
    return head + "".join(suites) + "</testsuites>\n"


def _suite(name: str, file: str, cases: Sequence[tuple[str, int, Sequence[Failure]]]) -> str:
    failed = sum(bool(failures) for _, _, failures in cases)
    where = f" file={_attribute(file)}" if file else ""
    head = f'  <testsuite name={_attribute(name)} tests="{len(cases)}" failures="{failed}"{where}>\n'
    return head + "".join(_testcase(name, where, *case) for case in cases) + "  </testsuite>\n"


def _testcase(suite: str, where: str, name: str, line: int, failures: Sequence[Failure]) -> str:
    head = f'    <testcase classname={_attribute(suite)} name={_attribute(name)}{where} line="{line}"'
    if not failures:
        return head + "/>\n"
    text = "".join(render([failure.diagnostic]) + legible(failure.diff) for failure in failures)
    first = failures[0].diagnostic
    kind = _attribute(f"{first.rule.id} {first.rule.slug}")
    failure = f"      <failure message={_attribute(first.message)} type={kind}>{escape(text)}</failure>\n"
    return f"{head}>\n{failure}    </testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(printable(text))


def _failure(failure: Failure) -> dict[str, Any]:
    return finding(failure.diagnostic) | ({"diff": failure.diff} if failure.diff else {})


def _counts(report: TestReport) -> tuple[int, int]:
    results = [bool(case.failures) for test in report.tests for case in test.cases]
    return len(results), sum(results)


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
