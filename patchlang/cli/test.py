"""``patchlang test``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

import click

from ..diagnostics import in_order
from ..formats.testreport import FORMATS, written
from ..kubevirt.structs import releases
from ..patchtest.load import load_tests, read_test_files
from ..patchtest.run import run_tests
from ..validation.discovery import find, nothing_in
from .checks import HERE, configured, folder_options, left_out, output_options, write_outputs
from .terminal import Failed


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--update", is_flag=True, help="Rewrite golden files that differ. Not allowed if CI is set.")
@click.option("--require-coverage", is_flag=True, help="Fail if an edit changes nothing in any test.")
@click.option(
    "--kubevirt",
    type=click.Choice(releases()),
    help="The KubeVirt release that reads devices back between the runs of a boot. Default: the oldest, which drops "
    "most.",
)
@output_options(FORMATS)
@folder_options
def test(
    paths: Sequence[str],
    update: bool,
    require_coverage: bool,
    kubevirt: str | None,
    form: str,
    outputs: Sequence[tuple[str, str]],
    quiet: bool,
    exclude: Sequence[str],
    no_gitignore: bool,
    config: str | None,
    no_config: bool,
) -> None:
    """Run the tests (kind: PatchTest) in files and folders, recursively.

    Each case runs as often as one boot of a VM calls the hook. Every result must meet all expectations, and
    the patches must leave their own result unchanged. Without a PATH, searches the current folder.

    \b
    Examples:
      patchlang test
      patchlang test patches --require-coverage --kubevirt 1.8
      patchlang test patches/title.test.yaml --update
      patchlang test --format github --output junit=tests.xml
    """
    if update and os.environ.get("CI"):
        raise click.UsageError("--update is not allowed in CI: a person decides what a test expects")
    paths = paths or (HERE,)
    settings = configured(config, none=no_config)
    omitted = left_out(settings, exclude, git=not no_gitignore)
    files, missing = find(paths, omitted)
    sources, unread = read_test_files((file.name, file.named) for file in files)
    loaded = load_tests(sources)
    errors = in_order([*missing, *unread, *loaded.diagnostics])
    if not loaded.tests and not errors:
        raise click.UsageError("no test (kind: PatchTest) found in " + nothing_in(paths, omitted))
    results = run_tests(loaded.tests, kubevirt=kubevirt or settings.kubevirt or releases()[0], update=update)
    if errors:
        results.unfired = []  # what faulty tests would cover is unknown

    def write(form: str, stream: TextIO, colour: bool) -> None:
        stream.write(written(form, results, errors, require_coverage=require_coverage, colour=colour, quiet=quiet))

    write_outputs(form, outputs, write)
    failed = any(case.failures for test in results.tests for case in test.cases)
    if errors or failed or (require_coverage and results.unfired):
        raise Failed
