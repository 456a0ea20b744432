"""Fixtures: a sidecar inside the limits that KubeVirt sets."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shim"))

from shimprocess import IMAGE, Shim
from sidecarlimits import Limited, UnavailableError, limited


@pytest.fixture
def group() -> Iterator[Limited]:
    try:
        with limited() as made:
            yield made
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def start(group: Limited) -> Iterator[Callable[..., Shim]]:
    """Starts a sidecar in the group with these patches and executables, as the image does; it answers Info then."""
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
