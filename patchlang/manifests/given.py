"""What is known of the patches and ConfigMaps of a run when machines are held against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..record import record
from ..source import Span

if TYPE_CHECKING:
    from .configmaps import ConfigMap


@record
class PatchFacts:
    """What a patch text holds: its patches' names, with their places, and whether one edits cloud-init data.

    ``only_tests``: it holds documents, all of them tests (``kind: PatchTest``).
    """

    names: tuple[tuple[str, Span], ...]
    edits_cloud_init: bool
    only_tests: bool = False


@record
class Given:
    """A ConfigMap that is given, the file it is in, and what is known of those keys that hold patches."""

    file: str
    config_map: ConfigMap
    facts: Mapping[str, PatchFacts]
