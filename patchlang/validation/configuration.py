"""A repository's settings for checks."""

from __future__ import annotations

from ..record import record
from .leftout import Exclusion

YAML_NAME = ".patchlang.yaml"
NO_LIBVIRT = "none"


@record
class Configuration:
    """The keys of a configuration; None if one is missing. ``exclude`` is relative to the folder of its file."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    exclude: Exclusion | None = None
    kubevirt: str | None = None
    libvirt: str | None = None


def not_to_ignore(selector: str) -> tuple[str, str]:
    """Why a rule, or one of several, cannot be ignored, and what to write instead."""
    return f"`{selector}` cannot be ignored: the sidecar refuses such a patch", "PL3, PL7, PL8 and PL9 can be ignored"
