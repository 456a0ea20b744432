"""The command line: ``patchlang apply`` and ``patchlang validate``.

Results go to standard output and nothing else does; diagnostics go to standard error. Exit status: 0 fine, 1 findings,
2 usage, 3 environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from . import __version__
from .diagnostics import Diagnostic, PatchError, has_errors
from .inputs import read_vmi
from .load import MAX_FILE_BYTES, Loaded, find_patch_files, load, load_sources, source_of
from .render import render
from .result import DocumentTrace

FINDINGS, USAGE, ENVIRONMENT = 1, 2, 3


def main() -> None:
    """Entry point of the command."""
    try:
        sys.exit(cli.main(prog_name="patchlang", standalone_mode=False))
    except click.Abort:
        sys.exit(130)
    except click.ClickException as e:
        e.show()
        sys.exit(USAGE)
    except BrokenPipeError:
        # the reader has what it wanted; keep the interpreter from complaining while it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as e:
        where = f"{e.filename}: " if e.filename else ""
        click.echo(f"patchlang: {where}{e.strerror or e}", err=True)
        sys.exit(ENVIRONMENT)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="patchlang %(version)s")
def cli() -> None:
    """Declared edits of libvirt domains and cloud-init data, as KubeVirt's hook sidecar applies them."""


@cli.command()
@click.option(
    "-p",
    "--patches",
    "patches",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A patch file, or a folder of them; repeatable. `-` is standard input.",
)
@click.option("--domain", type=click.Path(path_type=Path), help="The domain XML to patch; `-` is standard input.")
@click.option(
    "--cloud-init",
    "cloud_init",
    type=click.Path(path_type=Path),
    help="The cloud-init data (KubeVirt's CloudInitData as JSON) to patch; `-` is standard input.",
)
@click.option("--vmi", type=click.Path(path_type=Path), help="The VMI, as YAML or JSON. Default: an empty one.")
@click.option("--diff", is_flag=True, help="Show a unified diff instead of the result.")
@click.option("--trace", is_flag=True, help="Show on standard error what each edit matched and changed, in order.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the result to this file.")
def apply(
    patches: Sequence[Path],
    domain: Path | None,
    cloud_init: Path | None,
    vmi: Path | None,
    diff: bool,
    trace: bool,
    output: Path | None,
) -> None:
    """Apply patches to a domain or to cloud-init data, offline.

    The result is the same, byte for byte, as that of the sidecar.
    """
    source = domain or cloud_init
    if (domain is None) == (cloud_init is None) or source is None:
        raise click.UsageError("give exactly one of --domain and --cloud-init")
    if [str(p) for p in (*patches, source, vmi)].count("-") > 1:
        raise click.UsageError("standard input (`-`) can be read only once")
    loaded = _load(patches)
    if loaded.program is None:
        if not loaded.diagnostics:
            raise click.UsageError("no patch file found in " + ", ".join(map(str, patches)))
        _report(loaded.diagnostics)
        raise click.exceptions.Exit(FINDINGS)
    before = _read(source)
    try:
        vmi_json = read_vmi(_read(vmi)) if vmi else b"{}"
    except PatchError as e:
        _report([e.diagnostic])
        raise click.exceptions.Exit(FINDINGS) from None
    from . import engine

    if domain is not None:
        outcome = engine.patch_domain(loaded.program, before, vmi_json)
        after, diagnostics, traces = outcome.data, outcome.diagnostics, outcome.trace
    else:
        patched = engine.patch_cloud_init(loaded.program, before, b"", vmi_json)
        after, diagnostics, traces = patched.data, patched.diagnostics, patched.trace
    if trace:
        click.echo("".join(_trace_lines(traces)), err=True, nl=False)
    _report(diagnostics)
    if after is None:
        raise click.exceptions.Exit(FINDINGS)
    result = _diff(before, after, str(source)) if diff else after
    if output is not None:
        output.write_bytes(result)
    else:
        stream = sys.stdout.buffer
        if diff and _colour(sys.stdout):
            result = _coloured(result)
        stream.write(result)
        stream.flush()


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(paths: Sequence[Path]) -> None:
    """Check patch files: their YAML, their shape, every path and expression in them."""
    loaded = _load(paths)
    if not loaded.files and not loaded.diagnostics:
        raise click.UsageError("no patch file found in " + ", ".join(map(str, paths)))
    _report(loaded.diagnostics)
    files = "1 file" if len(loaded.files) == 1 else f"{len(loaded.files)} files"
    if has_errors(loaded.diagnostics):
        errors = sum(d.is_error for d in loaded.diagnostics)
        click.echo(f"{files} checked, {errors} error{'' if errors == 1 else 's'}", err=True)
        raise click.exceptions.Exit(FINDINGS)
    patches = len(loaded.program.documents) if loaded.program else 0
    click.echo(f"{files} checked, {patches} patch{'' if patches == 1 else 'es'}, no errors", err=True)


def _load(paths: Sequence[Path]) -> Loaded:
    named = [p for p in paths if str(p) != "-"]
    files, errors = find_patch_files(named, required=True)
    if len(named) == len(paths):
        loaded = load(files)
        return Loaded(loaded.files, None if errors else loaded.program, (*errors, *loaded.diagnostics))
    sources, found = [], list(errors)
    try:
        sources.append(source_of("<stdin>", sys.stdin.buffer.read(MAX_FILE_BYTES + 1)))
    except PatchError as e:
        found.append(e.diagnostic)
    from .load import read_source

    for path in files:
        try:
            sources.append(read_source(path))
        except PatchError as e:
            found.append(e.diagnostic)
    program, diagnostics = load_sources(sources, found)
    return Loaded((*files, Path("-")), program, diagnostics)


def _read(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _report(diagnostics: Iterable[Diagnostic]) -> None:
    text = render(diagnostics, colour=_colour(sys.stderr))
    if text:
        click.echo(text, err=True, nl=False, color=True)


def _colour(stream: object) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(getattr(stream, "isatty", lambda: False)())


def _diff(before: bytes, after: bytes, name: str) -> bytes:
    from difflib import diff_bytes, unified_diff

    name = "<stdin>" if name == "-" else name
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lines = diff_bytes(unified_diff, old, new, name.encode(), f"{name} (patched)".encode())
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


_DIFF_COLOURS = {b"+": b"32", b"-": b"31", b"@": b"36"}


def _coloured(diff: bytes) -> bytes:
    def paint(line: bytes) -> bytes:
        code = _DIFF_COLOURS.get(line[:1])
        return b"\x1b[%sm%s\x1b[0m\n" % (code, line.rstrip(b"\n")) if code else line

    return b"".join(paint(line) for line in diff.splitlines(keepends=True))


def _trace_lines(traces: Iterable[DocumentTrace]) -> Iterable[str]:
    for document in traces:
        reason = f": {document.reason}" if document.reason else ""
        yield f"{document.name} (priority {document.priority}, {document.span}) {document.state.value}{reason}\n"
        for edit in document.edits:
            counts = f"matched {edit.matched}, changed {edit.changed}" + (
                f", skipped {edit.skipped}" if edit.skipped else ""
            )
            places = f": {', '.join(edit.places[:5])}" if edit.places else ""
            reason = f" ({edit.reason})" if edit.reason else ""
            yield f"  {edit.span.begin.line}: {edit.label}: {counts}{reason}{places}\n"
