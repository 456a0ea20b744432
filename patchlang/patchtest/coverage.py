"""Which edits did something in some run of a test: changed something or, for ``test``, were evaluated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from .. import rules
from ..cloudinit import ops as cloudinit_ops
from ..compile import Program
from ..diagnostics import Diagnostic, Severity
from ..domain import ops as domain_ops
from ..domain.within import InsideOp, WithinOp
from ..edits import CompiledEdit
from ..record import record
from ..result import DocumentTrace
from ..source import Span


@record(frozen=False)
class _Edit:
    label: str
    patch: str
    span: Span
    only_tests: bool
    fired: bool = False


class Coverage:
    """The edits of all programs under test, by place; a file may belong to several programs."""

    def __init__(self) -> None:
        self._edits: dict[tuple[str, int], _Edit] = {}

    def add(self, program: Program) -> None:
        for document in program.documents:
            edits: tuple[CompiledEdit[Any], ...] = (*document.domain, *document.cloud_init)
            for edit in (one for outer in edits for one in outer.every()):
                op = edit.op.op if isinstance(edit.op, InsideOp) else edit.op
                only_tests = isinstance(op, (domain_ops.TestOp, WithinOp, cloudinit_ops.JsonTestOp))
                self._edits.setdefault(_place(edit.span), _Edit(edit.label, document.name, edit.span, only_tests))

    def note(self, trace: Iterable[DocumentTrace]) -> None:
        """What one run did."""
        for document in trace:
            for done in document.edits:
                edit = self._edits[_place(done.span)]
                edit.fired |= bool(done.ran if edit.only_tests else done.changed)

    def unfired(self) -> Iterator[Diagnostic]:
        """The edits that never did anything (PL607), sorted by place."""
        for _, edit in sorted(self._edits.items(), key=lambda item: item[0]):
            if not edit.fired:
                message = f"`{edit.label}` {'runs in no' if edit.only_tests else 'changes nothing in any'} test"
                yield Diagnostic(rules.UNFIRED, message, edit.span, severity=Severity.ADVICE, patch=edit.patch)


def _place(span: Span) -> tuple[str, int]:
    return os.path.realpath(span.source.name), span.start
