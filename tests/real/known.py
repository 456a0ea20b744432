"""Exceptions: the known messages of each consumer, with reasons, in known.yaml.

A message that no longer appears fails the test, just as an unknown one does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml


class Known(NamedTuple):
    case: str  # the test's name for it, or the file in examples/corpus for all its cases
    says: str  # a part of the message
    since: tuple[int, ...]  # the first libvirt version with the message
    until: tuple[int, ...]  # the first version without it
    why: str


def exceptions(consumer: str, version: tuple[int, ...]) -> list[Known]:
    """The exceptions for a version of libvirt."""
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
    """Fail if a case has an unknown message or lacks a known one."""
    unsaid, new = set(known), []
    for case, text in said:
        matching = {one for one in known if one.case in (case, case.partition("[")[0]) and one.says in text}
        unsaid -= matching
        if not matching:
            new.append(f"{case}: {text}")
    gone = [f"known.yaml, but not said any more: {one.case}: {one.says}" for one in unsaid]
    assert new + gone == [], "\n".join(["", *new, *gone])
