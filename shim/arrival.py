"""How long a caller still waits, by a clock that nobody sets.

gRPC tells by the wall clock. Between a call's arrival and its turn that clock may have been set, which must neither cut
the call's time short nor make it longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc

_call = threading.local()


class CallbackPool(ThreadPoolExecutor):
    """The one thread for callbacks; it notes how both clocks stood to each other when a call came."""

    def __init__(self) -> None:
        super().__init__(1, "callback")

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_noting, _clocks_apart(), work, *args, **kwargs)


def remaining(context: grpc.ServicerContext) -> float | None:
    """Seconds that the caller of the callback still waits; None where that cannot be told."""
    by_wall_clock: float | None = context.time_remaining()
    if not by_wall_clock:
        return None  # gRPC itself ends a call that is really late: the clock was set beyond the call's end
    return by_wall_clock + _clocks_apart() - float(_call.clocks_apart)


def _noting(clocks_apart: float, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    _call.clocks_apart = clocks_apart
    return work(*args, **kwargs)


def _clocks_apart() -> float:
    return time.time() - time.monotonic()
