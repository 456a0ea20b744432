"""sidecar-shim with other limits: $LIMITS is a JSON object of fields of shim.calls.Limits."""

from __future__ import annotations

import json
import os
import sys

from shim.__main__ import main
from shim.calls import Limits

if __name__ == "__main__":
    sys.exit(main(limits=Limits(**json.loads(os.environ["LIMITS"]))))
