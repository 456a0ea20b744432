"""A sidecar that returns its input: the cost of gRPC itself. ``python -m benchmarks.echo SOCKET``."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from shim.sockets import address
from shim.stubs import info_pb2, info_pb2_grpc, v1alpha2_pb2, v1alpha2_pb2_grpc


class Info(info_pb2_grpc.InfoServicer):
    def Info(self, request: info_pb2.InfoParams, context: grpc.ServicerContext) -> info_pb2.InfoResult:  # noqa: N802
        return info_pb2.InfoResult(name="echo", versions=["v1alpha2"])


class Callbacks(v1alpha2_pb2_grpc.CallbacksServicer):
    def OnDefineDomain(  # noqa: N802
        self, request: v1alpha2_pb2.OnDefineDomainParams, context: grpc.ServicerContext
    ) -> v1alpha2_pb2.OnDefineDomainResult:
        return v1alpha2_pb2.OnDefineDomainResult(domainXML=request.domainXML)


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    info_pb2_grpc.add_InfoServicer_to_server(Info(), server)
    v1alpha2_pb2_grpc.add_CallbacksServicer_to_server(Callbacks(), server)
    server.add_insecure_port(address(Path(sys.argv[1])))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
