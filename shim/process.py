"""Runs one program with a deadline, drains what it prints, and leaves nothing of it behind.

The program gets a session of its own, so that it can be killed with its children. No ``preexec_fn``: gRPC's threads
and Python code between fork and exec hang each other. Its standard error goes to the log line by line, bounded; the
end of it is kept for the caller. It is the program's own text: what it holds is up to who wrote the program.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from .log import log

MAX_OUTPUT = 4 * 1024 * 1024
MAX_LINE = 4096
MAX_LOGGED = 256 * 1024
MAX_TAIL = 700
LINGER = 2.0
"""Seconds without output after which a child that keeps a dead program's standard output open is given up."""

_TICK = 0.1


class ProgramError(Exception):
    """The program was started but gave no result; the text goes on after the program's name."""

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.FAILED_PRECONDITION) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that ended by itself: exit status (negative: the signal), what it printed, and its last words."""

    status: int
    output: bytes
    last_words: str


class StandardError:
    """Takes a program's standard error as it comes, logs it by lines, and keeps the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._line = bytearray()
        self._cut = False
        self._logged = 0
        self._tail = bytearray()

    def take(self, data: bytes) -> None:
        self._tail += data
        del self._tail[: -2 * MAX_TAIL]
        if self._logged > MAX_LOGGED:
            return
        for piece in data.splitlines(keepends=True):
            room = MAX_LINE - len(self._line)
            self._cut = self._cut or len(piece.rstrip(b"\r\n")) > room
            self._line += piece[:room]
            if piece.endswith((b"\n", b"\r")):
                self._emit()

    def close(self) -> None:
        if self._line:
            self._emit()

    def _emit(self) -> None:
        text = self._line.rstrip(b"\r\n").decode("utf-8", "replace") + (" … (line cut)" if self._cut else "")
        if self._logged <= MAX_LOGGED:
            self._logged += len(self._line)
            if text:
                self._logged += 100  # about what the rest of a log line takes
                log.info("%s: %s", self.name, text)
            if self._logged > MAX_LOGGED:
                log.warning("%s: the rest of its standard error is not logged", self.name)
        self._line.clear()
        self._cut = False

    @property
    def last_words(self) -> str:
        """The end of it for an error message, lines joined; whole lines where it had to be cut."""
        text = self._tail[-MAX_TAIL:].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines()]
        if len(self._tail) > MAX_TAIL and len(lines) > 1:
            lines = ["…", *lines[1:]]
        said = " | ".join(line for line in lines if line)
        return f"its standard error ends: {said}" if said else "it wrote nothing to standard error"


class Runner:
    """Runs programs, one at a time. ``stop`` may be called from another thread and ends the one that runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._running: subprocess.Popen[bytes] | None = None

    def run(self, path: Path, words: Sequence[bytes], seconds: float, environment: Mapping[str, str]) -> Ended:
        """Runs ``path`` with ``words`` as its arguments, the name first.

        Raises OSError where it cannot be started, ProgramError where it is not done in ``seconds``, prints more than
        ``MAX_OUTPUT`` bytes, or the sidecar is being stopped.
        """
        name = words[0].decode("utf-8", "replace")
        with self._lock:
            if self._stopped:
                raise ProgramError("was not run: the sidecar is being stopped", grpc.StatusCode.UNAVAILABLE)
            log.info("Executing %s", name)
            process = subprocess.Popen(  # noqa: S603 - the user's own program, without a shell
                list(words),
                executable=os.fspath(path),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
            )
            self._running = process
        said = StandardError(name)
        left_behind = True
        try:
            output, left_behind = self._drain(process, said, time.monotonic() + seconds)
            said.close()
            if output is None:
                raise ProgramError(f"was not done after {seconds:.2g} s and was killed; {said.last_words}")
        finally:
            said.close()
            self._finish(process, kill=left_behind)
        if self._stopped:
            raise ProgramError("was killed: the sidecar is being stopped", grpc.StatusCode.UNAVAILABLE)
        return Ended(process.returncode, output, said.last_words)

    def stop(self) -> None:
        """Kills the program that runs, with its group, and lets no other one start."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                _kill(self._running)

    def _drain(
        self, process: subprocess.Popen[bytes], said: StandardError, deadline: float
    ) -> tuple[bytes | None, bool]:
        """Reads until the program has ended and both pipes are closed, or given up.

        Returns its standard output, None where the deadline passed, and whether something of it still runs.
        """
        output = bytearray()
        last_data = time.monotonic()
        pause = 0.001
        with selectors.DefaultSelector() as selector:
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            while (now := time.monotonic()) < deadline:
                if not selector.get_map():
                    if _ended(process):
                        return bytes(output), False
                    time.sleep(min(pause, deadline - now))
                    pause = min(pause * 2, 0.05)
                    continue
                for key, _ in selector.select(min(_TICK, deadline - now)):
                    data = _read(key.fd)
                    if data is None:
                        continue
                    last_data = time.monotonic()
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stdout:
                        output += data
                    else:
                        said.take(data)
                if len(output) > MAX_OUTPUT:
                    raise ProgramError(f"printed more than {MAX_OUTPUT} bytes and was killed")
                if selector.get_map() and time.monotonic() - last_data > LINGER and _ended(process):
                    log.warning("%s has ended, but a child of it keeps its output open and is killed", said.name)
                    return bytes(output), True
        return None, True

    def _finish(self, process: subprocess.Popen[bytes], kill: bool) -> None:
        """Takes the program out of ``stop``'s reach and waits for it; its group is killed before, if need be."""
        with self._lock:
            self._running = None
            if kill:
                _kill(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            log.error("process %d does not end although it was killed", process.pid)
        if os.getpid() == 1:
            _reap_strays()


def _read(descriptor: int) -> bytes | None:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended. It is not waited for yet, so that nobody else gets its group's number."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _reap_strays() -> None:
    """As process 1 of a container we inherit every orphan, and nobody else will ever wait for them."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return
