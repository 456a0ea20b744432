"""What each call logs, checks, limits and answers, whatever the version of the protocol."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import grpc

from patchlang import rules
from patchlang.diagnostics import Diagnostic

from .arrival import remaining
from .backends import Backend
from .config import MAX_MESSAGE_BYTES
from .log import log
from .status import CallError, from_diagnostics, internal
from .text import one_line

T = TypeVar("T")

DOMAIN_TYPE = "libvirt"
"""The only ``domain_type`` that KubeVirt sends (pkg/virt-launcher/virtwrap/plugins)."""

_ENVELOPE_BYTES = 64
"""More than the field numbers and lengths around the data of any answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one run; virt-launcher gives up after 60, and after 30 for MutateDomain."""

    callback: float = 50.0
    mutate: float = 25.0


class Callbacks:
    """The calls, whatever the version of the protocol. One at a time goes through ``backend``."""

    def __init__(self, backend: Backend, max_domain_bytes: int, limits: Limits) -> None:
        self._backend = backend
        self._max_domain_bytes = max_domain_bytes
        self._limits = limits
        self._one_at_a_time = threading.Lock()

    def define_domain(self, context: grpc.ServicerContext, domain: bytes, vmi: bytes) -> bytes:
        log.info("OnDefineDomain method has been called")
        return self._domain(context, "OnDefineDomain", self._limits.callback, domain, vmi)

    def mutate_domain(self, context: grpc.ServicerContext, kind: str, domain: bytes, vmi: bytes) -> bytes:
        log.info("MutateDomain method has been called")
        if kind != DOMAIN_TYPE:
            text = f"domain_type is `{one_line(kind)[:40]}`, only `{DOMAIN_TYPE}` can be patched"
            _refuse(context, "MutateDomain", CallError(grpc.StatusCode.INVALID_ARGUMENT, text))
        return self._domain(context, "MutateDomain", self._limits.mutate, domain, vmi)

    def pre_cloud_init(
        self, context: grpc.ServicerContext, data: bytes, source: bytes, vmi: bytes
    ) -> tuple[bytes, bytes]:
        log.info("PreCloudInitIso method has been called")

        def work(seconds: float) -> tuple[bytes, bytes]:
            result = self._backend.pre_cloud_init(data, source, vmi, seconds)
            _check_size(sum(map(len, result)), "cloud-init data")
            return result

        return self._answer(context, "PreCloudInitIso", self._limits.callback, work, lambda new: new[0] == data)

    def _domain(self, context: grpc.ServicerContext, call: str, limit: float, domain: bytes, vmi: bytes) -> bytes:
        def work(seconds: float) -> bytes:
            if len(domain) > self._max_domain_bytes:
                message = f"the domain has {len(domain)} bytes, more than the {self._max_domain_bytes} allowed"
                help = "raise --max-domain-bytes, and the sidecar's memory with it"
                raise from_diagnostics([Diagnostic(rules.INPUT_TOO_BIG, message, help=help)])
            result = self._backend.define_domain(domain, vmi, seconds)
            _check_size(len(result), "domain")
            return result

        return self._answer(context, call, limit, work, lambda new: new == domain)

    def _answer(
        self,
        context: grpc.ServicerContext,
        call: str,
        limit: float,
        work: Callable[[float], T],
        is_unchanged: Callable[[T], bool],
    ) -> T:
        """The result of ``work`` within the time that is left; every error becomes the call's status."""
        try:
            with self._one_at_a_time:
                started = time.monotonic()
                result = work(_seconds(limit, remaining(context)))
                took = (time.monotonic() - started) * 1000
            log.info("%s answered after %.1f ms: %s", call, took, "unchanged" if is_unchanged(result) else "changed")
            return result
        except CallError as error:
            failure = CallError(error.code, error.text)  # without the frames, which hold the call's documents
        except Exception as error:
            failure = internal(error, call)
        finally:
            # A run's documents hang in cycles; waiting calls would pile them up beyond the container's memory.
            gc.collect()
        return _refuse(context, call, failure)


def _seconds(limit: float, caller_waits: float | None) -> float:
    """Time for the run: less than the caller waits, so that the caller gets to know which patch was late."""
    if caller_waits is None:
        return limit
    return min(limit, caller_waits - min(2.0, caller_waits / 10))


def _refuse(context: grpc.ServicerContext, call: str, failure: CallError) -> NoReturn:
    log.error("%s failed: %s: %s", call, failure.code.name, failure.text)
    context.abort(failure.code, failure.text)
    raise AssertionError("abort does not return")


def _check_size(size: int, what: str) -> None:
    if size > MAX_MESSAGE_BYTES - _ENVELOPE_BYTES:
        text = f"the new {what} has {size} bytes, more than one gRPC message holds ({MAX_MESSAGE_BYTES} bytes)"
        raise CallError(grpc.StatusCode.FAILED_PRECONDITION, text)
