"""The server on standard input and output: pygls implements the protocol, this module the answers."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from ... import __version__, handbook
from ..completion import core
from . import convert
from .actions import actions
from .buffers import Change
from .checking import Finding
from .positions import UTF_16
from .session import Session, log

_Handling = Iterator[tuple[Callable[[Any], object], tuple[object], None]]
MOST_BYTES = 64 << 20
"""The largest message, in bytes."""
_LONGEST_HEADER = 8192
_TRIGGERS = ("/", "@", "'", '"', ".", "<", " ", "[", "$", ":")
_WATCHED = ("**/*.yaml", "**/*.yml", "**/.patchlang.yaml", "**/pyproject.toml")


def serve() -> int:
    """Serve until the client is done or gone; returns the exit status: 1 if it exits without a shutdown."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    server = _Server()
    answers = io.BufferedWriter(io.FileIO(sys.stdout.fileno(), "w", closefd=False))
    sys.stdout = sys.stderr  # only answers are written there
    try:
        server.start_io(_Stdin(io.FileIO(sys.stdin.fileno(), closefd=False)), answers)
    finally:
        server.session.close()
    return 1 if server.ended_early else 0


class _OneLine(logging.Formatter):
    """Write what pygls logs, without its tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        from ...render import printable

        return f"patchlang lsp: {printable(record.getMessage().strip().partition(chr(10))[0][:500])}"


class _Stdin(io.BufferedReader):
    """Standard input, without lines and messages that are larger than any real one."""

    def readline(self, size: int | None = -1, /) -> bytes:
        return super().readline(_LONGEST_HEADER)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MOST_BYTES:
            left = size or 0
            log(f"a message of {left} bytes is skipped: the limit is {MOST_BYTES}")
            while left > 0 and (piece := super().read(min(left, 1 << 20))):
                left -= len(piece)
            return b"{}" if left <= 0 else b""
        return super().read(size)


class _Protocol(LanguageServerProtocol):
    """pygls' protocol, which also answers unreadable requests, and does not print tracebacks."""

    def structure_message(self, data: dict[str, object]) -> object:
        try:
            return super().structure_message(data)
        except JsonRpcException as e:
            number = data.get("id")
            if isinstance(number, str | int) and "method" in data:
                self._send_response(number, None, e.to_response_error())
            raise

    # the texts are kept once, by us: pygls' own copies would be of other lines, since it takes more for the end of one

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> _Handling:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> _Handling:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> _Handling:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE], (params,), None

    def _send_response(
        self, msg_id: str | int, result: object = None, error: types.ResponseError | None = None
    ) -> None:
        if error is not None:
            error = types.ResponseError(error.code, error.message)
        super()._send_response(msg_id, result, error)


