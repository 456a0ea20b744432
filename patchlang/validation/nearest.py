"""Where a repository's settings are: in ``.patchlang.yaml``, or ``[tool.patchlang]`` in ``pyproject.toml``.

Most have neither, so the reader (:mod:`.configfile`) is only loaded if there is one.
"""

from __future__ import annotations

import os
import re

from ..diagnostics import Diagnostic
from ..patterns import pattern
from .configuration import YAML_NAME, Configuration

TOML_NAME = "pyproject.toml"
_MOST_BYTES = 1024 * 1024
_TABLE = pattern(rb"""^[ \t]*+(?:\[[ \t]*+)?["']?tool["']?[ \t]*+(?:\.[ \t]*+["']?patchlang\b|[]=])""", re.MULTILINE)
"""Where TOML may begin `tool.patchlang`: as a header, as a dotted key, or inside `[tool]`."""


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
