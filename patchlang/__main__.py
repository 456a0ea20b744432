"""``patchlang``: the process of the command line (also ``python -m patchlang``)."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def run() -> NoReturn:
    """Runs the command, and ends with its status.

    Two things that Python does of itself each take a tenth of a file's check: to look for garbage among modules, which
    leave none, so that begins when the command is loaded; and to take itself down, which nothing here waits for.
    """
    gc.disable()
    from .cli import main

    try:
        main()
    except SystemExit as end:
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


if __name__ == "__main__":
    run()
