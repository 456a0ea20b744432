"""Calls one sidecar again and again under its real limits, kills its engine, and watches the memory: `make soak`.

It mixes domain and cloud-init calls, each over its own connection as virt-launcher does, and with its own VMI; it
compares every answer with the engine's. Sizes are 1 KB, 2 KB, … 1 MB; larger ones are rarer. Every fiftieth call is
followed by one that must be refused. In every 1,000 calls it kills the engine twice: during a call, which must be the
only one to fail, and between two calls, which no call may notice. It exits with status 1 if an answer is wrong, or if
the memory of both processes at the end is more than 5 % above its value after the first 1,000 calls.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "shim"), str(ROOT / "tests" / "limits")]

import documents  # noqa: E402
import grpc  # noqa: E402
import virtlauncher  # noqa: E402
from shimprocess import IMAGE, Shim  # noqa: E402

from benchmarks.cgroup import CPU, MEMORY, Cage, Unavailable, cage  # noqa: E402
from benchmarks.sidecar import START_SECONDS, children, cpu_clock  # noqa: E402
from patchlang.engine import patch_cloud_init, patch_domain  # noqa: E402
from patchlang.loading import load  # noqa: E402

CALLS = 20_000
SETTLED = 1_000
GROWTH_PERCENT = 5.0
SIZES = (*(1000 * 2**power for power in range(10)), 1_000_000)
REFUSED_EVERY = 50
KILLED_EVERY = 1_000
BUSY_SECONDS = 0.005
"""CPU seconds: an engine that has used them since it got the largest domain is in the middle of that call."""
VERSION = "v1alpha3"


@dataclass
class Report:
    """The settings and results of a run.

    ``rss`` holds pairs of a call count and the KiB of the front and the engine together; ``killed_between`` and
    ``killed_within`` count engines.
    """

    commit: str
    python: str
    calls: int
    refused: int = 0
    killed_between: int = 0
    killed_within: int = 0
    sent_bytes: int = 0
    seconds: int = 0
    memory_limit_bytes: int = int(MEMORY["memory.limit_in_bytes"])
    cpu_quota_us: int = int(CPU["cpu.cfs_quota_us"])
    rss: list[tuple[int, int]] = field(default_factory=list)
    rss_settled: int = 0
    rss_end: int = 0
    growth_percent: float = 0.0
    cgroup_peak_bytes: int = 0
    oom_kills: int = 0


class WrongAnswerError(Exception):
    """A call failed, succeeded although it should fail, or gave a result that differs from the engine's."""


class Soak:
    """One sidecar, the calls to it and the expected results."""

    def __init__(self, shim: Shim) -> None:
        self.shim = shim
        files = [shim.patch(documents.DOMAIN_PATCH, "domain.yaml"), shim.patch(documents.CLOUD_INIT_PATCH)]
        program = load(files).program
        assert program is not None
        self.pool: list[tuple[bool, bytes, bytes]] = []
        for size in SIZES:
            domain, data = documents.domain(size), documents.cloud_init(size)
            patched = patch_domain(program, domain, documents.vmi()).data
            edited = patch_cloud_init(program, data, b"", documents.vmi()).data
            assert patched is not None
            assert edited is not None
            self.pool += [(True, domain, patched), (False, data, edited)]
        self.weights = [size**-0.8 for size in SIZES for _ in range(2)]

    def call(self, number: int, document: tuple[bool, bytes, bytes]) -> int:
        """Make one call; returns the bytes sent."""
        is_domain, data, wanted = document
        board = f"board-{number:08d}"
        vmi = documents.vmi(board)
        if is_domain:
            answer = virtlauncher.define_domain(self.shim.socket, VERSION, data, vmi)
        else:
            answer = virtlauncher.pre_cloud_init(self.shim.socket, VERSION, data, vmi).cloudInitData
        if answer != wanted.replace(documents.BOARD.encode(), board.encode()):
            raise WrongAnswerError(f"call {number}: {len(data)} bytes came back otherwise than the engine makes them")
        return len(data)

    def refuse(self, number: int) -> None:
        domain = self.pool[0][1].replace(b'dev="vda"', b'dev="vdb"')
        try:
            virtlauncher.define_domain(self.shim.socket, VERSION, domain, documents.vmi())
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION and "PL401" in error.details():
                return
            raise
        raise WrongAnswerError(f"after call {number}: a domain without the disk was not refused")

    def rss(self) -> int:
        """The KiB of the front and the engine together."""
        assert self.shim.process is not None
        found = 0
        for pid in (self.shim.process.pid, self.engine()):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found += int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])
        return found

    def engine(self, but: int = 0) -> int:
        """The engine's process, other than ``but``."""
        assert self.shim.process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            found = [pid for pid in children(self.shim.process.pid) if pid != but]
            if len(found) > 1:
                raise WrongAnswerError(f"{len(found)} engines at once")
            if found:
                return found[0]
            time.sleep(0.01)
        raise WrongAnswerError(f"no engine after {START_SECONDS:g} s")

    def kill_between(self) -> None:
        """Kill the engine between calls; the next call must not notice."""
        os.kill(self.engine(), signal.SIGKILL)

    def kill_within(self, number: int) -> None:
        """Kill the engine during a call with the largest domain, which must fail; waiting calls must not."""
        self.call(number, self.pool[0])  # so that the engine exists and is idle
        engine = self.engine()
        clock = cpu_clock(engine)
        before = time.clock_gettime(clock)
        with ThreadPoolExecutor(2) as pool:
            meets = pool.submit(self.call, number, self.pool[-2])
            while time.clock_gettime(clock) - before < BUSY_SECONDS and not meets.done():
                time.sleep(0.0005)
            waits = pool.submit(self.call, number, self.pool[0])
            os.kill(engine, signal.SIGKILL)
            waits.result()
            error = meets.exception()
        if not isinstance(error, grpc.RpcError):
            raise WrongAnswerError(f"after call {number}: that whose engine was killed came to {error or 'an answer'}")
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or "PL417" not in error.details():
            raise error
        self.engine(but=engine)


