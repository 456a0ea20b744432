"""docs/debugging.md shows the sidecar's messages for the patch in it. Its commands run in tests/test_guides.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from docblocks import ROOT, blocks
from onestart import Start, one_start

DOCUMENT = "docs/debugging.md"
FILES = {block.marks["file"]: block.text for block in blocks(DOCUMENT) if "file" in block.marks}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    folder = tmp_path_factory.mktemp("start")
    patches, sockets = folder / "patches", folder / "sockets"
    for made in (patches, sockets):
        made.mkdir()
    (patches / "disk-cache.yaml").write_text(FILES["disk-cache.yaml"])
    vmi = json.dumps(yaml.safe_load(FILES["vmi.yaml"])).encode()
    return one_start(patches, sockets, FILES["domain.xml"].encode(), vmi)


def test_the_event_is_what_the_sidecar_answers(start: Start) -> None:
    [event] = [block.text for block in blocks(DOCUMENT) if "event" in block.marks]
    assert event == f"{start.failure}\n"


def test_the_log_is_what_the_sidecar_logs(start: Start) -> None:
    [shown] = [block.text for block in blocks(DOCUMENT) if "log" in block.marks]
    errors = [line for line in map(json.loads, start.log.splitlines()) if line["level"] == "error"]
    kept = ("component", "level", "msg")
    shown_errors = [json.loads(line) for line in shown.splitlines()]
    assert [[line[key] for key in kept] for line in shown_errors] == [[line[key] for key in kept] for line in errors]


def test_the_place_in_the_event_is_what_the_page_explains() -> None:
    text = (ROOT / DOCUMENT).read_text()
    [event] = [block.text for block in blocks(DOCUMENT) if "event" in block.marks]
    explained = re.findall(r"^\| `([^`]+)` \|", text.partition("From left to right")[2], re.MULTILINE)[:3]
    assert all(part in event for part in explained)
    line, column = map(int, explained[1].split(":"))
    assert FILES["disk-cache.yaml"].splitlines()[line - 1][column - 1 :].startswith("/domain/devices")
    assert Path(explained[0]).name in FILES
