"""What a plan says: VMs in groups of equal effect. Its parts add up, however the VMs were distributed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from .. import __version__
from ..record import field, record

VERSION = 1
EXAMPLES = 3
"""How many VMs of a group show their computed values."""


class Status(Enum):
    """What happens to the VMs of a group at their next start, in display order."""

    FAILS = "fails"
    CHANGES = "changes"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    UNPATCHED = "unpatched"


@record
class Said:
    """A finding: as text for people, and as JSON (docs/validate.md)."""

    text: str
    data: Mapping[str, Any]


@record
class Body:
    """What is equal for all VMs of a group; the diff and the findings are from one of them, ``of``.

    ``reason`` explains why nothing changes or nothing is known, ``edits`` are those that change something,
    ``effect`` is what they do.
    """

    of: str
    status: Status
    reason: str = ""
    edits: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()
    diff: str = ""
    findings: tuple[Said, ...] = ()


@record
class Example:
    """What the expressions of an effect gave for a VM."""

    vm: str
    values: Mapping[str, str]


@record(frozen=False)
class Group:
    """VMs of equal effect: ``namespace/name`` of all, and the first few with their computed values."""

    body: Body
    vms: list[str] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    def add(self, other: Group) -> None:
        """Adds another part of the same group; details are shown for the VM whose name is first."""
        if other.body.of < self.body.of:
            self.body = other.body
        self.vms += other.vms
        self.examples = sorted([*self.examples, *other.examples], key=lambda one: one.vm)[:EXAMPLES]


NOTES = {
    "after": "`virsh dumpxml` prints the domain of a running VM after edits and after libvirt: "
    "`unchanged` may mean that the patches are already applied.",
    "first-run": "Each domain is patched once, like the first call of a boot; `patchlang test` replays all calls.",
    "unknown": "A VM without a domain, or whose patches are not in the dump, is unknown: the plan does not guess.",
    "others": "Some VMs also have other sidecars or executables; what they do is not known.",
    "cloud-init": "Some patches edit cloud-init data, which a dump does not contain: these edits are not planned.",
    "facts": "Some patches read facts of the pod, which a dump does not contain: they count as missing.",
    "given": "The patches come from the command line, instead of annotations and Plugins.",
    "base": "Two sets of patches are compared on the same domains: a VM changes if their results differ.",
    "left-over": "Some domains belong to no VM in the dump and are ignored.",
}
"""The assumptions of a report, by the names of their notes."""


@record(frozen=False)
class Plan:
    """Groups by key, a digest of their effect. ``shard`` is which part of how many this is, None for the whole.

    ``dump`` is a digest of all VM names and of what is planned, the same for all parts of one plan.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    shard: tuple[int, int] | None = None
    dump: str = ""

    def add(self, other: Plan) -> None:
        for key, group in other.groups.items():
            if key in self.groups:
                self.groups[key].add(group)
            else:
                self.groups[key] = group
        self.notes |= other.notes

    def sorted(self) -> list[tuple[str, Group]]:
        """The groups in display order: the most important first, then the larger ones."""
        ranks = list(Status)
        for group in self.groups.values():
            group.vms.sort()
        return sorted(
            self.groups.items(), key=lambda one: (ranks.index(one[1].body.status), -len(one[1].vms), one[1].body.of)
        )

    def counts(self) -> dict[str, int]:
        """The number of VMs, in total and by status."""
        found = dict.fromkeys((status.value for status in Status), 0)
        for group in self.groups.values():
            found[group.body.status.value] += len(group.vms)
        return {"vms": sum(found.values()), **found}

    def rests_on(self) -> Iterator[str]:
        yield from (text for name, text in NOTES.items() if name in self.notes)

    def as_data(self) -> dict[str, Any]:
        """As JSON, described in docs/plan.md."""
        return {
            "version": VERSION,
            "tool": {"name": "patchlang", "version": __version__},
            "dump": self.dump,
            "shard": {"number": self.shard[0], "of": self.shard[1]} if self.shard else None,
            "counts": self.counts(),
            "restsOn": [{"name": name, "text": NOTES[name]} for name in NOTES if name in self.notes],
            "groups": [_group(key, group) for key, group in self.sorted()],
        }


def _group(key: str, group: Group) -> dict[str, Any]:
    body = group.body
    return {
        "key": key,
        "status": body.status.value,
        "reason": body.reason,
        "edits": list(body.edits),
        "effect": list(body.effect),
        "shown": body.of,
        "diff": body.diff,
        "diagnostics": [{**said.data, "text": said.text} for said in body.findings],
        "examples": [{"vm": one.vm, "values": dict(one.values)} for one in group.examples],
        "vms": group.vms,
    }


class NotAPlanError(ValueError):
    """Text that is not a plan, or plans that are not parts of one; the message says why."""


def from_data(data: Any) -> Plan:
    """A plan from its JSON. Raises NotAPlanError."""
    if not isinstance(data, dict) or data.get("tool", {}).get("name") != "patchlang" or "groups" not in data:
        raise NotAPlanError("not a plan written by `patchlang plan --format json`")
    if data.get("version") != VERSION:
        raise NotAPlanError(f"it has version {data.get('version')}, but this patchlang reads version {VERSION}")
    try:
        shard = data["shard"] and (int(data["shard"]["number"]), int(data["shard"]["of"]))
        groups = {one["key"]: _read_group(one) for one in data["groups"]}
        return Plan(groups, {one["name"] for one in data["restsOn"]} & set(NOTES), shard, data["dump"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotAPlanError("fields of a plan are missing") from None


def _read_group(data: dict[str, Any]) -> Group:
    findings = tuple(
        Said(one["text"], {name: value for name, value in one.items() if name != "text"}) for one in data["diagnostics"]
    )
    edits, effect = tuple(data["edits"]), tuple(data["effect"])
    body = Body(data["shown"], Status(data["status"]), data["reason"], edits, effect, data["diff"], findings)
    return Group(body, list(data["vms"]), [Example(one["vm"], one["values"]) for one in data["examples"]])


def merge(plans: Iterable[tuple[str, Plan]]) -> Plan:
    """The whole from its parts, which come with their file names. Raises NotAPlanError."""
    whole = Plan()
    there: dict[int, str] = {}
    of = 0
    for name, plan in plans:
        if plan.shard is None:
            raise NotAPlanError(f"{name} is a whole plan, not part of one (`--shard`)")
        number, count = plan.shard
        if there and (count != of or plan.dump != whole.dump):
            raise NotAPlanError(f"{name} and {next(iter(there.values()))} are parts of different plans")
        if number in there:
            raise NotAPlanError(f"{there[number]} and {name} are both part {number} of {count}")
        there[number], of, whole.dump = name, count, plan.dump
        whole.add(plan)
    missing = [str(number) for number in range(1, of + 1) if number not in there]
    if missing:
        shown = ", ".join(missing[:10]) + (", …" if len(missing) > 10 else "")
        raise NotAPlanError(f"missing parts of {of}: {shown}")
    return whole
