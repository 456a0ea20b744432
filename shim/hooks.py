"""Hook executables as in KubeVirt's sidecar-shim: which file serves as a hook, and how it is called.

``onDefineDomain --vmi JSON --domain XML`` and ``preCloudInitIso --vmi JSON --cloud-init JSON`` are found in ``$PATH``
and print their result (cmd/sidecars/sidecar_shim.go). KubeVirt mounts a ConfigMap's key in such a place, so a patch
file may be there too.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from patchlang.executables import MAX_ARGUMENT, fault_of_argument, how_it_ended, is_program, why_not_started, words_of

from .status import CallError, Code
from .text import one_line

if TYPE_CHECKING:
    from .programs import Ended, Programs

_LONGEST_SCRIPT = 256 * 1024
"""Bytes of a script that are searched for names."""
_WORD = re.compile(rb"[A-Za-z0-9_.-]+")

Kind = Literal["executable", "patch", "not executable", "unusable"]
"""What a file in a hook's place is: an executable, a patch file, or neither (which is an error)."""


class Found(NamedTuple):
    """The file in a hook's place. ``problem`` says why it cannot be used, or what was skipped on the way to it."""

    hook: str
    path: str
    kind: Kind
    problem: str = ""


def look_up(hook: str, path_variable: str) -> Found | None:
    """The hook's file in ``$PATH``; None if there is none. Relative entries are skipped, as in Go.

    As in the original, a program that is not executable is skipped if something usable comes later, but not
    silently. What is neither a file nor a link to one is always an error: someone meant to put a file there.
    """
    all_found = list(_all(hook, path_variable))
    for found in all_found:
        if found.kind == "unusable":
            return found
    for found in all_found:
        if found.kind != "not executable":
            skipped = all_found[0] if all_found[0] is not found else None
            return found._replace(problem=skipped.problem) if skipped else found
    return all_found[0] if all_found else None


def _all(hook: str, path_variable: str) -> Iterator[Found]:
    """All candidates up to the first usable one: the original looks no further."""
    for entry in path_variable.split(os.pathsep):
        if not entry.startswith("/"):
            continue
        path = os.path.join(entry, hook)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            if os.path.islink(path):
                yield Found(hook, path, "unusable", f"{path} is a broken link ({error.strerror})")
            continue
        found = _classify(hook, path, mode)
        yield found
        if found.kind != "not executable":
            return


def _classify(hook: str, path: str, mode: int) -> Found:
    if stat.S_ISDIR(mode):
        return Found(hook, path, "unusable", f"{path} is {_directory(path)}")
    if not stat.S_ISREG(mode):
        return Found(hook, path, "unusable", f"{path} is not a regular file")
    runs = os.access(path, os.X_OK)
    try:
        with open(path, "rb") as file:
            magic = file.read(8)
    except OSError as error:
        # A program may be run without being readable, a script or a patch may not.
        if runs:
            return Found(hook, path, "executable")
        return Found(hook, path, "not executable", f"{path} cannot be read: {error.strerror}")
    if not is_program(magic):
        return Found(hook, path, "patch")
    if not runs:
        return Found(hook, path, "not executable", f"{path} exists, but is not executable for user {os.geteuid()}")
    return Found(hook, path, "executable")


def words_in(found: Found) -> list[str]:
    """What in a script could be a name; nothing if it is not a script, or too long."""
    try:
        with open(found.path, "rb") as file:
            text = file.read(_LONGEST_SCRIPT)
    except OSError:
        return []
    return [word.decode() for word in _WORD.findall(text)] if text.startswith(b"#!") else []


def _directory(path: str) -> str:
    if _has_entries(path):
        return "a directory, but must be a file"
    return (
        "an empty directory: the kubelet creates one if the ConfigMap has no such key; "
        "check `configMap.key` in the annotation `hooks.kubevirt.io/hookSidecars`, and the keys of the ConfigMap"
    )


def _has_entries(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(True for _ in entries)
    except OSError:
        return True


async def call(
    programs: Programs,
    found: Found,
    arguments: Mapping[str, bytes],
    seconds: float,
    environment: Mapping[bytes, bytes],
) -> bytes:
    """Runs the executable with ``--NAME VALUE`` for each argument and returns its output.

    Raises CallError if the program cannot be started, fails, is not done in
    ``seconds``, prints too much or what is not UTF-8. The text holds the end of its standard error.
    """
    from .programs import ProgramError  # with asyncio, which the first engine has no use for

    try:
        ended = await programs.run(found.path, words_of(found.hook, arguments), seconds, environment)
    except ProgramError as failure:
        raise CallError(failure.code, f"{found.hook} ({found.path}) {failure}") from None
    except OSError as error:
        raise CallError("FAILED_PRECONDITION", _not_started(found, error)) from None
    if ended.status != 0:
        raise CallError("FAILED_PRECONDITION", f"{found.hook} ({found.path}) {_how(ended)}")
    try:
        ended.output.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_output(found, f"is not UTF-8 (byte {error.start})") from None
    return ended.output


def bad_output(found: Found, problem: str) -> CallError:
    """The error for an executable that succeeded but whose output is unusable."""
    return CallError("FAILED_PRECONDITION", f"the output of {found.hook} ({found.path}) {problem}")


def check_arguments(hook: str, arguments: Mapping[str, bytes]) -> None:
    """Raises CallError if one cannot be passed."""
    for name, value in arguments.items():
        if (fault := fault_of_argument(name, value)) is not None:
            code: Code = "RESOURCE_EXHAUSTED" if len(value) > MAX_ARGUMENT else "INVALID_ARGUMENT"
            raise CallError(code, f"{hook} cannot be run: {fault}")


def _not_started(found: Found, error: OSError) -> str:
    return f"{found.hook} ({found.path}) cannot be started: {one_line(why_not_started(found.path, error))}"


def _how(ended: Ended) -> str:
    return f"{how_it_ended(ended.status)}; {ended.last_words}"
