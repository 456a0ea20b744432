"""What the commands share: reading patches and inputs, reporting."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from .. import rules
from ..diagnostics import Diagnostic, PatchError
from ..files import MAX_FILE_BYTES, find_patch_files, read_source, source_of
from ..loading import Loaded, load_sources
from ..podfacts import MAX_FACT, Given, check_declared
from ..render import render
from ..source import SourceFile
from .status import FINDINGS, USAGE
from .terminal import Failed, read_stdin, wants_colour

STDIN = Path("-")
STDIN_NAME = "<stdin>"
_MOST_SECONDS = 24 * 60 * 60

_Command = TypeVar("_Command", bound=Callable[..., object])


def _seconds(_: click.Context, __: click.Parameter, value: float) -> float:
    if not 0 < value <= _MOST_SECONDS:  # false for NaN as well
        raise click.BadParameter(f"{value:g} is not a number of seconds above 0 and up to {_MOST_SECONDS}")
    return value


def seconds_option(default: float) -> Callable[[_Command], _Command]:
    """The option ``--timeout`` of the commands that run a hook."""
    help = "Seconds that the hook may take for one sample."
    return click.option("--timeout", type=float, default=default, show_default=True, callback=_seconds, help=help)


@contextmanager
def hooks_end_too() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: with the hook that it runs in another session."""

    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


patches_option = click.option(
    "-p",
    "--patches",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A patch file, a folder of patch files, or a manifest with patches in ConfigMaps; repeatable. "
    "`-` is standard input.",
)


def load_patches(paths: Sequence[Path]) -> Loaded:
    """The patches that the paths name, also those in the ConfigMaps of a manifest; ``-`` is standard input."""
    read, errors = read_patches(paths)
    named = {STDIN_NAME, *map(str, paths)}
    sources = [one for source in read for one in (_in_manifest(source) if source.name in named else ()) or (source,)]
    program, diagnostics = load_sources(sources, errors, named=named)
    return Loaded(tuple(Path(source.name) for source in sources), program, diagnostics, tuple(sources))


def _in_manifest(source: SourceFile) -> list[SourceFile]:
    from ..manifests.configmaps import patches_in

    return [entry.content for entry in patches_in(source) if entry.content is not None]


def read_patches(paths: Sequence[Path]) -> tuple[list[SourceFile], list[Diagnostic]]:
    """The patch files that the paths name, and errors for those that cannot be read; ``-`` is standard input."""
    files, errors = find_patch_files([p for p in paths if p != STDIN], required=True, streams=True)
    sources: list[SourceFile] = []
    for path in [*files, *(p for p in paths if p == STDIN)]:
        try:
            sources.append(
                source_of(STDIN_NAME, read_stdin(MAX_FILE_BYTES + 1)) if path == STDIN else read_source(path)
            )
        except PatchError as e:
            errors.append(e.diagnostic)
    return sources, errors


def read_input(path: Path, limit: int = -1) -> bytes:
    """A file's bytes, at most ``limit`` of them; ``-`` is standard input."""
    if path == STDIN:
        return read_stdin(limit)
    with path.open("rb") as file:
        return file.read(limit)


def given_facts(facts: Sequence[str], declared: frozenset[str]) -> Given:
    """The facts of ``--fact``; a desk's own environment and files are never asked. Raises PatchError (PL206, PL001)."""
    known: dict[str, bytes] = {}
    for fact in facts:
        name, equals, value = fact.partition("=")
        is_file = name.startswith("files.")
        if not equals or not (is_file or name.startswith("env.")) or (is_file and not value.startswith("@")):
            raise click.UsageError("--fact takes env.NAME=TEXT or files.NAME=@FILE")
        check_declared(name, declared)
        known[name] = read_input(Path(value[1:]), MAX_FACT + 1) if is_file else value.encode(errors="surrogateescape")
    return Given(known)


def not_loaded(diagnostics: Sequence[Diagnostic]) -> Failed:
    """The exit of a command whose patches cannot be loaded; if no patch was found at all, it is a usage error."""
    report(diagnostics)
    nothing_found = all(d.rule is rules.NO_PATCH_FILE for d in diagnostics if d.is_error)
    return Failed(USAGE if nothing_found else FINDINGS)


def report(diagnostics: Iterable[Diagnostic], *, excerpt: bool = True) -> None:
    """Diagnostics to standard error."""
    text = render(diagnostics, colour=wants_colour(sys.stderr), excerpt=excerpt)
    if text:
        click.echo(text, err=True, nl=False, color=True)
