"""``patchlang apply``."""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

import click

from .. import diffs, engine, rules
from ..compile import Program
from ..default_paths import SYSTEM_SCHEMAS
from ..diagnostics import Diagnostic, PatchError, Severity, fail, in_order
from ..extract import read_domain, read_vmi
from ..loading import Loaded, decode_source
from ..podfacts import Given
from ..record import replace
from ..render import printable
from ..result import CloudInitOutcome, DocumentTrace, Outcome
from ..source import SourceFile, Span
from .common import STDIN, given_facts, load_patches, not_loaded, patches_option, read_input, report
from .status import ENVIRONMENT
from .terminal import Failed, wants_colour

# the domain size beyond which the sidecar refuses it by default
SIDECAR_TAKES = 1 << 20
_CHARACTERS_OF_A_NODE = 100
# the number of nodes in a domain for which searches may be nested two deep
_SMALL = 300
# findings on the patches; `patchlang validate` shows all
_MOST_SHOWN = 20


@click.command()
@patches_option
@click.option(
    "--domain",
    type=click.Path(path_type=Path),
    help="The domain XML to patch, from `virsh dumpxml` or a virt-launcher log; `-` is standard input.",
)
@click.option(
    "--cloud-init",
    "cloud_init",
    type=click.Path(path_type=Path),
    help="The cloud-init data (KubeVirt's CloudInitData as JSON) to patch; `-` is standard input.",
)
@click.option("--vmi", type=click.Path(path_type=Path), help="The VMI or VirtualMachine, YAML or JSON. Default: none.")
@click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="NAME=VALUE",
    help="A pod fact that a patch declares: env.NAME=TEXT or files.NAME=@FILE; repeatable. Default: none.",
)
@click.option("--diff", is_flag=True, help="Show a unified diff instead of the result.")
@click.option("--trace", is_flag=True, help="Show what each edit matched and changed, in order, on standard error.")
@click.option(
    "--check-domain",
    "schemas",
    is_flag=False,
    flag_value=str(SYSTEM_SCHEMAS),
    metavar="[DIR]",
    type=click.Path(path_type=Path),
    help="Fail if the patches make the domain invalid according to libvirt's schema in DIR, by default "
    f"{SYSTEM_SCHEMAS}. Without this flag, the schema there only causes warnings.",
)
@click.option("--no-check-domain", "unchecked", is_flag=True, help="Do not check against libvirt's schema.")
@click.option("--no-validate", "unvalidated", is_flag=True, help="Do not show what `patchlang validate` finds.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the result to this file.")
def apply(
    patches: Sequence[Path],
    domain: Path | None,
    cloud_init: Path | None,
    vmi: Path | None,
    facts: Sequence[str],
    diff: bool,
    trace: bool,
    schemas: Path | None,
    unchecked: bool,
    unvalidated: bool,
    output: Path | None,
) -> None:
    """Apply patches to a domain or to cloud-init data, offline.

    The result is the same as the sidecar's, byte for byte. Standard error shows warnings that `patchlang validate`
    finds in the patches and, if libvirt's schema is installed, warnings about what the patches make invalid.

    \b
    Examples:
      patchlang apply -p patch.yaml --domain domain.xml --vmi vmi.yaml --diff
      virsh dumpxml vm | patchlang apply -p patches --domain - --vmi vmi.yaml
      patchlang apply -p patch.yaml --cloud-init cloud-init.json --trace
      patchlang apply -p patch.yaml --domain domain.xml --fact env.POD_NAME=virt-launcher-a
    """
    source = domain or cloud_init
    if (domain is None) == (cloud_init is None) or source is None:
        raise click.UsageError("give exactly one of --domain and --cloud-init")
    if schemas is not None and domain is None:
        raise click.UsageError("--check-domain needs --domain")
    if schemas is not None and unchecked:
        raise click.UsageError("--check-domain and --no-check-domain cannot be used together")
    if [str(p) for p in (*patches, source, vmi)].count("-") > 1:
        raise click.UsageError("standard input (`-`) can be read only once")
    loaded = load_patches(patches)
    if loaded.program is None:
        raise not_loaded(loaded.diagnostics)
    try:
        before = _read_domain(source) if domain is not None else _read_cloud_init(source)
        vmi_json = read_vmi(read_input(vmi)) if vmi else b"{}"
        pod = given_facts(facts, loaded.program.facts)
    except PatchError as e:
        report([e.diagnostic])
        raise Failed from None
    outcome: Outcome | CloudInitOutcome
    costly = list(_costly(loaded, before)) if domain is not None else []
    found = [] if unvalidated else _findings(loaded.sources, [one.span for one in costly])
    if domain is not None:
        outcome = _patch_domain(loaded.program, before, vmi_json, pod, schemas, found)
        refused = {one.span for one in outcome.diagnostics if one.rule is rules.REFUSED_BY_SCHEMA}
        _show([one for one in found if one.span not in refused])
        report(costly)
        if schemas is None and not unchecked:
            report(_made_invalid(loaded.program, before, vmi_json, pod, outcome, found), excerpt=False)
        edited, alone, given = loaded.program.edits_domain, "cloud-init data", "a domain"
    else:
        _show(found)
        outcome = engine.patch_cloud_init(loaded.program, before, b"", vmi_json, pod=pod)
        edited, alone, given = loaded.program.edits_cloud_init, "a domain", "cloud-init data"
    if trace:
        click.echo("".join(f"{printable(line)}\n" for line in _trace_lines(outcome.trace)), err=True, nl=False)
    name = printable(_name(source))
    if not edited:
        click.echo(f"note: the patches only edit {alone}, but {name} is {given}", err=True)
    report(outcome.diagnostics if vmi else map(_without_vmi, outcome.diagnostics))
    if outcome.data is None:
        raise Failed
    _write(_diff(before, outcome.data, name, output) if diff else outcome.data, output)


