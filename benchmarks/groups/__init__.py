"""What to measure, one module per subject. Each has ``measure(context)``; the report keeps the order given here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..context import Context
from ..results import Group
from . import authoring, call, cli, cloudinit, engine, info, memory, start, validate

GROUPS: Mapping[str, Callable[[Context], Group]] = {
    "call": call.measure,
    "info": info.measure,
    "engine": engine.measure,
    "start": start.measure,
    "memory": memory.measure,
    "cloudinit": cloudinit.measure,
    "cli": cli.measure,
    "authoring": authoring.measure,
    "validate": validate.measure,
}
