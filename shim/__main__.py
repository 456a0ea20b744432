"""``sidecar-shim``: the entry point of the hook sidecar (also ``python -m shim``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from patchlang import __version__

from . import firstengine, start
from .config import UsageError, parse
from .log import LEVELS, flush, log, set_up
from .stop import Stop
from .text import one_line

if TYPE_CHECKING:
    from .calls import Limits


def main(arguments: Sequence[str] | None = None, limits: Limits | None = None) -> int:
    """Runs the sidecar. Returns 1 if it cannot start; after serving, the process exits with status 0."""
    logged = set_up()
    stop = Stop()
    stop.watch()
    try:
        config = parse(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        log.error("%s", one_line(f"{error} (see --help)"))
        flush()
        return 1
    log.setLevel(LEVELS[config.log_level])
    log.info("patchlang %s: sidecar-shim starting (version %s)", __version__, config.version or "none, plugin only")
    if not config.version_given and config.version is not None:
        log.info("no --version given: using %s", config.version)
    container = start.environment()
    hooks = start.find_hooks(start.path_variable(container))
    engine = start.unusable(hooks) or firstengine.fork(start.load_request(config, hooks), config.max_memory)
    if isinstance(engine, firstengine.FirstEngine):
        stop.before(engine.kill)
    before_imports()
    # The rest takes a while to import; meanwhile the engine loads the patches, and signals are handled.
    from .server import run

    return run(config, stop, logged, container, hooks, engine, limits)


def before_imports() -> None:
    """What must happen before asyncio and gRPC are imported."""
    # gRPC's core would write lines in its own format to standard error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # asyncio supports TLS, which nothing here uses: OpenSSL is a tenth of this process's memory.
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
