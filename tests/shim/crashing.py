"""sidecar-shim whose engine crashes while it loads the patches."""

from __future__ import annotations

import os
import sys
from typing import Any

from patchlang import yamltree
from shim.__main__ import main


def _crash(*_: Any) -> Any:
    os.abort()


setattr(yamltree, "parse", _crash)  # noqa: B010

if __name__ == "__main__":
    sys.exit(main())
