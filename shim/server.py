"""The process's life: load everything, then bind and start back to back, serve, end with nothing left behind.

virt-launcher retries a socket that is not there or refuses, but an Info that is not answered within a second fails
the VM (pkg/hooks/manager.go): so the socket comes last, when nothing is left to be done.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from patchlang import __version__

from . import sockets, sources
from .arrival import CallbackPool
from .backends import Backend
from .config import MAX_MESSAGE_BYTES, Config
from .log import log
from .service import Callbacks, Limits
from .servicers import add_hooks, add_plugin, hook_points
from .sockets import SocketError
from .stop import Stop
from .text import one_line

GRACE = 2.0
"""Seconds that calls in flight have to end by themselves; then executables are killed."""
LAST_GRACE = 1.0
"""Seconds that the answers of what was killed have to get out."""


def run(config: Config, stop: Stop, environment: Mapping[str, str], limits: Limits | None = None) -> int:
    """Serves until ``stop`` says so. Ends the process with status 0 then; returns 1 where it cannot start at all.

    ``environment`` is read for ``PATH`` and ``CONTAINER_NAME`` and is what executables get.
    """
    log.info("patchlang %s: sidecar-shim starts (version %s)", __version__, config.version or "none, plugin only")
    backend = sources.find(config, environment)
    server = _build(config, backend, stop, limits or Limits())
    gc.collect()
    gc.freeze()  # what is here now stays; the collection after each call need not look at it
    try:
        bound = _bind(server, config, stop, environment)
    except SocketError as error:
        log.error("cannot serve: %s", one_line(str(error)))
        return 1
    stop.wait()
    _end(server, backend, bound)
    os._exit(0)  # threads that were given up must not be waited for


def _build(config: Config, backend: Backend, stop: Stop, limits: Limits) -> grpc.Server:
    options = (
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # Else gRPC learns to read ahead, and the messages of calls that wait do not fit the container's memory.
        ("grpc.http2.bdp_probe", 0),
    )
    server = grpc.server(ThreadPoolExecutor(4, "call"), options=options)
    pool = CallbackPool()
    callbacks = Callbacks(backend, config.max_domain_bytes, limits)
    if config.version is not None:
        points = hook_points(config.version, backend)
        log.info("hook points: %s", ", ".join(points) or "none")
        add_hooks(server, callbacks, config.version, points, stop.request, pool)
    if backend.serves_cloud_init and config.version in (None, "v1alpha1"):
        log.warning("cloud-init data will not be changed: that needs --version v1alpha2 or v1alpha3")
    if config.plugin_socket is not None:
        add_plugin(server, callbacks, pool)
    return server


def _bind(
    server: grpc.Server, config: Config, stop: Stop, environment: Mapping[str, str]
) -> list[tuple[Path, tuple[int, int] | None]]:
    """Binds and starts; returns each socket with what tells it from another one. Raises SocketError."""
    paths = []
    if config.version is not None:
        paths.append(sockets.hook_socket(config.socket_dir, environment.get("CONTAINER_NAME") or None))
    if config.plugin_socket is not None:
        paths.append(config.plugin_socket)
    if len({os.path.realpath(path.parent) for path in paths}) < len(paths):
        raise SocketError(
            f"--plugin-socket must not be in {paths[0].parent}: virt-launcher takes each file there for a sidecar"
        )
    with sockets.claimed(paths):
        stop.serving()
        bound: list[tuple[Path, tuple[int, int] | None]] = []
        for path in paths:
            try:
                opened = server.add_insecure_port(sockets.address(path))
            except RuntimeError:
                opened = 0
            if not opened:
                for earlier, mine in bound:
                    sockets.remove(earlier, mine)
                raise SocketError(f"no socket can be made at {path}: {sockets.hindrance(path)}")
            bound.append((path, sockets.identity(path)))
        server.start()
    for path in paths:
        log.info("%s", one_line(f"shim is now exposing its services on socket {path}"))
    return bound


def _end(server: grpc.Server, backend: Backend, bound: list[tuple[Path, tuple[int, int] | None]]) -> None:
    ended = server.stop(GRACE + LAST_GRACE)
    if not ended.wait(GRACE):
        log.warning("a call is still running and is ended")
        backend.stop()
        ended.wait(LAST_GRACE)
    backend.stop()
    for path, mine in bound:
        sockets.remove(path, mine)
