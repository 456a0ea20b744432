"""Checks Plugins against the policies and ConfigMaps next to them: is the sidecar there, with its patches?"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from .. import rules
from ..diagnostics import Diagnostic, Severity, closest, did_you_mean
from ..document.yamltree import Scalar
from ..manifests import arguments
from ..manifests.arguments import DEFAULT_PATCHES, Arguments
from ..manifests.given import Given
from ..manifests.machines import Machine
from ..manifests.pod import KUBEVIRTS_VOLUMES
from ..record import record
from ..source import Span
from .reading import SOCKETS, Admitting, Container, Mount, Plugin, Policy

FOLDER = "/var/run/kubevirt-plugin"
_LONGEST = 107
_ENDINGS = (".yaml", ".yml")


@record
class Listener:
    """A container that mounts the sockets of plugins. ``folder`` is its mount path, ``socket`` the path it listens at.

    Both are as virt-launcher sees them; None if unknown.
    """

    policy: Policy
    container: Container
    folder: Scalar | None
    socket: str | None
    place: Span


def check(
    plugins: Sequence[Plugin], policies: Sequence[Policy], bound: Sequence[str], config_maps: Sequence[Given]
) -> list[Diagnostic]:
    """Problems between Plugins, policies, the names of those ``bound``, and ConfigMaps (PL704 to PL723, PL011)."""
    checker = _Checker(policies, config_maps)
    for policy in policies:
        checker.policy(policy, is_bound=policy.name in bound)
    for plugin in plugins:
        for socket in plugin.sockets:
            if not checker.path(plugin, socket):
                checker.is_served(plugin, socket)
    checker.folders(plugins)
    return checker.found


def not_admitted(machines: Iterable[Machine], policies: Sequence[Admitting]) -> Iterator[Diagnostic]:
    """Annotations that a policy next to them would refuse (PL724)."""
    for machine in machines if policies else ():
        if machine.annotation is None:
            continue
        key, value = machine.annotation
        if not isinstance(value, Scalar):
            continue  # which is PL702
        for policy in policies:
            if value.text in ("", *policy.texts):
                continue
            message = f"policy `{policy.name}` ({policy.span}) does not allow this text: the VM would be refused"
            help = "copy what `patchlang manifest` printed, or generate the policy again with `--admit` and this file"
            if value.text.strip() in [text.strip() for text in policy.texts]:
                help = "only the line break at the end differs: write it as a block, with `|`"
            yield Diagnostic(rules.NOT_ADMITTED, message, key.span, help, Severity.WARNING)


class _Checker:
    def __init__(self, policies: Sequence[Policy], config_maps: Sequence[Given]) -> None:
        self.config_maps = config_maps
        self.volumes = {volume.name for policy in policies for volume in policy.volumes}
        self.volumes |= {SOCKETS, *KUBEVIRTS_VOLUMES}
        self.all_known = all(policy.is_whole for policy in policies)
        self.listeners: list[Listener] = []
        self.found: list[Diagnostic] = []

    def wrong(self, found: Diagnostic) -> None:
        self.found.append(found)

    # -- the Plugin ------------------------------------------------------------------------------------------------

    def path(self, plugin: Plugin, socket: Scalar) -> bool:
        """Reports a socket path that KubeVirt would refuse (PL720); returns whether it did."""
        folder = f"{FOLDER}/{plugin.name}/"
        name = posixpath.basename(socket.text) or "hook.sock"
        name = name if name.endswith(".sock") else f"{name.rsplit('.', 1)[0]}.sock"
        help = f"write `{folder}{name}`"
        if not socket.text.startswith(folder) or not posixpath.normpath(socket.text).startswith(folder):
            message = f"KubeVirt only calls Plugin `{plugin.name}` on a socket below `{folder}`"
        elif not socket.text.endswith(".sock"):
            message = "KubeVirt refuses a socket path that does not end in `.sock`"
        elif len(socket.text.encode()) > _LONGEST:
            message, help = f"a socket path may have at most {_LONGEST} bytes", "give the Plugin a shorter name"
        else:
            return False
        self.wrong(Diagnostic(rules.PLUGIN_SOCKET, message, socket.span, help))
        return True

    def is_served(self, plugin: Plugin, socket: Scalar) -> None:
        """Whether a container in the input listens there; others may, but are unknown."""
        here = [one for one in self.listeners if one.folder and one.folder.text == plugin.name]
        wanted = posixpath.normpath(socket.text)
        if here and all(one.socket not in (None, wanted) for one in here):
            message = (
                f"nothing listens there: the container of policy `{here[0].policy.name}` listens at `{here[0].socket}`"
            )
            self.wrong(Diagnostic(rules.PLUGIN_SOCKET, message, socket.span, f"write `{here[0].socket}`"))

    def folders(self, plugins: Sequence[Plugin]) -> None:
        """Containers in a folder whose name is close to that of a Plugin (PL721)."""
        names = [plugin.name for plugin in plugins]
        for one in self.listeners:
            if one.folder and one.folder.text not in names and (meant := closest(one.folder.text, names)):
                message = (
                    f"no Plugin is named `{one.folder.text}`, and KubeVirt calls each Plugin in the folder of its name"
                )
                self.wrong(Diagnostic(rules.PLUGIN_MOUNT, message, one.folder.span, f"did you mean `{meant}`?"))

    # -- the policy ------------------------------------------------------------------------------------------------

    def policy(self, policy: Policy, *, is_bound: bool) -> None:
        for container in policy.containers:
            self.container(policy, container)
        if not is_bound and any(one.policy is policy for one in self.listeners):
            message = f"no binding for policy `{policy.name}` in the input: without one, the policy does nothing"
            help = "add a MutatingAdmissionPolicyBinding with this `policyName`"
            self.wrong(Diagnostic(rules.UNBOUND_POLICY, message, policy.span, help, Severity.WARNING))

    def container(self, policy: Policy, container: Container) -> None:
        is_ours = container.image is not None and "patchlang" in container.image.text
        is_ours |= bool(arguments.names(container.args or ()) & arguments.OURS)
        mount = next((one for one in container.mounts if one.name.text == SOCKETS), None)
        if not is_ours and mount is None:
            return
        self.mounts(container)
        told = self.told(container) if is_ours else None
        socket = self.socket(container, mount, told)
        folder = mount.sub_path if mount and mount.sub_path and not mount.sub_path.plain else None
        place = told.plugin_socket.span if told and told.plugin_socket else container.span
        self.listeners.append(Listener(policy, container, folder, socket, place))
        if told is not None:
            self.patches(policy, container, told)

    def told(self, container: Container) -> Arguments | None:
        """The arguments of our sidecar; None if another program starts, or if they are unknown."""
        if container.args is None or container.command is None:
            return None
        if container.command and PurePosixPath(container.command[0].text).name != "sidecar-shim":
            return None
        told, wrong = arguments.read((*container.command[1:], *container.args))
        self.found += wrong
        if told.plugin_socket is None and not wrong:
            message = "the sidecar does not serve the Plugin API without `--plugin-socket`, and would wait for hooks"
            help = f'add "--plugin-socket", "{FOLDER}/NAME/hook.sock" to `args`, with the Plugin\'s name'
            self.wrong(Diagnostic(rules.PLUGIN_SOCKET, message, _start(container.span), help))
        return told

    def mounts(self, container: Container) -> None:
        """What the API server, or KubeVirt's own policy, refuses about the mounts (PL721)."""
        for mount in container.mounts:
            name = mount.name
            if not name.plain and name.text not in self.volumes and self.all_known:
                message = f"the pod has no volume `{name.text}`, and none is added: the pod would be refused"
                help = did_you_mean(name.text, sorted(self.volumes), "add it in another operation; available")
                self.wrong(Diagnostic(rules.PLUGIN_MOUNT, message, name.span, help))
            elif name.text == SOCKETS and (mount.sub_path is None or not mount.sub_path.text):
                message = f"KubeVirt refuses a pod that mounts `{SOCKETS}` without `subPath`"
                self.wrong(Diagnostic(rules.PLUGIN_MOUNT, message, name.span, "set `subPath` to the Plugin's name"))

    def socket(self, container: Container, mount: Mount | None, told: Arguments | None) -> str | None:
        """Where virt-launcher finds the socket at which the sidecar listens (PL720, PL721)."""
        if told is None or told.plugin_socket is None:
            return None
        if mount is None:
            message = f"the container does not mount `{SOCKETS}`: its socket is not visible"
            help = f'mount it at "{FOLDER}/NAME/" with `subPath: "NAME"`, where NAME is the Plugin\'s name'
            self.wrong(Diagnostic(rules.PLUGIN_MOUNT, message, _start(container.span), help))
            return None
        if mount.path is None or mount.path.plain or mount.sub_path is None or mount.sub_path.plain:
            return None
        folder, listens = PurePosixPath(mount.path.text), PurePosixPath(posixpath.normpath(told.plugin_socket.text))
        if folder not in listens.parents:
            message = f"the socket is not in the mounted folder `{folder}`: it is not visible"
            help = f"write `{folder / listens.name}`"
            self.wrong(Diagnostic(rules.PLUGIN_SOCKET, message, told.plugin_socket.span, help))
            return None
        return str(PurePosixPath(FOLDER, mount.sub_path.text) / listens.relative_to(folder))

    # -- its patches -----------------------------------------------------------------------------------------------

    def patches(self, policy: Policy, container: Container, told: Arguments) -> None:
        names = {volume.name: volume.config_map for volume in policy.volumes}
        for mount in container.mounts:
            name = names.get(mount.name.text)
            if name is None or mount.path is None or mount.path.plain:
                continue
            keys = self.keys(mount, told)
            given = [one for one in self.config_maps if one.config_map.name == name.text]
            if not given:
                known = sorted({one.config_map.name for one in self.config_maps})
                help = did_you_mean(name.text, known, "in the input") if known else "pass its manifest too"
                message = f"ConfigMap `{name.text}` is not in the input"
                self.wrong(Diagnostic(rules.CONFIG_MAP_NOT_GIVEN, message, name.span, help, Severity.WARNING))
            for one in given:
                self.mounted(one, keys, mount.path, told)

    def keys(self, mount: Mount, told: Arguments) -> set[str] | None:
        """The keys of the ConfigMap that the sidecar reads, by file name; None for all (PL709)."""
        assert mount.path is not None, "the caller checks it"
        looked_at = [PurePosixPath(place) for place in told.patches or (DEFAULT_PATCHES,)]
        path = PurePosixPath(mount.path.text)
        if mount.sub_path is not None:
            if path in looked_at or path.parent in looked_at:
                return None if mount.sub_path.plain else {mount.sub_path.text}
        elif path in looked_at:
            return None
        elif named := {place.name for place in looked_at if place.parent == path}:
            return named
        message = f"the sidecar does not look for patches there, but at {' and '.join(map(str, looked_at))}"
        help = f"mount the ConfigMap at {DEFAULT_PATCHES}"
        if told.patches:
            help = f'mount it at {looked_at[0].parent}, or add "--patches", "{path}" to `args`'
        self.wrong(Diagnostic(rules.HOOK_PATH, message, mount.path.span, help))
        return set()

    def mounted(self, given: Given, keys: set[str] | None, place: Scalar, told: Arguments) -> None:
        """The keys of a ConfigMap that the sidecar reads (PL011, PL708, PL722)."""
        name, there = given.config_map.name, {entry.key.text: entry for entry in given.config_map.entries}
        for key in sorted(keys - there.keys() if keys is not None else ()):
            message = f"ConfigMap `{name}` ({given.config_map.span}) has no key `{key}`"
            self.wrong(Diagnostic(rules.NO_SUCH_KEY, message, place.span, did_you_mean(key, list(there), "its keys")))
        digests = {one.text.lower() for one in told.sha256}
        for key, entry in there.items():
            if key not in keys if keys is not None else not key.endswith(_ENDINGS):
                continue
            facts = given.facts.get(key)
            if facts and facts.edits_cloud_init and told.version is None:
                message = f"key `{key}` ({entry.key.span}) edits cloud-init data, which the Plugin API does not support"
                span = told.plugin_socket.span if told.plugin_socket else place.span
                help = "move these edits to a hook sidecar with its own ConfigMap"
                self.wrong(Diagnostic(rules.PLUGIN_CLOUD_INIT, message, span, help))
            if digests and entry.content is not None:
                digest = sha256(entry.content.text.encode(errors="surrogatepass")).hexdigest()
                if digest not in digests:
                    message = f"key `{key}` ({entry.key.span}) has a different SHA-256: {digest}"
                    help = "review the text, then write its checksum here"
                    self.wrong(Diagnostic(rules.OTHER_CHECKSUM, message, told.sha256[0].span, help))


def _start(span: Span) -> Span:
    return Span(span.source, span.start, span.start + 1)
