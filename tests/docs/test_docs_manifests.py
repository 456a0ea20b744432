"""Manifests, flags and logs of the sidecar, as shown in the documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docblocks import Block, all_blocks, base_of, blocks, kind_of
from onestart import one_start

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
    log = one_start(patches, sockets, base_of(block).encode()).log
    shown, real = (
        [json.loads(re.sub(r"[0-9.]+ ms", "1 ms", line)) for line in text.splitlines()] for text in (block.text, log)
    )
    assert [list(line) for line in shown] == [list(line) for line in real]
    kept = ("component", "level", "msg")
    assert [[line[key] for key in kept] for line in shown] == [[line[key] for key in kept] for line in real]
