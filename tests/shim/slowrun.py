"""sidecar-shim with limits of a second, and an engine that does not return for a domain that says so."""

from __future__ import annotations

import sys
import threading

from patchlang import engine
from patchlang.compile import Program
from patchlang.result import Outcome, Progress
from shim import backends
from shim.__main__ import main
from shim.service import Limits


def _slow(program: Program, domain: bytes, vmi: bytes, *, progress: Progress) -> Outcome:
    if b"<hang></hang>" in domain:
        progress.document = "the-slow-one"
        threading.Event().wait()
    if b"<bug></bug>" in domain:
        raise ZeroDivisionError(domain.decode())
    return engine.patch_domain(program, domain, vmi, progress=progress)


setattr(backends, "patch_domain", _slow)  # noqa: B010

if __name__ == "__main__":
    sys.exit(main(limits=Limits(callback=1.0, mutate=1.0)))