def _diff(before: bytes, after: bytes, name: str, output: Path | None) -> bytes:
    """The ``--diff`` output for its reader: a terminal obeys control characters, a file does not."""
    changes = diffs.diff(before, after, name, f"{name} (patched)")
    if output is None and wants_colour(sys.stdout):
        changes = diffs.for_terminal(changes)
    elif output is None and sys.stdout.isatty():
        changes = diffs.legible(changes)
    return changes.encode(errors="surrogateescape")


def _write(result: bytes, output: Path | None) -> None:
    if output is not None:
        output.write_bytes(result)
    else:
        sys.stdout.buffer.write(result)
        sys.stdout.buffer.flush()


def _patch_domain(
    program: Program, domain: bytes, vmi: bytes, pod: Given, schemas: Path | None, known: Sequence[Diagnostic]
) -> Outcome:
    if schemas is None:
        return engine.patch_domain(program, domain, vmi, pod=pod)
    from ..rng.check import patch_domain_checked
    from ..rng.schema import DomainSchema

    try:
        schema = DomainSchema(schemas)
    except PatchError as e:
        report([e.diagnostic])
        raise Failed(ENVIRONMENT) from None
    return patch_domain_checked(schema, program, domain, vmi, pod=pod, known=known)


def _made_invalid(
    program: Program, domain: bytes, vmi: bytes, pod: Given, outcome: Outcome, known: Sequence[Diagnostic]
) -> list[Diagnostic]:
    """Warnings about what the patches made invalid, if libvirt's schema is installed, except known ones."""
    if not (SYSTEM_SCHEMAS / "domain.rng").is_file():
        return []
    from ..rng.check import made_invalid
    from ..rng.schema import DomainSchema

    try:
        schema = DomainSchema(SYSTEM_SCHEMAS)
    except PatchError as e:
        help = "the result is not checked: reinstall libvirt's schema, or pass `--no-check-domain`"
        return [replace(e.diagnostic, severity=Severity.WARNING, help=help)]
    return made_invalid(schema, program, domain, vmi, outcome, pod=pod, known=known)


