"""Runs a program on a domain and checks the result against libvirt's schema.

A fault is attributed to the edit that caused it: the program runs with all edits except the last, the last two,
the last four and so on, until the fault is gone; then bisection narrows it down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lxml import etree

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
from ..xpath.match import Match, match_path
from .faults import WHOLE, Comparison, Fault, Names
from .schema import DomainSchema

_SHOWN = 20
_LONGEST = 60
_MOST_NARROWED = 8
_STEP = pattern(r"[^/@\[\]:]+")


def patch_domain_checked(
    schema: DomainSchema,
    program: Program,
    domain: bytes,
    vmi: bytes,
    *,
    progress: Progress | None = None,
    pod: Pod = NOTHING,
    known: Sequence[Diagnostic] = (),
) -> Outcome:
    """As :func:`patchlang.engine.patch_domain`; what the patches made invalid is an error (PL416).

    If one of the ``known`` errors of the patches explains it, its place and help are used.
    A guilty patch with ``failurePolicy: Ignore`` is skipped with a warning, like one that fails.
    """
    ignored: dict[str, tuple[DocumentTrace, Diagnostic]] = {}
    comparison = Comparison(schema, domain)
    while True:
        rest = Program(tuple(d for d in program.documents if d.name not in ignored))
        outcome = patch_domain(rest, domain, vmi, progress=progress, pod=pod)
        found: list[Diagnostic] = []
        if outcome.data is not None:
            found = _Check(comparison, rest, domain, vmi, pod, outcome, known).findings()
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
    schema: DomainSchema,
    program: Program,
    domain: bytes,
    vmi: bytes,
    outcome: Outcome,
    *,
    pod: Pod = NOTHING,
    known: Sequence[Diagnostic] = (),
) -> list[Diagnostic]:
    """Warnings about what the patches made invalid in a result that is used anyway.

    Excludes what was invalid before, and what one of the ``known`` errors explains.
    """
    if outcome.data is None:
        return []
    found = _Check(Comparison(schema, domain), program, domain, vmi, pod, outcome, known).findings()
    said = [one.span for one in known]
    return [replace(one, severity=Severity.WARNING) for one in found if one.is_error and one.span not in said]


class _Check:
    """The faults of one result, and the edits that caused them."""

    def __init__(
        self,
        comparison: Comparison,
        program: Program,
        domain: bytes,
        vmi: bytes,
        pod: Pod,
        outcome: Outcome,
        known: Sequence[Diagnostic],
    ) -> None:
        self._known = [one for one in known if one.is_error and one.span is not None]
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
        """One per place; places that only differ in numbers are one."""
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
        shown, words = self._told(shown, span)
        value = _quoted(shown, span)
        if words and not (shown.text or b"").strip():
            shown = replace(shown, says="cannot be empty")
        says = shown.says if value is None else f"cannot be `{value}`" if words else f"{shown.says}: `{value}`"
        where = f"`{self._path(shown, document)}` {says}{others}"
        folder = self._comparison.schema.folder
        listed = ", ".join(words[:_SHOWN]) + (", …" if len(words) > _SHOWN else "")
        explained = f"allowed: {listed}" if words else "`patchlang validate` explains values that are not computed"
        help = f"{explained}; the schema is in `{folder}`"
        message = f"this edit's result is invalid according to libvirt's schema: {where}"
        reason = next((one for one in self._known if _explains(one, span, shown)), None)
        if reason is not None:
            span, help = reason.span or span, reason.help or help
        return Diagnostic(rules.REFUSED_BY_SCHEMA, message, span, help, patch=document.name, edit=label)

    def _told(self, fault: Fault, edit: Span) -> tuple[Fault, list[str]]:
        """A fault, and what is allowed instead of its text.

        An element is refused as a whole if one of its required attributes is wrong: that one is reported, if
        the edit names it or its value.
        """
        node, unit, schema = fault.node, fault.unit, self._comparison.schema
        if node is None or unit is None:
            return fault, []
        if fault.text is not None and (words := schema.values(node, unit)):
            return fault, words
        if node.attribute is not None:
            return fault, []
        written = edit.source.text[edit.start : edit.end]
        inner = [(element, str(name)) for element in node.element.iter(etree.Element) for name in element.attrib]
        named = [one for one in inner if _is_word(str(one[0].get(one[1])), written) or _is_word(one[1], written)]
        for element, name in named[:_MOST_NARROWED]:
            if words := schema.values(Match(element, name), unit):
                path = match_path(Match(element, name))
                text = str(element.get(name)).encode()
                return replace(fault, path=path, names=(*fault.names, f"@{name}"), text=text), words
        return fault, []

    def _has(self, count: int, fault: Fault) -> bool:
        return any(_is_like(other, fault) for other in self._after(count))

    def _after(self, count: int) -> list[Fault]:
        """The sure faults after that many edits."""
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
    """The refused value, if the edit has it as a separate word; a computed value may be secret."""
    value = (fault.text or b"").decode()
    if not value or len(value) > _LONGEST:
        return None
    written = edit.source.text[edit.start : edit.end]
    return value if _is_word(value, written) else None


def _is_word(value: str, text: str) -> bool:
    return bool(value) and re.search(rf"(?<![\w.:-]){re.escape(value)}(?![\w.:-])", text) is not None


def _explains(known: Diagnostic, edit: Span, fault: Fault) -> bool:
    """Whether a known error of an edit explains a fault: it is about a name or text that is refused, or inside it."""
    span = known.span
    if span is None or span.source is not edit.source or not edit.start <= span.start < span.end <= edit.end:
        return False
    word = span.source.text[span.start : span.end].strip("@'\"/")
    said = {fault.names[-1].lstrip("@"), (fault.text or b"").decode()}
    if fault.node is not None and fault.node.attribute is None:
        for element in fault.node.element.iter(etree.Element):
            said |= {str(element.tag), (element.text or "").strip(), *map(str, element.attrib)}
            said.update(map(str, element.attrib.values()))
    return word in said or word in {name.rpartition("}")[2] for name in said}


def _is_like(fault: Fault, later: Fault) -> bool:
    """Whether it is the fault found later, or one that hides it.

    Text is only the same if it is equal. While a device is being built, it is refused as a whole.
    """
    if later.names == WHOLE:
        return True
    if fault.names == later.names:
        return fault.text == later.text
    return fault.text is None and later.names[: len(fault.names)] == fault.names


def _first(program: Program, count: int) -> Program:
    """The program with that many edits."""
    documents = []
    for document in program.documents:
        documents.append(replace(document, domain=document.domain[:count]))
        count -= len(documents[-1].domain)
    return Program(tuple(documents))


def _doubt(fault: Fault) -> Diagnostic:
    message = f"`{fault.path}` was invalid according to libvirt's schema before the patches changed it: not checked"
    return Diagnostic(rules.REFUSED_BY_SCHEMA, message, severity=Severity.WARNING)
