"""sidecar-shim whose engine waits while it reads the patch files: before the second one, until there is a file `go`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from patchlang import load
from patchlang.source import SourceFile
from shim.__main__ import main

FOLDER = Path(os.environ["PAUSE_IN"])
SECOND = "b.yaml"

_read_source = load.read_source


def _paused(path: Path, *, regular: bool = False) -> SourceFile:
    if path.name == SECOND:
        (FOLDER / "paused").touch()
        while not (FOLDER / "go").exists():
            time.sleep(0.01)
    return _read_source(path, regular=regular)


# The first engine is forked from this process, and inherits it.
setattr(load, "read_source", _paused)  # noqa: B010

if __name__ == "__main__":
    sys.exit(main())
