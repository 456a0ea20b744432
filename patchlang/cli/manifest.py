"""``patchlang manifest``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from .. import rules
from ..compile import Program
from ..diagnostics import Diagnostic, Severity
from ..files import MAX_FILE_BYTES
from ..load import decode_source, load_sources
from ..manifests.arguments import VERSIONS
from ..manifests.machines import ANNOTATION
from ..manifests.writing import annotation, checksum, config_map, in_load_order, joined, key_of
from ..patterns import pattern
from ..source import SourceFile
from ..validation.discovery import Input
from ..validation.run import validate_files
from .common import Failed, not_loaded, read_patches, report

_LABEL = pattern(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HEAD = f"""\
# The annotation that has KubeVirt start the sidecar. It belongs to a VirtualMachineInstance; in a VirtualMachine it
# stands in `spec.template.metadata`.
#
#   annotations:
#     {ANNOTATION}: |
"""


def _label(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _LABEL.fullmatch(value):
        raise click.BadParameter("63 lower case letters, digits and `-` at most, with a letter or digit at both ends")
    return value


@click.command()
@click.argument("patches", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--image", required=True, help="The image of the sidecar in your registry.")
@click.option("--name", default="patches", show_default=True, callback=_label, help="What to call the ConfigMap.")
@click.option("--namespace", callback=_label, help="The namespace of the ConfigMap. Default: that of `kubectl`.")
@click.option(
    "--version", type=click.Choice(VERSIONS), default=VERSIONS[-1], show_default=True, help="KubeVirt's hook protocol."
)
@click.option("--sha256", is_flag=True, help="Have the sidecar refuse any other text than this one, by its checksum.")
def manifest(patches: Sequence[Path], image: str, name: str, namespace: str | None, version: str, sha256: bool) -> None:
    """Print the ConfigMap for patch files, and the annotation that has a sidecar read it.

    PATCHES are files, or folders of them; `-` is standard input. Several are joined into one key, since KubeVirt mounts
    one. The output is ready for `kubectl apply -f -`; the annotation is a comment at its end.
    """
    sources, errors = read_patches(patches)
    program, diagnostics = load_sources(sources, errors)
    if program is None:
        raise not_loaded(diagnostics)
    report(diagnostics)
    sources = [source for source in in_load_order(sources) if decode_source(source)[0]]
    if program.edits_cloud_init and version == VERSIONS[0]:
        raise click.UsageError(f"the patches edit cloud-init data, and {version} has no call for it")
    text, key = joined(sources), key_of([source.name for source in sources])
    _check_size(text)
    _check_joined(text, program)
    value = annotation(image, version, name, key, checksum(text) if sha256 else None)
    result = config_map(name, namespace, key, text)
    _check_manifest(result, value, namespace, program)
    click.echo(result + _HEAD + "".join(f"#       {line}\n" for line in value.splitlines()), nl=False)
    if program.edits_cloud_init:
        message = "the patches edit cloud-init data: virt-launcher crashes where a machine has no cloud-init volume"
        help = "put the annotation only on machines with `cloudInitNoCloud` or `cloudInitConfigDrive`"
        report([Diagnostic(rules.NO_CLOUD_INIT_VOLUME, message, None, help, Severity.WARNING)])


def _check_size(text: str) -> None:
    size = len(text.encode())
    if size > MAX_FILE_BYTES:
        message = f"the patches have {size} bytes together, and the sidecar reads {MAX_FILE_BYTES} at most"
        help = "make several manifests of them, with a sidecar each"
        report([Diagnostic(rules.FILE_TOO_BIG, message, None, help)])
        raise Failed


def _check_joined(text: str, program: Program) -> None:
    """The files as one must be the same program: what a file leaves open may reach into the next."""
    again, diagnostics = load_sources([SourceFile("<joined>", text)])
    if again is None or again.names != program.names:
        report(diagnostics)
        raise click.UsageError("the patch files cannot be joined: give each a ConfigMap of its own")


def _check_manifest(config_map: str, value: str, namespace: str | None, program: Program) -> None:
    """What ``validate`` says of a machine with this annotation, beside this ConfigMap."""
    place = f"\n  namespace: {namespace}" if namespace else ""
    volume = "\nspec:\n  volumes: [{name: c, cloudInitNoCloud: {userData: x}}]\n" if program.edits_cloud_init else "\n"
    lines = "".join(f"      {line}\n" for line in value.splitlines())
    machine = (
        "---\napiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\n"
        f"metadata:\n  name: machine{place}\n  annotations:\n    {ANNOTATION}: |\n{lines}{volume}"
    )
    found = validate_files([Input("<manifest>", True, f"{config_map}{machine}".encode())])
    wrong = [d for file in found for d in file.diagnostics if d.is_error]
    if wrong:
        report(wrong)
        raise Failed
