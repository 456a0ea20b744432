"""``patchlang test``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..diagnostics import Diagnostic, in_order
from ..formats.testreport import as_json, as_junit, as_text
from ..kubevirt.structs import releases
from ..patchtest.load import load_tests, read_test_files
from ..patchtest.run import TestReport, run_tests
from ..render import render
from ..validation.discovery import find, nothing_in
from .common import report
from .terminal import Failed, wants_colour


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--update", is_flag=True, help="Write golden files that differ anew. Not where CI is set.")
@click.option("--require-coverage", is_flag=True, help="Fail if an edit changes nothing in any test.")
@click.option(
    "--kubevirt",
    type=click.Choice(releases()),
    default=releases()[0],
    show_default=True,
    help="The KubeVirt release that reads devices back between the runs of a boot.",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report, in the chosen format, to this file; text goes to the screen all the same.",
)
def test(
    paths: Sequence[str], update: bool, require_coverage: bool, kubevirt: str, form: str, output: Path | None
) -> None:
    """Run the tests (kind: PatchTest) in files, and in folders at any depth.

    Each case is run as often as one boot of a VM calls the hook. All that is expected must hold of every outcome, and
    the patches must leave their own outcome as it is.
    """
    if update and os.environ.get("CI"):
        raise click.UsageError("--update is not for CI: what a test expects is decided by a person")
    files, missing = find(paths)
    sources, unread = read_test_files((file.name, file.named) for file in files)
    loaded = load_tests(sources)
    errors = in_order([*missing, *unread, *loaded.diagnostics])
    if not loaded.tests and not errors:
        raise click.UsageError("no test (kind: PatchTest) found in " + nothing_in(paths))
    results = run_tests(loaded.tests, kubevirt=kubevirt, update=update)
    if errors:
        results.unfired = []  # what faulty tests would fire is not known
    if output is not None:
        output.write_text(_written(form, results, errors, require_coverage), encoding="utf-8", newline="\n")
    if output is not None or form == "text":
        report(errors)
        click.echo(as_text(results, errors, colour=wants_colour(sys.stdout)), nl=False, color=True)
    else:
        click.echo(_written(form, results, errors, require_coverage), nl=False)
    failed = any(case.failures for test in results.tests for case in test.cases)
    if errors or failed or (require_coverage and results.unfired):
        raise Failed


def _written(form: str, results: TestReport, errors: Sequence[Diagnostic], require_coverage: bool) -> str:
    match form:
        case "json":
            return as_json(results, errors)
        case "junit":
            return as_junit(results, errors, require_coverage=require_coverage)
        case _:
            return render(errors) + as_text(results, errors, colour=False)
