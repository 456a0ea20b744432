"""For CI servers that show tests: JUnit XML, one test case per file. Errors fail it; with ``--strict`` any finding."""

from __future__ import annotations

from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from ..render import printable, render
from ..validation.report import Checked, Totals

_SUITE = "patchlang validate"


class JUnit:
    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.files: list[Checked] = []

    def add(self, file: Checked) -> None:
        self.files.append(file)

    def finish(self, totals: Totals) -> None:
        cases = [_case(file, totals.strict) for file in self.files]
        failures = sum("<failure" in case for case in cases)
        counts = f'name="{_SUITE}" tests="{len(cases)}" failures="{failures}" errors="0"'
        self.out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        self.out.write(f'<testsuites {counts}>\n  <testsuite {counts} skipped="0">\n')
        self.out.writelines(cases)
        self.out.write("  </testsuite>\n</testsuites>\n")


def _case(file: Checked, strict: bool) -> str:
    name = printable(file.held.name)
    failing = [d for d in file.diagnostics if strict or d.is_error]
    other = [d for d in file.diagnostics if d not in failing]
    at = f" file={quoteattr(name)}" if name else ""
    case = f'    <testcase name={quoteattr(name or "paths")} classname="{_SUITE}"{at}>\n'
    if failing:
        first = failing[0]
        message = quoteattr(printable(str(first)))
        case += f'      <failure type="{first.rule.id}" message={message}>{escape(render(failing))}</failure>\n'
    if other:
        case += f"      <system-out>{escape(render(other))}</system-out>\n"
    return f"{case}    </testcase>\n"
