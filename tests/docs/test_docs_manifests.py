"""Manifests, flags and logs of the sidecar as the documents show them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docblocks import ROOT, Block, all_blocks, base_of, blocks, kind_of

from patchlang.loading import load_sources
from patchlang.render import render
from patchlang.source import SourceFile


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "yaml" and kind_of(b.text) == "manifest"))
def test_manifest(block: Block) -> None:
    from shim.config import parse as parse_arguments

    for document in yaml.safe_load_all(block.text):
        if document.get("kind") == "ConfigMap":
            for name, text in document["data"].items():
                if "apiVersion: patchlang/" in text:
                    compiled, diagnostics = load_sources([SourceFile(name, text)])
                    assert compiled is not None, render(diagnostics)
        for text in _sidecars(document):
            for sidecar in json.loads(text):
                assert {"image", "args", "configMap", "command", "pvc", "imagePullPolicy"} >= set(sidecar)
                parse_arguments(sidecar.get("args", []))


def _sidecars(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "hooks.kubevirt.io/hookSidecars":
                yield value
            else:
                yield from _sidecars(value)


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "text" and "flags" in b.marks))
def test_flags_are_known(block: Block) -> None:
    from shim.config import parse as parse_arguments

    parse_arguments(block.text.split())


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "json"))
def test_log_is_what_is_shown(block: Block, tmp_path: Path) -> None:
    earlier = [b for b in blocks(block.document) if b.line < block.line and "kind: ConfigMap" in b.text]
    patches, sockets = tmp_path / "patches", tmp_path / "sockets"
    for folder in (patches, sockets):
        folder.mkdir()
    for name, text in yaml.safe_load(earlier[-1].text)["data"].items():
        (patches / name).write_text(text)
    log = log_of_one_start(patches, sockets, base_of(block).encode())
    log = log.replace(str(patches), "/etc/patchlang/patches.d").replace(str(sockets), "/var/run/kubevirt-hooks")
    shown, real = (
        [json.loads(re.sub(r"[0-9.]+ ms", "1 ms", line)) for line in text.splitlines()] for text in (block.text, log)
    )
    assert [list(line) for line in shown] == [list(line) for line in real]
    kept = ("component", "level", "msg")
    assert [[line[key] for key in kept] for line in shown] == [[line[key] for key in kept] for line in real]


def log_of_one_start(patches: Path, sockets: Path, domain: bytes) -> str:
    """What the sidecar logs for Info, OnDefineDomain and Shutdown."""
    grpc = pytest.importorskip("grpc")
    from shim.stubs import info_pb2, info_pb2_grpc, v1alpha3_pb2, v1alpha3_pb2_grpc

    command = [sys.executable, "-m", "shim", "--version", "v1alpha3", "--patches", str(patches)]
    environment = {**os.environ, "CONTAINER_NAME": "hook-sidecar-0", "PATH": "", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--socket-dir", str(sockets)], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        with grpc.insecure_channel(f"unix:{sockets}/shim-hook-sidecar-0.sock") as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
            info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams())
            callbacks = v1alpha3_pb2_grpc.CallbacksStub(channel)
            callbacks.OnDefineDomain(v1alpha3_pb2.OnDefineDomainParams(domainXML=domain, vmi=b"{}"))
            callbacks.Shutdown(v1alpha3_pb2.ShutdownParams())
        return process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
