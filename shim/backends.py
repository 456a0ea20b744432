"""What answers the callbacks: a patch program, executables, nothing, or the reason why there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from patchlang import rules, usable
from patchlang.compile import Program
from patchlang.diagnostics import Diagnostic, PatchError
from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.inputs import check_domain, check_vmi
from patchlang.result import DocumentTrace, Outcome, Progress, State

from . import cloudinit, executables
from .executables import ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO, Found
from .log import log
from .process import Runner
from .status import CallError, describe, from_diagnostics
from .text import one_line
from .worker import GivenUpError, Worker

if TYPE_CHECKING:
    from patchlang.domainschema import DomainSchema

T = TypeVar("T")

MAX_WARNINGS = 20
"""Log lines for the warnings of one run."""


class Backend(Protocol):
    """One of the things below. The methods raise CallError; they are called one at a time, ``stop`` at any time."""

    serves_domain: bool
    serves_cloud_init: bool

    def define_domain(self, domain: bytes, vmi: bytes, seconds: float) -> bytes:
        """The new domain, within ``seconds``."""

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        """The new ``cloudInitData`` and the ``cloudInitNoCloudSource`` that says the same, within ``seconds``."""

    def stop(self) -> None:
        """Ends whatever runs."""


class Patches:
    """A compiled patch program. ``renew`` compiles it again (None: not possible any more).

    With a ``schema``, what the patches make of a domain is checked by it.
    """

    def __init__(
        self, program: Program, renew: Callable[[], Program | None], schema: DomainSchema | None = None
    ) -> None:
        self._program = program
        self._renew = renew
        self._schema = schema
        self._worker = Worker()
        self.serves_domain = program.edits_domain
        self.serves_cloud_init = program.edits_cloud_init

    def define_domain(self, domain: bytes, vmi: bytes, seconds: float) -> bytes:
        if not self.serves_domain:
            _check_vmi(vmi)
            return domain
        program, progress = self._program, Progress()
        outcome = self._run(lambda: self._patch_domain(program, domain, vmi, progress), progress, seconds)
        _report(outcome.diagnostics, outcome.trace)
        if outcome.data is None:
            raise from_diagnostics(outcome.diagnostics)
        return outcome.data

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        program, progress = self._program, Progress()
        outcome = self._run(lambda: patch_cloud_init(program, data, source, vmi, progress=progress), progress, seconds)
        _report(outcome.diagnostics, outcome.trace)
        if outcome.data is None or outcome.no_cloud_source is None:
            raise from_diagnostics(outcome.diagnostics)
        return outcome.data, outcome.no_cloud_source

    def stop(self) -> None:
        """A run cannot be ended; the process will be, without waiting for it."""

    def _patch_domain(self, program: Program, domain: bytes, vmi: bytes, progress: Progress) -> Outcome:
        if self._schema is None:
            return patch_domain(program, domain, vmi, progress=progress)
        from patchlang.domaincheck import patch_domain_checked

        return patch_domain_checked(self._schema, program, domain, vmi, progress=progress)

    def _run(self, work: Callable[[], T], progress: Progress, seconds: float) -> T:
        try:
            return self._worker.run(work, seconds)
        except GivenUpError:
            # lxml locks a compiled XPath while it is evaluated: the thread that goes on holds those of its program.
            self._program = self._renew() or self._program
            message = f"the run was not done after {seconds:.2g} s and was given up"
            late = Diagnostic(rules.DEADLINE, message, progress.span, patch=progress.document)
            raise from_diagnostics([late]) from None


class Executables:
    """The hook executables that were found; KubeVirt's own way. A ``schema`` checks what they make of a domain."""

    def __init__(
        self, found: Mapping[str, Found], environment: Mapping[str, str], schema: DomainSchema | None = None
    ) -> None:
        self._found = found
        self._schema = schema
        self._environment = environment
        self._runner = Runner()
        self.serves_domain = ON_DEFINE_DOMAIN in found
        self.serves_cloud_init = PRE_CLOUD_INIT_ISO in found

    def define_domain(self, domain: bytes, vmi: bytes, seconds: float) -> bytes:
        _check_vmi(vmi)
        found = self._found.get(ON_DEFINE_DOMAIN)
        if found is None:
            return domain
        arguments = {"vmi": vmi, "domain": domain}
        output = executables.call(self._runner, found, arguments, seconds, self._environment)
        problem = check_domain(output)
        if problem is not None:
            raise executables.bad_output(found, f"is not a domain: {describe(problem)}")
        if self._schema is not None:
            _check_by_schema(self._schema, found, domain, output)
        return output

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        _check_vmi(vmi)
        found = self._found.get(PRE_CLOUD_INIT_ISO)
        if found is None:
            return _unchanged(data, source)
        _check_input(data)
        arguments = {"vmi": vmi, "cloud-init": data}
        output = executables.call(self._runner, found, arguments, seconds, self._environment)
        try:
            members = cloudinit.read(output)
        except cloudinit.UnreadableError as problem:
            raise executables.bad_output(found, f"{problem}") from None
        warnings = []
        for fault in usable.faults(members, legacy_only=False):
            if fault.diagnostic.is_error:
                raise executables.bad_output(found, f"is refused: {fault.diagnostic.message}")
            warnings.append(fault.diagnostic)
        _warn(warnings, f"what {found.hook} printed: ")
        return output, cloudinit.no_cloud_source(members)

    def stop(self) -> None:
        self._runner.stop()


