"""Runs trials: each as often as one boot calls the hook, checking every result against the expectations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from .. import rules
from ..diagnostics import Diagnostic, Rule
from ..diffs import diff
from ..engine import patch_cloud_init, patch_domain
from ..kubevirt.boot import FIRST, Run, cloud_init_runs, domain_runs, play
from ..record import field, record
from ..result import CloudInitOutcome, Outcome
from ..source import Span
from .coverage import Coverage
from .load import LoadedTest, Trial
from .model import Refusal


@record
class Failure:
    """A problem of a result (PL6xx), with a diff if that helps."""

    diagnostic: Diagnostic
    diff: str = ""


@record
class CaseResult:
    """How a case ended; it passed if there is no failure."""

    name: str
    span: Span
    failures: tuple[Failure, ...]


@record
class TestResult:
    """How the cases of a test ended."""

    name: str
    file: str
    span: Span
    cases: tuple[CaseResult, ...]


@record(frozen=False)
class TestReport:
    """The result of all tests: how they ended, edits that changed nothing in any (PL607), golden files written."""

    tests: list[TestResult] = field(default_factory=list)
    unfired: list[Diagnostic] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)


def run_tests(tests: Iterable[LoadedTest], *, kubevirt: str, update: bool) -> TestReport:
    """Run all trials, for a boot of a KubeVirt release; with ``update``, golden files that differ are rewritten."""
    runner = _Runner(kubevirt, update)
    report = TestReport(written=runner.written)
    for test in tests:
        cases = tuple(CaseResult(trial.name, trial.span, tuple(runner.run(trial))) for trial in test.trials)
        report.tests.append(TestResult(test.name, test.file, test.span, cases))
    report.unfired = list(runner.coverage.unfired())
    return report


class _RunError(Exception):
    """Ends a case at the first run with an unexpected result."""

    def __init__(self, *failures: Failure) -> None:
        super().__init__()
        self.failures = failures


class _Runner:
    def __init__(self, kubevirt: str, update: bool) -> None:
        self.kubevirt = kubevirt
        self.update = update
        self.written: list[Path] = []
        self.coverage = Coverage()

    def run(self, trial: Trial) -> Iterator[Failure]:
        self.coverage.add(trial.program)
        if trial.refusal is not None:
            yield from self.refused(trial, trial.refusal)
            return
        for data, boot in ((trial.domain, self.boot), (trial.cloud_init, self.cloud_init)):
            if data is not None:
                try:
                    boot(trial, data)
                except _RunError as e:
                    yield from e.failures

    def refused(self, trial: Trial, wanted: Refusal) -> Iterator[Failure]:
        """The first run must fail, on the domain or on the cloud-init data, as the case says."""
        errors = [
            error
            for data, domain in ((trial.domain, True), (trial.cloud_init, False))
            if data is not None and (error := self.outcome(trial, data, domain=domain)[1])
        ]
        if any(_is_wanted(error, wanted) for error in errors):
            return
        expected = f"{wanted.rule} expected" if wanted.rule else "an error expected"
        expected += f" with `{wanted.message}` in its message" if wanted.message else ""
        if not errors:
            yield _failure(rules.MISSING_ERROR, trial, f"run 1 succeeds, {expected}")
        for error in errors:
            message = f"run 1 fails with {error.rule.id} {error.rule.slug}, {expected}: {error.message}"
            yield _failure(rules.MISSING_ERROR, trial, message, error)

    def boot(self, trial: Trial, domain: bytes) -> None:
        """All runs of one boot."""
        play(domain_runs(domain, self.kubevirt), partial(self.held, trial))

    def cloud_init(self, trial: Trial, data: bytes) -> None:
        play(cloud_init_runs(data), partial(self.held, trial))

    def held(self, trial: Trial, run: Run) -> bytes:
        """The result of one run, which must be as expected and equal to that of run 1."""
        outcome = self.apply(trial, run)
        if run.name == FIRST:
            self.golden(trial, outcome)
        if trial.idempotent and (found := run.instability(outcome)):
            raise _RunError(_failure(rules.UNSTABLE, trial, found.message, help=found.help, changes=found.diff))
        return outcome

    def apply(self, trial: Trial, run: Run) -> bytes:
        """The result of one run, which must be as expected; a rehearsal must only succeed."""
        result, error = self.outcome(trial, run.data, domain=run.of_domain)
        if result is None:
            assert error is not None
            raise _RunError(_failure(rules.UNEXPECTED_ERROR, trial, f"{run.name} fails: {error.message}", error))
        if trial.unchanged and result != run.data:
            changes = diff(run.data, result, "before", "after")
            raise _RunError(_failure(rules.CHANGED, trial, f"{run.name} changes its input", changes=changes))
        if not run.rehearsal:
            seen = run.seen(result)
            faults = [check.fault(seen) for check in trial.checks if check.of_domain == run.of_domain]
            if failed := [Failure(_in_run(fault, run)) for fault in faults if fault]:
                raise _RunError(*failed)
        return result

    def golden(self, trial: Trial, outcome: bytes) -> None:
        golden = trial.golden
        if golden is None:
            return
        found, expected, missing = _ended(outcome), None, ""
        try:
            expected = _ended(golden.path.read_bytes())
        except FileNotFoundError:
            missing = "does not exist"
        except (OSError, ValueError) as e:
            missing = f"cannot be read: {getattr(e, 'strerror', None) or e}"
        if found == expected:
            return
        if self.update:
            golden.path.write_bytes(found)
            self.written.append(golden.path)
            return
        message = f"`{golden.path}` {missing}" if missing else f"the result of run 1 differs from `{golden.path}`"
        help = "if the result is right, `patchlang test --update` writes it"
        changes = diff(expected, found, str(golden.path), "found") if expected is not None else ""
        raise _RunError(Failure(Diagnostic(rules.GOLDEN, message, golden.span, help), changes))

    def outcome(self, trial: Trial, data: bytes, *, domain: bool) -> tuple[bytes | None, Diagnostic | None]:
        """The result or the error of one run; the other is None."""
        outcome: Outcome | CloudInitOutcome
        if domain:
            outcome = patch_domain(trial.program, data, trial.vmi, pod=trial.pod)
        else:
            outcome = patch_cloud_init(trial.program, data, b"", trial.vmi, pod=trial.pod)
        self.coverage.note(outcome.trace)
        return outcome.data, next((d for d in outcome.diagnostics if d.is_error), None)


def _failure(
    rule: Rule,
    trial: Trial,
    message: str,
    error: Diagnostic | None = None,
    *,
    help: str | None = None,
    changes: str = "",
) -> Failure:
    related = ((error.span, f"error[{error.rule.id} {error.rule.slug}]"),) if error and error.span else ()
    help = error.help if error else help
    return Failure(Diagnostic(rule, message, trial.span, help, related=related), changes)


def _ended(data: bytes) -> bytes:
    """With a final line break, as files have but results need not."""
    return data if data.endswith(b"\n") else data + b"\n"


def _in_run(fault: Diagnostic, run: Run) -> Diagnostic:
    help = fault.help or (None if run.name == FIRST else f"run 1 passed; {run.help}")
    return Diagnostic(fault.rule, f"{run.name}: {fault.message}", fault.span, help)


def _is_wanted(error: Diagnostic, wanted: Refusal) -> bool:
    return (wanted.rule is None or wanted.rule.text == error.rule.id) and (
        wanted.message is None or wanted.message.text in error.message
    )
