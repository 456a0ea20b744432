"""Tests from disk to trials: files found, patches compiled, inputs read; collects all problems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import rules
from ..compile import BUILT_IN_NAMESPACES, Program
from ..diagnostics import Diagnostic, PatchError
from ..files import find_patch_files, read_source
from ..loading import load_sources
from ..patterns import pattern
from ..podfacts import Pod
from ..record import field, record, replace
from ..source import SourceFile, Span
from .checks import Check, compile_check
from .decode import tests_of
from .inputs import beside, cloud_init_of, domain_of, pod_of, vmi_of
from .model import Case, PatchTest, Refusal

_KIND = pattern(r"\bPatchTest\b")


@record
class Golden:
    """A file that a result must equal."""

    path: Path
    span: Span


@record
class Trial:
    """One case, ready to run. ``domain`` and ``cloud_init`` are None if it has no such input."""

    name: str
    span: Span
    program: Program
    domain: bytes | None
    cloud_init: bytes | None
    vmi: bytes
    pod: Pod
    checks: tuple[Check, ...]
    golden: Golden | None
    unchanged: bool
    refusal: Refusal | None
    idempotent: bool


@record
class LoadedTest:
    """A test and its trials; no trials if the test or its patches are faulty."""

    name: str
    file: str
    span: Span
    trials: tuple[Trial, ...]


@record(frozen=False)
class LoadedTests:
    """All tests in the paths, in file order, and their problems."""

    tests: list[LoadedTest] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_test_files(files: Iterable[tuple[str, bool]]) -> tuple[list[SourceFile], list[Diagnostic]]:
    """The given files with tests, each with whether the user named it: of the others, only those that may contain
    a test. All other YAML is not read."""
    found: list[SourceFile] = []
    errors: list[Diagnostic] = []
    for name, is_named in files:
        try:
            source = read_source(Path(name))
        except PatchError as e:
            if is_named or e.diagnostic.rule is rules.UNREADABLE:
                errors.append(e.diagnostic)
        else:
            if is_named or _KIND.search(source.text):
                found.append(source)
    return found, errors


def load_tests(sources: Iterable[SourceFile]) -> LoadedTests:
    """Decode tests, compile their patches, read their inputs."""
    loaded = LoadedTests()
    programs = _Programs(loaded.diagnostics)
    for source in sources:
        tests, wrong = tests_of(source)
        loaded.diagnostics += wrong
        for test in tests:
            trials: list[Trial] = []
            program = programs.of(test, source)
            if program is not None:
                trials, wrong = _trials(test, program)
                loaded.diagnostics += wrong
            name = test.metadata.name
            loaded.tests.append(LoadedTest(name.text, source.name, name.span(), tuple(trials)))
    return loaded


class _Programs:
    """The programs of all tests; patches that several tests name are compiled once."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self.found = found
        self.known: dict[tuple[str, ...], tuple[Program | None, bool]] = {}  # and whether there is no patch at all

    def of(self, test: PatchTest, source: SourceFile) -> Program | None:
        """The program of a test, None if it is unavailable; the reason is a finding."""
        try:
            files = list(_patch_files(test, source))
        except PatchError as e:
            self.found.append(e.diagnostic)
            return None
        key = tuple(os.path.realpath(file) for file in files)
        if key not in self.known:
            sources: list[SourceFile] = []
            errors: list[Diagnostic] = []
            for file in files:
                try:
                    sources.append(source if str(file) == source.name else read_source(file))
                except PatchError as e:
                    errors.append(e.diagnostic)
            program, diagnostics = load_sources(sources, errors)
            self.known[key] = program, any(d.rule is rules.NO_PATCH_FILE for d in diagnostics)
            if not self.known[key][1]:
                self.found += (d for d in diagnostics if d.is_error and d not in self.found)
        program, is_empty = self.known[key]
        if is_empty:
            where = test.spec.patches[0] if test.spec.patches else test.metadata.name
            message = "no patch found" if test.spec.patches else "the test names no `patches`, and this file has none"
            help = "write `patches: [patch.yaml]`, or put the patch in this file"
            self.found.append(Diagnostic(rules.NO_DOCUMENT, message, where.span(), help))
            return None
        return program


def _patch_files(test: PatchTest, source: SourceFile) -> Iterator[Path]:
    if not test.spec.patches:
        yield Path(source.name)
    for entry in test.spec.patches:
        files, errors = find_patch_files([beside(entry)], required=True)
        for error in errors:
            raise PatchError(replace(error, span=entry.span(), help="the path is relative to the test file"))
        yield from files


def _trials(test: PatchTest, program: Program) -> tuple[list[Trial], list[Diagnostic]]:
    trials: list[Trial] = []
    found: list[Diagnostic] = []
    namespaces = BUILT_IN_NAMESPACES | {p: uri for d in program.documents for p, uri in d.namespaces.items()}
    for case in test.spec.cases:
        try:
            checks = tuple(compile_check(expectation, namespaces) for expectation in case.expect)
            trials.append(_trial(test, case, program, checks))
        except PatchError as e:
            if e.diagnostic not in found:
                found.append(e.diagnostic)
    return trials, found


def _trial(test: PatchTest, case: Case, program: Program, checks: tuple[Check, ...]) -> Trial:
    vmi = vmi_of(test, case)
    return Trial(
        name=case.name.text,
        span=case.name.span(),
        program=program,
        domain=domain_of(test, case),
        cloud_init=cloud_init_of(test, case, vmi),
        vmi=vmi,
        pod=pod_of(test, case, program.facts),
        checks=checks,
        golden=Golden(beside(case.golden), case.golden.span()) if case.golden else None,
        unchanged=case.unchanged,
        refusal=case.refusal,
        idempotent=case.idempotent,
    )
