"""The sidecar's two processes without a sidecar: the cost of Python, gRPC, lxml and PyYAML alone.

``python -m benchmarks.bare SOCKET fork`` or ``exec``: a front that serves an empty Info with grpc.aio, and a child that
has already imported lxml and PyYAML. The child is forked before gRPC is imported, like the sidecar's first engine, or
started as a separate program.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import NoReturn

READY = b"1"


def child(connection: socket.socket) -> NoReturn:
    """Import what an engine needs, report it, and stay until the front exits."""
    import yaml
    from lxml import etree

    assert yaml.__with_libyaml__
    assert etree.LIBXML_VERSION
    connection.sendall(READY)
    connection.recv(1)
    os._exit(0)


def start(how: str) -> socket.socket:
    ours, theirs = socket.socketpair()
    if how == "fork":
        if os.fork() == 0:
            ours.close()
            child(theirs)
    else:
        descriptor = theirs.fileno()
        command = [sys.executable, "-m", "benchmarks.bare", "child", str(descriptor)]
        subprocess.Popen(command, pass_fds=[descriptor])
    theirs.close()
    return ours


def serve(path: str, connection: socket.socket) -> None:
    import asyncio

    import grpc.aio

    from shim.stubs import info_pb2, info_pb2_grpc

    class Info(info_pb2_grpc.InfoServicer):
        async def Info(  # type: ignore[override]  # noqa: N802
            self, request: info_pb2.InfoParams, context: object
        ) -> info_pb2.InfoResult:
            return info_pb2.InfoResult(name="bare", versions=["v1alpha2"])

    async def run() -> None:
        server = grpc.aio.server()
        info_pb2_grpc.add_InfoServicer_to_server(Info(), server)
        connection.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(connection, 1) == READY
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(run())


def main() -> None:
    if sys.argv[1] == "child":
        child(socket.socket(fileno=int(sys.argv[2])))
    path, how = sys.argv[1:]
    # The sidecar has no OpenSSL either, which asyncio would import.
    sys.modules["ssl"] = None  # type: ignore[assignment]
    serve(path, start(how))


if __name__ == "__main__":
    main()
