"""Hook executables as in KubeVirt's sidecar-shim: which file stands for a hook, and how it is called.

``onDefineDomain --vmi JSON --domain XML`` and ``preCloudInitIso --vmi JSON --cloud-init JSON`` are found in ``$PATH``
and print their result (cmd/sidecars/sidecar_shim.go). KubeVirt mounts a ConfigMap's key at such a place, so a patch
file may lie there too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import grpc

from .process import Ended, ProgramError, Runner
from .status import CallError
from .text import one_line

ON_DEFINE_DOMAIN = "onDefineDomain"
PRE_CLOUD_INIT_ISO = "preCloudInitIso"

MAX_ARGUMENT = 131_071
"""Bytes of one argument: Linux's MAX_ARG_STRLEN (32 pages) counts the closing NUL."""

_BINARY_MAGICS = (
    b"\x7fELF",
    b"MZ",  # PE, and .NET, by binfmt_misc
    b"\0asm",
    b"\xca\xfe\xba\xbe",  # Java class, Mach-O for several machines
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
)


class Kind(Enum):
    """What a file at a hook's place is: to be run, a patch file, or neither (which is an error)."""

    EXECUTABLE = "executable"
    PATCH = "patch"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Found:
    """The file at a hook's place. ``problem`` says what is wrong with an unusable one."""

    hook: str
    path: Path
    kind: Kind
    problem: str = ""


def look_up(hook: str, path_variable: str) -> Found | None:
    """The first file of that name in ``$PATH``; None where there is none. Relative entries are passed over, as in Go.

    Unlike the original a file without the executable bit is not passed over in silence: it is unusable, unless
    it is a patch file, which needs no such bit.
    """
    for entry in path_variable.split(os.pathsep):
        if not entry.startswith("/"):
            continue
        path = Path(entry, hook)
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if not stat.S_ISDIR(mode):
            return _classify(hook, path, mode)
    return None


def _classify(hook: str, path: Path, mode: int) -> Found:
    if not stat.S_ISREG(mode):
        return Found(hook, path, Kind.UNUSABLE, f"{path} is not a regular file")
    runs = os.access(path, os.X_OK)
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        # A program may be run without being readable, a script or a patch may not.
        if runs:
            return Found(hook, path, Kind.EXECUTABLE)
        return Found(hook, path, Kind.UNUSABLE, f"{path} cannot be read: {error.strerror}")
    if not magic.startswith((b"#!", *_BINARY_MAGICS)):
        return Found(hook, path, Kind.PATCH)
    if not runs:
        return Found(hook, path, Kind.UNUSABLE, f"{path} is there but not executable for user {os.geteuid()}")
    return Found(hook, path, Kind.EXECUTABLE)


def call(
    runner: Runner, found: Found, arguments: Mapping[str, bytes], seconds: float, environment: Mapping[str, str]
) -> bytes:
    """Runs the executable with ``--NAME VALUE`` for each argument and returns what it printed.

    Raises CallError where an argument cannot be passed, the program cannot be started, fails, is not done in
    ``seconds``, prints too much or what is not UTF-8. The text holds the end of its standard error.
    """
    words: list[bytes] = [found.hook.encode()]
    for name, value in arguments.items():
        _check_argument(found.hook, name, value)
        words += [b"--" + name.encode(), value]
    try:
        ended = runner.run(found.path, words, seconds, environment)
    except ProgramError as failure:
        raise CallError(failure.code, f"{found.hook} ({found.path}) {failure}") from None
    except OSError as error:
        raise CallError(grpc.StatusCode.FAILED_PRECONDITION, _not_started(found, error)) from None
    if ended.status != 0:
        raise CallError(grpc.StatusCode.FAILED_PRECONDITION, f"{found.hook} ({found.path}) {_how(ended)}")
    try:
        ended.output.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_output(found, f"is not UTF-8 (byte {error.start})") from None
    return ended.output


def bad_output(found: Found, problem: str) -> CallError:
    """The error for an executable that ended well but printed what cannot be used."""
    return CallError(grpc.StatusCode.FAILED_PRECONDITION, f"what {found.hook} ({found.path}) printed {problem}")


def _check_argument(hook: str, name: str, value: bytes) -> None:
    if len(value) > MAX_ARGUMENT:
        raise CallError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"{hook} cannot be run: --{name} would be {len(value)} bytes long, and Linux passes at most "
            f"{MAX_ARGUMENT} bytes in one argument; a patch file has no such limit",
        )
    if b"\0" in value:
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, f"{hook} cannot be run: --{name} would hold a NUL character")


def _not_started(found: Found, error: OSError) -> str:
    where = f"{found.hook} ({found.path}) cannot be started: "
    if error.errno == errno.E2BIG:
        return where + "its arguments and environment together are longer than Linux passes"
    if error.errno == errno.ENOENT and found.path.exists():
        return where + _interpreter(found.path)
    if error.errno == errno.ENOEXEC:
        return where + "it is not a program for this machine"
    return where + (error.strerror or type(error).__name__)


def _interpreter(path: Path) -> str:
    """Of what the kernel missed when it says that a file that is there does not exist."""
    try:
        with path.open("rb") as file:
            line = file.read(128).split(b"\n")[0]
    except OSError:
        line = b""
    if not line.startswith(b"#!"):
        return "its loader does not exist"
    word = (line[2:].strip(b" \t").split() or [b""])[0]
    if line.endswith(b"\r"):
        return (
            f"its interpreter `{_shown(word)}` with a carriage return does not exist: the line ends are not Unix ones"
        )
    return f"its interpreter `{_shown(word)}` does not exist"


def _shown(word: bytes) -> str:
    return one_line(word.decode("utf-8", "replace"))


def _how(ended: Ended) -> str:
    signalled = ended.status < 0
    how = f"was ended by signal {-ended.status}" if signalled else f"ended with exit status {ended.status}"
    return f"{how}; {ended.last_words}"
