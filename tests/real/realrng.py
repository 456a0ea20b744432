"""Check against libvirt's own grammar: jing lists every error in a document, while lxml stops at the first one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pytest
from realvirsh import ROOT

JAVA = shutil.which("java")
JING = Path("/usr/share/java/jing.jar")
GRAMMAR = Path(f"{ROOT}/usr/share/libvirt/schemas/domain.rng")

needs_jing = pytest.mark.skipif(
    JAVA is None or not JING.exists(),
    reason="the Debian packages default-jre-headless and libjing-java are not installed",
)
needs_grammar = pytest.mark.skipif(not GRAMMAR.exists(), reason="the Debian package libvirt0 is not installed")

_FAULT = re.compile(r"(?P<file>.*):(?P<line>\d+):(?P<column>\d+): \w+: (?P<message>.*)")


def faults(documents: Sequence[bytes], folder: Path) -> list[Counter[str]]:
    """The errors of each document: path of names and message, without the list of allowed names, which varies."""
    files = [folder / f"{number}.xml" for number in range(len(documents))]
    for file, document in zip(files, documents, strict=True):
        file.write_bytes(document)
    command = [str(JAVA), "-jar", str(JING), str(GRAMMAR), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: list[Counter[str]] = [Counter() for _ in documents]
    places: dict[int, list[tuple[tuple[int, int], str]]] = {}
    for line in done.stdout.splitlines():
        fault = _FAULT.fullmatch(line)
        assert fault, line
        number = int(Path(fault["file"]).stem)
        events = places.setdefault(number, _events(documents[number]))
        end = int(fault["line"]), int(fault["column"]) - 1
        path = next(path for begin, path in reversed(events) if begin < end)
        found[number][f"{path}: {fault['message'].partition('; expected')[0]}"] += 1
    assert done.returncode == bool(done.stdout), done.stderr
    return found


def _events(document: bytes) -> list[tuple[tuple[int, int], str]]:
    """Where each tag begins, and its path. jing reports the end of a tag."""
    parser, stack, events = expat.ParserCreate(), [""], []

    def start(name: str, _: Any) -> None:
        stack.append(f"{stack[-1]}/{name}")
        events.append(((parser.CurrentLineNumber, parser.CurrentColumnNumber), stack[-1]))

    def end(_: str) -> None:
        events.append(((parser.CurrentLineNumber, parser.CurrentColumnNumber), stack.pop()))

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(document, True)
    return events
