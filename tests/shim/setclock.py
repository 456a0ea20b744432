"""sidecar-shim whose wall clock changes while it runs, by the number of seconds in the file $CLOCK."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

FILE = Path(os.environ["CLOCK"])

_real = time.time


def _set() -> float:
    return _real() + float(FILE.read_text())


setattr(time, "time", _set)  # noqa: B010

from shim.__main__ import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
