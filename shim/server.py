"""The front's life: load everything, then bind and start back to back, serve, end with nothing left behind.

virt-launcher retries a socket that does not exist or refuses, but an Info without an answer within a second fails
the VM (pkg/hooks/manager.go): so the socket comes last, when nothing is left to do.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Mapping
from pathlib import Path

import grpc.aio

from . import sockets, start
from .backends import Backend, Broken, Executables
from .calls import Calls, Limits
from .children import Children
from .config import MAX_MESSAGE_BYTES, Config
from .engines import Engines
from .firstengine import FirstEngine
from .handlers import add_hooks, add_plugin, hook_points
from .hooks import Found
from .log import StderrHandler, flush, log
from .programs import Programs
from .sockets import SocketError
from .status import CallError
from .stop import Stop
from .text import one_line

GRACE = 2.0
"""Seconds that calls in progress have to finish; then their workers are killed."""
LAST_GRACE = 1.0
"""Seconds that the responses of killed calls have to get out."""
LOG_AGAIN = 0.1
"""Seconds until lines that found no room in the log are retried."""

MAX_CONNECTIONS = 512
MAX_STREAMS = 8
"""Calls on one connection; virt-launcher opens one for each."""
IDLE_SECONDS = 30
"""How long a connection without a call is kept, or one whose greeting does not arrive."""

Bound = list[tuple[Path, tuple[int, int] | None]]


def run(
    config: Config,
    stop: Stop,
    logged: StderrHandler,
    container: Mapping[bytes, bytes],
    hooks: list[Found],
    engine: FirstEngine | CallError,
    limits: Limits | None = None,
) -> int:
    """Serves until ``stop`` fires. Ends the process with status 0 then; returns 1 if it cannot start at all.

    ``container`` is its environment, which executables get. ``engine`` is the first one, or why nothing is served.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server = Server(loop, config, container, limits or Limits())
    try:
        loop.run_until_complete(server.serve(stop, logged, hooks, engine))
    except (SocketError, start.RefusedError) as error:
        log.error("cannot serve: %s", one_line(str(error)))
        server.kill()
        flush()
        return 1
    flush()
    os._exit(0)  # gRPC's own threads need not be waited for


class Server:
    """What runs in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, config: Config, container: Mapping[bytes, bytes], limits: Limits
    ) -> None:
        self._loop = loop
        self._config = config
        self._container = container
        self._limits = limits
        self._children = Children(loop)
        self._engines: Engines | None = None

    async def serve(
        self, stop: Stop, logged: StderrHandler, hooks: list[Found], engine: FirstEngine | CallError
    ) -> None:
        """From loading to the end. Raises SocketError, RefusedError."""
        stop.enter(self._loop)
        logged.on_wait = lambda: self._write_again(logged)
        if isinstance(engine, CallError):
            backend: Backend = Broken(engine)
        else:
            engines = self._engines = Engines(self._loop, self._children, engine)
            choosing = self._loop.create_task(start.choose(self._config, hooks, engines, self._executables(engines)))
            stopping = self._loop.create_task(stop.wait())
            await asyncio.wait([choosing, stopping], return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                choosing.cancel()
                await engines.close()
                return
            stopping.cancel()
            backend = choosing.result()
        server = self._build(backend, stop)
        gc.collect()
        gc.freeze()  # what exists now stays; later collections need not look at it
        bound = await self._bind(server)
        await stop.wait()
        await self._end(server, backend, bound)
        if self._engines is not None:
            await self._engines.close()
        await self._children.end_all()

    def kill(self) -> None:
        """Stops the engine if nothing can be served after all."""
        if self._engines is not None:
            self._engines.kill()

    def _executables(self, engines: Engines) -> start.MakeExecutables:
        def make(found: dict[str, Found], has_schema: bool) -> Executables:
            programs = Programs(self._loop, self._children, lambda: engines.pids)
            return Executables(found, self._container, programs, engines if has_schema else None)

        return make

    def _write_again(self, logged: StderrHandler) -> None:
        def again() -> None:
            if not logged.write():
                self._loop.call_later(LOG_AGAIN, again)

        self._loop.call_later(LOG_AGAIN, again)

    def _build(self, backend: Backend, stop: Stop) -> grpc.aio.Server:
        options = (
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # Otherwise gRPC learns to read ahead, and the messages of waiting calls exceed the container's memory.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
            ("grpc.max_connection_idle_ms", IDLE_SECONDS * 1000),
            ("grpc.server_handshake_timeout_ms", IDLE_SECONDS * 1000),
        )
        config = self._config
        server = grpc.aio.server(options=options)
        calls = Calls(backend, self._limits, config.audit)
        if config.version is not None:
            points = hook_points(config.version, backend.serves_domain, backend.serves_cloud_init)
            log.info("hook points: %s", ", ".join(points) or "none")
            add_hooks(server, calls, self._limits, config.version, points, stop.request)
        if backend.serves_cloud_init and config.version in (None, "v1alpha1"):
            log.warning("cloud-init data will not change: that needs --version v1alpha2 or v1alpha3")
        if config.plugin_socket is not None:
            add_plugin(server, calls)
        return server

    async def _bind(self, server: grpc.aio.Server) -> Bound:
        """Binds and starts; returns each socket with its identity. Raises SocketError."""
        config, paths = self._config, []
        if config.version is not None:
            container = os.fsdecode(self._container.get(b"CONTAINER_NAME", b""))
            paths.append(sockets.hook_socket(config.socket_dir, container or None))
        if config.plugin_socket is not None:
            paths.append(config.plugin_socket)
        if len({os.path.realpath(path.parent) for path in paths}) < len(paths):
            raise SocketError(
                f"--plugin-socket must not be in {paths[0].parent}: virt-launcher treats each file there as a sidecar"
            )
        with sockets.claimed(paths):
            bound: Bound = []
            for path in paths:
                try:
                    opened = server.add_insecure_port(sockets.address(path))
                except RuntimeError:
                    opened = 0
                if not opened:
                    for earlier, mine in bound:
                        sockets.remove(earlier, mine)
                    raise SocketError(f"cannot create a socket at {path}: {sockets.hindrance(path)}")
                bound.append((path, sockets.identity(path)))
            await server.start()
        for path in paths:
            log.info("%s", one_line(f"shim is now exposing its services on socket {path}"))
        return bound

    async def _end(self, server: grpc.aio.Server, backend: Backend, bound: Bound) -> None:
        ended = self._loop.create_task(server.stop(GRACE + LAST_GRACE))
        done, _ = await asyncio.wait([ended], timeout=GRACE)
        if not done:
            log.warning("a call is still running and is stopped")
            backend.stop()
            await asyncio.wait([ended], timeout=LAST_GRACE)
        backend.stop()
        for path, mine in bound:
            sockets.remove(path, mine)
