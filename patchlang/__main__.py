"""``patchlang``: the process of the command line (also ``python -m patchlang``)."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def run() -> NoReturn:
    """Runs the command and exits with its status.

    Two things that Python does by itself each take a tenth of the time to check a file: collecting garbage in modules,
    which leave none, so that starts once the command is loaded; and shutting down, which nothing here needs.
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
