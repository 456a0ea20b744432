"""What patches are checked against besides the language itself."""

from __future__ import annotations

from ..grammar.index import versions
from ..kubevirt.structs import releases
from ..record import field, record
from .configuration import NO_LIBVIRT, Configuration
from .selection import ALL, Selection


@record
class Options:
    """``kubevirt`` is the release that runs the hook; ``plugins``: the cluster uses KubeVirt Plugins.

    ``vmi`` is the release whose VMI expressions read; None: a field of any release is fine.

    ``libvirt`` is the version whose grammar the domain follows; None: not checked.

    ``selection`` are the rules whose findings count.
    """

    kubevirt: str = releases()[0]
    plugins: bool = False
    libvirt: str | None = None
    vmi: str | None = None
    selection: Selection = field(default_factory=Selection)


def configured_options(settings: Configuration) -> Options:
    """What a configuration says, and what holds without one."""
    select = (ALL,) if settings.select is None else settings.select
    libvirt = settings.libvirt or versions()[-1]
    return Options(
        settings.kubevirt or releases()[0],
        libvirt=None if libvirt == NO_LIBVIRT else libvirt,
        vmi=settings.kubevirt,
        selection=Selection(select, settings.ignore),
    )
