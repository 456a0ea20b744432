"""``patchlang apply``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from .. import engine
from ..diagnostics import PatchError
from ..dumps import read_vmi
from ..result import DocumentTrace
from .common import Failed, load_patches, no_patch_file, read_input, report, wants_colour


@click.command()
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
    loaded = load_patches(patches)
    if loaded.program is None:
        if not loaded.diagnostics:
            raise no_patch_file(patches)
        report(loaded.diagnostics)
        raise Failed
    before = read_input(source)
    try:
        vmi_json = read_vmi(read_input(vmi)) if vmi else b"{}"
    except PatchError as e:
        report([e.diagnostic])
        raise Failed from None
    if domain is not None:
        outcome = engine.patch_domain(loaded.program, before, vmi_json)
        after, diagnostics, traces = outcome.data, outcome.diagnostics, outcome.trace
    else:
        patched = engine.patch_cloud_init(loaded.program, before, b"", vmi_json)
        after, diagnostics, traces = patched.data, patched.diagnostics, patched.trace
    if trace:
        click.echo("".join(_trace_lines(traces)), err=True, nl=False)
    report(diagnostics)
    if after is None:
        raise Failed
    result = _diff(before, after, str(source)) if diff else after
    if output is not None:
        output.write_bytes(result)
    else:
        stream = sys.stdout.buffer
        if diff and wants_colour(sys.stdout):
            result = _coloured(result)
        stream.write(result)
        stream.flush()


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
