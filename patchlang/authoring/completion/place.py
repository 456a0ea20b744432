"""The place that completion and hover are asked about."""

from __future__ import annotations

from collections.abc import Callable

from ...record import record
from .slots import Slot
from .spot import Spot


@record
class Settings:
    """The versions to complete for.

    ``libvirt`` is the version whose grammar the domain follows, by default the newest one. ``kubevirt`` is the release
    that defines the VMI; None: any release.
    """

    libvirt: str | None = None
    kubevirt: str | None = None


@record(eq=False)
class Place:
    """The place of a cursor in the model, and its way back to the outermost text.

    ``start`` and ``end`` are those of the key or scalar there, in the outermost text. ``spot`` is the place within the
    scalar's value.
    """

    slot: Slot
    settings: Settings
    start: int
    end: int
    spot: Spot | None
    place: Callable[[int], int]
