"""A pytest plugin: the fixture ``patchlang``, and with ``--patchlang`` patch tests (kind: PatchTest).

Every pytest session with patchlang installed imports this: everything else is imported on demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from . import Finding, Program
    from .patchtest.load import LoadedTest
    from .source import SourceFile

_OPTION = "patchlang"


def pytest_addoption(parser: pytest.Parser) -> None:
    help = "Also run patch tests (kind: PatchTest) in YAML files."
    parser.getgroup("patchlang").addoption("--patchlang", dest=_OPTION, action="store_true", help=help)
    parser.addini(_OPTION, help, type="bool", default=False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file with patch tests, if requested."""
    wanted = parent.config.getoption(_OPTION) or parent.config.getini(_OPTION)
    if not wanted or file_path.suffix not in (".yaml", ".yml"):
        return None
    from .patchtest.load import read_test_files

    # recognized by its text, as in a folder of `patchlang test`; an unreadable file is skipped
    sources, _ = read_test_files([(str(file_path), False)])
    return PatchTestFile.from_parent(parent, path=file_path, source=sources[0]) if sources else None


class PatchTestFile(pytest.File):
    """A file of ``kind: PatchTest``; problems of the tests or their patches are collection errors."""

    def __init__(self, *, source: SourceFile, **known: Any) -> None:
        super().__init__(**known)
        self.source = source

    def collect(self) -> Iterator[pytest.Item]:
        from .patchtest.load import load_tests
        from .record import replace
        from .render import render

        loaded = load_tests([self.source])
        if loaded.diagnostics:
            raise self.CollectError(render(loaded.diagnostics))
        for test in loaded.tests:
            for trial in test.trials:
                name = f"{test.name}: {trial.name}"
                yield PatchTestCase.from_parent(self, name=name, test=replace(test, trials=(trial,)))


class PatchTestCase(pytest.Item):
    """One case, run as often as one boot calls the hook."""

    def __init__(self, *, test: LoadedTest, **known: Any) -> None:
        super().__init__(**known)
        self.test = test

    def runtest(self) -> None:
        from .kubevirt.structs import releases
        from .patchtest.run import run_tests

        report = run_tests([self.test], kubevirt=releases()[0], update=False)
        failures = [failure for test in report.tests for case in test.cases for failure in case.failures]
        if failures:
            from .diffs import legible
            from .render import render

            said = "\n".join(f"{render([one.diagnostic])}{legible(one.diff)}" for one in failures)
            pytest.fail(said, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        begin = self.test.trials[0].span.begin
        return self.path, begin.line - 1, self.name


class Patches:
    """The fixture ``patchlang``: loading and validating, with paths relative to the test's own file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, *paths: str | Path) -> Program:
        """The patches that the paths name. If they cannot be loaded, the test fails and shows why."""
        from .api import LoadError, load

        try:
            return load([self.folder / path for path in paths])
        except LoadError as e:
            said = str(e)
        return pytest.fail(said, pytrace=False)

    def validate(self, *paths: str | Path, **versions: Any) -> tuple[Finding, ...]:
        """What ``patchlang.validate`` finds, with the same ``kubevirt``, ``libvirt`` and ``plugins``."""
        from .api import validate

        return validate([self.folder / path for path in paths], **versions)


@pytest.fixture
def patchlang(request: pytest.FixtureRequest) -> Patches:
    """Patches next to the test file: ``patchlang.load('disk.yaml')`` is a ``Program`` of the Python API."""
    return Patches(request.path.parent)
