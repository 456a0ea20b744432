"""``patchlang compare``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..diagnostics import PatchError
from ..render import painted, printable
from .common import STDIN, given_facts, hooks_end_too, load_patches, not_loaded, patches_option, report, seconds_option
from .terminal import Failed, wants_colour

if TYPE_CHECKING:
    from ..authoring.comparing import Compared, Verdict
    from ..authoring.derive.samples import Sample
    from ..loading import Loaded

VERSION = 1
"""Of the JSON report: it changes if a field goes or changes."""
_SECONDS = 50.0
_LONGEST = 300
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folder", required=False, type=_PATH)
@click.option(
    "--hook", required=True, type=_PATH, help="The hook: onDefineDomain, or preCloudInitIso with --cloud-init."
)
@patches_option
@click.option(
    "--domain", "domains", multiple=True, type=_PATH, help="A domain to try both on; `-` is standard input. Repeatable."
)
@click.option(
    "--cloud-init",
    "cloud_inits",
    multiple=True,
    type=_PATH,
    help="CloudInitData to try both on; `-` is standard input. Repeatable.",
)
@click.option(
    "--vmi",
    "vmis",
    multiple=True,
    type=_PATH,
    help="The VMI or VirtualMachine, YAML or JSON: one for all samples, or one for each in the same order.",
)
@click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="NAME=VALUE",
    help="A fact of the pod that a patch declares: env.NAME=TEXT or files.NAME=@FILE. Repeatable.",
)
@seconds_option(_SECONDS)
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
def compare(
    folder: Path | None,
    hook: Path,
    patches: Sequence[Path],
    domains: Sequence[Path],
    cloud_inits: Sequence[Path],
    vmis: Sequence[Path],
    facts: Sequence[str],
    timeout: float,
    form: str,
) -> None:
    """Show where a hook and the patches that replace it differ.

    Both run on every sample. Their results are compared as XML, or as data for cloud-init. Exit status 1 means that
    they differ, or that one of them fails. If only bytes differ, such as white space, a note says so.

    FOLDER has samples: NAME.before.xml or NAME.domain.xml with NAME.vmi.json, for cloud-init data NAME.before.json or
    NAME.cloudinit.json.

    \b
    Examples:
      patchlang compare --hook ./onDefineDomain -p patch.yaml --domain domain.xml --vmi vmi.json
      patchlang compare --hook ./onDefineDomain -p patches samples --format json
    """
    if [*patches, *domains, *cloud_inits, *vmis].count(STDIN) > 1:
        raise click.UsageError("standard input (`-`) can be read only once")
    samples = _samples(folder, domains, cloud_inits, vmis)
    loaded = load_patches(patches)
    if loaded.program is None:
        raise not_loaded(loaded.diagnostics)
    try:
        pod = given_facts(facts, loaded.program.facts)
    except PatchError as error:
        report([error.diagnostic])
        raise Failed from None
    _note_other_kind(loaded, samples)
    from ..authoring.comparing import Verdict, compare

    done: list[Compared] = []
    colour = wants_colour(sys.stdout)
    with hooks_end_too():
        for one in compare(hook, loaded.program, pod, samples, timeout):
            done.append(one)
            if form == "text":
                click.echo("".join(f"{line}\n" for line in _lines(one, colour)), nl=False, color=True)
    click.echo(json.dumps(_report(done), indent=2, ensure_ascii=False) if form == "json" else _summary(done))
    if any(one.verdict is not Verdict.SAME for one in done):
        raise Failed


def _samples(
    folder: Path | None, domains: Sequence[Path], cloud_inits: Sequence[Path], vmis: Sequence[Path]
) -> list[Sample]:
    if sum(map(bool, (folder, domains, cloud_inits))) != 1:
        raise click.UsageError("give samples in one way: a FOLDER, --domain, or --cloud-init")
    if folder is not None and vmis:
        raise click.UsageError("the VMI of a sample in FOLDER is its NAME.vmi.json")
    from ..authoring.derive.reading import in_folder, paired, read

    try:
        files = in_folder(folder, outcomes=False) if folder is not None else paired(domains or cloud_inits, vmis)
        return read(files, is_domain=None if folder is not None else bool(domains))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except PatchError as error:
        report([error.diagnostic])
        raise Failed from None


def _note_other_kind(loaded: Loaded, samples: Sequence[Sample]) -> None:
    assert loaded.program is not None
    is_domain = samples[0].is_domain
    if not (loaded.program.edits_domain if is_domain else loaded.program.edits_cloud_init):
        edited, given = ("cloud-init data", "domains") if is_domain else ("domains", "cloud-init data")
        click.echo(f"note: the patches edit only {edited}, but the samples are {given}", err=True)


# -- as text -----------------------------------------------------------------------------------------------------------


def _lines(one: Compared, colour: bool) -> Iterator[str]:
    from ..authoring.comparing import Verdict

    code = "32" if one.verdict is Verdict.SAME else "31"
    yield f"{painted(_words(one.verdict), code, colour)}: {printable(one.name)}"
    for difference in one.differences:
        yield f"  {printable(difference.path)}"
        yield f"    hook:    {_value(difference.hook)}"
        yield f"    patches: {_value(difference.patches)}"
    if one.hook_error is not None:
        yield f"  hook: {one.hook_error}"
        if one.hook_error.help:
            yield f"    help: {one.hook_error.help}"
    for finding in one.findings:
        if finding.is_error:
            yield f"  patches: {printable(str(finding))}"
            if finding.help:
                yield f"    help: {printable(finding.help)}"
    if one.verdict is Verdict.SAME and not one.same_bytes:
        yield "  note: only bytes differ: white space, quotes, or the order of attributes"


def _words(verdict: Verdict) -> str:
    return verdict.value.replace("-", " ")


def _value(value: str | None) -> str:
    if value is None:
        return "nothing"
    shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return printable(shown) if shown else "an empty text"


def _summary(done: Sequence[Compared]) -> str:
    counts = Counter(_words(one.verdict) for one in done)
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items(), key=lambda one: -one[1]))
    return f"{len(done)} sample{'s' if len(done) != 1 else ''}: {said}"


# -- as JSON -----------------------------------------------------------------------------------------------------------


def _report(done: Sequence[Compared]) -> dict[str, Any]:
    from .. import __version__
    from ..authoring.comparing import Verdict
    from ..formats.json import finding

    counts = Counter(one.verdict for one in done)
    return {
        "version": VERSION,
        "tool": {"name": "patchlang", "version": __version__},
        "summary": {"samples": len(done), **{verdict.value: counts[verdict] for verdict in Verdict}},
        "samples": [
            {
                "name": one.name,
                "verdict": one.verdict.value,
                "sameBytes": one.same_bytes,
                "differences": [{"path": d.path, "hook": d.hook, "patches": d.patches} for d in one.differences],
                "hookError": None if one.hook_error is None else str(one.hook_error),
                "findings": [finding(diagnostic) for diagnostic in one.findings],
            }
            for one in done
        ],
    }
