"""Fixtures: a sidecar within KubeVirt's limits."""

from __future__ import annotations

import compileall
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "shim")]

from shimprocess import IMAGE, Shim  # noqa: E402

from benchmarks.cgroup import CPU, MEMORY, Cage, Unavailable, cage  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def bytecode() -> None:
    """Compile the sidecar as in the image: compiling while it serves would take memory that is not available there."""
    for package in ("patchlang", "shim"):
        assert compileall.compile_dir(ROOT / package, quiet=1)


@pytest.fixture
def limits() -> Sequence[Mapping[str, str]]:
    return MEMORY, CPU


@pytest.fixture
def group(limits: Sequence[Mapping[str, str]]) -> Iterator[Cage]:
    try:
        with cage(*limits) as made:
            yield made
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def start(group: Cage) -> Iterator[Callable[..., Shim]]:
    """Start a sidecar in the group with these patches and executables, as in the image; wait for Info."""
    folder = Path(tempfile.mkdtemp(prefix="limits-"))
    shim = Shim(folder)

    def make(*patches: str, **executables: str) -> Shim:
        for number, patch in enumerate(patches):
            shim.patch(patch, f"{number}.yaml")
        for hook, text in executables.items():
            shim.executable(hook, text)
        shim.start(version="v1alpha3", within=group.enter, environment=IMAGE)
        shim.launcher()
        return shim

    yield make
    shim.kill()
    shutil.rmtree(folder)
