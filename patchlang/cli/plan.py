"""``patchlang plan``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from ..diagnostics import PatchError
from ..plan.formats import FORMATS, write
from ..plan.inventory import Reader
from ..plan.report import NotAPlanError, Plan, from_data, merge
from ..plan.run import Shard, WorkerDied
from ..plan.run import plan as plan_all
from ..plan.selector import Selector, SelectorError
from ..plan.selector import parse as parse_selector
from ..plan.words import summary
from ..plan.work import Setup
from ..source import SourceFile
from .common import STDIN, load_patches, not_loaded, report
from .progress import Progress
from .status import ENVIRONMENT
from .terminal import Failed, wants_colour

_CHANGES = 2


def _shard(_: click.Context, __: click.Parameter, value: str | None) -> Shard | None:
    if value is None:
        return None
    number, slash, of = value.partition("/")
    if not slash or not (number.isdecimal() and of.isdecimal()) or not 1 <= int(number) <= int(of):
        raise click.BadParameter("write K/N, with K from 1 to N")
    return Shard(int(number), int(of))


def _selector(_: click.Context, __: click.Parameter, value: str | None) -> Selector | None:
    try:
        return None if value is None else parse_selector(value)
    except SelectorError as e:
        raise click.BadParameter(str(e)) from None


@click.command()
@click.argument("dumps", metavar="DUMP…", nargs=-1, required=True, type=click.Path())
@click.option(
    "--domains", multiple=True, metavar="DIR", type=click.Path(), help="A folder of domain files; repeatable."
)
@click.option(
    "-p",
    "--patches",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Plan these patches instead of the ones that the VMs' annotations name; repeatable.",
)
@click.option(
    "--base",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Compare the patches of -p with these on the same domains; repeatable.",
)
@click.option(
    "-l",
    "--selector",
    metavar="LABELS",
    callback=_selector,
    help="Plan only VMs with these labels, as for `kubectl -l`: app=web,tier!=db,zone in (a,b),!canary.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the plan to this file in the chosen format, and a summary to the screen.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if any VM would change.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="How many processes to use; 0: one per CPU.",
)
@click.option("--shard", metavar="K/N", callback=_shard, help="Plan part K of N, counting from 1. Not with `merge`.")
def plan(
    dumps: Sequence[str],
    domains: Sequence[str],
    patches: Sequence[Path],
    base: Sequence[Path],
    selector: Selector | None,
    form: str,
    output: Path | None,
    detailed_exitcode: bool,
    jobs: int,
    shard: Shard | None,
) -> None:
    """Preview what patches will do to the VMs of a cluster.

    A DUMP is the output of `kubectl get vmi,vm,configmap -A -o json` (or yaml), as a file, a folder or `-` for standard
    input. Domains are files named NAMESPACE_NAME.xml, from `virsh dumpxml` or virt-launcher's log, among them or in
    --domains. `patchlang plan merge SHARD.json…` combines the parts of a plan. The exit status is 1 if a VM
    would not start.

    \b
    Examples:
      patchlang plan cluster.json --domains domains
      kubectl get vmi,vm,configmap -A -o json | patchlang plan - --domains domains -p patch.yaml
      patchlang plan cluster.json --domains domains --base old -p new --format html --output plan.html
      patchlang plan merge shard-1.json shard-2.json
    """
    if dumps[0] == "merge":
        if domains or patches or base or selector or shard:
            raise click.UsageError(
                "`merge` takes the parts of a plan, and only --format, --output and --detailed-exitcode"
            )
        result = _merged(dumps[1:])
    else:
        if base and not patches:
            raise click.UsageError("--base needs patches to compare with: add -p")
        if [*dumps, *map(str, patches), *map(str, base)].count("-") > 1:
            raise click.UsageError("standard input (`-`) can be read only once")
        given = _sources(patches) if patches else None
        result = _planned(dumps, domains, (given, _sources(base) if base else None), selector, jobs, shard)
    _write(result, form, output)
    counts = result.counts()
    if counts["fails"]:
        raise Failed
    if detailed_exitcode and counts["changes"]:
        raise Failed(_CHANGES)


def _planned(
    dumps: Sequence[str],
    domains: Sequence[str],
    patches: tuple[tuple[SourceFile, ...] | None, tuple[SourceFile, ...] | None],
    selector: Selector | None,
    jobs: int,
    shard: Shard | None,
) -> Plan:
    with tempfile.TemporaryDirectory(prefix="patchlang-") as scratch, Progress(sys.stderr) as progress:
        try:
            reader = Reader(Path(scratch), selector, lambda count: progress.show(f"{count} VMs read"))
            inventory = reader.read(dumps, domains)
        except PatchError as e:
            progress.clear()
            report([e.diagnostic], excerpt=False)
            raise Failed from None
        progress.clear()
        report(inventory.found, excerpt=False)
        if any(one.is_error for one in inventory.found):
            raise Failed
        if not inventory.numbers:
            raise click.UsageError(f"no VM found in {', '.join(dumps)}")
        setup = Setup(inventory, *patches)
        try:
            return plan_all(
                setup,
                shard=shard,
                jobs=jobs or _processors(),
                progress=lambda done, of: progress.show(f"{done} of {of} VMs planned"),
            )
        except WorkerDied:
            progress.clear()
            click.echo("patchlang: a --jobs process died, perhaps because memory ran out", err=True)
            raise Failed(ENVIRONMENT) from None


def _sources(paths: Sequence[Path]) -> tuple[SourceFile, ...]:
    """The texts of valid patches; problems with others end the command."""
    loaded = load_patches(paths)
    if loaded.program is None:
        raise not_loaded(loaded.diagnostics)
    return loaded.sources


def _merged(names: Sequence[str]) -> Plan:
    if not names:
        raise click.UsageError("`merge` needs the parts: `patchlang plan merge SHARD.json…`")
    parts: list[tuple[str, Plan]] = []
    for name in names:
        text = sys.stdin.buffer.read() if name == str(STDIN) else Path(name).read_bytes()
        try:
            parts.append((name, from_data(json.loads(text))))
        except NotAPlanError as e:
            raise click.UsageError(f"{name}: {e}") from None
        except (ValueError, RecursionError):
            raise click.UsageError(f"{name}: not JSON") from None
    try:
        return merge(parts)
    except NotAPlanError as e:
        raise click.UsageError(str(e)) from None


def _write(result: Plan, form: str, output: Path | None) -> None:
    if output is not None:
        output.write_text(write(result, form), encoding="utf-8", errors="backslashreplace", newline="\n")
        click.echo(summary(result))
        return
    colour = form == "text" and wants_colour(sys.stdout)
    text = write(result, form, colour=colour)
    sys.stdout.buffer.write(text.encode("utf-8", errors="backslashreplace"))
    sys.stdout.buffer.flush()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
