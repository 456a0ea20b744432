"""Exceptions: what a consumer is known to say, each with its reason in known.yaml.

One that is not said any more fails the test as one that is not known does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml


class Known(NamedTuple):
    case: str  # as the tests name it, or the file of examples/corpus for all its cases
    says: str  # a part of what is said
    since: tuple[int, ...]  # of libvirt: the first version that says it
    until: tuple[int, ...]  # and the first that does not any more
    why: str


def exceptions(consumer: str, version: tuple[int, ...]) -> list[Known]:
    """Those of a version of libvirt."""
    entries = yaml.safe_load(Path(__file__).with_name("known.yaml").read_text())[consumer]
    found = [
        Known(entry["case"], says, _version(entry.get("since", 0)), _version(entry.get("until", 999)), entry["why"])
        for entry in entries
        for says in entry["says"]
    ]
    return [known for known in found if known.since <= version < known.until]


def _version(number: object) -> tuple[int, ...]:
    return tuple(map(int, str(number).split(".")))


def check(said: Iterable[tuple[str, str]], known: list[Known]) -> None:
    """Fails where something is said of a case and not known, or known and not said."""
    unsaid, new = set(known), []
    for case, text in said:
        matching = {one for one in known if one.case in (case, case.partition("[")[0]) and one.says in text}
        unsaid -= matching
        if not matching:
            new.append(f"{case}: {text}")
    gone = [f"known.yaml, but not said any more: {one.case}: {one.says}" for one in unsaid]
    assert new + gone == [], "\n".join(["", *new, *gone])
