"""``patchlang validate``."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from typing import BinaryIO, TextIO

import click

from ..formats import FORMATS, Format, make
from ..formats.text import Text, helm_templates
from ..grammar.index import named, versions
from ..kubevirt.advice import FIRST_WITH_PLUGINS
from ..kubevirt.structs import releases
from ..validation.discovery import Input, find, nothing_in
from ..validation.options import Options
from ..validation.report import Report, Totals
from ..validation.run import validate_files
from ..validation.unit import MAX_MANIFEST_BYTES, WorkerDied
from .status import ENVIRONMENT
from .terminal import Failed, read_stdin, wants_colour


def _libvirt(_: click.Context, __: click.Parameter, value: str) -> str | None:
    if value == "none":
        return None
    if (version := named(value)) is None:
        raise click.BadParameter(f"there is {', '.join(versions())}, or none")
    return version


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--stdin-filename", metavar="NAME", help="What to call standard input in findings.")
@click.option("--strict", is_flag=True, help="Fail on warnings and advice too.")
@click.option("--format", "form", type=click.Choice([*FORMATS]), default="text", show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write the report, in the chosen format, to this file; text goes to the screen all the same.",
)
@click.option("--allow-empty", is_flag=True, help="It is no error if there is nothing to check.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Check folders in so many processes; 0: one a processor.",
)
@click.option(
    "--kubevirt",
    type=click.Choice(releases()),
    help="Check against this release: what it loses of the patches' work (default: the oldest, which loses most), and "
    "what a VMI of it has (default: what it has in any).",
)
@click.option("--plugins", is_flag=True, help="There are Plugins of KubeVirt's Plugin API in the cluster.")
@click.option(
    "--libvirt",
    metavar="VERSION",
    default=lambda: versions()[-1],
    callback=_libvirt,
    help="Check names and values in the domain against this libvirt's grammar, by default the newest; none: do not.",
)
def validate(
    paths: Sequence[str],
    stdin_filename: str | None,
    strict: bool,
    form: str,
    output: str | None,
    allow_empty: bool,
    jobs: int,
    kubevirt: str | None,
    plugins: bool,
    libvirt: str | None,
) -> None:
    """Check patch files, and the manifests that carry them.

    A PATH is a file, a folder (with all below it), a pattern such as 'charts/**/*.yaml' in quotes, or `-` for standard
    input. Read are patch files, ConfigMaps that hold patches, and KubeVirt's machines that ask for hook sidecars.
    Findings go to standard error, all formats but text to standard output. The exit status is 0 if there are no errors.
    """
    named = [path for path in paths if path != "-"]
    if len(paths) - len(named) > 1:
        raise click.UsageError("standard input (`-`) can be read only once")
    if stdin_filename is not None and len(paths) == len(named):
        raise click.UsageError("--stdin-filename goes with `-`")
    options = _options(kubevirt, plugins=plugins, libvirt=libvirt)
    inputs, errors = find(named)
    if len(paths) > len(named):
        inputs.append(Input(stdin_filename or "<stdin>", True, read_stdin(MAX_MANIFEST_BYTES + 1)))
    with _Progress(sys.stderr, len(inputs)) as progress:
        try:
            report = validate_files(inputs, errors, options=options, jobs=jobs or _processors(), progress=progress.show)
        except WorkerDied:
            progress.clear()
            click.echo("patchlang: a process of --jobs died, perhaps for lack of memory", err=True)
            raise Failed(ENVIRONMENT) from None
    if report.is_empty and not allow_empty:
        passed_over = f"; {helm_templates(report.templates)}" if report.templates else ""
        raise click.UsageError("nothing to check in " + nothing_in(paths) + passed_over)
    totals = report.totals(strict=strict)
    if output is not None:
        with open(output, "wb") as file:
            _write_bytes(report, totals, form, file)
    if output is not None or form == "text":
        _write(report, totals, Text(sys.stderr, colour=wants_colour(sys.stderr)))
    else:
        _write_bytes(report, totals, form, sys.stdout.buffer)
    if totals.failed:
        raise Failed


def _options(kubevirt: str | None, *, plugins: bool, libvirt: str | None) -> Options:
    known = releases()[releases().index(FIRST_WITH_PLUGINS) :] if plugins else releases()
    if kubevirt is not None and kubevirt not in known:
        raise click.UsageError(f"KubeVirt {kubevirt} has no Plugins: they came with {FIRST_WITH_PLUGINS}")
    return Options(kubevirt or known[0], plugins, libvirt, kubevirt)


def _write(report: Report, totals: Totals, form: Format) -> None:
    for file in report:
        form.add(file)
    form.finish(totals)


def _write_bytes(report: Report, totals: Totals, form: str, out: BinaryIO) -> None:
    """Writes UTF-8, whatever the terminal's encoding is; names of files may be no text at all."""
    stream = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", newline="\n")
    _write(report, totals, make(form, stream))
    stream.flush()
    stream.detach()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Progress:
    """A line that counts the files, on a terminal and where it takes long; it is gone when the work is done."""

    PATIENCE = 0.5
    EVERY = 0.1

    def __init__(self, stream: TextIO, total: int) -> None:
        self.stream = stream
        self.total = total
        self.wanted = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.next = time.monotonic() + self.PATIENCE
        self.shown = False

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, done: int) -> None:
        now = time.monotonic()
        if self.wanted and now >= self.next:
            self.stream.write(f"\r{done} of {self.total} files")
            self.stream.flush()
            self.next = now + self.EVERY
            self.shown = True

    def clear(self) -> None:
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.shown = False
