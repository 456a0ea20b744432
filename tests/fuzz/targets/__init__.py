"""All targets, by name."""

from __future__ import annotations

from ..target import Target
from . import (
    cloudinit,
    dire,
    domains,
    expressions,
    fidelity,
    growth,
    headers,
    manifests,
    markers,
    patches,
    scans,
    undo,
    values,
)  # fmt: skip

_INPUT = (patches, domains, cloudinit, expressions, manifests)
_LAWS = (values, markers, undo, scans, growth, fidelity, headers)
USUAL: dict[str, Target] = {target.name: target for module in _INPUT for target in module.TARGETS}
EVERY = USUAL | {target.name: target for module in _LAWS for target in module.TARGETS}
ALL = EVERY | {target.name: target for target in dire.TARGETS}