def _findings(sources: Sequence[SourceFile], known: Container[Span | None]) -> list[Diagnostic]:
    """What ``patchlang validate`` finds in the patches, except at known places."""
    from ..grammar.index import versions
    from ..validation.options import Options
    from ..validation.unit import findings

    return [one for one in findings(sources, Options(libvirt=versions()[-1])) if one.span not in known]


def _show(found: Sequence[Diagnostic]) -> None:
    """A short form of findings: none of them stops the patches."""
    shown = in_order(sorted(found, key=lambda one: not one.is_error)[:_MOST_SHOWN])
    report((replace(one, severity=Severity.WARNING) if one.is_error else one for one in shown), excerpt=False)
    if more := len(found) - len(shown):
        click.echo(f"note: {more} more findings: run `patchlang validate` to see them all", err=True)


def _costly(loaded: Loaded, domain: bytes) -> Iterator[Diagnostic]:
    """Advice on XPaths that are slow on this very domain; text counts by its length."""
    from ..lint.paths import costly_here

    nodes = domain.count(b"<") - domain.count(b"</") + domain.count(b"=") + len(domain) // _CHARACTERS_OF_A_NODE
    if nodes > _SMALL:
        for source in loaded.sources:
            for patch in decode_source(source)[0]:
                yield from costly_here(patch, nodes)


def _without_vmi(diagnostic: Diagnostic) -> Diagnostic:
    """Adds that no VMI was given to the error of an expression that reads it."""
    span = diagnostic.span
    if diagnostic.rule is not rules.EVALUATION or span is None:
        return diagnostic
    if not re.search(r"\bvmi\b", span.source.text[span.start : span.end]):
        return diagnostic
    help = "no VMI is given, so an empty one is used: pass its file with `--vmi`"
    return replace(diagnostic, help=f"{help}; {diagnostic.help}" if diagnostic.help else help)


def _name(path: Path) -> str:
    return "<stdin>" if path == STDIN else str(path)


def _read_domain(path: Path) -> bytes:
    """The domain in a file; notes if it was extracted from more text, or if the sidecar would refuse it."""
    found = read_domain(read_input(path))
    if found.where:
        click.echo(f"note: using the domain in {found.where} of {printable(_name(path))}", err=True)
    if len(found.data) > SIDECAR_TAKES:
        message = f"the domain has {len(found.data)} bytes, but the sidecar accepts {SIDECAR_TAKES}"
        help = "raise the sidecar's `--max-domain-bytes`, if it has enough memory"
        report([Diagnostic(rules.INPUT_TOO_BIG, message, None, help, Severity.WARNING)])
    return found.data


def _read_cloud_init(path: Path) -> bytes:
    data = read_input(path)
    if data.lstrip().startswith(b"<"):
        help = "cloud-init data is KubeVirt's CloudInitData as JSON; pass a domain with `--domain`"
        raise fail(rules.BAD_CLOUD_INIT, "the cloud-init data is XML, but must be JSON", None, help)
    return data


def _trace_lines(traces: Iterable[DocumentTrace]) -> Iterable[str]:
    for document in traces:
        reason = f": {document.reason}" if document.reason else ""
        yield f"{document.name} (priority {document.priority}, {document.span}) {document.state.value}{reason}"
        for edit in document.edits:
            counts = f"matched {edit.matched}, changed {edit.changed}" + (
                f", skipped {edit.skipped}" if edit.skipped else ""
            )
            places = f": {', '.join(edit.places[:5])}" if edit.places else ""
            reason = f" ({edit.reason})" if edit.reason else ""
            yield f"  {edit.span.begin.line}: {edit.label}: {counts}{reason}{places}"
