"""The sidecar during one start of a VM, as the documents show its log and its answers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from docblocks import ROOT


@dataclass(frozen=True)
class Start:
    """``log`` is the sidecar's log, ``failure`` the status message if the call failed."""

    log: str
    failure: str = ""


def one_start(patches: Path, sockets: Path, domain: bytes, vmi: bytes = b"{}") -> Start:
    """Call Info, OnDefineDomain and Shutdown, with the paths that a pod has."""
    grpc = pytest.importorskip("grpc")
    from shim.stubs import info_pb2, info_pb2_grpc, v1alpha3_pb2, v1alpha3_pb2_grpc

    command = [sys.executable, "-m", "shim", "--version", "v1alpha3", "--patches", str(patches)]
    environment = {**os.environ, "CONTAINER_NAME": "hook-sidecar-0", "PATH": "", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--socket-dir", str(sockets)], env=environment, stderr=subprocess.PIPE, text=True
    )
    failure = ""
    try:
        with grpc.insecure_channel(f"unix:{sockets}/shim-hook-sidecar-0.sock") as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
            info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams())
            callbacks = v1alpha3_pb2_grpc.CallbacksStub(channel)
            try:
                callbacks.OnDefineDomain(v1alpha3_pb2.OnDefineDomainParams(domainXML=domain, vmi=vmi))
            except grpc.RpcError as error:
                failure = error.details()
            callbacks.Shutdown(v1alpha3_pb2.ShutdownParams())
        log = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    in_pod = {str(patches): "/etc/patchlang/patches.d", str(sockets): "/var/run/kubevirt-hooks"}
    for here, there in in_pod.items():
        log, failure = log.replace(here, there), failure.replace(here, there)
    return Start(log, failure)
