"""Runs a program on a domain and checks the outcome by libvirt's schema.

What is refused is laid to the edit that made it so: the program is run with all edits but the last, but the last two,
the last four and so on, until the fault is not there; what lies between is halved.
"""

from __future__ import annotations

import re

from .. import quoting, rules
from ..compile import CompiledDocument, Program
from ..diagnostics import Diagnostic, Severity
from ..document.model import FailurePolicy
from ..engine import left_out, patch_domain
from ..patterns import pattern
from ..podfacts import NOTHING, Pod
from ..record import replace
from ..result import DocumentTrace, Outcome, Progress, State
from ..source import Span
from .faults import WHOLE, Comparison, Fault, Names
from .schema import DomainSchema

_SHOWN = 20
_LONGEST = 60
_STEP = pattern(r"[^/@\[\]:]+")


def patch_domain_checked(
    schema: DomainSchema,
    program: Program,
    domain: bytes,
    vmi: bytes,
    *,
    progress: Progress | None = None,
    pod: Pod = NOTHING,
) -> Outcome:
    """As :func:`patchlang.engine.patch_domain`; what the patches made invalid is an error (PL416).

    A patch that is to blame and says ``failurePolicy: Ignore`` is left out, with a warning, as one that fails.
    """
    ignored: dict[str, tuple[DocumentTrace, Diagnostic]] = {}
    comparison = Comparison(schema, domain)
    while True:
        rest = Program(tuple(d for d in program.documents if d.name not in ignored))
        outcome = patch_domain(rest, domain, vmi, progress=progress, pod=pod)
        found: list[Diagnostic] = []
        if outcome.data is not None:
            found = _Check(comparison, rest, domain, vmi, pod, outcome).findings()
        to_blame = {d.patch: d for d in reversed(found) if d.is_error}
        excused = [d for d in rest.documents if d.name in to_blame and d.failure_policy is FailurePolicy.IGNORE]
        if not to_blame or len(excused) < len(to_blame):
            traces = {name: trace for name, (trace, _) in ignored.items()} | {t.name: t for t in outcome.trace}
            in_order = tuple(traces[d.name] for d in program.documents if d.name in traces)
            warnings = [ignored[d.name][1] for d in program.documents if d.name in ignored]
            return Outcome(None if to_blame else outcome.data, (*warnings, *found, *outcome.diagnostics), in_order)
        for document in excused:
            cause = to_blame[document.name]
            trace = DocumentTrace(document.name, document.span, document.priority, State.IGNORED, cause.message)
            ignored[document.name] = trace, left_out(cause, document.name)


def made_invalid(
    schema: DomainSchema, program: Program, domain: bytes, vmi: bytes, outcome: Outcome, *, pod: Pod = NOTHING
) -> list[Diagnostic]:
    """Warnings of what the patches made invalid in an outcome that stands all the same.

    Of what was invalid before nothing is said.
    """
    if outcome.data is None:
        return []
    found = _Check(Comparison(schema, domain), program, domain, vmi, pod, outcome).findings()
    return [replace(one, severity=Severity.WARNING) for one in found if one.is_error]


