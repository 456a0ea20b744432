"""What patches are checked against besides their own language."""

from __future__ import annotations

from ..kubevirt.structs import releases
from ..record import field, record
from .selection import Selection


@record
class Options:
    """``kubevirt`` is the release that runs the hook; ``plugins``: there are KubeVirt Plugins in the cluster.

    ``vmi`` is the release whose VMI expressions read; None: a field that some release has is fine.

    ``libvirt`` is the version whose grammar the domain follows; None: that is not checked.

    ``selection`` are the rules whose findings count.
    """

    kubevirt: str = releases()[0]
    plugins: bool = False
    libvirt: str | None = None
    vmi: str | None = None
    selection: Selection = field(default_factory=Selection)
