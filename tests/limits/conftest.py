"""Fixtures: a sidecar inside the limits that KubeVirt sets."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shim"))

from shimprocess import Shim
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
    """Starts a sidecar in the group with these patches, as the image does; it answers Info then."""
    folder = Path(tempfile.mkdtemp(prefix="limits-"))
    shim = Shim(folder)

    def make(*patches: str, **how: object) -> Shim:
        for number, patch in enumerate(patches):
            shim.patch(patch, f"{number}.yaml")
        shim.start(version="v1alpha3", within=group.enter, environment={"MALLOC_ARENA_MAX": "1"}, **how)  # type: ignore[arg-type]
        shim.launcher()
        return shim

    yield make
    shim.kill()
    shutil.rmtree(folder)
