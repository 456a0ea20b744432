"""Runs a program on a domain and checks the outcome by libvirt's schema.

What is refused is laid to the edit that made it so. That one is found by bisection: the program is run with the first
half of its edits, or fewer, or more.
"""

from __future__ import annotations

from dataclasses import replace

from . import rules
from .compile import CompiledDocument, Program
from .diagnostics import Diagnostic, Severity
from .domainfaults import Fault, Names, new_faults
from .domainschema import DomainSchema
from .engine import left_out, patch_domain
from .model import FailurePolicy
from .result import DocumentTrace, Outcome, Progress, State


def patch_domain_checked(
    schema: DomainSchema, program: Program, domain: bytes, vmi: bytes, *, progress: Progress | None = None
) -> Outcome:
    """As :func:`patchlang.engine.patch_domain`; what the patches made invalid is an error (PL416).

    A patch that is to blame and says ``failurePolicy: Ignore`` is left out, with a warning, as one that fails.
    """
    warnings: list[Diagnostic] = []
    ignored: dict[str, DocumentTrace] = {}
    while True:
        rest = Program(tuple(d for d in program.documents if d.name not in ignored))
        outcome = patch_domain(rest, domain, vmi, progress=progress)
        found = [] if outcome.data is None else _findings(schema, rest, domain, vmi, outcome)
        to_blame = {d.patch: d for d in found if d.is_error}
        excused = [d for d in rest.documents if d.name in to_blame and d.failure_policy is FailurePolicy.IGNORE]
        if not to_blame or len(excused) < len(to_blame):
            data = None if to_blame else outcome.data
            traces = ignored | {trace.name: trace for trace in outcome.trace}
            in_order = tuple(traces[d.name] for d in program.documents if d.name in traces)
            return Outcome(data, (*warnings, *found, *outcome.diagnostics), in_order)
        for document in excused:
            cause = to_blame[document.name]
            warnings.append(left_out(cause, document.name))
            ignored[document.name] = DocumentTrace(
                document.name, document.span, document.priority, State.IGNORED, cause.message
            )


def _findings(schema: DomainSchema, program: Program, domain: bytes, vmi: bytes, outcome: Outcome) -> list[Diagnostic]:
    """What the schema says of an outcome; of faults that differ in the numbers of their paths alone, the first."""
    assert outcome.data is not None, "there is something to check"
    undone = {trace.name for trace in outcome.trace if trace.state is State.IGNORED}
    counting = Program(tuple(d for d in program.documents if d.name not in undone))
    faults: dict[Names, list[Fault]] = {}
    for fault in new_faults(schema, domain, outcome.data):
        faults.setdefault(fault.names, []).append(fault)
    found = []
    for names, same in faults.items():
        sure = [fault for fault in same if fault.sure]
        if sure:
            document, number = _edit_behind(schema, counting, domain, vmi, names)
            found.append(_refused(schema, sure, document, number))
        else:
            found.append(_doubt(same[0]))
    return found


def _edit_behind(
    schema: DomainSchema, program: Program, domain: bytes, vmi: bytes, names: Names
) -> tuple[CompiledDocument, int]:
    """The edit with which a fault comes in: its document, and its number there."""
    edits = [(document, number) for document in program.documents for number in range(len(document.domain))]
    innocent, guilty = 0, len(edits)
    while guilty - innocent > 1:
        count = (innocent + guilty) // 2
        data = patch_domain(_first(program, count), domain, vmi).data
        is_there = data is not None and any(f.sure and f.names == names for f in new_faults(schema, domain, data))
        innocent, guilty = (innocent, count) if is_there else (count, guilty)
    return edits[guilty - 1]


def _first(program: Program, count: int) -> Program:
    """The program with so many edits."""
    documents = []
    for document in program.documents:
        documents.append(replace(document, domain=document.domain[:count]))
        count -= len(documents[-1].domain)
    return Program(tuple(documents))


def _refused(schema: DomainSchema, same: list[Fault], document: CompiledDocument, number: int) -> Diagnostic:
    more = f", and {len(same) - 1} more like it" if len(same) > 1 else ""
    return Diagnostic(
        rules.REFUSED_BY_SCHEMA,
        f"what this edit makes is not valid by libvirt's schema: `{same[0].path}` {same[0].says}{more}",
        document.domain[number].span,
        f"`patchlang validate` lists what may stand there; the schema is in `{schema.folder}`",
        patch=document.name,
        edit=document.domain[number].label,
    )


def _doubt(fault: Fault) -> Diagnostic:
    message = f"`{fault.path}` was not valid by libvirt's schema before the patches changed it: it is not checked"
    return Diagnostic(rules.REFUSED_BY_SCHEMA, message, severity=Severity.WARNING)
