"""The playground's server: which requests it rejects, how it answers malformed ones, and how it stops."""

from __future__ import annotations

import asyncio
import builtins
import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from playgroundserver import Playground, playground

from patchlang.authoring.playground import workers
from patchlang.authoring.playground.server import LARGEST_BODY
from patchlang.cli import cli

JSON = {"content-type": "application/json"}
EVERY_PATH = ["/", "/static/playground.js", "/static/playground.css", "/api/run", "/api/nothing", "/nothing"]


@pytest.fixture(scope="module")
def server() -> Iterator[Playground]:
    with playground() as running:
        yield running


def error(data: bytes) -> str:
    said = json.loads(data)
    assert said.keys() == {"error"}
    return str(said["error"])


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%ff", "?TOKEN=TOKEN", "?token=TOKENx"])
def test_without_the_token_every_request_is_refused(server: Playground, path: str, method: str, query: str) -> None:
    status, data, headers = server.request(method, path + query, b"{}" if method == "POST" else None, JSON)
    assert status == 403
    assert "token" in error(data)
    assert server.token.encode() not in data
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["example.test", "127.0.0.1", "127.0.0.1:1", "localhost.example.test", "[::1]"])
def test_requests_for_other_hosts_are_refused(server: Playground, host: str) -> None:
    status, data, _ = server.request("GET", "/?token=TOKEN", headers={"host": host})
    assert (status, "another host" in error(data)) == (403, True)


def test_requests_of_other_pages_are_refused(server: Playground) -> None:
    headers = {**JSON, "origin": "http://example.test"}
    status, data, _ = server.request("POST", "/api/samples?token=TOKEN", b"{}", headers)
    assert (status, error(data)) == (403, "the request comes from another page")
    assert server.request("POST", "/api/samples?token=TOKEN", b"{}", {**JSON, "origin": "null"})[0] == 403
    own = {**JSON, "origin": f"http://127.0.0.1:{server.port}"}
    assert server.request("POST", "/api/samples?token=TOKEN", b"{}", own)[0] == 200


def test_the_page_allows_nothing_from_elsewhere(server: Playground) -> None:
    status, data, headers = server.request("GET", "/?token=TOKEN")
    assert status == 200
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert b"{{" not in data
    assert b"//" not in data.replace(b'content="{', b"").split(b'name="start"')[0]
    again = server.request("GET", "/?token=TOKEN")[2]["content-security-policy"]
    assert policy != again, "a nonce is used once"


def test_the_first_texts_cannot_become_markup(tmp_path: Path) -> None:
    evil = tmp_path / "evil.yaml"
    evil.write_text('# "><script src=//example.test></script> {{token}}\n')
    with playground(str(evil)) as running:
        data = running.request("GET", "/?token=TOKEN")[1]
    assert b"<script src=//" not in data
    assert b"{{token}}" in data


def test_it_begins_with_the_patches_of_a_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.yaml"
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata:\n  b.yaml: |\n    kind: Patch\n  other: text\n"
    manifest.write_text(f"{one % 'one'}  a.yaml: 'kind: Patch'\n---\n{one % 'two'}")
    with playground(str(manifest)) as running:
        page = running.request("GET", "/?token=TOKEN")[1].decode()
    found = re.search('<meta name="start" content="([^"]*)">', page)
    assert found is not None
    assert json.loads(unescape(found[1]))["patches"] == [
        {"name": "a.yaml", "text": "kind: Patch"},
        {"name": "b.yaml", "text": "kind: Patch\n"},
        {"name": "3-b.yaml", "text": "kind: Patch\n"},
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing?token=TOKEN", 404),
        ("GET", "/static/?token=TOKEN", 404),
        ("GET", "/static/index.html?token=TOKEN", 404),
        ("GET", "/static/..%2fserver.py?token=TOKEN", 404),
        ("GET", "/static/%00.js?token=TOKEN", 404),
        ("GET", f"/static/{'a' * 5000}.js?token=TOKEN", 404),
        ("GET", "/api/run?token=TOKEN", 405),
        ("POST", "/?token=TOKEN", 405),
        ("POST", "/api/nothing?token=TOKEN", 404),
        ("BREW", "/?token=TOKEN", 405),
    ],
)
def test_what_is_not_there_is_said_so(server: Playground, method: str, path: str, status: int) -> None:
    found, data, _ = server.request(method, path, headers=JSON)
    assert (found, bool(error(data))) == (status, True)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 400, "not a JSON object"),
        (b"null", 400, "not a JSON object"),
        (b"{}", 422, "`patches` is missing"),
        (b'{"patches": {}}', 422, "`patches` is not a list"),
        (b'{"patches": [1]}', 422, "not an object"),
        (b'{"patches": [{"name": "a"}]}', 422, "`text` is missing"),
        (b'{"patches": [{"name": "a", "text": ""}, {"name": "a", "text": ""}]}', 422, "the same name"),
        (b'{"patches": [], "domain": 3}', 422, "`domain` is not a text"),
    ],
)
def test_nonsense_is_refused_in_words(server: Playground, body: bytes, status: int, said: str) -> None:
    found, answer = server.ask("run", body)
    assert found == status
    assert said in str(answer["error"])


