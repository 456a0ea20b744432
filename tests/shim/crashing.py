"""sidecar-shim whose engine fails while it loads the patches, depending on $HOW: it aborts, or it never returns."""

from __future__ import annotations

import os
import sys
from typing import Any

from patchlang.document import yamltree
from shim import firstengine
from shim.__main__ import main


def _fail(*_: Any) -> Any:
    while os.environ["HOW"] == "hang":
        pass
    os.abort()


setattr(yamltree, "parse", _fail)  # noqa: B010
setattr(firstengine, "LOAD_SECONDS", 1.0)  # noqa: B010

if __name__ == "__main__":
    sys.exit(main())
