"""VMs against the ConfigMaps next to them: will the sidecars start, and find their patches?"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from .. import rules
from ..diagnostics import Diagnostic, Rule, Severity, closest, did_you_mean
from ..document.yamltree import Node, Scalar
from ..source import Span
from . import arguments, pod, sidecars
from .arguments import DEFAULT_PATCHES, VERSIONS, Arguments
from .configmaps import Entry
from .given import Given, PatchFacts
from .kustomize import KEEP_NAME, Generated, is_hashed
from .machines import Machine
from .sidecars import Mount, Sidecar

_PROGRAM_FOLDERS = ("/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_HOOKS = ("onDefineDomain", "preCloudInitIso")
_ENDINGS = (".yaml", ".yml")


Load = Callable[[Entry], PatchFacts]
"""Checks a value that counts as a patch file by its place, though it does not look like one."""


def check(
    file: str, machine: Machine, config_maps: Sequence[Given], load: Load, generated: Sequence[Generated] = ()
) -> list[Diagnostic]:
    """Problems between a VM, which is in ``file``, and ConfigMaps (PL005, PL702 to PL714, PL717)."""
    found = [*pod.misplaced(machine), *pod.misspelt(machine)]
    annotation = machine.annotation or next(iter((*machine.misplaced, *machine.misspelt)), None)
    if annotation:
        checker = _Machine(file, machine, config_maps, load, generated)
        checker.check(*annotation)
        found += checker.found
    return found


class _Machine:
    def __init__(
        self, file: str, machine: Machine, config_maps: Sequence[Given], load: Load, generated: Sequence[Generated]
    ) -> None:
        self.file = file
        self.machine = machine
        self.config_maps = config_maps
        self.load = load
        self.generated = generated
        self.found: list[Diagnostic] = []

    def wrong(
        self, rule: Rule, message: str, span: Span, help: str | None = None, severity: Severity = Severity.ERROR
    ) -> None:
        self.found.append(Diagnostic(rule, message, span, help, severity))

    def check(self, key: Scalar, value: Node) -> None:
        listed, wrong = sidecars.read(key, value)
        self.found += wrong
        self.found += pod.volumes(self.machine, listed)
        called = [number for number, sidecar in enumerate(listed) if self.sidecar(sidecar)]
        self.found += pod.cloud_init(self.machine, listed, called)

    def sidecar(self, sidecar: Sidecar) -> bool:
        """Checks one sidecar; returns whether it handles cloud-init data."""
        mount = sidecar.config_map
        path = mount.path.text if mount and mount.path else ""
        entry, facts = self.mounted(mount) if mount else (None, None)
        if facts or is_meant_for_us(sidecar, path):
            if not sidecar.image or not sidecar.image.text:
                self.no_image(sidecar, "cannot read patches", Severity.ERROR)
            told = self.told(sidecar)
            if told and mount and mount.path:
                self.hook_path(mount, mount.path, told)
            if entry and told and mount and mount.path:
                self.checksum(entry, mount.path.text, told)
            if entry and entry.content and not facts and not (is_hook(path) and entry.is_program):
                facts = self.load(entry)
            if facts and facts.only_tests and mount and mount.key:
                message = f"key `{mount.key.text}` contains only tests (kind: PatchTest), no patch"
                self.wrong(
                    rules.NO_PATCH_FILE, message, mount.key.span, "mount the key with the patches that they test"
                )
            if facts and facts.edits_cloud_init and told and told.version and told.version.text == VERSIONS[0]:
                message = f"protocol {VERSIONS[0]} does not support cloud-init data, which patches here edit"
                self.wrong(rules.SIDECAR_VERSION, message, told.version.span, f"use {VERSIONS[-1]}")
                return False
        elif mount and not entry and not sidecar.image:
            self.no_image(sidecar, "runs the script mounted here, and cannot read a patch", Severity.WARNING)
        return facts.edits_cloud_init if facts else is_hook(path) and path.endswith("/preCloudInitIso")

    def told(self, sidecar: Sidecar) -> Arguments | None:
        """Our shim's settings; None if another program starts, or if they are unknown."""
        if sidecar.command and PurePosixPath(sidecar.command[0].text).name != "sidecar-shim":
            return None
        if not sidecar.is_whole:
            return None
        told, wrong = arguments.read((*sidecar.command[1:], *sidecar.args))
        self.found += wrong
        return told

    def no_image(self, sidecar: Sidecar, what: str, severity: Severity) -> None:
        span = sidecar.image.span if sidecar.image else sidecar.span
        message = f"without `image` KubeVirt starts its own sidecar, which {what}"
        self.wrong(rules.SIDECAR_IMAGE, message, span, "set it to the patchlang sidecar's image", severity)

    # -- what it mounts, and where ---------------------------------------------------------------------------------

    def mounted(self, mount: Mount) -> tuple[Entry | None, PatchFacts | None]:
        """The mounted key; reports if it, or its ConfigMap, is not in the input (PL707, PL708)."""
        name = mount.name.text
        given = self.nearest(name)
        if not given:
            self.not_given(name, mount.name.span)
        elif mount.key:
            key = mount.key.text
            for one in given:
                if entry := one.config_map.entry(key):
                    return entry, one.facts.get(key)
            keys = [entry.key.text for one in given for entry in one.config_map.entries]
            message = f"ConfigMap `{name}` ({given[0].config_map.span}) has no key `{key}`"
            self.wrong(rules.NO_SUCH_KEY, message, mount.key.span, did_you_mean(key, keys, "its keys"))
        return None, None

    def checksum(self, entry: Entry, path: str, told: Arguments) -> None:
        """Whether the sidecar would refuse the mounted text (PL011)."""
        if not told.sha256:
            return
        what = f"key `{entry.key.text}` ({entry.key.span})"
        help = "review the text, then write its checksum here, as `patchlang manifest --sha256` does"
        if entry.is_program or entry.content is None:
            message = f"{what} is not a patch, and with `--sha256` the sidecar runs nothing else"
            self.wrong(rules.OTHER_CHECKSUM, message, told.sha256[0].span, "mount a patch file")
            return
        digest = sha256(entry.content.text.encode(errors="surrogatepass")).hexdigest()
        others = [one for one in told.sha256 if one.text.lower() != digest]
        if len(others) == len(told.sha256):
            self.wrong(rules.OTHER_CHECKSUM, f"{what} has a different SHA-256: {digest}", others[0].span, help)
        elif others and told.patches == (path,):
            message = "no file has this SHA-256: the sidecar's only file has a different one"
            self.wrong(rules.OTHER_CHECKSUM, message, others[0].span, "remove it, or name the file with `--patches`")

    def not_given(self, name: str, span: Span) -> None:
        elsewhere = [one.config_map for one in self.config_maps if one.config_map.name == name]
        if elsewhere:
            mine, other = self.machine.namespace, elsewhere[0].namespace
            message = f"ConfigMap `{name}` ({elsewhere[0].span}) is in namespace `{other}`, but the VM is in `{mine}`"
            self.wrong(rules.CONFIG_MAP_NOT_GIVEN, message, span, "KubeVirt looks in the VM's namespace")
            return
        if hashed := next((one.config_map for one in self.config_maps if is_hashed(one.config_map.name, name)), None):
            message = f"ConfigMap `{name}` is named `{hashed.name}` ({hashed.span}): kustomize added a hash to it"
            self.wrong(rules.CONFIG_MAP_NOT_GIVEN, f"{message}, but does not update annotations", span, KEEP_NAME)
            return
        if made := next((one for one in self.generated if one.name == name), None):
            if made.hashed:
                message = f"kustomize will add a hash to the name of ConfigMap `{name}` ({made.span})"
                self.wrong(rules.CONFIG_MAP_NOT_GIVEN, f"{message}, but does not update annotations", span, KEEP_NAME)
            return
        known = sorted({one.config_map.name for one in self.config_maps})
        help = did_you_mean(name, known, "in the input") if known else "pass its manifest too"
        message = f"ConfigMap `{name}` is not in the input"
        self.wrong(rules.CONFIG_MAP_NOT_GIVEN, message, span, help, Severity.WARNING)

    def nearest(self, name: str) -> list[Given]:
        """The ConfigMaps of that name which the VM may mean: those in the nearest folder, if there are several."""
        namespaces = {self.machine.namespace, ""} if self.machine.namespace else None
        fitting = [
            one
            for one in self.config_maps
            if one.config_map.name == name and (not namespaces or one.config_map.namespace in namespaces)
        ]
        distances = [_distance(self.file, one.file) for one in fitting]
        return [one for one, distance in zip(fitting, distances, strict=True) if distance == min(distances)]

    def hook_path(self, mount: Mount, written: Scalar, told: Arguments) -> None:
        """Whether the shim finds the file (PL709); reports if no argument names it (PL718)."""
        looked_at = told.patches or (DEFAULT_PATCHES,)
        path = PurePosixPath(written.text)
        if is_hook(written.text) or any(path == PurePosixPath(place) for place in told.patches):
            return
        if not path.is_absolute():
            self.wrong(rules.HOOK_PATH, "`hookPath` must start with `/`", written.span)
        elif not any(PurePosixPath(place) in (path, path.parent) for place in looked_at):
            message = f"the sidecar does not look for patches there, but at {' and '.join(looked_at)}"
            name = mount.key.text if mount.key and mount.key.text.endswith(_ENDINGS) else f"{path.stem}.yaml"
            help = f"mount it as {DEFAULT_PATCHES}/{name}"
            hook = closest(path.name, _HOOKS)
            if hook and str(path.parent) in _PROGRAM_FOLDERS:
                help = f"did you mean `{path.parent}/{hook}`?"
            elif told.patches:
                help = f'add "--patches", "{path}" to `args`, or mount it where `--patches` points'
            self.wrong(rules.HOOK_PATH, message, written.span, help)
        elif path != PurePosixPath(DEFAULT_PATCHES) and (path.suffix not in _ENDINGS or path.name.startswith(".")):
            message = f"the sidecar only reads `*.yaml` and `*.yml` files in {path.parent} that are not hidden"
            name = path.name.strip(".")
            name = name if name.endswith(_ENDINGS) else f"{name}.yaml"
            self.wrong(rules.HOOK_PATH, message, written.span, f"mount it as {path.parent}/{name}")
        elif not told.patches:
            message = "no argument names this file: the sidecar reads it from its default folder"
            help = f'add "--patches", "{path}" to `args`, so that a missing file is an error'
            self.wrong(rules.UNNAMED_FILE, message, written.span, help, Severity.ADVICE)


def is_meant_for_us(sidecar: Sidecar, path: str) -> bool:
    """Whether a sidecar is meant to be our shim: by its image, its flags, or where (``path``) it mounts something."""
    by_image = sidecar.image is not None and "patchlang" in sidecar.image.text
    by_flags = bool(arguments.names(sidecar.args) & arguments.OURS)
    return by_image or by_flags or path.startswith("/etc/patchlang/")


def is_hook(path: str) -> bool:
    """Whether the shim takes a file there for a hook's executable, or for a patch in its place."""
    return str(PurePosixPath(path).parent) in _PROGRAM_FOLDERS and PurePosixPath(path).name in _HOOKS


def _distance(file: str, other: str) -> int:
    """The distance between two files: 0 for the same file, then by the folders between them."""
    if file == other:
        return 0
    return 1 + len(PurePosixPath(os.path.relpath(os.path.dirname(other) or ".", os.path.dirname(file) or ".")).parts)
