"""How fast ``patchlang lsp`` answers an editor over the protocol."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import documents
from .context import Context
from .measure import SEED
from .results import Figure, Row

DOCUMENTS = 60
ROUNDS = 100
REACH = 100.0
"""Maximum milliseconds for an answer."""
DEBOUNCE = 100.0
"""Milliseconds without a change before the server checks."""
SHARE = 0.95
CORPUS = documents.ROOT / "examples" / "corpus"
PYTHON = documents.ROOT / ".venv" / "bin" / "python"
"""It has pygls, which is not in the image."""
WHAT = {
    "completion": "LSP: completion, 95th percentile",
    "hover": "LSP: hover, 95th percentile",
    "diagnostics": "LSP: diagnostics after the debounce, 95th percentile",
}

Message = dict[str, Any]


def rows(context: Context) -> list[Row]:
    """The times of completion, hover and diagnostics while somebody types in a file of 60 documents."""
    if not PYTHON.exists():
        return [Row(what, "ms", None, reach=REACH, note="not measured: needs `make setup`") for what in WHAT.values()]
    with context.scratch() as scratch, _editor(scratch) as editor:
        taken = _typed(editor, scratch / "patches.yaml", text())
    return [Row(what, "ms", _figure(taken[name]), reach=REACH) for name, what in WHAT.items()]


def text() -> str:
    """One file with patches from the corpus, each with its own name."""
    sources = [path.read_text() for path in sorted(CORPUS.glob("*.yaml"))]
    return "---\n".join([one for one in sources if "kind: PatchTest" not in one][:DOCUMENTS])


def _figure(values: list[float]) -> Figure:
    """A figure with the percentile instead of the median."""
    ordered = sorted(values)
    return Figure(round(ordered[int(SHARE * len(ordered))], 3), round(ordered[0], 3), len(ordered))


class Editor:
    """Sends messages and waits for the matching answers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.number = 0

    def send(self, message: Message) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def request(self, method: str, params: Any) -> None:
        """Send a request and wait for the answer."""
        self.number += 1
        number = self.number
        self.send({"id": number, "method": method, "params": params})
        self.until(lambda message: message.get("id") == number)

    def until(self, is_it: Callable[[Message], bool]) -> Message:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            message: Message = json.loads(stream.read(length))
            if is_it(message):
                return message
        raise RuntimeError("the server ended")


@contextmanager
def _editor(folder: Path) -> Iterator[Editor]:
    command = [str(PYTHON), "-m", "patchlang", "lsp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as process:
        editor = Editor(process)
        try:
            editor.request("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}})
            editor.send({"method": "initialized", "params": {}})
            yield editor
        finally:
            process.kill()


def _typed(editor: Editor, path: Path, written: str) -> dict[str, list[float]]:
    """Make a typo in one document after another, and undo it."""
    uri = path.as_uri()
    document = {"uri": uri, "languageId": "yaml", "version": 1, "text": written}
    editor.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
    editor.until(_publishes(uri, 1))
    lines = written.split("\n")
    places = [number for number, line in enumerate(lines) if line.strip().startswith("path: /")]
    chosen = random.Random(SEED)
    taken: dict[str, list[float]] = {name: [] for name in WHAT}
    number = 0
    for version in range(2, ROUNDS + 2):
        is_typed = version % 2 == 0  # and removed again in the next round
        number = chosen.choice(places) if is_typed else number
        typed = lines[number] + (chosen.choice("xyz") if is_typed else "")
        changed = "\n".join([*lines[:number], typed, *lines[number + 1 :]])
        change = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": changed}]}
        start = time.perf_counter()
        editor.send({"method": "textDocument/didChange", "params": change})
        editor.until(_publishes(uri, version))
        taken["diagnostics"].append((time.perf_counter() - start) * 1000 - DEBOUNCE)
        place = {"line": number, "character": chosen.randrange(typed.index("/") + 1, len(typed))}
        for name in ("completion", "hover"):
            start = time.perf_counter()
            editor.request(f"textDocument/{name}", {"textDocument": {"uri": uri}, "position": place})
            taken[name].append((time.perf_counter() - start) * 1000)
    return taken


def _publishes(uri: str, version: int) -> Callable[[Message], bool]:
    def meant(message: Message) -> bool:
        params = message.get("params")
        if message.get("method") != "textDocument/publishDiagnostics" or params is None:
            return False
        return bool(params["uri"] == uri and params.get("version") == version)

    return meant
