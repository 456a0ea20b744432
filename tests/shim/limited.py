"""sidecar-shim with other limits: $LIMITS is a JSON object of fields of shim.calls.Limits, and of `load` seconds."""

from __future__ import annotations

import json
import os
import sys

from shim import engines
from shim.__main__ import main
from shim.calls import Limits

if __name__ == "__main__":
    given = json.loads(os.environ["LIMITS"])
    setattr(engines, "LOAD_SECONDS", given.pop("load", engines.LOAD_SECONDS))  # noqa: B010
    sys.exit(main(limits=Limits(**given)))