class _Server(LanguageServer):
    """The features. ``ended_early``: the client asked to exit without a shutdown before."""

    def __init__(self) -> None:
        super().__init__(
            "patchlang",
            __version__,
            protocol_cls=_Protocol,
        )
        self.session = Session(self._publish)
        self.ended_early = False
        self._was_shut_down = False
        for method, handler, options in (
            (types.INITIALIZE, self._initialize, None),
            (types.INITIALIZED, self._initialized, None),
            (types.SHUTDOWN, self._shut_down, None),
            (types.EXIT, self._exit, None),
            (types.TEXT_DOCUMENT_DID_OPEN, self._did_open, None),
            (types.TEXT_DOCUMENT_DID_CHANGE, self._did_change, None),
            (types.TEXT_DOCUMENT_DID_CLOSE, self._did_close, None),
            (types.TEXT_DOCUMENT_DID_SAVE, self._did_save, None),
            (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, self._files_changed, None),
            (types.WORKSPACE_DID_CHANGE_CONFIGURATION, self._files_changed, None),
            (types.TEXT_DOCUMENT_COMPLETION, self._complete, types.CompletionOptions(list(_TRIGGERS))),
            (types.TEXT_DOCUMENT_HOVER, self._hover, None),
            (types.TEXT_DOCUMENT_DEFINITION, self._definition, None),
            (types.TEXT_DOCUMENT_CODE_ACTION, self._actions, _ACTIONS),
        ):
            self.feature(method, options)(_function(handler))

    def report_server_error(self, error: Exception, source: object) -> None:
        log(f"{type(error).__name__}: {error}")

    def shutdown(self) -> None:
        """Like pygls', but does not wait for a thread that waits for input."""
        if self._stop_event is not None:
            self._stop_event.set()
        self.thread_pool.shutdown(wait=False, cancel_futures=True)

    # -- the connection --------------------------------------------------------------------------------------------

    def _initialize(self, params: types.InitializeParams) -> None:
        chosen = self.workspace.position_encoding
        encoding = chosen.value if isinstance(chosen, types.PositionEncodingKind) else chosen
        self.session.buffers.encoding = encoding or UTF_16

    def _initialized(self, params: types.InitializedParams) -> None:
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace is not None else None
        if watching is None or not watching.dynamic_registration:
            return
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(one) for one in _WATCHED])
        wanted = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        self.client_register_capability(types.RegistrationParams([wanted]))

    def _shut_down(self, params: None) -> None:
        self._was_shut_down = True

    def _exit(self, params: None) -> None:
        self.ended_early = not self._was_shut_down

    # -- texts -----------------------------------------------------------------------------------------------------

    def _did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        self.session.opened(document.uri, document.text, document.version)

    def _did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        changes = [
            Change(one.text, convert.range_from(one.range) if isinstance(one, _PARTIAL) else None)
            for one in params.content_changes
        ]
        self.session.changed(params.text_document.uri, changes, params.text_document.version)

    def _did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        self.session.closed(params.text_document.uri)

    def _did_save(self, params: types.DidSaveTextDocumentParams) -> None:
        self.session.files_changed()

    def _files_changed(self, params: object) -> None:
        self.session.files_changed()

    def _publish(self, uri: str, version: int | None, found: tuple[Finding, ...]) -> None:
        diagnostics = [convert.diagnostic(one, self.session.buffers.uri_of) for one in found]
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))

    # -- answers ---------------------------------------------------------------------------------------------------

    def _complete(self, params: types.CompletionParams) -> types.CompletionList | None:
        buffer = self.session.buffers.get(params.text_document.uri)
        if buffer is None:
            return None
        at = buffer.lines.offset(convert.point(params.position))
        return convert.completions(core.complete(buffer.text, at, self.session.settings(buffer)), buffer)

    def _hover(self, params: types.HoverParams) -> types.Hover | None:
        buffer = self.session.buffers.get(params.text_document.uri)
        if buffer is None:
            return None
        point = convert.point(params.position)
        about = core.hover(buffer.text, buffer.lines.offset(point), self.session.settings(buffer))
        pages = [
            handbook.page(handbook.all_rules()[one.rule]).text
            for one in self.session.findings(buffer)
            if one.range.start <= point <= one.range.end
        ]
        if not pages:
            return convert.hover(about, buffer) if about is not None else None
        text = "\n\n---\n\n".join(dict.fromkeys([*([about.text] if about is not None else []), *pages]))
        return convert.markdown(text, None)

    def _definition(self, params: types.DefinitionParams) -> types.Location | None:
        buffer = self.session.buffers.get(params.text_document.uri)
        found = (
            core.definition(buffer.text, buffer.lines.offset(convert.point(params.position)))
            if buffer is not None
            else None
        )
        if buffer is None or found is None:
            return None
        return types.Location(buffer.uri, convert.range_to(buffer.lines.range(*found)))

    def _actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        buffer = self.session.buffers.get(params.text_document.uri)
        if buffer is None:
            return []
        found = self.session.findings(buffer)
        return actions(buffer, found, convert.range_from(params.range), self.session.buffers.uri_of)


def _function(handler: Callable[[Any], object]) -> Callable[[Any], object]:
    """pygls modifies the object that it is given, which a method does not allow."""

    def call(params: Any) -> object:
        return handler(params)

    return call


_PARTIAL = types.TextDocumentContentChangePartial
_ACTIONS = types.CodeActionOptions([types.CodeActionKind.QuickFix])
