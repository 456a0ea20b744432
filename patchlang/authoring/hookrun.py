"""Runs a hook executable locally as the sidecar does: the same arguments, limits, and checks of what it prints."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import IO, Any, Literal

from ..diagnostics import PatchError
from ..executables import (
    MAX_CLOUD_INIT,
    MAX_OUTPUT,
    MAX_TAIL,
    ON_DEFINE_DOMAIN,
    PRE_CLOUD_INIT_ISO,
    SECONDS,
    fault_of_argument,
    how_it_ended,
    is_program,
    last_words,
    why_not_started,
    words_of,
)
from ..record import record
from ..render import printable

Kind = Literal["domain", "cloud-init"]
"""What a hook edits; also the name of its argument."""

_HOOKS: dict[Kind, str] = {"domain": ON_DEFINE_DOMAIN, "cloud-init": PRE_CLOUD_INIT_ISO}
_READ = 64 * 1024
_POLL = 0.05
_ENDING = (signal.SIGINT, signal.SIGTERM)
_TO_STDERR = "print the result alone to standard output, messages to standard error (`>&2` in a shell)"


class HookError(Exception):
    """A hook gave no result that the sidecar would accept. The message names the file; ``help`` says what to do."""

    def __init__(self, path: Path, problem: str, help: str | None = None) -> None:
        super().__init__(printable(f"{path}: {problem}"))
        self.help = help


@record
class Ran:
    """The output of a hook, unchanged, and the end of its standard error on one line."""

    outcome: bytes
    last_words: str


def run_hook(path: Path, kind: Kind, data: bytes, vmi: bytes, *, seconds: float = SECONDS) -> Ran:
    """Run the executable once on a domain (XML) or on CloudInitData (JSON), and a VMI (JSON).

    It gets ``--vmi JSON`` and ``--domain XML`` or ``--cloud-init JSON``, no standard input, this process's environment
    and folder, and its own session, which is killed when the executable has ended or is late. Raises HookError if it
    cannot be started, fails, takes longer than ``seconds``, or prints what the sidecar refuses.
    """
    program = _checked(path)
    arguments = {"vmi": vmi, kind: data}
    for name, value in arguments.items():
        if (fault := fault_of_argument(name, value)) is not None:
            raise HookError(path, f"the hook cannot run: {fault}")
    status, output, tail = _run(path, program, words_of(_HOOKS[kind], arguments), seconds)
    said = printable(last_words(tail))
    if status != 0:
        raise HookError(path, f"the hook {how_it_ended(status)}; {said}")
    if not output.strip():
        help = "print the whole result to standard output, even if nothing changes"
        raise HookError(path, f"the hook printed nothing; {said}", help)
    (_check_domain if kind == "domain" else _check_cloud_init)(path, output)
    return Ran(output, said)


def _checked(path: Path) -> str:
    """The absolute path of a file that can be run. Raises HookError."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "is a directory" if stat.S_ISDIR(mode) else "is not a regular file"
            raise HookError(path, what, "name the executable, as KubeVirt finds it at `hookPath`")
        start = _start_of(path)
    except (OSError, ValueError) as error:
        raise HookError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if start is not None and not is_program(start):
        help = "begin a script with its interpreter, such as `#!/bin/sh`; name patches with `-p`"
        raise HookError(path, "is not a program: it has no `#!` line and is not a binary", help)
    if not os.access(path, os.X_OK):
        raise HookError(path, "is not executable", "make it executable: `chmod +x FILE`")
    return os.path.abspath(path)


def _start_of(path: Path) -> bytes | None:
    """The first bytes of a file; None for a program that may be run but not read."""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except PermissionError:
        if os.access(path, os.X_OK):
            return None
        raise


