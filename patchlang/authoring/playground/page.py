"""What the page begins with."""

from __future__ import annotations

import json
from collections.abc import Sequence

from . import samples
from .request import PatchText


def start_data(patches: Sequence[PatchText]) -> str:
    """JSON: the ``patches``, by default one to begin with, and the ``samples`` there are."""
    begun = [*patches] or [PatchText(samples.STARTER, samples.starter())]
    shown = [{"name": one.name, "text": one.text} for one in begun]
    return json.dumps({"patches": shown, "samples": samples.listed()})
