"""A plan for people and for CI servers: text, Markdown, JSON, JUnit XML. HTML is in :mod:`.page`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from ..diffs import for_terminal, legible
from ..patterns import pattern
from ..render import painted, printable
from .report import Plan, Status
from .words import WORDS, names, summary, title, values

FORMATS = ("text", "json", "markdown", "html", "junit")
_COLOURS = {Status.FAILS: "31", Status.CHANGES: "33", Status.UNCHANGED: "32", Status.UNKNOWN: "36"}
_TICKS = pattern("`+")
_MOST_LINES = 200


def write(plan: Plan, form: str, *, colour: bool = False) -> str:
    match form:
        case "json":
            return json.dumps(plan.as_data(), indent=1) + "\n"
        case "markdown":
            return "".join(f"{line}\n" for line in _markdown(plan))
        case "junit":
            return "".join(f"{line}\n" for line in _junit(plan))
        case "html":
            from .page import page

            return page(plan)
        case _:
            return "".join(f"{line}\n" for line in _text(plan, colour))


def _text(plan: Plan, colour: bool) -> Iterator[str]:
    total = plan.counts()["vms"]
    for _, group in plan.sorted():
        yield painted(printable(title(group, total)), _COLOURS.get(group.body.status, "2"), colour)
        yield f"  {printable(names(group))}"
        for edit in group.body.edits:
            yield f"  by {printable(edit)}"
        for said in group.body.findings:
            yield from (f"  {line}" for line in said.text.splitlines())
        for line in values(group):
            yield f"  {printable(line)}"
        changes = for_terminal(group.body.diff) if colour else legible(group.body.diff)
        lines = changes.split("\n")[:-1]
        yield from (f"    {line}" for line in lines[:_MOST_LINES])
        if len(lines) > _MOST_LINES:
            yield f"    … {len(lines) - _MOST_LINES} more lines: `--format json` has them"
        yield ""
    for note in plan.rests_on():
        yield f"note: {note}"
    yield summary(plan)


def _markdown(plan: Plan) -> Iterator[str]:
    yield f"### patchlang plan: {summary(plan)}"
    yield ""
    yield "| VMs | | |"
    yield "|--:|---|---|"
    for _, group in plan.sorted():
        yield f"| {len(group.vms)} | {WORDS[group.body.status]} | {_cell(group.body.reason or names(group))} |"
    total = plan.counts()["vms"]
    for _, group in plan.sorted():
        if group.body.status not in (Status.FAILS, Status.CHANGES):
            continue
        yield ""
        yield f"<details><summary>{escape(printable(title(group, total)))}</summary>"
        yield ""
        yield f"{_inline(names(group))}"
        yield ""
        for line in (*(f"by {edit}" for edit in group.body.edits), *values(group)):
            yield f"- {_inline(line)}"
        for said in group.body.findings:
            yield from _fenced("text", said.text)
        if group.body.diff:
            yield from _fenced("diff", legible(group.body.diff))
        yield ""
        yield "</details>"
    yield ""
    for note in plan.rests_on():
        yield f"> {note}"


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")


def _inline(text: str) -> str:
    """Text in which Markdown has no effect."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>&~#" else c for c in printable(text))


def _fenced(language: str, text: str) -> Iterator[str]:
    """A code block; its fence is longer than any in the text."""
    longest = max(map(len, _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield ""
    yield f"{fence}{language}"
    yield from text.split("\n")[:-1]
    yield fence


def _junit(plan: Plan) -> Iterator[str]:
    counts = plan.counts()
    skipped = counts["unknown"]
    numbers = f'tests="{counts["vms"]}" failures="{counts["fails"]}" errors="0"'
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="patchlang plan" {numbers}>'
    yield f'  <testsuite name="patchlang plan" {numbers} skipped="{skipped}">'
    for _, group in plan.sorted():
        body = group.body
        inner = ""
        if body.status is Status.FAILS:
            text = "".join(said.text for said in body.findings)
            rule = body.findings[0].data.get("rule", "") if body.findings else ""
            message = quoteattr(printable(body.reason))
            inner = f"<failure type={quoteattr(str(rule))} message={message}>{_xml(text)}</failure>"
        elif body.status is Status.UNKNOWN:
            inner = f"<skipped message={quoteattr(printable(body.reason))}/>"
        elif body.diff:
            inner = f"<system-out>{_xml(body.diff)}</system-out>"
        for vm in group.vms:
            yield f"    <testcase name={quoteattr(printable(vm))} classname={quoteattr(WORDS[body.status])}>"
            if inner:
                yield f"      {inner}"
            yield "    </testcase>"
    yield "  </testsuite>"
    yield "</testsuites>"


def _xml(text: str) -> str:
    return escape(legible(text))
