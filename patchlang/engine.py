"""Runs a program on an input: pure and atomic, and reports what every edit matched and changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from . import rules
from .compile import CompiledDocument, Program
from .diagnostics import Diagnostic, PatchError, Severity
from .document.model import FailurePolicy
from .domain import tree as domain_tree
from .domain.tree import DomainTree
from .edits import CompiledEdit, condition, run_edit
from .podfacts import NOTHING, Facts, Pod
from .quoting import Names
from .record import replace
from .result import CloudInitOutcome, DocumentTrace, Outcome, Progress, State
from .run_scope import Scope
from .source import SourceFile, Span, Text
from .vmi import parse_vmi
from .xpath.query import Query, to_cel


class Undoable(Protocol):
    """What a program changes."""

    def mark(self) -> Any:
        """A point to come back to."""

    def undo(self, mark: Any) -> bool:
        """Back to it; False if that is impossible, since later changes cannot be told from the rest."""


S = TypeVar("S", bound=Undoable)


def patch_domain(
    program: Program,
    domain: bytes,
    vmi: bytes,
    *,
    progress: Progress | None = None,
    pod: Pod = NOTHING,
    parse: Callable[[bytes], DomainTree] | None = None,
) -> Outcome:
    """Apply the domain edits of a program.

    ``domain`` is libvirt domain XML (UTF-8), ``vmi`` the VMI as JSON, ``pod`` the source of facts. Every
    failure is a diagnostic in the result: PL4xx from the patches, PL5xx from the input. ``parse`` makes the tree; a
    caller that keeps its last tree has it as the edits left it.
    """
    trace: list[DocumentTrace] = []
    try:
        vmi_data = parse_vmi(vmi)
        names = Names(program.texts, lambda: [vmi_data])
        begin, new_scope = partial(parse or domain_tree.parse, domain), partial(_domain_scope, vmi_data, names)
        run = Run(program, begin, lambda d: d.domain, new_scope, trace, progress, pod)
        warnings = run.all()
        return Outcome(run.state.result(), tuple(warnings), tuple(trace))
    except PatchError as e:
        return Outcome(None, (e.diagnostic,), tuple(trace))


def patch_cloud_init(
    program: Program,
    cloud_init_data: bytes,
    no_cloud_source: bytes,
    vmi: bytes,
    *,
    progress: Progress | None = None,
    pod: Pod = NOTHING,
) -> CloudInitOutcome:
    """Apply the cloud-init edits of a program.

    ``cloud_init_data`` is the JSON of KubeVirt's ``CloudInitData``, ``no_cloud_source`` that of the older
    ``CloudInitNoCloudSource``; either may be empty. The result has both, in a form that virt-launcher accepts.
    """
    from .cloudinit.ops import CloudInitState
    from .cloudinit.state import open_cloud_init

    trace: list[DocumentTrace] = []
    try:
        vmi_data = parse_vmi(vmi)
        opened = open_cloud_init(cloud_init_data, no_cloud_source)
        names = Names(program.texts, lambda: [vmi_data, opened.record, opened.facts()])

        def new_scope(state: CloudInitState, _document: CompiledDocument) -> Scope:
            return Scope(vmi_data, state.budget, facts={"cloudInit": state.facts}, names=names)

        begin = partial(CloudInitState, opened)
        run = Run(program, begin, lambda d: d.cloud_init, new_scope, trace, progress, pod)
        warnings = run.all()
        closed = run.state.current.close(names)
        return CloudInitOutcome(closed.data, closed.no_cloud_source, (*warnings, *closed.warnings), tuple(trace))
    except PatchError as e:
        return CloudInitOutcome(None, None, (e.diagnostic,), tuple(trace))


def _domain_scope(vmi: dict[str, Any], names: Names, tree: DomainTree, document: CompiledDocument) -> Scope:
    tree.preferred |= {uri: prefix for prefix, uri in document.namespaces.items()}
    return Scope(vmi, tree.budget, query=_DomainQueries(tree, document), names=names, witness=tree.origins)


class _DomainQueries:
    """CEL's ``xpath`` on a domain; each call passes the scope, so that neither holds the other."""

    def __init__(self, tree: DomainTree, document: CompiledDocument) -> None:
        self.tree = tree
        self.document = document
        self.compiled: dict[tuple[object, ...], Query] = {}

    def __call__(self, scope: Scope, text: str, values: dict[str, Any]) -> Any:
        at_document = scope.context is None
        key = (text, at_document, *sorted(values))
        query = self.compiled.get(key)
        if query is None:
            known = self.document.xpath_names | values.keys() | {f"{name}.*" for name in values}
            query = Query(_text_of_query(text), self.document.namespaces, known, document=at_document)
            self.compiled[key] = query
        return to_cel(query.evaluate(self.tree.document, scope.with_values(values), scope.context))