class Nothing:
    """No patch and no executable. KubeVirt calls nothing then; whoever does gets back what he sent."""

    serves_domain = False
    serves_cloud_init = False

    def define_domain(self, domain: bytes, vmi: bytes, seconds: float) -> bytes:
        _check_vmi(vmi)
        return domain

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        _check_vmi(vmi)
        return _unchanged(data, source)

    def stop(self) -> None:
        """Nothing runs."""


class Broken:
    """Patches that cannot be loaded: every callback answers with the reason, which so reaches the VMI's events.

    Only OnDefineDomain is advertised, since it is always called, and PreCloudInitIso may crash virt-launcher.
    """

    serves_domain = True
    serves_cloud_init = False

    def __init__(self, error: CallError) -> None:
        self.error = error

    def define_domain(self, domain: bytes, vmi: bytes, seconds: float) -> bytes:
        raise CallError(self.error.code, self.error.text)

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        raise CallError(self.error.code, self.error.text)

    def stop(self) -> None:
        """Nothing runs."""


def _check_by_schema(schema: DomainSchema, found: Found, domain: bytes, output: bytes) -> None:
    from patchlang.domainfaults import Comparison

    try:
        faults = [fault for fault in Comparison(schema, domain).new_faults(output) if fault.sure]
    except PatchError as error:
        raise from_diagnostics([error.diagnostic]) from None
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise executables.bad_output(
            found, f"is not valid by libvirt's schema: {faults[0].path} {faults[0].says}{more}"
        )


def _check_vmi(vmi: bytes) -> None:
    problem = check_vmi(vmi)
    if problem is not None:
        raise from_diagnostics([problem])


def _check_input(data: bytes) -> None:
    try:
        cloudinit.read(data)
    except cloudinit.UnreadableError as problem:
        raise from_diagnostics([Diagnostic(rules.BAD_CLOUD_INIT, f"the cloud-init data {problem}")]) from None


def _unchanged(data: bytes, source: bytes) -> tuple[bytes, bytes]:
    """What was sent, as a run without edits gives it back."""
    from patchlang.cloudinit import open_cloud_init

    try:
        closed = open_cloud_init(data, source).close()
    except PatchError as error:
        raise from_diagnostics([error.diagnostic]) from None
    _warn(closed.warnings)
    return closed.data, closed.no_cloud_source


def _report(diagnostics: tuple[Diagnostic, ...], trace: tuple[DocumentTrace, ...]) -> None:
    """One log line a document and a warning, without values."""
    for document in trace:
        line = f"patch {document.name} {document.state.value}"
        line += f": {document.matched} matched, {document.changed} changed, {document.skipped} skipped"
        reasons = [document.reason, *(f"{e.label}: {e.reason}" for e in document.edits if e.reason)]
        said = "; ".join(reason for reason in reasons if reason)
        say = {State.FAILED: log.error, State.IGNORED: log.warning}.get(document.state, log.info)
        say("%s", one_line(f"{line} ({said})" if said else line))
    _warn([diagnostic for diagnostic in diagnostics if not diagnostic.is_error])


def _warn(warnings: Sequence[Diagnostic], prefix: str = "") -> None:
    """One log line each, but data of many faults does not fill the log."""
    for diagnostic in warnings[:MAX_WARNINGS]:
        log.warning("%s", one_line(prefix + describe(diagnostic)))
    if len(warnings) > MAX_WARNINGS:
        log.warning("%s%d more warnings are left out", prefix, len(warnings) - MAX_WARNINGS)
