"""A repository's settings for checks: ``.patchlang.yaml``, or ``[tool.patchlang]`` in ``pyproject.toml``.

Most have neither, so the reader (:mod:`.configfile`) is only loaded if there is one.
"""

from __future__ import annotations

import os
import re

from ..diagnostics import Diagnostic
from ..patterns import pattern
from ..record import record
from .leftout import Exclusion

YAML_NAME = ".patchlang.yaml"
TOML_NAME = "pyproject.toml"
NO_LIBVIRT = "none"
_MOST_BYTES = 1024 * 1024
_TABLE = pattern(rb"""^[ \t]*+(?:\[[ \t]*+)?["']?tool["']?[ \t]*+(?:\.[ \t]*+["']?patchlang\b|[]=])""", re.MULTILINE)
"""Where TOML may begin `tool.patchlang`: as a header, as a dotted key, or inside `[tool]`."""


@record
class Configuration:
    """The keys of a configuration; None if one is missing. ``exclude`` is relative to the folder of its file."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    exclude: Exclusion | None = None
    kubevirt: str | None = None
    libvirt: str | None = None


def configuration(folder: str) -> tuple[Configuration, tuple[Diagnostic, ...]]:
    """The nearest configuration, in a folder or above it, and its problems (PL001 to PL007, PL012)."""
    here = os.path.abspath(folder)
    while True:
        files = [os.path.join(here, name) for name in (YAML_NAME, TOML_NAME)]
        files = [path for path in files if os.path.lexists(path) and _may_be_ours(path)]
        if files:
            from .configfile import read_one_of

            if (found := read_one_of(files)) is not None:
                return found
        parent = os.path.dirname(here)
        if parent == here:
            return Configuration(), ()
        here = parent


def _may_be_ours(path: str) -> bool:
    """Whether a file has settings for us. A TOML file without any is ignored, valid or not."""
    if path.endswith(YAML_NAME):
        return True
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_BYTES)
            return b"patchlang" in text and _TABLE.search(text) is not None
    except OSError:
        return True  # the reader reports it


def not_to_ignore(selector: str) -> tuple[str, str]:
    """Why a rule, or one of several, cannot be ignored, and what to write instead."""
    return f"`{selector}` cannot be ignored: the sidecar refuses such a patch", "PL3, PL7, PL8 and PL9 can be ignored"
