"""Check whether a patch does what the hook did: on every sample, in a second run, and in a boot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ... import engine
from ...compile import Program, compile_program
from ...diagnostics import Diagnostic, PatchError
from ...files import source_of
from ...kubevirt.structs import releases
from ...loading import decode_source
from ...patchtest.load import LoadedTest, Trial
from ...patchtest.run import run_tests
from ...podfacts import Given
from ...record import record
from ...result import CloudInitOutcome, Outcome
from ...source import Span
from ...validation.options import Options
from .samples import Sample

_NAME = "derived.yaml"


@record
class Fault:
    """Why a patch fails the check. ``sample`` is the number of the sample; None if it fails by itself."""

    sample: int | None
    message: str
    diff: str = ""


def compiled(text: str) -> Program | Diagnostic:
    """The program of a patch, or the first error."""
    try:
        patches, wrong = decode_source(source_of(_NAME, text.encode()))
    except PatchError as e:
        return e.diagnostic
    program, errors = compile_program(patches)
    error = next((one for one in (*wrong, *errors) if one.is_error), None)
    if program is None or error is not None:
        return error or _nothing()
    return program


def outcome(program: Program, sample: Sample) -> bytes | Diagnostic:
    """The result of one run on a sample, or why it fails."""
    found: Outcome | CloudInitOutcome
    try:
        if sample.is_domain:
            found = engine.patch_domain(program, sample.before, sample.vmi, pod=Given({}))
        else:
            found = engine.patch_cloud_init(program, sample.before, b"", sample.vmi, pod=Given({}))
    except PatchError as e:
        return e.diagnostic
    error = next((one for one in found.diagnostics if one.is_error), None)
    return found.data if found.data is not None and error is None else error or _nothing()


def differs(text: str, samples: Sequence[Sample]) -> Iterator[Fault]:
    """The samples for which one run does not give the hook's result."""
    program = compiled(text)
    if isinstance(program, Diagnostic):
        yield Fault(None, _said(program))
        return
    for number, sample in enumerate(samples):
        found = outcome(program, sample)
        if isinstance(found, Diagnostic):
            yield Fault(number, f"the patch fails: {_said(found)}")
        elif changes := sample.differences(found):
            yield Fault(number, "the patch gives another result than the hook", changes)


def unstable(text: str, samples: Sequence[Sample]) -> Iterator[Fault]:
    """The samples that a second run, or another run of the same boot, would change again."""
    program = compiled(text)
    if isinstance(program, Diagnostic):
        return
    place = Span(source_of(_NAME, text.encode()), 0, 0)
    for number, sample in enumerate(samples):
        domain, cloud_init = (sample.before, None) if sample.is_domain else (None, sample.before)
        trial = Trial(
            sample.name,
            place,
            program,
            domain,
            cloud_init,
            sample.vmi,
            Given({}),
            (),
            None,
            False,
            None,
            idempotent=True,
        )
        report = run_tests([LoadedTest("derived", _NAME, place, (trial,))], kubevirt=releases()[0], update=False)
        for failure in report.tests[0].cases[0].failures[:1]:
            yield Fault(number, failure.diagnostic.message, failure.diff)


def findings(text: str) -> list[Diagnostic]:
    """What `validate` reports about a patch, with libvirt's newest grammar."""
    from ...grammar.index import versions
    from ...validation.discovery import Input
    from ...validation.run import validate_files

    report = validate_files([Input(_NAME, True, text.encode())], options=Options(libvirt=versions()[-1]))
    return [one for file in report.files for one in file.diagnostics]


def _said(diagnostic: Diagnostic) -> str:
    return f"{diagnostic.message} ({diagnostic.rule.id})"


def _nothing() -> Diagnostic:
    raise AssertionError("a run without a result has an error")
