"""KubeVirt's services on gRPC: which calls exist, and which part of :class:`shim.calls.Calls` answers them.

All are registered as taking a stream of requests, which is the same on the wire. gRPC starts the handler of a unary
call once its message has arrived, so an incomplete call would be out of reach: it could not be counted or ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio

from .calls import MUTATE_DOMAIN, ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO, Calls, Limits, Request
from .log import log
from .status import CallError
from .stubs import info_pb2, v1alpha1_pb2, v1alpha2_pb2, v1alpha3_pb2

NAME = "shim"

Handler = Callable[[Any, Any], Awaitable[Any]]


def hook_points(version: str, serves_domain: bool, serves_cloud_init: bool) -> tuple[str, ...]:
    """The names to advertise: what is served and ``version`` has a call for."""
    names = [ON_DEFINE_DOMAIN] if serves_domain else []
    if serves_cloud_init and version != "v1alpha1":
        names.append(PRE_CLOUD_INIT_ISO)
    if version == "v1alpha3":
        names.append("Shutdown")
    return tuple(names)


def add_hooks(
    server: grpc.aio.Server,
    calls: Calls,
    limits: Limits,
    version: str,
    points: tuple[str, ...],
    shut_down: Callable[[], None],
) -> None:
    """Registers Info and, for any ``version``, the Callbacks of all three versions, like the original."""

    async def info(receive: Callable[[], Awaitable[Any]], _context: Any) -> Any:
        await _within(limits.message, receive)
        log.info("Info method has been called")
        found = [info_pb2.HookPoint(name=name, priority=0) for name in points]
        return info_pb2.InfoResult(name=NAME, hookPoints=found, versions=[version])

    _add(server, "kubevirt.hooks.info.Info", {"Info": (info_pb2.InfoParams, info)})
    for module in (v1alpha1_pb2, v1alpha2_pb2, v1alpha3_pb2):
        messages: Any = module
        methods = {ON_DEFINE_DOMAIN: (messages.OnDefineDomainParams, _on_define_domain(calls, messages))}
        if messages is not v1alpha1_pb2:
            methods[PRE_CLOUD_INIT_ISO] = (messages.PreCloudInitIsoParams, _pre_cloud_init_iso(calls, messages))
        if messages is v1alpha3_pb2:
            methods["Shutdown"] = (messages.ShutdownParams, _shutdown(limits, messages, shut_down))
        _add(server, f"{messages.DESCRIPTOR.package}.Callbacks", methods)


def add_plugin(server: grpc.aio.Server, calls: Calls) -> None:
    """Registers the DomainHookService of KubeVirt's plugin API."""
    from .stubs import plugins_v1alpha1_pb2 as plugins

    async def mutate_domain(receive: Callable[[], Awaitable[Any]], context: Any) -> Any:
        async def request() -> Request:
            message = await receive()
            return Request([message.domain, message.vmi], message.domain_type)

        (domain,) = await calls.answer(MUTATE_DOMAIN, context.time_remaining(), request)
        return plugins.MutateDomainResponse(domain=domain)

    methods = {MUTATE_DOMAIN: (plugins.MutateDomainRequest, mutate_domain)}
    _add(server, "kubevirt.hooks.plugins.v1alpha1.DomainHookService", methods)


def _on_define_domain(calls: Calls, messages: Any) -> Handler:
    async def on_define_domain(receive: Callable[[], Awaitable[Any]], context: Any) -> Any:
        async def request() -> Request:
            message = await receive()
            return Request([message.domainXML, message.vmi])

        (domain,) = await calls.answer(ON_DEFINE_DOMAIN, context.time_remaining(), request)
        return messages.OnDefineDomainResult(domainXML=domain)

    return on_define_domain


def _pre_cloud_init_iso(calls: Calls, messages: Any) -> Handler:
    async def pre_cloud_init_iso(receive: Callable[[], Awaitable[Any]], context: Any) -> Any:
        async def request() -> Request:
            message = await receive()
            return Request([message.cloudInitData, message.cloudInitNoCloudSource, message.vmi])

        data, source = await calls.answer(PRE_CLOUD_INIT_ISO, context.time_remaining(), request)
        return messages.PreCloudInitIsoResult(cloudInitData=data, cloudInitNoCloudSource=source)

    return pre_cloud_init_iso


def _shutdown(limits: Limits, messages: Any, shut_down: Callable[[], None]) -> Handler:
    async def shutdown(receive: Callable[[], Awaitable[Any]], _context: Any) -> Any:
        await _within(limits.message, receive)
        log.info("Hook's Shutdown callback method has been called")
        shut_down()
        return messages.ShutdownResult()

    return shutdown


async def _within(seconds: float, receive: Callable[[], Awaitable[Any]]) -> None:
    """Waits for an empty message. Raises CallError."""
    try:
        async with asyncio.timeout(seconds):
            await receive()
    except TimeoutError:
        raise CallError("DEADLINE_EXCEEDED", f"the call's message did not arrive within {seconds:g} s") from None


def _add(server: grpc.aio.Server, service: str, methods: Mapping[str, tuple[Any, Handler]]) -> None:
    handlers = {
        name: grpc.stream_unary_rpc_method_handler(
            _answering(message, handler), response_serializer=lambda result: result.SerializeToString()
        )
        for name, (message, handler) in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _answering(message: Any, handler: Handler) -> Any:
    """What gRPC calls: reads one message on demand, and turns a CallError into the call's status."""

    async def answer(_requests: Any, context: Any) -> Any:
        async def receive() -> Any:
            data = await context.read()
            if data is grpc.aio.EOF:
                raise CallError("INTERNAL", "the call ended before its message arrived")
            try:
                return message.FromString(data)
            except Exception:
                raise CallError("INTERNAL", f"the call's message cannot be read as {message.DESCRIPTOR.name}") from None

        try:
            return await handler(receive, context)
        except CallError as error:
            code, text = error.code, error.text
        await context.abort(grpc.StatusCode[code], text)
        return None

    return answer
