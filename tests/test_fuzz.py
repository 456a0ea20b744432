"""A short run of the fuzzer, and proof that it notices problems: each kind of find is triggered on purpose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz import find, supervisor, worker
from fuzz.targets import EVERY, dire

ROOT = Path(__file__).parents[1]
INPUTS = 2500


def fuzz(*args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": "tests"}
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *args], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_short_run(tmp_path: Path) -> None:
    """A fixed seed: everybody who changes the code tries the same inputs."""
    record = tmp_path / "record.json"
    run = fuzz("--inputs", str(INPUTS), "--seed", "7", "--record", str(record), "--finds", str(tmp_path))
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(record.read_text())
    assert figures["inputs"] == INPUTS
    assert figures["targets"].keys() == EVERY.keys()
    for name, target in figures["targets"].items():
        outcomes = bool(target["results"]), bool(target["refused"])
        assert outcomes == (True, EVERY[name].refuses), f"one outcome only: {name}"


def test_shares_add_up() -> None:
    assert sum(supervisor.shares(EVERY.values(), 1_000_003).values()) == 1_000_003


def test_an_input_follows_from_its_seed_and_number() -> None:
    made = "from fuzz.worker import ALL, input_of; print([input_of(t, 3, 5) for t in ALL.values()])"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", made],
            env={**os.environ, "PYTHONPATH": f"{ROOT}/tests:{ROOT}", "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("target", EVERY)
def test_finds_are_kept_as_they_were(target: str, tmp_path: Path) -> None:
    parts = worker.input_of(EVERY[target], 1, 1) | {"bytes": bytes(range(256))}
    found = find.Find(target, 1, 1, "law", "place", "detail", parts)
    assert find.read(found.write(tmp_path).read_text()) == found


def said(figures: dict[str, Any]) -> str:
    """The figures of a recorded run, as in docs/reliability.md."""
    finds = f"found and fixed since: {', '.join(figures['finds'])}" if figures["finds"] else "no finds"
    lines = [
        f"The recorded run ([benchmarks/fuzz.json](../benchmarks/fuzz.json)): {figures['inputs']:,} inputs with seed",
        f"{figures['seed']} in {figures['seconds'] // 60} minutes, {figures['inputs_a_second']} per second alongside",
        f"other work, at commit `{figures['commit'][:12]}`: {finds}.",
        "",
        "| target | inputs | results | refused | bytes, mean | slowest |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, one in figures["targets"].items():
        counts = f"{one['inputs']:,} | {one['results']:,} | {one['refused']:,} | {one['mean_bytes']:,}"
        lines.append(f"| `{name}` | {counts} | {one['slowest_seconds']} s |")
    return "\n".join(lines) + "\n"


def test_the_recorded_run_is_the_one_in_the_document() -> None:
    figures = json.loads((ROOT / "benchmarks" / "fuzz.json").read_text())
    assert figures["inputs"] >= 1_000_000
    assert figures["targets"].keys() == EVERY.keys()
    assert sum(one["inputs"] for one in figures["targets"].values()) == figures["inputs"]
    assert "+" not in figures["commit"], "files differed from the commit"
    text = (ROOT / "docs" / "reliability.md").read_text()
    shown = text.partition("<!-- figures: benchmarks/fuzz.json -->\n")[2]
    assert shown.startswith(said(figures)), "write this:\n" + said(figures)


def test_what_is_wrong_is_noticed(tmp_path: Path) -> None:
    """A target that fails in every way: the run finds every failure, survives them all, and can replay each find."""
    run = fuzz("--target", "dire", "--inputs", "7", "--seed", "1039", "--processes", "1", "--finds", str(tmp_path))
    assert run.returncode == 1, run.stdout + run.stderr
    finds = [find.read(file.read_text()) for file in tmp_path.iterdir()]
    assert sorted(found.kind for found in finds) == sorted(dire.KINDS)
    assert all(found.parts["kind"].decode() == found.kind for found in finds)
    assert "7 inputs in" in run.stdout
    crash = next(file for file in tmp_path.iterdir() if '"kind": "crash"' in file.read_text())
    assert fuzz("--replay", str(crash)).returncode == -signal.SIGSEGV