class _Check:
    """The faults of one outcome, and the edits behind them."""

    def __init__(
        self, comparison: Comparison, program: Program, domain: bytes, vmi: bytes, pod: Pod, outcome: Outcome
    ) -> None:
        undone = {trace.name for trace in outcome.trace if trace.state is State.IGNORED}
        self._comparison = comparison
        self._program = Program(tuple(d for d in program.documents if d.name not in undone))
        self._edits = [(document, n) for document in self._program.documents for n in range(len(document.domain))]
        self._domain = domain
        self._vmi = vmi
        self._pod = pod
        assert outcome.data is not None, "there is something to check"
        self._faults = {len(self._edits): comparison.new_faults(outcome.data), 0: []}

    def findings(self) -> list[Diagnostic]:
        """One of each place; places that differ in numbers alone are one."""
        by_names: dict[Names, list[Fault]] = {}
        for fault in self._faults[len(self._edits)]:
            by_names.setdefault(fault.names, []).append(fault)
        found = []
        for same in by_names.values():
            sure = [fault for fault in same if fault.sure]
            found.append(self._refused(sure[0], len(sure) > 1) if sure else _doubt(same[0]))
        return found

    def _refused(self, fault: Fault, are_several: bool) -> Diagnostic:
        guilty = len(self._edits)
        innocent, step = guilty - 1, 1
        while self._has(innocent, fault):
            guilty, innocent, step = innocent, max(0, innocent - step), 2 * step
        while guilty - innocent > 1:
            middle = (innocent + guilty) // 2
            innocent, guilty = (innocent, middle) if self._has(middle, fault) else (middle, guilty)
        document, number = self._edits[guilty - 1]
        like = [f for f in self._after(guilty) if _is_like(f, fault)]
        shown = next((f for f in like if fault.names in (f.names, WHOLE)), fault)
        span, label = document.domain[number].span, document.domain[number].label
        others = ", and others like it" if are_several else ""
        value, words = _quoted(shown, span), self._words(shown)
        says = shown.says if value is None else f"cannot be `{value}`" if words else f"{shown.says}: `{value}`"
        where = f"`{self._path(shown, document)}` {says}{others}"
        folder = self._comparison.schema.folder
        listed = ", ".join(words[:_SHOWN]) + (", …" if len(words) > _SHOWN else "")
        explained = f"allowed: {listed}" if words else "what is not computed, `patchlang validate` explains"
        help = f"{explained}; the schema is in `{folder}`"
        message = f"what this edit makes is not valid by libvirt's schema: {where}"
        return Diagnostic(rules.REFUSED_BY_SCHEMA, message, span, help, patch=document.name, edit=label)

    def _words(self, fault: Fault) -> list[str]:
        """What the schema lists instead of a text that it refuses."""
        if fault.node is None or fault.unit is None or fault.text is None:
            return []
        return self._comparison.schema.values(fault.node, fault.unit)

    def _has(self, count: int, fault: Fault) -> bool:
        return any(_is_like(other, fault) for other in self._after(count))

    def _after(self, count: int) -> list[Fault]:
        """The sure faults when so many edits have run."""
        if count not in self._faults:
            data = patch_domain(_first(self._program, count), self._domain, self._vmi, pod=self._pod).data
            self._faults[count] = [] if data is None else self._comparison.new_faults(data)
        return [fault for fault in self._faults[count] if fault.sure]

    def _path(self, fault: Fault, document: CompiledDocument) -> str:
        """The path, up to a name that is neither in the patch nor in the domain: it was computed, and may be secret."""
        known = quoting.Names([document.span.source.text], lambda: [self._comparison.names])
        for name in _STEP.finditer(fault.path):
            if not name[0].isdigit() and not known.known(name[0]):
                return f"{fault.path[: name.start()].rstrip('@/:')}/…"
        return fault.path


def _quoted(fault: Fault, edit: Span) -> str | None:
    """The value that is refused, where the edit has it as a word of its own; what was computed may be secret."""
    value = (fault.text or b"").decode()
    if not value or len(value) > _LONGEST:
        return None
    written = edit.source.text[edit.start : edit.end]
    return value if re.search(rf"(?<![\w.:-]){re.escape(value)}(?![\w.:-])", written) else None


def _is_like(fault: Fault, later: Fault) -> bool:
    """Is it the fault that is found later, or one that it is found behind?

    What is a text is the same only if that is the same. While a device is built, it is refused as a whole.
    """
    if later.names == WHOLE:
        return True
    if fault.names == later.names:
        return fault.text == later.text
    return fault.text is None and later.names[: len(fault.names)] == fault.names


def _first(program: Program, count: int) -> Program:
    """The program with so many edits."""
    documents = []
    for document in program.documents:
        documents.append(replace(document, domain=document.domain[:count]))
        count -= len(documents[-1].domain)
    return Program(tuple(documents))


def _doubt(fault: Fault) -> Diagnostic:
    message = f"`{fault.path}` was not valid by libvirt's schema before the patches changed it: it is not checked"
    return Diagnostic(rules.REFUSED_BY_SCHEMA, message, severity=Severity.WARNING)
