"""KubeVirt Plugins in a dump: which VMs their conditions select, and the patches that their sidecars apply."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..admission import reading
from ..admission.reading import SOCKETS, Container, Mount, Plugin, Policy
from ..document.yamltree import Mapping
from ..manifests import arguments
from ..manifests.arguments import DEFAULT_PATCHES, Arguments
from ..record import record

if TYPE_CHECKING:
    from .patches import PatchSet, Resolver


@record
class Brought:
    """A Plugin, and the container that a policy of the dump adds for it with that policy's volumes, if any."""

    plugin: Plugin
    container: Container | None
    policy: Policy | None


class Plugins:
    """The Plugins of a dump, by name."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.brought: list[Brought] = []
        self.programs: dict[str, Any] = {}
        nodes = [node for place in resolver.inventory.admission if (node := resolver.parsed(place)[0]) is not None]
        policies = [reading.policy(node)[0] for node in nodes if _kind(node) == "MutatingAdmissionPolicy"]
        for node in nodes:
            if _kind(node) == "Plugin":
                self.brought.append(_brought(reading.plugin(node), policies))
        self.brought.sort(key=lambda one: one.plugin.name)

    def add(self, namespace: str, vmi: dict[str, Any], result: PatchSet) -> None:
        """What the Plugins that select a VM do, after what is already there."""
        for one in self.brought:
            asked = [self.holds(condition.text, vmi) for condition in one.plugin.conditions]
            if False in asked:
                continue
            result.selected = True
            if None in asked:
                result.unknown = f"the condition of Plugin {one.plugin.name} cannot be decided for this VMI"
            elif one.container is None or one.policy is None:
                result.unknown = f"the container of Plugin {one.plugin.name} is not in the dump"
            else:
                self.work(one.container, one.policy, namespace, result)

    def holds(self, condition: str, vmi: dict[str, Any]) -> bool | None:
        """Whether a VMI meets a condition; None if CEL fails on it.

        KubeVirt reads a missing field as empty and refuses a missing key, and a VMI alone does not distinguish the
        two. An empty condition is always true.
        """
        if not condition.strip():
            return True
        from ..admission.conditions import environment

        try:
            if condition not in self.programs:
                self.programs[condition] = environment().compile(condition)
            value = self.programs[condition].eval(data={"vmi": vmi}).value()
        except (RuntimeError, ValueError, TypeError, SystemError, OverflowError, UnicodeError):
            return None
        return value if isinstance(value, bool) else None

    def work(self, container: Container, policy: Policy, namespace: str, result: PatchSet) -> None:
        if container.args is None or container.command is None:
            result.unknown = "the arguments of a Plugin's container are computed"
            return
        if container.image is None or not arguments.names(container.args) & arguments.OURS:
            result.others = True
            return
        told, wrong = arguments.read((*container.command[1:], *container.args))
        result.found += (one for one in wrong if one.is_error)
        names = {volume.name: volume.config_map for volume in policy.volumes}
        for mount in container.mounts:
            name = names.get(mount.name.text)
            if name is None or mount.path is None:
                continue
            self.resolver.add_keys(f"{namespace}/{name.text}", _keys(mount, told), told, result)


def _brought(plugin: Plugin, policies: list[Policy]) -> Brought:
    for policy in policies:
        for container in policy.containers:
            for mount in container.mounts:
                if mount.name.text == SOCKETS and mount.sub_path is not None and mount.sub_path.text == plugin.name:
                    return Brought(plugin, container, policy)
    return Brought(plugin, None, None)


def _kind(node: Mapping) -> str:
    from ..manifests.documents import word

    return word(node, "kind")


def _keys(mount: Mount, told: Arguments) -> tuple[str, ...] | None:
    """The keys of the ConfigMap that the sidecar reads where it is mounted; None: all that are called patch files."""
    looked_at = [PurePosixPath(place) for place in told.patches or (DEFAULT_PATCHES,)]
    assert mount.path is not None, "the caller checks it"
    path = PurePosixPath(mount.path.text)
    if mount.sub_path is not None:
        return (mount.sub_path.text,) if path in looked_at or path.parent in looked_at else ()
    if path in looked_at:
        return None
    return tuple(place.name for place in looked_at if place.parent == path)