def _text_of_query(text: str) -> Text:
    source = SourceFile("xpath()", text)
    return Text(text, lambda start, end: Span(source, start, len(text) if end is None else end))


class Run(Generic[S]):
    """One pass of a program's documents over a state from ``begin``.

    A document's work is undone: at once if it changed nothing, or if the state can be reverted; otherwise by starting
    over with the documents before it, so that nothing of it remains.
    """

    def __init__(
        self,
        program: Program,
        begin: Callable[[], S],
        edits_of: Callable[[CompiledDocument], Sequence[CompiledEdit[Any]]],
        new_scope: Callable[[S, CompiledDocument], Scope],
        trace: list[DocumentTrace],
        progress: Progress | None,
        pod: Pod,
    ) -> None:
        self.program = program
        self.facts = Facts(pod)
        self.begin = begin
        self.state = begin()
        self.edits_of = edits_of
        self.new_scope = new_scope
        self.trace = trace
        self.progress = progress or _untold

    def all(self) -> list[Diagnostic]:
        """Run every document; returns warnings for ignored ones. Raises PatchError at the first failure."""
        warnings: list[Diagnostic] = []
        applied: list[CompiledDocument] = []
        for document in self.program.documents:
            if not self.edits_of(document):
                continue
            trace = new_trace(document)
            self.trace.append(trace)
            mark = self.state.mark()
            cause = self.cause_of_failure(document, trace)
            if cause is None:
                applied.append(document)
                continue
            if document.failure_policy is not FailurePolicy.IGNORE or _is_of_input(cause):
                trace.state, trace.reason = State.FAILED, cause.message
                raise PatchError(cause)
            trace.state, trace.reason = State.IGNORED, cause.message
            warnings.append(left_out(cause, document.name))
            if self.state.undo(mark):
                continue
            del self.state  # before another one uses as much memory
            self.state = self.begin()
            for earlier in applied:
                self.document(earlier, new_trace(earlier))
        return warnings

    def cause_of_failure(self, document: CompiledDocument, trace: DocumentTrace) -> Diagnostic | None:
        """Run a document; returns why it fails, or None."""
        try:
            self.document(document, trace)
        except PatchError as e:
            return _belonging(e.diagnostic, document.name, document.span)
        return None

    def document(self, document: CompiledDocument, trace: DocumentTrace) -> None:
        self.progress(document.name, document.span)
        scope = self.new_scope(self.state, document)
        if document.facts is not None:
            scope.facts["facts"] = partial(self.facts.of, document.facts)
        with scope.budget.passing():
            self.in_scope(document, scope, trace)

    def in_scope(self, document: CompiledDocument, scope: Scope, trace: DocumentTrace) -> None:
        for name, expression in document.variables:
            try:
                scope.variables[name] = expression.evaluate(scope)
            except PatchError as e:
                scope.failures[name] = e.diagnostic
        if document.when is not None and not condition(document.when.evaluate(scope), document.when):
            trace.state, trace.reason = State.SKIPPED, "`when` is false"
            return
        for edit in self.edits_of(document):
            self.progress(document.name, edit.span)
            edit_trace = edit.trace()
            trace.edits += edit_trace.every() if edit_trace.inner else (edit_trace,)
            try:
                run_edit(edit, self.state, scope, edit_trace)
            except PatchError as e:
                edit_trace.reason = "failed"
                raise PatchError(_belonging(e.diagnostic, document.name, edit.span)) from None


def new_trace(document: CompiledDocument) -> DocumentTrace:
    return DocumentTrace(document.name, document.span, document.priority)


def _untold(_document: str, _span: Span) -> None:
    """Progress that nobody displays."""


def left_out(cause: Diagnostic, patch: str) -> Diagnostic:
    """The warning instead of an error, for a patch rolled back because of its ``failurePolicy``."""
    message = f"rolled back and skipped because of `failurePolicy: Ignore`: {cause.message}"
    return Diagnostic(rules.IGNORED, message, cause.span, cause.help, Severity.WARNING, patch)


def _is_of_input(diagnostic: Diagnostic) -> bool:
    return diagnostic.rule.id.startswith("PL5")


def _belonging(diagnostic: Diagnostic, patch: str, span: Span) -> Diagnostic:
    if _is_of_input(diagnostic):
        return diagnostic
    return replace(diagnostic, patch=diagnostic.patch or patch, span=diagnostic.span or span)
