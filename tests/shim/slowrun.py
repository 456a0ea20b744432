"""sidecar-shim with limits of three seconds, and an engine that does not return for a domain that asks for it.

Importing it changes the engine of the current process, which later engines rely on.
"""

from __future__ import annotations

import sys
import threading

from patchlang import engine
from patchlang.compile import Program
from patchlang.podfacts import Pod
from patchlang.result import Outcome, Progress
from shim import engines
from shim.__main__ import main
from shim.calls import Limits

_patch_domain = engine.patch_domain


def _slow(program: Program, domain: bytes, vmi: bytes, *, progress: Progress, pod: Pod) -> Outcome:
    if b"<hang></hang>" in domain:
        progress("the-slow-one", program.documents[0].span)
        threading.Event().wait()
    if b"<bug></bug>" in domain:
        raise ZeroDivisionError(domain.decode())
    return _patch_domain(program, domain, vmi, progress=progress, pod=pod)


setattr(engine, "patch_domain", _slow)  # noqa: B010
# The first engine is forked from here and inherits it; later ones start from a text.
setattr(engines, "_BOOT", engines._BOOT.replace("from shim.engine", "import slowrun; from shim.engine"))  # noqa: B010

if __name__ == "__main__":
    sys.exit(main(limits=Limits(callback=3.0, mutate=3.0)))
