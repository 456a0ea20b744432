"""The web application: the page and its requests, for anyone with the token in the query, and only on this machine."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from html import escape
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import __version__
from .answers import ANSWERS, refusal
from .page import start_data
from .request import PatchText
from .workers import Workers

LARGEST_BODY = 8 << 20
STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""The files of the page by suffix; ``index.html`` is not among them, because it is generated for each request."""


def application(token: str, port: int, patches: Sequence[PatchText], workers: Workers | None = None) -> ASGIApp:
    """The application, which a server serves on 127.0.0.1 at ``port``."""
    asked = workers or Workers()
    assets = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}

    async def page(_: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = (STATIC / "index.html").read_text(encoding="utf-8")
        values = {"token": token, "nonce": nonce, "version": __version__, "start": start_data(patches)}
        for name, value in values.items():
            text = text.replace(f"{{{{{name}}}}}", escape(value))
        return Response(text, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy(nonce)})

    async def asset(request: Request) -> Response:
        path = assets.get(request.path_params["name"])
        if path is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such file")
        return Response(path.read_bytes(), media_type=TYPES[path.suffix])

    async def api(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ANSWERS:
            raise HTTPException(HTTPStatus.NOT_FOUND, "unknown request")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
        try:
            body = await _body(request)
        except ClientDisconnect:  # nobody waits for the answer, for example because the browser dropped the request
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return _json(*await asked.ask(name, body))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asked.stop()

    routes = [
        Route("/", page, methods=["GET"]),
        Route("/static/{name}", asset, methods=["GET"]),
        Route("/api/{name}", api, methods=["POST"]),
    ]
    handlers: dict[object, Callable[[Request, Exception], Awaitable[Response]]] = {HTTPException: _refused}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return Guard(app, token, (f"127.0.0.1:{port}", f"localhost:{port}"))


def policy(nonce: str) -> str:
    """What the page may load: our files. CodeMirror's styles have the nonce; its markers are images in them."""
    return (
        f"default-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Guard:
    """Refuse every request with another Host, another Origin, or a wrong token, before anything else reads it."""

    def __init__(self, app: ASGIApp, token: str, hosts: Sequence[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem is not None:
            await _json(*refusal(HTTPStatus.FORBIDDEN, problem))(scope, receive, send)
            return

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_CLOSED]
            await send(message)

        await self._app(scope, receive, send_closed)

    def _problem(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return "the request is for another host: open the URL that `patchlang playground` has printed"
        origin = headers.get("origin")
        if origin is not None and origin not in [f"http://{host}" for host in self._hosts]:
            return "the request comes from another page"
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        if not secrets.compare_digest(given.encode(errors="surrogatepass"), self._token):
            return "the token is missing or wrong: open the URL that `patchlang playground` has printed"
        return None


_CLOSED = [
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


async def _body(request: Request) -> bytes:
    """The body of a request. Raises HTTPException if it is too big, as soon as that is known."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            limit = f"a request may have at most {LARGEST_BODY >> 20} MiB"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, limit)
    return bytes(body)


def _json(status: int, data: bytes) -> Response:
    return Response(data, int(status), media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(*refusal(error.status_code, str(error.detail)))
