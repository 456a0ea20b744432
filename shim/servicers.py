"""The generated services (``proto/``, ``stubs/``) around :class:`Callbacks`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from .backends import Backend
from .log import log
from .service import Callbacks
from .stubs import (
    info_pb2,
    info_pb2_grpc,
    v1alpha1_pb2,
    v1alpha1_pb2_grpc,
    v1alpha2_pb2,
    v1alpha2_pb2_grpc,
    v1alpha3_pb2,
    v1alpha3_pb2_grpc,
)
from .stubs import plugins_v1alpha1_pb2 as plugins
from .stubs import plugins_v1alpha1_pb2_grpc as plugins_grpc

NAME = "shim"


def hook_points(version: str, backend: Backend) -> tuple[str, ...]:
    """The names to advertise: what ``backend`` serves and ``version`` has a call for."""
    names = ["OnDefineDomain"] if backend.serves_domain else []
    if backend.serves_cloud_init and version != "v1alpha1":
        names.append("PreCloudInitIso")
    if version == "v1alpha3":
        names.append("Shutdown")
    return tuple(names)


def add_hooks(
    server: grpc.Server,
    callbacks: Callbacks,
    version: str,
    points: tuple[str, ...],
    shut_down: Callable[[], None],
    pool: ThreadPoolExecutor,
) -> None:
    """Registers Info and, whatever ``version`` is, the Callbacks of all three versions, as the original does.

    The callbacks run in ``pool``, Info and Shutdown in the server's own, so that a thread is always free for them.
    """
    info_pb2_grpc.add_InfoServicer_to_server(_Info(version, points), server)
    for messages, services in (
        (v1alpha1_pb2, v1alpha1_pb2_grpc),
        (v1alpha2_pb2, v1alpha2_pb2_grpc),
        (v1alpha3_pb2, v1alpha3_pb2_grpc),
    ):
        services.add_CallbacksServicer_to_server(_Hooks(messages, callbacks, shut_down, pool), server)


def add_plugin(server: grpc.Server, callbacks: Callbacks, pool: ThreadPoolExecutor) -> None:
    """Registers the DomainHookService of KubeVirt's plugin API."""
    servicer: Any = _Plugin(callbacks, pool)
    plugins_grpc.add_DomainHookServiceServicer_to_server(servicer, server)


class _Info(info_pb2_grpc.InfoServicer):
    def __init__(self, version: str, points: tuple[str, ...]) -> None:
        self._version = version
        self._points = points

    def Info(self, request: info_pb2.InfoParams, context: grpc.ServicerContext) -> info_pb2.InfoResult:  # noqa: N802
        log.info("Info method has been called")
        points = [info_pb2.HookPoint(name=name, priority=0) for name in self._points]
        return info_pb2.InfoResult(name=NAME, hookPoints=points, versions=[self._version])


class _Hooks:
    """The Callbacks of one version: ``messages`` is its module. The generated code takes the methods it knows."""

    def __init__(
        self, messages: Any, callbacks: Callbacks, shut_down: Callable[[], None], pool: ThreadPoolExecutor
    ) -> None:
        self._messages = messages
        self._callbacks = callbacks
        self._shut_down = shut_down
        self.OnDefineDomain = _in(pool, self._on_define_domain)
        self.PreCloudInitIso = _in(pool, self._pre_cloud_init_iso)

    def _on_define_domain(self, request: Any, context: grpc.ServicerContext) -> Any:
        domain = self._callbacks.define_domain(context, request.domainXML, request.vmi)
        return self._messages.OnDefineDomainResult(domainXML=domain)

    def _pre_cloud_init_iso(self, request: Any, context: grpc.ServicerContext) -> Any:
        data, source = self._callbacks.pre_cloud_init(
            context, request.cloudInitData, request.cloudInitNoCloudSource, request.vmi
        )
        return self._messages.PreCloudInitIsoResult(cloudInitData=data, cloudInitNoCloudSource=source)

    def Shutdown(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        log.info("Hook's Shutdown callback method has been called")
        self._shut_down()
        return self._messages.ShutdownResult()


class _Plugin:
    def __init__(self, callbacks: Callbacks, pool: ThreadPoolExecutor) -> None:
        self._callbacks = callbacks
        self.MutateDomain = _in(pool, self._mutate_domain)

    def _mutate_domain(self, request: Any, context: grpc.ServicerContext) -> Any:
        domain = self._callbacks.mutate_domain(context, request.domain_type, request.domain, request.vmi)
        return plugins.MutateDomainResponse(domain=domain)


def _in(pool: ThreadPoolExecutor, method: Callable[[Any, grpc.ServicerContext], Any]) -> Any:
    """``method`` for gRPC to run in ``pool``: the request is read only when its turn comes, not before."""

    def behavior(request: Any, context: grpc.ServicerContext) -> Any:
        return method(request, context)

    behavior.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return behavior
