"""A playground as users start it, and requests to it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[2]


class Playground:
    """A running playground. ``url`` is the URL that it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.url = process.stdout.readline().rstrip("\n")
        split = urlsplit(self.url)
        assert split.hostname == "127.0.0.1"
        assert split.port is not None
        self.port = split.port
        self.token = parse_qs(split.query)["token"][0]

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """The status, body and headers of a response; ``TOKEN`` in the path is replaced by the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path.replace("TOKEN", self.token), body, dict(headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data, answer.headers

    def ask(self, name: str, body: object) -> tuple[int, dict[str, object]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        status, text, _ = self.request("POST", f"/api/{name}?token=TOKEN", data, headers)
        answer = json.loads(text)
        assert isinstance(answer, dict)
        return status, answer


@contextmanager
def playground(*arguments: str) -> Iterator[Playground]:
    command = [sys.executable, "-m", "patchlang", "playground", "--no-open", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield Playground(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
