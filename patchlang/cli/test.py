"""``patchlang test``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..diagnostics import in_order
from ..patchtest.load import find_test_files, load_tests
from ..patchtest.report import as_json, as_junit, as_text
from ..patchtest.run import run_tests
from .common import Failed, report, wants_colour


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Write golden files that differ anew. Not where CI is set.")
@click.option("--require-coverage", is_flag=True, help="Fail if an edit changes nothing in any test.")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
def test(paths: Sequence[Path], update: bool, require_coverage: bool, form: str) -> None:
    """Run the tests (kind: PatchTest) in files, and in folders at any depth.

    Each case is run as often as one boot of a VM calls the hook. All that is expected must hold of every outcome, and
    the patches must leave their own outcome as it is.
    """
    if update and os.environ.get("CI"):
        raise click.UsageError("--update is not for CI: what a test expects is decided by a person")
    sources, diagnostics = find_test_files(paths)
    loaded = load_tests(sources)
    errors = in_order([*diagnostics, *loaded.diagnostics])
    if not loaded.tests and not errors:
        raise click.UsageError("no test (kind: PatchTest) found in " + ", ".join(map(str, paths)))
    results = run_tests(loaded.tests, update=update)
    if errors:
        results.unfired = []  # what faulty tests would fire is not known
    match form:
        case "json":
            text = as_json(results, errors)
        case "junit":
            text = as_junit(results, errors, require_coverage=require_coverage)
        case _:
            report(errors)
            text = as_text(results, colour=wants_colour(sys.stdout))
    click.echo(text, nl=False, color=True)
    failed = any(case.failures for test in results.tests for case in test.cases)
    if errors or failed or (require_coverage and results.unfired):
        raise Failed
