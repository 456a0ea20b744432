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

_MODULES = (
    patches, domains, cloudinit, expressions, manifests, values, markers, undo, scans, growth, fidelity, headers,
)  # fmt: skip
USUAL: dict[str, Target] = {target.name: target for module in _MODULES for target in module.TARGETS}
ALL = USUAL | {target.name: target for target in dire.TARGETS}
