"""``sidecar-shim``: the entry point of the hook sidecar (also ``python -m shim``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .config import UsageError, parse
from .log import log, set_up
from .stop import Stop
from .text import one_line

if TYPE_CHECKING:
    from .service import Limits


def main(arguments: Sequence[str] | None = None, limits: Limits | None = None) -> int:
    """Runs the sidecar. Returns 1 where it cannot start; when it has served, the process ends with status 0."""
    set_up()
    stop = Stop()
    stop.watch()
    try:
        config = parse(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        log.error("%s", one_line(f"{error} (see --help)"))
        return 1
    environment = dict(os.environ)
    # gRPC's core would write lines of its own form to standard error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Its asyncio half, which nothing here uses, would load OpenSSL: a tenth of the memory of this process.
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    # The rest takes a while to import, and as a container's first process we would be deaf to signals meanwhile.
    from .server import run

    return run(config, stop, environment, limits)


if __name__ == "__main__":
    sys.exit(main())
