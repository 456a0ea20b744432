"""Derive a patch from what a hook does: turn the differences of samples into edits, and check them."""

from __future__ import annotations

from collections.abc import Sequence

from .cloudinit import derive_cloud_init
from .deriving import Derived, derive_domain
from .proof import Fault
from .samples import Sample
from .templates import MARKS

__all__ = ["Derived", "Sample", "derive"]


def derive(samples: Sequence[Sample], name: str) -> Derived:
    """The patch that gives the result of every sample, all domains or all cloud-init data; see :class:`Derived`.

    Raises PatchError if a sample cannot be read (PL501 to PL505).
    """
    for number, sample in enumerate(samples):
        if mark := next((one for one in sorted(MARKS) if one in sample.texts), None):
            message = (
                f"a text has the noncharacter U+{ord(mark):04X}, which only this program may use; take it out first"
            )
            return Derived(None, (Fault(number, message),))
    if not any(sample.differences(sample.before) for sample in samples):
        return Derived(None, (Fault(None, "the hook changes nothing in any sample; give one that it changes"),))
    return derive_domain(samples, name) if samples[0].is_domain else derive_cloud_init(samples, name)
