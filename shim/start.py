"""Decides what answers: patch files, otherwise executables, otherwise an error. Happens before there is a socket.

Executables only run if no patch file exists at all. A patch file that cannot be loaded is an error to answer with,
never a reason to run something else; the same applies to finding nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from patchlang.executables import ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO

from .config import DEFAULT_PATCHES, Config
from .hooks import Found, look_up
from .log import log
from .status import CallError, from_findings
from .text import one_line

if TYPE_CHECKING:
    from .backends import Backend, Executables
    from .engines import Engines


MakeExecutables = Callable[[dict[str, Found], bool], "Executables"]
"""Makes that backend, from what was found and whether there is a schema to check against."""


class RefusedError(Exception):
    """The sidecar cannot start like this; the text says why."""


def environment() -> dict[bytes, bytes]:
    """The container's environment as it was when this process started: Python itself adds to its own."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return dict(os.environb)
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def find_hooks(path_variable: str) -> list[Found]:
    """What each hook has in ``$PATH``."""
    found = [look_up(hook, path_variable) for hook in (ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO)]
    return [hook for hook in found if hook is not None]


def load_request(config: Config, hooks: list[Found]) -> dict[str, Any]:
    """What the engine should load."""
    return {
        "paths": [str(path) for path in config.patches or (DEFAULT_PATCHES,)],
        "named": bool(config.patches),
        "sha256": list(config.sha256),
        "hook_files": [hook.path for hook in hooks if hook.kind == "patch"],
        "version": config.version,
        "check_domain": None if config.check_domain is None else str(config.check_domain),
        "debug": config.log_level == "debug",
    }


def unusable(hooks: list[Found]) -> CallError | None:
    """The error if something unusable is in a hook's place, whatever else there is."""
    problems = [hook for hook in hooks if hook.kind == "unusable"]
    return _unusable(problems) if problems else None


async def choose(config: Config, hooks: list[Found], engines: Engines, executables: MakeExecutables) -> Backend:
    """What answers. Logs what was found, every diagnostic, and what is skipped. Raises RefusedError."""
    from .backends import Broken, Nothing, Patches, log_findings

    try:
        loaded = await engines.load()
    except CallError as error:
        log.error("%s", error.text)
        return Broken(error)
    log_findings(loaded, len(loaded["findings"]))
    for name, digest in loaded["digests"]:
        log.info("%s", one_line(f"patch file {name}: sha256 {digest}"))
    for hook in hooks:
        if hook.kind == "patch":
            log.info(
                "%s", one_line(f"{hook.path} is not a program (no #! line, not a binary): reading it as a patch file")
            )
    if loaded["errors"]:
        log.error("the patches cannot be loaded: every callback will return the first error")
        return Broken(from_findings(loaded["findings"], loaded["errors"]))
    if "refusal" in loaded:
        log.error("%s", one_line(loaded["refusal"]))
        return Broken(CallError("FAILED_PRECONDITION", loaded["refusal"]))
    if config.check_domain is not None:
        log.info("%s", one_line(f"checking domains against libvirt's schema in {config.check_domain}"))
    programs = [hook for hook in hooks if hook.kind != "patch"]
    if "names" in loaded:
        for hook in programs:
            log.warning("%s", one_line(f"{hook.path} will not run, because there are patch files"))
        files = ", ".join(loaded["holding"])
        log.info("%s", one_line(f"patches: {', '.join(loaded['names'])} (from {files})"))
        return Patches(engines, loaded, config.max_domain_bytes)
    looked_at = ", ".join(str(path) for path in config.patches or (DEFAULT_PATCHES,))
    log.info("%s", one_line(f"no patch file found (looked in {looked_at})"))
    if config.no_fallback:
        for hook in programs:
            log.warning("%s", one_line(f"{hook.path} will not run: --no-fallback"))
        programs = []
    if not programs:
        if config.allow_empty:
            log.warning("neither a patch nor an executable: nothing will change, because of --allow-empty")
            return Nothing()
        return _nothing_to_do(looked_at, config.no_fallback)
    if config.audit:
        raise RefusedError(f"--audit cannot predict what an executable would do, and found {programs[0].path}")
    if config.version is None and all(hook.hook == PRE_CLOUD_INIT_ISO for hook in programs):
        text = (
            f"--plugin-socket alone does not support cloud-init data, which is all that {programs[0].path} edits; "
            "use --version v1alpha3"
        )
        log.error("%s", one_line(text))
        return Broken(CallError("FAILED_PRECONDITION", text))
    return _run(programs, executables, bool(loaded["serves"]))


def _run(programs: list[Found], executables: MakeExecutables, has_schema: bool) -> Backend:
    from .backends import Broken

    problems = [hook for hook in programs if hook.kind != "executable"]
    if problems:
        return Broken(_unusable(problems))
    for found in programs:
        if found.problem:
            log.warning("%s", one_line(f"{found.hook}: {found.problem}, so using {found.path}"))
        log.info("%s", one_line(f"{found.hook}: will run {found.path}"))
    return executables({found.hook: found for found in programs}, has_schema)


def _nothing_to_do(looked_at: str, no_fallback: bool) -> Backend:
    from .backends import Broken

    tried = (
        "and executables do not run (--no-fallback)"
        if no_fallback
        else (f"and no executable {ON_DEFINE_DOMAIN} or {PRE_CLOUD_INIT_ISO} in $PATH")
    )
    text = (
        f"nothing to do: no patch file in {looked_at}, {tried}; check `configMap` in the annotation "
        "hooks.kubevirt.io/hookSidecars, or pass --allow-empty to change nothing"
    )
    log.error("%s", one_line(text))
    return Broken(CallError("FAILED_PRECONDITION", text))


def _unusable(problems: list[Found]) -> CallError:
    for found in problems:
        log.error("%s", one_line(f"{found.hook}: {found.problem}"))
    text = "; ".join(f"{found.hook}: {found.problem}" for found in problems)
    return CallError("FAILED_PRECONDITION", text)


def path_variable(container: Mapping[bytes, bytes]) -> str:
    """``$PATH``."""
    return os.fsdecode(container.get(b"PATH", b""))