def test_another_type_than_json_is_refused(server: Playground) -> None:
    for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
        assert server.request("POST", "/api/run?token=TOKEN", b"{}", headers)[0] == 415


def test_a_body_that_is_too_big_is_refused(server: Playground) -> None:
    status, data, _ = server.request("POST", "/api/run?token=TOKEN", bytes(LARGEST_BODY + 1), JSON)
    assert (status, error(data)) == (413, "a request may have at most 8 MiB")


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_no_http_is_refused(server: Playground, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    assert server.ask("samples", {})[0] == 200


def test_the_url_is_all_that_is_printed_and_ctrl_c_ends_it() -> None:
    with playground() as running:
        assert running.url == f"http://127.0.0.1:{running.port}/?token={running.token}"
        assert len(running.token) >= 32
        for body in (b"", b"{"):  # a client that disconnects during a request is not an error to report
            head = f"POST /api/run?token={running.token} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
            with socket.create_connection(("127.0.0.1", running.port), timeout=60) as connection:
                connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode() + body)
        assert running.ask("samples", {})[0] == 200
        running.process.send_signal(signal.SIGINT)
        out, err = running.process.communicate(timeout=60)
    assert (running.process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_ends_at_once_while_it_works(sent: signal.Signals, status: int) -> None:
    path = "//a[count(//a[count(//a[count(//a) > 1]) > 1]) > 1]"
    spec = f"{{domain: [{{op: remove, path: '{path}'}}]}}"
    patch = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: x}}\nspec: {spec}\n"
    given = {"patches": [{"name": "x.yaml", "text": patch}], "domain": f"<domain>{'<a/>' * 5000}</domain>"}
    with playground() as running, ThreadPoolExecutor() as pool:
        asked = [pool.submit(running.ask, name, given) for name in ("run", "replay", "run")]
        assert running.ask("samples", {})[0] == 200
        running.process.send_signal(sent)
        out, err = running.process.communicate(timeout=60)
        assert all(isinstance(one.exception(), (type(None), OSError, HTTPException)) for one in asked)
    assert (running.process.returncode, out, err) == (status, "", "")


def test_a_patch_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["playground", "--no-open", str(tmp_path / "none.yaml")])
    assert done.exit_code == 1
    assert "does not exist" in done.stderr
    assert done.stdout == ""


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **named: Any) -> ModuleType:
        if name.partition(".")[0] in ("starlette", "uvicorn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **named)

    for name in [one for one in sys.modules if one.startswith("patchlang.authoring.playground.ser")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    done = CliRunner().invoke(cli, ["playground"])
    assert (done.exit_code, done.stdout) == (3, "")
    assert "pip install 'patchlang[playground]'" in done.stderr


def test_an_answer_that_takes_too_long_ends_its_process_alone() -> None:
    async def asked() -> list[tuple[int, bytes]]:
        worker = workers.Worker(0.001)
        try:
            slow = [await worker.ask("sample", b'{"name": "many-disks"}') for _ in range(2)]
        finally:
            await worker.stop()
        other = workers.Worker(60)
        try:
            quick = await other.ask("samples", b"{}")
        finally:
            await other.stop()
        return [*slow, quick]

    *slow, quick = asyncio.run(asked())
    assert [(status, "longer than 0.001 seconds" in error(data)) for status, data in slow] == [(503, True)] * 2
    assert quick[0] == 200


def test_a_process_that_is_killed_is_started_again() -> None:
    async def asked() -> list[int]:
        worker = workers.Worker(60)
        try:
            found = [(await worker.ask("samples", b"{}"))[0]]
            assert worker._process is not None
            worker._process.kill()
            await worker._process.wait()
            return [*found, (await worker.ask("samples", b"{}"))[0], (await worker.ask("samples", b"{}"))[0]]
        finally:
            await worker.stop()

    assert asyncio.run(asked()) == [200, 500, 200]
