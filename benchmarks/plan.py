"""`patchlang plan` over fleets of VMs: its memory, and its time compared with the bare engine on the same bytes.

    python -m benchmarks.plan > benchmarks/plan.json

It takes several minutes and gigabytes of disk space. The figures are in docs/plan.md.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from patchlang.engine import patch_domain
from patchlang.loading import load_sources
from patchlang.plan import jsonstream
from patchlang.source import SourceFile

from . import fleet
from .documents import WITH_CEL

COUNTS = (1_000, 10_000, 100_000)
COMPARED = 10_000
YAML = 1_000
ROUNDS = 3

_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def planned(dump: Path, domains: Path) -> tuple[float, float]:
    """CPU seconds of the command, including its start and its report, and its peak memory in MB."""
    command = str(Path(sys.executable).with_name("patchlang"))
    call = [command, "plan", str(dump), "--domains", str(domains), "--format", "json"]
    measured = [sys.executable, "-c", _MEASURED, *call]
    seconds, peak = subprocess.run(measured, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), int(peak) * 1024 / 1e6


def bare(folder: Path) -> float:
    """CPU seconds of the engine alone on the same bytes, without reading them."""
    program, _ = load_sources([SourceFile("patch.yaml", WITH_CEL)])
    assert program is not None
    spent = 0.0
    dump = folder / "dump.json"
    with dump.open("rb") as objects, dump.open("rb") as texts:
        for found in jsonstream.objects(objects):
            if found.value["kind"] == "ConfigMap":
                continue
            metadata = found.value["metadata"]
            domain = (folder / "domains" / f"{metadata['namespace']}_{metadata['name']}.xml").read_bytes()
            texts.seek(found.start)
            vmi = texts.read(found.length)
            begin = time.process_time()
            patch_domain(program, domain, vmi)
            spent += time.process_time() - begin
    return spent


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {"python": platform.python_version(), "fleets": []}
    with tempfile.TemporaryDirectory() as scratch:
        for count in COUNTS:
            folder = Path(scratch) / str(count)
            fleet.write(folder, count)
            rounds = ROUNDS if count == COMPARED else 1
            taken: list[tuple[float, float]] = []
            engine: list[float] = []
            for _ in range(rounds):
                taken.append(planned(folder / "dump.json", folder / "domains"))
                engine += [bare(folder)] if count == COMPARED else []
            seconds, peak = min(one[0] for one in taken), max(one[1] for one in taken)
            row = {"vms": count, "seconds": round(seconds, 2), "megabytes": round(peak)}
            if engine:
                row |= {"engine": round(min(engine), 2), "ratio": round(seconds / min(engine), 2)}
            figures["fleets"].append(row)
            print(row, file=sys.stderr)
            if count == YAML:
                figures["yaml"] = round(_yaml(folder), 2)
    return figures


def _yaml(folder: Path) -> float:
    """CPU seconds for the same objects as YAML."""
    import yaml

    objects = json.loads((folder / "dump.json").read_bytes())
    (folder / "dump.yaml").write_bytes(yaml.dump(objects, Dumper=yaml.CSafeDumper, encoding="utf-8"))
    return planned(folder / "dump.yaml", folder / "domains")[0]


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
    print()
