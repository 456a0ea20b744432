"""What KubeVirt makes of all sidecars of a VM: the volumes of the pod, and which one it calls for cloud-init."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import rules
from ..diagnostics import Diagnostic
from ..patterns import pattern
from .machines import ANNOTATION, Machine
from .sidecars import Sidecar

_LABEL = pattern(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OWN = "KubeVirt's own"
_SIDECARS = "another sidecar's"
KUBEVIRTS_VOLUMES = (
    "private", "public", "sockets", "libvirt-runtime", "ephemeral-disks", "container-disks", "hook-sidecar-sockets"
)  # fmt: skip


def misplaced(machine: Machine) -> Iterator[Diagnostic]:
    """Annotations where KubeVirt never looks (PL710)."""
    path = ".".join(machine.template)
    for key, _ in machine.misplaced:
        message = f"KubeVirt ignores this annotation here: for a {machine.kind} it reads the annotations of `{path}`"
        help = f"move it to `{path}.metadata.annotations`"
        yield Diagnostic(rules.MISPLACED_ANNOTATION, message, key.span, help)


def misspelt(machine: Machine) -> Iterator[Diagnostic]:
    """Annotations that KubeVirt ignores because of their names (PL717)."""
    for key, _ in machine.misspelt:
        message = f"KubeVirt ignores the unknown annotation `{key.text}`: the VM would start unpatched"
        yield Diagnostic(rules.MISSPELT_ANNOTATION, message, key.span, f"did you mean `{ANNOTATION}`?")


def volumes(machine: Machine, listed: Sequence[Sidecar]) -> Iterator[Diagnostic]:
    """KubeVirt names the pod's volume after the ConfigMap or the claim (PL711, PL712)."""
    taken = dict.fromkeys(KUBEVIRTS_VOLUMES, _OWN)
    taken |= {name: "the VM's" for name, _ in machine.volumes}
    for sidecar in listed:
        for mount, what in ((sidecar.config_map, "ConfigMap"), (sidecar.claim, "claim")):
            if mount is None:
                continue
            name, span = mount.name.text, mount.name.span
            if name in taken:
                message = f"two volumes of the pod would be named `{name}`: this {what}'s and {taken[name]}"
                one_each = "give each sidecar its own ConfigMap, or put all patches in one key"
                help = one_each if taken[name] == _SIDECARS else f"give the {what} another name"
                yield Diagnostic(rules.DUPLICATE_VOLUME, message, span, help)
            taken[name] = _SIDECARS
            if not _LABEL.fullmatch(name):
                message = f"the pod's volume gets the name of the {what}, but `{name}` is not a valid volume name"
                help = "at most 63 lowercase letters, digits and `-`, with a letter or digit at both ends"
                yield Diagnostic(rules.VOLUME_NAME, message, span, help)


def cloud_init(machine: Machine, listed: Sequence[Sidecar], called: Sequence[int]) -> Iterator[Diagnostic]:
    """``called`` are the sidecars, by number, that handle cloud-init data: KubeVirt calls one (PL714), and crashes
    if there is no such data (PL713)."""
    if not called:
        return
    first, *others = sorted(called, key=str)  # KubeVirt orders them by their containers' names, as strings
    for number in others:
        message = f"KubeVirt calls only one sidecar for cloud-init data, here the first, hook-sidecar-{first}"
        help = "put all cloud-init patches in one sidecar"
        yield Diagnostic(rules.SEVERAL_CLOUD_INIT, message, listed[number].span, help)
    if machine.cloud_init is False:
        mount = listed[first].config_map
        yield Diagnostic(
            rules.NO_CLOUD_INIT_VOLUME,
            "its patches edit cloud-init data, but the VM has no cloud-init volume: virt-launcher crashes",
            mount.name.span if mount else listed[first].span,
            "add a volume with `cloudInitNoCloud` or `cloudInitConfigDrive`, or remove the edits",
        )
