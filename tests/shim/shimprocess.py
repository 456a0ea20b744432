"""A real sidecar process, started as in a container, with its log and the files that it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import virtlauncher
from virtlauncher import VirtLauncher

ROOT = Path(__file__).resolve().parents[2]
END_SECONDS = 20.0
CONTAINER = "hook-sidecar-0"
IMAGE = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
}
"""The memory settings in the image's environment."""


class Shim:
    """One process. ``hooks`` is the socket folder of its container; ``bin`` is first in its ``$PATH``."""

    def __init__(self, folder: Path, container: str | None = CONTAINER) -> None:
        self.folder = folder
        self.hooks = folder / "hooks"
        self.bin = folder / "bin"
        self.patches = folder / "patches"
        self.plugin = folder / "plugin" / "hook.sock"
        self.container = container
        for directory in (self.hooks, self.bin, self.patches, self.plugin.parent):
            directory.mkdir(exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / "log"

    @property
    def socket(self) -> Path:
        return self.hooks / f"shim-{self.container}.sock"

    def start(
        self,
        *arguments: str,
        version: str | None = "v1alpha2",
        program: Path | None = None,
        environment: Mapping[str, str] | None = None,
        default_paths: bool = True,
        within: Sequence[str] = (),
    ) -> Shim:
        """Start it; ``program`` replaces ``-m shim`` (with other limits, say), ``within`` goes before it."""
        command = [*within, sys.executable, *([str(program)] if program else ["-m", "shim"])]
        if version is not None:
            command += ["--version", version]
        if default_paths:
            # a named empty folder is an error: a container without patches names no folder
            command += ["--patches", str(self.patches)] if any(self.patches.iterdir()) else []
            command += ["--socket-dir", str(self.hooks)] if version is not None else []
        env = {k: v for k, v in os.environ.items() if k != "CONTAINER_NAME"}
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        env["PYTHONPATH"] = os.pathsep.join([str(Path(virtlauncher.__file__).parent), *sys.path])
        if self.container is not None:
            env["CONTAINER_NAME"] = self.container
        env.update(environment or {})
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *arguments], stderr=log, stdout=log, stdin=subprocess.DEVNULL, env=env, cwd=ROOT
            )
        return self

    def launcher(self, wanted: int = 1) -> VirtLauncher:
        """Wait until it answers Info."""
        try:
            return VirtLauncher(self.hooks).collect(wanted)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the log:\n{self.text}") from None

    def wait_for_plugin(self) -> Path:
        until = time.monotonic() + END_SECONDS
        while not self.plugin.exists() and time.monotonic() < until:
            time.sleep(0.02)
        return self.plugin

    def end(self) -> int:
        """Wait for its end; returns the exit status."""
        assert self.process is not None
        return self.process.wait(timeout=END_SECONDS)

    def signal(self, number: signal.Signals) -> int:
        """Send the signal and wait for the end; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.end()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def text(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log. Every line of it must be a JSON object with KubeVirt's keys."""
        lines = [json.loads(line) for line in self.text.splitlines()]
        for line in lines:
            assert line.keys() == {"component", "level", "msg", "pos", "timestamp"}
        return lines

    @property
    def messages(self) -> list[str]:
        return [line["msg"] for line in self.lines]

    def wait_for(self, message: str) -> None:
        """Wait until a log line contains ``message``."""
        until = time.monotonic() + END_SECONDS
        while message not in self.text:
            assert time.monotonic() < until, self.text
            time.sleep(0.02)

    # The environment variables that a container may have.

    def patch(self, text: str, name: str = "patch.yaml") -> Path:
        path = self.patches / name
        path.write_text(text)
        return path

    def executable(self, hook: str, text: str | bytes, mode: int = 0o755) -> Path:
        path = self.bin / hook
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path
