"""What a failed call returns: a gRPC code and one line of text, which is all that a VMI's events show of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from .log import log
from .text import MAX_TEXT, bounded, one_line

Code = Literal[
    "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"
]
"""Names of ``grpc.StatusCode``."""

Finding = dict[str, Any]
"""A diagnostic as data, as the engine sends it: ``rule`` (its id), ``error`` (is it one), ``text`` and ``help``."""

INPUT_TOO_BIG = "PL506"
OUT_OF_MEMORY = "PL417"


class CallError(Exception):
    """An error for the caller: ``code`` and ``text`` (one line, bounded) go into the RPC's status."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = bounded(one_line(text))


def from_findings(findings: Sequence[Finding], errors: int) -> CallError:
    """The status of a run with that many errors: the first of them, its help, and the number of others."""
    first = next(finding for finding in findings if finding["error"])
    more = f" (and {errors - 1} more)" if errors > 1 else ""
    return CallError(_code_of(first["rule"]), bounded(one_line(describe(first)), MAX_TEXT - len(more)) + more)


def describe(finding: Finding) -> str:
    """A finding with its help, without source lines."""
    return f"{finding['text']}; {finding['help']}" if finding["help"] else str(finding["text"])


def _code_of(rule: str) -> Code:
    """PL5xx is about the caller's input, everything else about the patch."""
    if rule in (INPUT_TOO_BIG, OUT_OF_MEMORY):
        return "RESOURCE_EXHAUSTED"
    return "INVALID_ARGUMENT" if rule.startswith("PL5") else "FAILED_PRECONDITION"


def internal(places: str, doing: str) -> CallError:
    """For a bug: an id in the response, and in the log, the places in the code under that id. No data in either."""
    reference = os.urandom(4).hex()
    log.error("internal error %s during %s: %s", reference, doing, places)
    text = (
        f"internal error {reference} during {doing}: this is a bug in patchlang; see the sidecar's log for the location"
    )
    return CallError("INTERNAL", text)