def run(group: Cage, calls: int = CALLS, settled: int = SETTLED, killed: int = KILLED_EVERY) -> Report:
    """Raises WrongAnswerError, RpcError."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    report = Report(_commit(), platform.python_version(), calls)
    choose = random.Random(7)
    shim = Shim(folder)
    try:
        soak = Soak(shim)
        # a log in a file would be charged to the group as page cache; a container's goes to its runtime
        without_log = [*group.enter, "sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh"]
        shim.start(version=VERSION, within=without_log, environment=IMAGE)
        shim.launcher()
        started = time.monotonic()
        met = 0
        for number in range(1, calls + 1):
            # each engine gets each document once, to reach the memory that the largest one needs, then random ones
            drawn = soak.pool[met] if met < len(soak.pool) else choose.choices(soak.pool, soak.weights)[0]
            met += 1
            report.sent_bytes += soak.call(number, drawn)
            if number % REFUSED_EVERY == 0:
                soak.refuse(number)
                report.refused += 1
            if number % settled == 0 or number == calls:
                report.rss.append((number, soak.rss()))
                print(f"{number:6d} calls, {report.rss[-1][1]:,} KiB, {time.monotonic() - started:,.0f} s", flush=True)
            if number % killed == 0:
                soak.kill_between()
                report.killed_between += 1
                met = 0
            elif number % killed == killed // 2:
                soak.kill_within(number)
                report.killed_within += 1
                met = 0
        report.seconds = round(time.monotonic() - started)
        report.rss_settled, report.rss_end = dict(report.rss)[settled], report.rss[-1][1]
        report.growth_percent = round((report.rss_end / report.rss_settled - 1) * 100, 2)
        report.cgroup_peak_bytes, report.oom_kills = group.peak, group.killed
    finally:
        shim.kill()
        shutil.rmtree(folder)
    return report


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    git = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return git.stdout.strip() or "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--output", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    if given.calls < SETTLED:
        parser.error(f"at least {SETTLED} calls: the memory after those is what the end is compared with")
    try:
        with cage(MEMORY, CPU) as group:
            report = run(group, given.calls)
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 3
    except (WrongAnswerError, grpc.RpcError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"growth {report.growth_percent} %, cgroup's peak {report.cgroup_peak_bytes:,} bytes")
    if given.output is not None:
        given.output.write_text(json.dumps(asdict(report), indent=1) + "\n")
    return int(report.growth_percent > GROWTH_PERCENT or report.oom_kills > 0)


if __name__ == "__main__":
    sys.exit(main())
