"""Hook executables as KubeVirt's sidecar-shim calls them: what the sidecar and the local tools share.

``onDefineDomain --vmi JSON --domain XML`` and ``preCloudInitIso --vmi JSON --cloud-init JSON`` print their result
(cmd/sidecars/sidecar_shim.go).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

ON_DEFINE_DOMAIN = "onDefineDomain"
PRE_CLOUD_INIT_ISO = "preCloudInitIso"

MAX_ARGUMENT = 131_071
"""Bytes of one argument: Linux's MAX_ARG_STRLEN (32 pages) counts the closing NUL."""
MAX_OUTPUT = 4 * 1024 * 1024
"""Bytes that an executable may print."""
MAX_CLOUD_INIT = 1024 * 1024
"""Bytes of cloud-init data that an executable may print: a Secret cannot hold more. As Python text
they can take four times as much, more than once."""
MAX_TAIL = 700
"""Bytes of the end of its standard error that a message quotes."""
SECONDS = 50.0
"""How long a call may take: virt-launcher gives up after 60 s."""

BINARY_MAGICS = (
    b"\x7fELF",
    b"MZ",  # PE, and .NET, by binfmt_misc
    b"\0asm",
    b"\xca\xfe\xba\xbe",  # Java class, Mach-O for several machines
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
)


def is_program(start: bytes) -> bool:
    """Whether a file with this beginning is a script or a binary; any other in a hook's place is a patch."""
    return start.startswith((b"#!", *BINARY_MAGICS))


def words_of(hook: str, arguments: Mapping[str, bytes]) -> list[bytes]:
    """The arguments of the executable, with the hook's name first."""
    words = [hook.encode()]
    for name, value in arguments.items():
        words += [b"--" + name.encode(), value]
    return words


def fault_of_argument(name: str, value: bytes) -> str | None:
    """Why an argument cannot be passed; None if it can."""
    if len(value) > MAX_ARGUMENT:
        return (
            f"--{name} would be {len(value)} bytes long, but Linux passes at most "
            f"{MAX_ARGUMENT} bytes in one argument; a patch file has no such limit"
        )
    return f"--{name} would contain a NUL character" if b"\0" in value else None


def why_not_started(path: str, error: OSError) -> str:
    """Why the kernel did not start a program, in words. It may quote the script's first line."""
    if error.errno == errno.E2BIG:
        return "its arguments and environment together exceed the Linux limit"
    if error.errno == errno.ENOENT and os.path.exists(path):
        return _interpreter(path)
    if error.errno == errno.ENOEXEC:
        return "it is not a program for this machine"
    return error.strerror or type(error).__name__


def _interpreter(path: str) -> str:
    """What the kernel missed when it says that an existing file does not exist."""
    try:
        with open(path, "rb") as file:
            line = file.read(128).split(b"\n")[0]
    except OSError:
        line = b""
    if not line.startswith(b"#!"):
        return "its loader does not exist"
    word = (line[2:].strip(b" \t").split() or [b""])[0].decode("utf-8", "replace")
    if line.endswith(b"\r"):
        return f"its interpreter `{word}` with a carriage return does not exist: use Unix line endings"
    return f"its interpreter `{word}` does not exist"


def how_it_ended(status: int) -> str:
    """A status as :mod:`subprocess` gives it (negative: the signal), in words."""
    return f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"


def last_words(tail: bytes) -> str:
    """The end of a program's standard error for a message, lines joined; whole lines if it had to be cut."""
    text = tail[-MAX_TAIL:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines()]
    if len(tail) > MAX_TAIL and len(lines) > 1:
        lines = ["…", *lines[1:]]
    said = " | ".join(line for line in lines if line)
    return f"its standard error ends: {said}" if said else "it wrote nothing to standard error"
