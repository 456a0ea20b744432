"""``patchlang validate``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from ..diagnostics import did_you_mean
from ..formats import FORMATS, make
from ..formats.text import helm_templates
from ..grammar.index import named, versions
from ..kubevirt.advice import FIRST_WITH_PLUGINS
from ..kubevirt.structs import releases
from ..record import replace
from ..validation.configuration import NO_LIBVIRT, Configuration, not_to_ignore
from ..validation.discovery import Input, find, nothing_in
from ..validation.options import Options, configured_options
from ..validation.run import validate_files, worthwhile_jobs
from ..validation.selection import can_be_left_out, meant, selectors
from ..validation.unit import MAX_MANIFEST_BYTES, WorkerDied
from .checks import HERE, configured, folder_options, left_out, output_options, write_outputs
from .completions import complete_libvirt, complete_rules
from .progress import Progress
from .status import ENVIRONMENT
from .terminal import Failed, read_stdin


def _libvirt(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None or value == NO_LIBVIRT:
        return value
    if (version := named(value)) is None:
        raise click.BadParameter(f"known: {', '.join(versions())}, or {NO_LIBVIRT}")
    return version


def _rules(_: click.Context, option: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """Rule ids, and prefixes of them, from values that name one or several."""
    found = []
    for written in (one.strip() for value in values for one in value.split(",")):
        id = meant(written)
        if id is None:
            raise click.BadParameter(f"no rule `{written}`; {did_you_mean(written, selectors())}")
        if option.name == "ignore" and not can_be_left_out(id):
            raise click.BadParameter("; ".join(not_to_ignore(written)))
        found.append(id)
    return tuple(found)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--stdin-filename", metavar="NAME", help="The name of standard input in findings.")
@click.option("--strict", is_flag=True, help="Also fail on warnings and advice.")
@output_options([*FORMATS])
@click.option(
    "--select",
    metavar="RULES",
    multiple=True,
    callback=_rules,
    shell_complete=complete_rules,
    help="Report only these rules and what the sidecar refuses: ids (PL301), id prefixes (PL3) or names, "
    "separated by commas. Overrides what the configuration selects and ignores. Repeatable.",
)
@click.option(
    "--ignore",
    metavar="RULES",
    multiple=True,
    callback=_rules,
    shell_complete=complete_rules,
    help="Skip these rules too, in addition to those that the configuration ignores. Repeatable.",
)
@folder_options
@click.option("--allow-empty", is_flag=True, help="Succeed if there is nothing to check.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    help="How many processes to use; 0: one per CPU. Default: as many as pay off.",
)
@click.option(
    "--kubevirt",
    type=click.Choice(releases()),
    help="Check against this KubeVirt: what it drops of the patches' work (default: the oldest, which drops most), and "
    "which fields its VMI has (default: the fields of any release).",
)
@click.option("--plugins", is_flag=True, help="The cluster uses Plugins of KubeVirt's Plugin API.")
@click.option(
    "--libvirt",
    metavar="VERSION",
    callback=_libvirt,
    shell_complete=complete_libvirt,
    help="Check names and values in the domain against this libvirt's grammar (default: the newest); none: skip.",
)
def validate(
    paths: Sequence[str],
    stdin_filename: str | None,
    strict: bool,
    form: str,
    outputs: Sequence[tuple[str, str]],
    quiet: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    exclude: Sequence[str],
    no_gitignore: bool,
    config: str | None,
    no_config: bool,
    allow_empty: bool,
    jobs: int | None,
    kubevirt: str | None,
    plugins: bool,
    libvirt: str | None,
) -> None:
    """Check patch files and the manifests that carry them.

    A PATH is a file, a folder (recursive, without what git ignores), a quoted pattern such as 'charts/**/*.yaml',
    or `-` for standard input; the default is the current folder. Checks patch files, ConfigMaps that contain
    patches, and KubeVirt VMs that request hook sidecars. The exit status is 0 if there are no errors.

    \b
    Examples:
      patchlang validate
      patchlang validate patches charts --kubevirt 1.8 --strict
      helm template charts | patchlang validate --stdin-filename charts -
      patchlang validate --format github -o sarif=patches.sarif -o junit=patches.xml
    """
    paths = paths or (HERE,)
    files = [path for path in paths if path != "-"]
    if len(paths) - len(files) > 1:
        raise click.UsageError("standard input (`-`) can be read only once")
    if stdin_filename is not None and len(paths) == len(files):
        raise click.UsageError("--stdin-filename needs `-`")
    settings = configured(config, none=no_config)
    options = _options(settings, select, ignore, kubevirt, plugins=plugins, libvirt=libvirt)
    omitted = left_out(settings, exclude, git=not no_gitignore)
    inputs, errors = find(files, omitted)
    if len(paths) > len(files):
        inputs.append(Input(stdin_filename or "<stdin>", True, read_stdin(MAX_MANIFEST_BYTES + 1)))
    with Progress(sys.stderr, quiet=quiet) as progress:

        def show(done: int) -> None:
            progress.show(f"{done} of {len(inputs)} files")

        try:
            report = validate_files(inputs, errors, options=options, jobs=_jobs(jobs, inputs), progress=show)
        except WorkerDied:
            progress.clear()
            click.echo("patchlang: a --jobs process died, perhaps because memory ran out", err=True)
            raise Failed(ENVIRONMENT) from None
    if report.is_empty and not allow_empty:
        passed_over = f"; {helm_templates(report.templates)}" if report.templates else ""
        raise click.UsageError("nothing to check in " + nothing_in(paths, omitted) + passed_over)
    totals = report.totals(strict=strict)

    def write(form: str, stream: TextIO, colour: bool) -> None:
        writer = make(form, stream, colour=colour, quiet=quiet)
        for file in report:
            writer.add(file)
        writer.finish(totals)

    write_outputs(form, outputs, write)
    if totals.failed:
        raise Failed


def _options(
    settings: Configuration,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    kubevirt: str | None,
    *,
    plugins: bool,
    libvirt: str | None,
) -> Options:
    kubevirt = kubevirt or settings.kubevirt
    known = releases()[releases().index(FIRST_WITH_PLUGINS) :] if plugins else releases()
    if kubevirt is not None and kubevirt not in known:
        raise click.UsageError(f"KubeVirt {kubevirt} has no Plugins: they were added in {FIRST_WITH_PLUGINS}")
    settings = replace(
        settings,
        select=select or settings.select,
        ignore=ignore if select else (*settings.ignore, *ignore),
        kubevirt=kubevirt,
        libvirt=libvirt or settings.libvirt,
    )
    return replace(configured_options(settings), kubevirt=kubevirt or known[0], plugins=plugins)


def _jobs(jobs: int | None, inputs: Sequence[Input]) -> int:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return worthwhile_jobs(inputs, processors) if jobs is None else jobs or processors
