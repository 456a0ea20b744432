"""All targets, by name."""

from __future__ import annotations

from ..target import Target
from . import cloudinit, dire, domains, expressions, manifests, patches

USUAL: dict[str, Target] = {
    target.name: target for module in (patches, domains, cloudinit, expressions, manifests) for target in module.TARGETS
}
ALL = USUAL | {target.name: target for target in dire.TARGETS}
