"""sidecar-shim whose engine pauses before it reads the second patch file, until a file `go` exists."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from shim import sources
from shim.__main__ import main

FOLDER = Path(os.environ["PAUSE_IN"])
SECOND = "b.yaml"

_read_bytes = sources.read_bytes


def _paused(path: Path, *, regular: bool = False) -> bytes:
    if path.name == SECOND:
        (FOLDER / "paused").touch()
        while not (FOLDER / "go").exists():
            time.sleep(0.01)
    return _read_bytes(path, regular=regular)


# The first engine is forked from this process and inherits it.
setattr(sources, "read_bytes", _paused)  # noqa: B010

if __name__ == "__main__":
    sys.exit(main())
