"""What a failed call answers: a gRPC code and one line of text, which is all that a VMI's events show of it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import grpc

from patchlang import rules
from patchlang.diagnostics import Diagnostic

from .log import log, places
from .text import MAX_TEXT, bounded, one_line


class CallError(Exception):
    """An error that the caller shall read: ``code`` and ``text`` (one line, bounded) go into the RPC's status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(code.name)
        self.code = code
        self.text = bounded(one_line(text))


def from_diagnostics(diagnostics: Iterable[Diagnostic], prefix: str = "") -> CallError:
    """The status for a run that ended in errors: the first of them, its help, and how many more there are."""
    errors = [d for d in diagnostics if d.is_error]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    text = one_line(prefix + describe(first))
    return CallError(code_of(first), bounded(text, MAX_TEXT - len(more)) + more)


def describe(diagnostic: Diagnostic) -> str:
    """A diagnostic with its help, without source lines."""
    return f"{diagnostic}; {diagnostic.help}" if diagnostic.help else str(diagnostic)


def code_of(diagnostic: Diagnostic) -> grpc.StatusCode:
    """PL5xx is the caller's input, all else the patch that does not suit it."""
    if diagnostic.rule == rules.INPUT_TOO_BIG:
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    if diagnostic.rule.id.startswith("PL5"):
        return grpc.StatusCode.INVALID_ARGUMENT
    return grpc.StatusCode.FAILED_PRECONDITION


def internal(error: BaseException, doing: str) -> CallError:
    """For a bug of ours: an id in the answer, and under it the places in the code in the log. No data in either."""
    reference = os.urandom(4).hex()
    log.error("internal error %s during %s: %s", reference, doing, places(error))
    text = f"internal error {reference} during {doing}: this is a bug in patchlang; the sidecar's log has its place"
    return CallError(grpc.StatusCode.INTERNAL, text)
