"""From what a hook does to a patch that does the same: the differences of samples, as edits, proven."""

from __future__ import annotations

from collections.abc import Sequence

from .cloudinit import derive_cloud_init
from .deriving import Derived, derive_domain
from .samples import Sample

__all__ = ["Derived", "Sample", "derive"]


def derive(samples: Sequence[Sample], name: str) -> Derived:
    """The patch that makes the outcome of every sample, all domains or all cloud-init data; see :class:`Derived`.

    Raises PatchError where a sample cannot be read (PL501 to PL505).
    """
    if not any(sample.differences(sample.before) for sample in samples):
        from .proof import Fault

        return Derived(None, (Fault(None, "the hook changes nothing in any sample; give one that it changes"),))
    return derive_domain(samples, name) if samples[0].is_domain else derive_cloud_init(samples, name)
