"""``patchlang manifest``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from .. import rules
from ..compile import Program
from ..diagnostics import Diagnostic, PatchError, Severity
from ..files import MAX_FILE_BYTES, reason_of, source_of
from ..loading import decode_source, load_sources
from ..manifests import sidecars
from ..manifests.arguments import VERSIONS
from ..manifests.machines import ANNOTATION
from ..manifests.writing import (
    LONGEST_PLUGIN,
    annotation,
    annotation_comment,
    by_digest,
    checksum,
    config_map,
    in_load_order,
    joined,
    key_of,
)
from ..patterns import pattern
from ..source import SourceFile
from ..validation.discovery import Input
from ..validation.run import validate_files
from .common import not_loaded, read_input, read_patches, report
from .terminal import Failed

_LABEL = pattern(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _label(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _LABEL.fullmatch(value):
        raise click.BadParameter("at most 63 lowercase letters, digits and `-`, with a letter or digit at both ends")
    return value


@click.command()
@click.argument("patches", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--image", required=True, help="The image of the sidecar in your registry.")
@click.option("--name", default="patches", show_default=True, callback=_label, help="The name of the ConfigMap.")
@click.option(
    "--namespace", callback=_label, help="The namespace of the ConfigMap. Default: the current one of `kubectl`."
)
@click.option(
    "--version", type=click.Choice(VERSIONS), default=VERSIONS[-1], show_default=True, help="KubeVirt's hook protocol."
)
@click.option("--sha256", is_flag=True, help="Add the patch's checksum, so that the sidecar refuses any other text.")
@click.option("--policy", is_flag=True, help="Add a policy that admits only this annotation. Needs --sha256.")
@click.option(
    "--admit",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also admit the annotations in FILE: VMs, or a policy that was printed before.",
)
@click.option("--plugin", is_flag=True, help="Print a KubeVirt Plugin, and the policy that adds its container to pods.")
@click.option("--condition", metavar="CEL", help="Which VMs the Plugin applies to: CEL over `vmi`. Default: all VMs.")
def manifest(
    patches: Sequence[Path],
    image: str,
    name: str,
    namespace: str | None,
    version: str,
    sha256: bool,
    policy: bool,
    admit: Sequence[Path],
    plugin: bool,
    condition: str | None,
) -> None:
    """Print the ConfigMap for patch files, and the annotation that mounts it into a sidecar.

    PATCHES are files, or folders of patch files; `-` is standard input. Several files are joined into one key, because
    KubeVirt mounts only one. Pipe the output to `kubectl apply -f -`; the annotation is a comment at the end.

    \b
    Examples:
      patchlang manifest patches --image registry.example.test/patchlang:0.1.0 --name smbios >smbios.yaml
      patchlang manifest patch.yaml --image registry.example.test/patchlang:0.1.0 --name smbios | kubectl apply -f -
    """
    _check_options(image, name, policy=policy, admit=admit, plugin=plugin, condition=condition)
    sources, errors = read_patches(patches)
    program, diagnostics = load_sources(sources, errors)
    if program is None:
        raise not_loaded(diagnostics)
    report(diagnostics)
    sources = [source for source in in_load_order(sources) if decode_source(source)[0]]
    if program.edits_cloud_init and (plugin or version == VERSIONS[0]):
        called = "the Plugin API" if plugin else version
        raise click.UsageError(f"the patches edit cloud-init data, which {called} does not support")
    text, key = joined(sources), key_of([source.name for source in sources])
    _check_size(text)
    _check_joined(text, program)
    digest = checksum(text) if sha256 or policy else None
    result = config_map(name, namespace, key, text)
    if plugin:
        from ..admission import plugin as plugins

        made = plugins.policy(name, image, name, key, condition, digest)
        result = "---\n".join([result, plugins.plugin(name, condition), made])
        _check(result)
        click.echo(result, nl=False)
        return
    value = annotation(image, version, name, key, digest)
    _check_machine(result, value, namespace, program)
    if policy:
        from ..admission import validating

        result = f"{result}---\n{validating.policy([value, *_admitted(admit)])}"
    click.echo(result + annotation_comment(value), nl=False)
    if program.edits_cloud_init:
        message = "the patches edit cloud-init data: virt-launcher crashes if a VM has no cloud-init volume"
        help = "put the annotation only on VMs with `cloudInitNoCloud` or `cloudInitConfigDrive`"
        report([Diagnostic(rules.NO_CLOUD_INIT_VOLUME, message, None, help, Severity.WARNING)])


def _check_options(
    image: str, name: str, *, policy: bool, admit: Sequence[Path], plugin: bool, condition: str | None
) -> None:
    if plugin and policy:
        raise click.UsageError("--policy is for annotations, and a Plugin has none: use either --policy or --plugin")
    if plugin and click.get_current_context().get_parameter_source("version") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--version is for hooks; a Plugin has its own protocol")
    if admit and not policy:
        raise click.UsageError("--admit needs --policy")
    if condition is not None and not plugin:
        raise click.UsageError("--condition needs --plugin; in a patch, use `when`")
    if policy and not by_digest(image):
        raise click.UsageError("--policy needs an image with a digest, --image NAME@sha256:…, since a tag can move")
    if plugin and len(name) > LONGEST_PLUGIN:
        raise click.UsageError(f"the --name of a Plugin may have at most {LONGEST_PLUGIN} characters")


def _admitted(files: Sequence[Path]) -> list[str]:
    """The annotations in files that the policy also admits: each sidecar in them names its image by digest."""
    from ..admission.reading import texts_of

    found: list[str] = []
    for file in files:
        try:
            texts = texts_of(source_of(str(file), read_input(file, MAX_FILE_BYTES + 1)))
        except OSError as e:
            raise click.UsageError(f"--admit {file}: {reason_of(e)}") from None
        except PatchError as e:
            raise not_loaded((e.diagnostic,)) from None
        if not texts:
            raise click.UsageError(f"--admit {file}: it has neither a hook sidecar annotation nor a patchlang policy")
        for key, value in texts:
            listed, wrong = sidecars.read(key, value)
            if any(one.is_error for one in wrong):
                raise not_loaded(tuple(wrong))
            if not all(one.image and by_digest(one.image.text) for one in listed):
                raise click.UsageError(f"--admit {file}: an annotation in it names an image without a digest")
            found.append(value.text)
    return found


def _check_size(text: str) -> None:
    size = len(text.encode())
    if size > MAX_FILE_BYTES:
        message = f"the patches have {size} bytes in total, but the sidecar reads at most {MAX_FILE_BYTES}"
        help = "split them into several manifests with one sidecar each"
        report([Diagnostic(rules.FILE_TOO_BIG, message, None, help)])
        raise Failed


def _check_joined(text: str, program: Program) -> None:
    """The joined files must be the same program: what one file leaves open may extend into the next."""
    again, diagnostics = load_sources([SourceFile("<joined>", text)])
    if again is None or again.names != program.names:
        report(diagnostics)
        raise click.UsageError("the patch files cannot be joined: give each its own ConfigMap")


def _check_machine(config_map: str, value: str, namespace: str | None, program: Program) -> None:
    """What ``validate`` reports for a VM with this annotation, next to this ConfigMap."""
    place = f"\n  namespace: {namespace}" if namespace else ""
    volume = "\nspec:\n  volumes: [{name: c, cloudInitNoCloud: {userData: x}}]\n" if program.edits_cloud_init else "\n"
    lines = "".join(f"      {line}\n" for line in value.splitlines())
    machine = (
        "---\napiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\n"
        f"metadata:\n  name: machine{place}\n  annotations:\n    {ANNOTATION}: |\n{lines}{volume}"
    )
    _check(f"{config_map}{machine}")


def _check(manifests: str) -> None:
    """What ``validate`` reports for the manifests is printed before they are."""
    found = validate_files([Input("<manifest>", True, manifests.encode())])
    wrong = [d for file in found for d in file.diagnostics if d.is_error]
    if wrong:
        report(wrong)
        raise Failed