def _run(path: Path, program: str, words: list[bytes], seconds: float) -> tuple[int, bytes, bytes]:
    """Exit status, standard output and the end of standard error. Raises HookError."""
    tail = bytearray()
    with _started(path, program, words) as process:
        try:
            output = _output_of(process, tail, seconds)
            return process.wait(), output, bytes(tail)
        except TimeoutError:
            late = "was still running"
            if process.poll() is not None:
                late = "had ended, but a process that it started held standard output open"
            help = "the sidecar also ends it then, because KubeVirt does not wait longer"
            raise HookError(
                path, f"the hook {late} after {seconds:g} s and was killed; {last_words(bytes(tail))}", help
            ) from None
        except OverflowError:
            raise HookError(path, f"the hook printed more than {MAX_OUTPUT} bytes and was killed") from None


@contextmanager
def _started(path: Path, program: str, words: list[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a hook. At the end, it and what it started are killed. Raises HookError if it cannot start."""
    with ExitStack() as stack:
        with _signals_wait():
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own program, without a shell
                    words,
                    executable=program,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                )
            except OSError as error:
                raise HookError(path, f"cannot be started: {why_not_started(program, error)}") from None
            stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Signals whose handlers may raise an exception are handled at the end, not while a process starts.

    The exception would come when the process runs already, but nobody knows it yet.
    """
    came: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: handler for number in _ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _output_of(process: subprocess.Popen[bytes], tail: bytearray, seconds: float) -> bytes:
    """Standard output up to its end, when the process has ended as well; standard error goes to ``tail``.

    Raises TimeoutError, and OverflowError if it prints too much.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    output = bytearray()
    until = monotonic() + seconds
    with DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, EVENT_READ)
        while process.stdout in selector.get_map() or process.poll() is None:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            # the end of a pipe wakes this up, but the end of a process that has closed both pipes does not
            for key, _ in selector.select(left if process.stdout in selector.get_map() else min(left, _POLL)):
                data = _read(process.stdout if key.fileobj is process.stdout else process.stderr)
                if data == b"":
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    output += data or b""
                    if len(output) > MAX_OUTPUT:
                        raise OverflowError
                else:
                    _keep_end(tail, data or b"")
        while process.stderr in selector.get_map() and (data := _read(process.stderr)):
            _keep_end(tail, data)
    return bytes(output)


def _read(pipe: IO[bytes]) -> bytes | None:
    """What is there; empty at the end, None if nothing has arrived yet."""
    try:
        return os.read(pipe.fileno(), _READ)
    except BlockingIOError:
        return None


def _keep_end(tail: bytearray, data: bytes) -> None:
    tail += data
    del tail[: -2 * MAX_TAIL]


def _check_domain(path: Path, output: bytes) -> None:
    """Raises HookError if it is not the XML of a domain."""
    from ..domain.read import read_root

    before, found, _ = output.partition(b"<domain")
    if found and before.strip() and not before.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        first = before.decode("utf-8", "replace").strip().splitlines()[0][:80]
        raise HookError(path, f"the hook printed text before the domain: `{first}`", _TO_STDERR)
    try:
        read_root(output)
    except PatchError as error:
        raise HookError(
            path, f"the hook printed something that is not a domain: {error.diagnostic.message}", _TO_STDERR
        ) from None


def _check_cloud_init(path: Path, output: bytes) -> None:
    """Raises HookError if virt-launcher could not use it."""
    from ..cloudinit.state import open_cloud_init
    from ..cloudinit.virtlauncher import as_go_reads, faults
    from ..quoting import AllNames

    if len(output) > MAX_CLOUD_INIT:
        raise HookError(path, f"the hook printed {len(output)} bytes of cloud-init data, more than {MAX_CLOUD_INIT}")
    try:
        printed = open_cloud_init(output).record
    except PatchError as error:
        problem = f"the hook printed something that is not CloudInitData: {error.diagnostic.message}"
        raise HookError(path, problem, _TO_STDERR) from None
    for fault in faults(as_go_reads(printed), legacy_only=False, names=AllNames()):
        if fault.diagnostic.is_error:
            raise HookError(path, f"the hook's output is refused: {fault.diagnostic.message}", fault.diagnostic.help)
