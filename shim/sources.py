"""Decides what serves the hooks: patch files, else executables, else nothing.

Executables run only where no patch file exists at all. A patch file that cannot be loaded is an error to answer with,
never a reason to run something else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from patchlang import rules
from patchlang.compile import Program
from patchlang.diagnostics import Diagnostic, PatchError, has_errors
from patchlang.load import find_patch_files, load_sources, read_sources
from patchlang.record import replace
from patchlang.source import SourceFile

from .backends import Backend, Broken, Executables, Nothing, Patches
from .config import DEFAULT_PATCHES, Config
from .executables import ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO, Found, Kind, look_up
from .log import log
from .status import CallError, describe, from_diagnostics, internal
from .text import one_line

if TYPE_CHECKING:
    from patchlang.domainschema import DomainSchema

MAX_READS = 5
"""How often a volume that changes while it is read is read again."""


def find(config: Config, environment: Mapping[str, str]) -> Backend:
    """What shall answer. Logs what was found, every diagnostic, and what is passed over. Raises nothing."""
    try:
        return _find(config, environment)
    except Exception as error:
        return Broken(internal(error, "loading the patches"))


def _find(config: Config, environment: Mapping[str, str]) -> Backend:
    at_hooks = [look_up(hook, environment.get("PATH", "")) for hook in (ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO)]
    hooks = [found for found in at_hooks if found is not None]
    texts = _read(config.patches or (DEFAULT_PATCHES,), bool(config.patches), hooks)
    try:
        schema = None if config.check_domain is None else _schema(config.check_domain)
    except PatchError as error:
        log.error("%s", one_line(describe(error.diagnostic)))
        return Broken(from_diagnostics([error.diagnostic]))
    if texts.files or texts.problems:
        return _patches(texts, hooks, config.version, schema)
    programs = [found for found in hooks if found.kind is not Kind.PATCH]
    looked_at = ", ".join(str(path) for path in config.patches or (DEFAULT_PATCHES,))
    log.info("%s", one_line(f"no patch file (looked at {looked_at})"))
    if config.no_fallback:
        for found in programs:
            log.warning("%s", one_line(f"{found.path} is not run: --no-fallback"))
        return Nothing()
    return _executables(programs, environment, schema)


def _schema(folder: Path) -> DomainSchema:
    from patchlang.domainschema import DomainSchema

    schema = DomainSchema(folder)
    log.info("%s", one_line(f"domains are checked by libvirt's schema in {folder}"))
    return schema


@dataclass(frozen=True, slots=True)
class _Texts:
    """The patch files, what is in them, and those that could not be read."""

    files: list[Path]
    sources: list[SourceFile]
    problems: list[Diagnostic]


def _read(paths: Sequence[Path], named: bool, hooks: Sequence[Found]) -> _Texts:
    """All patch files as they were at one time: a volume that is updated meanwhile is read again."""
    for _ in range(MAX_READS):
        before = _versions(paths)
        files, problems = find_patch_files(paths, required=named)
        files = _with_hook_files(files, hooks)
        sources, unreadable = read_sources(files)
        if _versions(paths) == before:
            return _Texts(files, sources, [*problems, *unreadable])
    changing = Diagnostic(rules.UNREADABLE, "the patch files change while they are read", help="start the VM anew")
    return _Texts(files, sources, [changing])


def _versions(paths: Sequence[Path]) -> list[str | None]:
    """What the link ``..data`` in each folder points at, which the kubelet swaps when a volume's content changes."""
    found: list[str | None] = []
    for path in paths:
        try:
            found.append(os.readlink(path / "..data"))
        except OSError:
            found.append(None)
    return found


def _with_hook_files(files: Sequence[Path], hooks: Sequence[Found]) -> list[Path]:
    """``files`` and the patch files at the executables' places that are not among them yet."""
    found = list(files)
    known = {path.resolve() for path in found}
    for hook in hooks:
        if hook.kind is Kind.PATCH and hook.path.resolve() not in known:
            log.info("%s", one_line(f"{hook.path} is no program (no #! line, no binary): read as a patch file"))
            known.add(hook.path.resolve())
            found.append(hook.path)
    return found


def _patches(texts: _Texts, hooks: Sequence[Found], version: str | None, schema: DomainSchema | None) -> Backend:
    for hook in hooks:
        if hook.kind is not Kind.PATCH:
            log.warning("%s", one_line(f"{hook.path} is not run, since there are patch files"))
    program, found = load_sources(texts.sources, texts.problems)
    at_hooks = {str(hook.path) for hook in hooks if hook.kind is Kind.PATCH}
    diagnostics = [_explained(d, at_hooks) for d in found]
    for diagnostic in diagnostics:
        say = log.error if diagnostic.is_error else log.warning
        say("%s", one_line(describe(diagnostic)))
    if has_errors(diagnostics):
        log.error("the patches cannot be loaded: every callback will be answered with the first error")
        return Broken(from_diagnostics(diagnostics))
    if program is None:
        raise AssertionError("neither a program nor an error")
    if program.edits_cloud_init and version in (None, "v1alpha1"):
        return _half_served(program, version)
    holding = {document.span.source.name for document in program.documents}
    files = ", ".join(str(file) for file in texts.files if str(file) in holding)
    log.info("%s", one_line(f"patches: {', '.join(program.names)} (from {files})"))
    return Patches(program, lambda: _again(texts.sources), schema)


def _half_served(program: Program, version: str | None) -> Backend:
    """Cloud-init edits that no call would ever apply: the VM would start half-patched."""
    names = ", ".join(d.name for d in program.documents if d.cloud_init)
    served = f"--version {version}" if version else "--plugin-socket alone"
    text = f"{served} has no call for cloud-init data, which is edited by: {names}; use --version v1alpha3"
    log.error("%s", one_line(text))
    return Broken(CallError(grpc.StatusCode.FAILED_PRECONDITION, text))


def _again(sources: Sequence[SourceFile]) -> Program | None:
    """The program compiled anew from the same texts, whatever became of their files; None where that fails."""
    try:
        return load_sources(sources)[0]
    except Exception as error:
        internal(error, "loading the patches again")
        return None


def _explained(diagnostic: Diagnostic, at_hooks: set[str]) -> Diagnostic:
    """Says why a file was read as a patch, in case its author meant a script and forgot the first line."""
    if diagnostic.span is None or diagnostic.span.source.name not in at_hooks:
        return diagnostic
    why = "the file is read as a patch because it has no `#!` line"
    return replace(diagnostic, help=f"{diagnostic.help}; {why}" if diagnostic.help else why)


def _executables(programs: Sequence[Found], environment: Mapping[str, str], schema: DomainSchema | None) -> Backend:
    unusable = [found for found in programs if found.kind is Kind.UNUSABLE]
    for found in unusable:
        log.error("%s", one_line(f"{found.hook}: {found.problem}"))
    if unusable:
        text = "; ".join(f"{found.hook}: {found.problem}" for found in unusable)
        return Broken(CallError(grpc.StatusCode.FAILED_PRECONDITION, text))
    if not programs:
        log.warning("no executable either: nothing will be changed")
        return Nothing()
    for found in programs:
        log.info("%s", one_line(f"{found.hook}: {found.path} will be run"))
    return Executables({found.hook: found for found in programs}, environment, schema)
