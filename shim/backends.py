"""What answers the callbacks: a patch program, executables, nothing, or the reason why there is no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import grpc

from patchlang import rules
from patchlang.compile import Program
from patchlang.diagnostics import Diagnostic
from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.inputs import check_domain, check_vmi
from patchlang.result import DocumentTrace, Progress, State

from . import cloudinit, executables
from .executables import ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO, Found
from .log import log
from .process import Runner
from .status import CallError, describe, from_diagnostics
from .text import one_line
from .worker import GivenUpError, Worker

T = TypeVar("T")


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
    """A compiled patch program. ``renew`` compiles it again (None: not possible any more)."""

    def __init__(self, program: Program, renew: Callable[[], Program | None]) -> None:
        self._program = program
        self._renew = renew
        self._worker = Worker()
        self.serves_domain = program.edits_domain
        self.serves_cloud_init = program.edits_cloud_init

    def define_domain(self, domain: bytes, vmi: bytes, seconds: float) -> bytes:
        if not self.serves_domain:
            _check_vmi(vmi)
            return domain
        program, progress = self._program, Progress()
        outcome = self._run(lambda: patch_domain(program, domain, vmi, progress=progress), progress, seconds)
        _report(outcome.diagnostics, outcome.trace)
        if outcome.data is None:
            raise from_diagnostics(outcome.diagnostics)
        return outcome.data

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        if not self.serves_cloud_init:
            _check_vmi(vmi)
            return _unchanged(data)
        program, progress = self._program, Progress()
        outcome = self._run(lambda: patch_cloud_init(program, data, source, vmi, progress=progress), progress, seconds)
        _report(outcome.diagnostics, outcome.trace)
        if outcome.data is None or outcome.no_cloud_source is None:
            raise from_diagnostics(outcome.diagnostics)
        return outcome.data, outcome.no_cloud_source

    def stop(self) -> None:
        """A run cannot be ended; the process will be, without waiting for it."""

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
    """The hook executables that were found; KubeVirt's own way."""

    def __init__(self, found: Mapping[str, Found], environment: Mapping[str, str]) -> None:
        self._found = found
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
        return output

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes, seconds: float) -> tuple[bytes, bytes]:
        _check_vmi(vmi)
        found = self._found.get(PRE_CLOUD_INIT_ISO)
        if found is None:
            return _unchanged(data)
        _read_input(data)
        arguments = {"vmi": vmi, "cloud-init": data}
        output = executables.call(self._runner, found, arguments, seconds, self._environment)
        try:
            members = cloudinit.read(output)
            cloudinit.check_usable(members)
        except cloudinit.UnusableError as problem:
            raise executables.bad_output(found, f"{problem}") from None
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
        return _unchanged(data)

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


def _check_vmi(vmi: bytes) -> None:
    problem = check_vmi(vmi)
    if problem is not None:
        raise from_diagnostics([problem])


def _read_input(data: bytes) -> dict[str, object]:
    try:
        return cloudinit.read(data)
    except cloudinit.UnusableError as problem:
        raise from_diagnostics([Diagnostic(rules.BAD_CLOUD_INIT, f"the cloud-init data {problem}")]) from None


def _unchanged(data: bytes) -> tuple[bytes, bytes]:
    """What was sent, if virt-launcher can use it as a result."""
    members = _read_input(data)
    try:
        cloudinit.check_usable(members)
    except cloudinit.UnusableError as problem:
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, f"the cloud-init data {problem}") from None
    return data, cloudinit.no_cloud_source(members)


def _report(diagnostics: tuple[Diagnostic, ...], trace: tuple[DocumentTrace, ...]) -> None:
    """One log line a document and a warning, without values."""
    for document in trace:
        line = f"patch {document.name} {document.state.value}"
        line += f": {document.matched} matched, {document.changed} changed, {document.skipped} skipped"
        reasons = [document.reason, *(f"{e.label}: {e.reason}" for e in document.edits if e.reason)]
        said = "; ".join(reason for reason in reasons if reason)
        say = {State.FAILED: log.error, State.IGNORED: log.warning}.get(document.state, log.info)
        say("%s", one_line(f"{line} ({said})" if said else line))
    for diagnostic in diagnostics:
        if not diagnostic.is_error:
            log.warning("%s", one_line(describe(diagnostic)))
