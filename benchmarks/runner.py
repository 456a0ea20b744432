"""The cost of running an executable for each call without a sidecar.

``python -m benchmarks.runner SOCKET EXECUTABLE``: a gRPC server in asyncio that only runs the executable as KubeVirt's
sidecar-shim does, and returns its output. There are no checks and no limits.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import grpc
import grpc.aio

from shim.sockets import address
from shim.stubs import info_pb2, info_pb2_grpc, v1alpha2_pb2, v1alpha2_pb2_grpc


class Info(info_pb2_grpc.InfoServicer):
    async def Info(  # type: ignore[override]  # noqa: N802
        self, request: info_pb2.InfoParams, context: object
    ) -> info_pb2.InfoResult:
        return info_pb2.InfoResult(name="runner", versions=["v1alpha2"])


class Callbacks(v1alpha2_pb2_grpc.CallbacksServicer):
    def __init__(self, executable: str) -> None:
        self._executable = executable

    async def OnDefineDomain(  # type: ignore[override]  # noqa: N802
        self, request: v1alpha2_pb2.OnDefineDomainParams, context: object
    ) -> v1alpha2_pb2.OnDefineDomainResult:
        command: list[str | bytes] = [self._executable, "--vmi", request.vmi, "--domain", request.domainXML]
        # It blocks the event loop, which nobody else needs: every other way to wait costs more.
        printed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return v1alpha2_pb2.OnDefineDomainResult(domainXML=printed.stdout)


async def main() -> None:
    path, executable = sys.argv[1:]
    server = grpc.aio.server()
    info_pb2_grpc.add_InfoServicer_to_server(Info(), server)
    v1alpha2_pb2_grpc.add_CallbacksServicer_to_server(Callbacks(executable), server)
    server.add_insecure_port(address(Path(path)))
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
