"""How long Info takes while the engine is busy."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc

from .. import documents
from ..cgroup import CPU, Cage, Unavailable, cage
from ..context import Context
from ..results import Figure, Group, Row
from ..sidecar import Sidecar, define_domain, info, shim

MIB = 1 << 20
SECONDS = 5.0
"""The seconds during which Info is called repeatedly."""
SLOW = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: slow}
spec:
  domain:
    - op: set
      path: /domain/memory
      value: "$[ string(range(500).filter(i, vmi.spec.text.matches('(a|b)*a(a|b){300}c')).size()) ]"
"""

ABOUT = """\
Info over its own connection, requested repeatedly while the engine works: within one C call that takes minutes (a
regular expression in a loop, in CEL), and during consecutive calls with a domain of 1 MiB. The slowest of all answers
counts. KubeVirt waits a second for it. 200m is 20 of every 100 ms, set by a cgroup."""


def measure(context: Context) -> Group:
    text = "".join(random.Random(1).choices("ab", k=200_000))
    slow_vmi = json.dumps({"metadata": {"name": "web"}, "spec": {"text": text}}).encode()
    large, vmi = documents.grown_domain(MIB), documents.vmi()
    rows = [
        _row("a C call takes minutes", context, SLOW, None, lambda s: define_domain(s, documents.domain(), slow_vmi)),
        _row("1 MiB is edited", context, documents.WITH_CEL, None, lambda s: define_domain(s, large, vmi)),
    ]
    try:
        with cage(CPU) as limits:
            rows.append(
                _row(
                    "1 MiB is edited, at 200m",
                    context,
                    documents.WITH_CEL,
                    limits,
                    lambda s: define_domain(s, large, vmi),
                )
            )
    except Unavailable as reason:
        rows.append(Row("the slowest Info while 1 MiB is edited, at 200m", "ms", None, note=f"not measured: {reason}"))
    return Group("info", "Info while the engine works", ABOUT, tuple(rows))


def _row(what: str, context: Context, patch: str, limits: Cage | None, work: Callable[[Path], bytes]) -> Row:
    with context.scratch() as scratch:
        documents.write_patches(scratch / "patches", patch, 1)
        command = shim(context.python, scratch / "hooks", scratch / "patches")
        with Sidecar(scratch / "hooks", command, cage=limits) as sidecar, ThreadPoolExecutor(1) as pool:
            until = time.monotonic() + SECONDS

            def busy() -> None:
                with suppress(grpc.RpcError):
                    while time.monotonic() < until:
                        work(sidecar.socket)

            running = pool.submit(busy)
            taken = []
            while time.monotonic() < until:
                start = time.perf_counter()
                info(sidecar.socket)
                taken.append((time.perf_counter() - start) * 1000)
                time.sleep(0.01)
            sidecar.process.terminate()  # no need to wait for calls that still run
            running.result()
    slowest = Figure(max(taken), min(taken), len(taken))
    return Row(f"the slowest Info while {what}", "ms", slowest, reach=100.0 if limits is None else 1000.0)
