"""What the formats of a plan say alike."""

from __future__ import annotations

from collections.abc import Iterator

from .report import Group, Plan, Status

WORDS = {
    Status.FAILS: "would not start",
    Status.CHANGES: "would change",
    Status.UNCHANGED: "unchanged",
    Status.UNKNOWN: "unknown",
    Status.UNPATCHED: "without patches",
}
_SHOWN = 5


def title(group: Group, total: int) -> str:
    """``37 of 40 would change``, and why not, if they would not."""
    body = group.body
    because = f": {body.reason}" if body.reason else ""
    return f"{len(group.vms)} of {total} {WORDS[body.status]}{because}"


def summary(plan: Plan) -> str:
    """A summary in one line."""
    counts = plan.counts()
    parts = [f"{counts[status.value]} {WORDS[status]}" for status in Status if counts[status.value]]
    vms = f"{counts['vms']} VM{'' if counts['vms'] == 1 else 's'}"
    return f"{vms}: {', '.join(parts)}" if parts else vms


def names(group: Group) -> str:
    """The first VMs of a group, and the number of others."""
    more = f" and {len(group.vms) - _SHOWN} more" if len(group.vms) > _SHOWN else ""
    return ", ".join(group.vms[:_SHOWN]) + more


def values(group: Group) -> Iterator[str]:
    """What expressions gave: ``$[ … ]: "a" (lab/web), "b" (lab/db)``."""
    written = dict.fromkeys(key for example in group.examples for key in example.values)
    for one in written:
        given = [f'"{example.values[one]}" ({example.vm})' for example in group.examples if one in example.values]
        yield f"{one}: {', '.join(given)}"
