"""The initial content of the page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from . import samples
from .request import PatchText


def start_data(patches: Sequence[PatchText]) -> str:
    """JSON: the ``patches``, by default an example, and the available ``samples``."""
    begun = [*patches] or [PatchText(samples.STARTER, samples.starter())]
    shown = [{"name": one.name, "text": one.text} for one in begun]
    return json.dumps({"patches": shown, "samples": samples.listed()})
