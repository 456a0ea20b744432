"""An editor for the language server: a real process, with JSON-RPC on its standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any

WAIT = int(os.environ.get("W", "60"))
"""Seconds for an answer, even on a busy machine."""


class Client:
    """Talks to a server and collects what it sends unasked: findings in ``published``, requests in ``asked``."""

    def __init__(self, root: Path, **capabilities: Any) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "patchlang", "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=root,
        )
        self._answers: Queue[dict[str, Any]] = Queue()
        self._said: list[bytes] = []
        self._readers = [threading.Thread(target=work, daemon=True) for work in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()
        self._number = 0
        self._versions: dict[str, int] = {}
        self.published: list[dict[str, Any]] = []
        self._looked_at = 0
        self.asked: list[dict[str, Any]] = []
        self.initialized = self.request(
            "initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": capabilities}
        )
        self.notify("initialized", {})

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    # -- protocol --------------------------------------------------------------------------------------------------

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.send_bytes(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def answer(self, method: str, params: Any) -> dict[str, Any]:
        """The whole message that answers a request."""
        self._number += 1
        number = self._number
        self.send({"id": number, "method": method, "params": params})
        return self.until(lambda message: message.get("id") == number and "method" not in message)

    def request(self, method: str, params: Any) -> Any:
        answer = self.answer(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    def until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the next message that matches."""
        while True:
            try:
                message = self._answers.get(timeout=WAIT)
            except Empty:
                raise AssertionError(f"no answer; standard error:\n{self.stderr}") from None
            if message.get("method") == "textDocument/publishDiagnostics":
                self.published.append(message["params"])
            elif "method" in message and "id" in message:
                self.asked.append(message)
                self.send({"id": message["id"], "result": None})
            if is_it(message):
                return message

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self._answers.put(json.loads(stream.read(length)))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)

    @property
    def stderr(self) -> str:
        return b"".join(self._said).decode(errors="replace")

    def end(self) -> int:
        """Shut down properly; returns the exit status."""
        self.request("shutdown", None)
        self.notify("exit", None)
        return self.ended()

    def ended(self) -> int:
        status = self.process.wait(timeout=WAIT)
        for reader in self._readers:
            reader.join(timeout=WAIT)
        return status

    # -- texts -----------------------------------------------------------------------------------------------------

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri() if "://" not in name and not name.startswith("untitled:") else name

    def open(self, name: str, text: str) -> None:
        uri = self.uri(name)
        self._versions[uri] = 1
        item = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, name: str, *changes: str | dict[str, Any]) -> None:
        uri = self.uri(name)
        self._versions[uri] = self._versions.get(uri, 0) + 1
        written = [{"text": one} if isinstance(one, str) else one for one in changes]
        document = {"uri": uri, "version": self._versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": written})

    def close(self, name: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": self.uri(name)}})

    def findings(self, name: str, is_it: Callable[[Sequence[str]], bool] = bool) -> list[dict[str, Any]]:
        """The next findings of a file whose rules satisfy ``is_it``."""
        uri = self.uri(name)
        while True:
            while self._looked_at < len(self.published):
                params = self.published[self._looked_at]
                self._looked_at += 1
                found: list[dict[str, Any]] = params["diagnostics"]
                if params["uri"] == uri and is_it([one["code"] for one in found]):
                    return found
            self.until(lambda message: message.get("method") == "textDocument/publishDiagnostics")

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        place = {"line": line, "character": character}
        return self.request(f"textDocument/{method}", {"textDocument": {"uri": self.uri(name)}, "position": place})

    def actions(self, name: str, place: dict[str, Any]) -> list[dict[str, Any]]:
        params = {"textDocument": {"uri": self.uri(name)}, "range": place, "context": {"diagnostics": []}}
        found: list[dict[str, Any]] = self.request("textDocument/codeAction", params)
        return found
