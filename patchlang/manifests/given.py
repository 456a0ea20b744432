"""What is known of a run's patches and ConfigMaps when VMs are checked against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..record import record
from ..source import Span

if TYPE_CHECKING:
    from .configmaps import ConfigMap


@record
class PatchFacts:
    """The contents of a patch text: its patches' names, with places, and whether one edits cloud-init data.

    ``only_tests``: it has documents, all of them tests (``kind: PatchTest``).
    """

    names: tuple[tuple[str, Span], ...]
    edits_cloud_init: bool
    only_tests: bool = False


@record
class Given:
    """A ConfigMap in the input, its file, and what is known of its keys with patches."""

    file: str
    config_map: ConfigMap
    facts: Mapping[str, PatchFacts]
