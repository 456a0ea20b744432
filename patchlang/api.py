"""The public Python API: ``import patchlang`` exposes what is here, and docs/compatibility.md promises it.

Results are separate values, so that the engine can change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from . import engine
from .compile import Program as Compiled
from .diagnostics import Diagnostic, PatchError, has_errors
from .extract import read_vmi
from .files import find_patch_files
from .loading import load as load_files
from .podfacts import Given, check_declared
from .record import record
from .render import render
from .result import CloudInitOutcome, DocumentTrace, Outcome
from .result import EditTrace as RunTrace
from .source import Span

StrPath = str | os.PathLike[str]


@record
class Place:
    """A range in a file: lines and columns count from 1, in characters; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@record
class Finding:
    """One finding. ``rule`` is its id (``PL401``), whose meaning never changes, ``name`` the id in words.

    ``message`` and ``help`` are for people: their wording may change in any release. ``patch`` is the patch name,
    ``manifest`` the Kubernetes object that contains it, if known. ``str()`` gives one line.
    """

    rule: str
    name: str
    severity: Literal["error", "warning", "advice"]
    message: str
    help: str | None = None
    place: Place | None = None
    patch: str | None = None
    manifest: str | None = None

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.severity}[{self.rule} {self.name}] {self.message}"


class LoadError(Exception):
    """Patches that cannot be loaded; ``findings`` say why. ``str()`` shows them as the command line does."""

    def __init__(self, findings: tuple[Finding, ...], text: str) -> None:
        super().__init__(text)
        self.findings = findings


@record
class EditTrace:
    """What one edit did: it ran for ``ran`` items, ``matched`` that many nodes and ``changed`` that many of them.

    ``label`` is its name or its place in the patch, ``reason`` explains why it did nothing, ``places`` are paths of the
    first matched nodes. Nested edits follow it in the trace.
    """

    label: str
    place: Place
    ran: int
    matched: int
    changed: int
    skipped: int
    reason: str | None
    places: tuple[str, ...]


@record
class PatchTrace:
    """What one patch did; ``reason`` explains why it was skipped, was ignored or failed."""

    name: str
    place: Place
    priority: int
    state: Literal["applied", "skipped", "ignored", "failed"]
    reason: str | None
    edits: tuple[EditTrace, ...]


@record
class DomainResult:
    """The result for a domain: ``data`` is the new XML, or None if a patch failed, since nothing is half applied.

    ``diagnostics`` are the error in that case, otherwise warnings; ``trace`` has the patches that ran, in order.
    """

    data: bytes | None
    diagnostics: tuple[Finding, ...]
    trace: tuple[PatchTrace, ...]


@record
class CloudInitResult:
    """The result for cloud-init data: like that of a domain, but ``data`` is the JSON of KubeVirt's ``CloudInitData``.

    ``no_cloud_source`` is the JSON of the older ``CloudInitNoCloudSource``, with the same content.
    """

    data: bytes | None
    no_cloud_source: bytes | None
    diagnostics: tuple[Finding, ...]
    trace: tuple[PatchTrace, ...]


class Program:
    """Loaded patches, ready to be applied any number of times; :func:`load` creates one. Threads may share it.

    A VMI is the JSON of a VirtualMachineInstance or of a VirtualMachine, as bytes or as a mapping;
    without one, an empty VMI is used. ``facts`` are the pod facts that patches declare, as ``env.NAME`` and
    ``files.NAME``. Problems with patches or input, including an undeclared fact, are in the result.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def __repr__(self) -> str:
        return f"<patchlang.Program {', '.join(self.names)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the patches, in the order in which they run."""
        return self._compiled.names

    @property
    def facts(self) -> frozenset[str]:
        """The pod facts that the patches read: ``env.NAME`` and ``files.NAME``."""
        return self._compiled.facts

    @property
    def edits_domain(self) -> bool:
        """Whether any patch edits the domain."""
        return self._compiled.edits_domain

    @property
    def edits_cloud_init(self) -> bool:
        """Whether any patch edits cloud-init data."""
        return self._compiled.edits_cloud_init

    def apply_domain(
        self,
        domain: bytes,
        vmi: Mapping[str, Any] | bytes = b"{}",
        *,
        facts: Mapping[str, str | bytes] | None = None,
    ) -> DomainResult:
        """Apply the domain edits as the sidecar does, byte for byte. ``domain`` is XML as printed by ``virsh dumpxml``.

        Raises TypeError if a mapping contains what JSON cannot represent.
        """
        outcome: Outcome
        try:
            outcome = engine.patch_domain(self._compiled, domain, _vmi(vmi), pod=self._pod(facts))
        except PatchError as e:
            outcome = Outcome(None, (e.diagnostic,))
        return DomainResult(outcome.data, _findings(outcome.diagnostics), _traces(outcome.trace))

    def apply_cloud_init(
        self,
        data: bytes,
        vmi: Mapping[str, Any] | bytes = b"{}",
        *,
        no_cloud_source: bytes = b"",
        facts: Mapping[str, str | bytes] | None = None,
    ) -> CloudInitResult:
        """Apply the cloud-init edits as the sidecar does, byte for byte.

        ``data`` is the JSON of KubeVirt's ``CloudInitData``, ``no_cloud_source`` that of the older
        ``CloudInitNoCloudSource``; either may be empty. Raises TypeError if JSON cannot represent a mapping.
        """
        outcome: CloudInitOutcome
        try:
            pod = self._pod(facts)
            outcome = engine.patch_cloud_init(self._compiled, data, no_cloud_source, _vmi(vmi), pod=pod)
        except PatchError as e:
            outcome = CloudInitOutcome(None, None, (e.diagnostic,))
        diagnostics, trace = _findings(outcome.diagnostics), _traces(outcome.trace)
        return CloudInitResult(outcome.data, outcome.no_cloud_source, diagnostics, trace)

    def _pod(self, facts: Mapping[str, str | bytes] | None) -> Given:
        given = dict(facts or {})
        for name in given:
            check_declared(name, self._compiled.facts)
        return Given(
            {
                name: text.encode(errors="surrogateescape") if isinstance(text, str) else text
                for name, text in given.items()
            }
        )


def load(paths: StrPath | Iterable[StrPath]) -> Program:
    """Load patch files, and the ``*.yaml`` and ``*.yml`` files of folders, as one set.

    Raises LoadError with everything that is wrong with them.
    """
    named = [Path(path) for path in _several(paths)]
    files, errors = find_patch_files(named, required=True)
    loaded = load_files(files)
    diagnostics = (*errors, *loaded.diagnostics)
    if loaded.program is None or has_errors(errors):
        raise LoadError(_findings(diagnostics), render(diagnostics))
    return Program(loaded.program)


def validate(
    paths: StrPath | Iterable[StrPath],
    *,
    kubevirt: str | None = None,
    libvirt: str | None = None,
    plugins: bool = False,
) -> tuple[Finding, ...]:
    """What ``patchlang validate`` finds in files, folders (recursively) and patterns, in order.

    As there, folders are searched without what git ignores; no configuration is read.

    ``kubevirt`` and ``libvirt`` are versions, as for ``--kubevirt`` and ``--libvirt``, with the same defaults;
    ``plugins``: the cluster uses Plugins. Raises ValueError for an unknown version.
    """
    from .grammar.index import named, versions
    from .kubevirt.advice import FIRST_WITH_PLUGINS
    from .kubevirt.structs import releases
    from .validation.discovery import find
    from .validation.leftout import LeftOut
    from .validation.options import Options
    from .validation.run import validate_files

    known = releases()[releases().index(FIRST_WITH_PLUGINS) :] if plugins else releases()
    if kubevirt is not None and kubevirt not in known:
        raise ValueError(f"unknown KubeVirt {kubevirt}; known: {', '.join(known)}")
    if libvirt is None:
        grammar: str | None = versions()[-1]
    elif libvirt == "none":
        grammar = None
    elif (grammar := named(libvirt)) is None:
        raise ValueError(f"unknown libvirt {libvirt}; known: {', '.join(versions())}, or none")
    inputs, errors = find([os.fspath(path) for path in _several(paths)], LeftOut())
    report = validate_files(inputs, errors, options=Options(kubevirt or known[0], plugins, grammar, kubevirt))
    return _findings(diagnostic for file in report for diagnostic in file.diagnostics)


def _several(paths: StrPath | Iterable[StrPath]) -> list[StrPath]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)


def _vmi(vmi: Mapping[str, Any] | bytes) -> bytes:
    """The VMI as JSON. Raises PatchError (PL504)."""
    if isinstance(vmi, bytes):
        return read_vmi(vmi)
    try:
        return read_vmi(json.dumps(dict(vmi)).encode())
    except (ValueError, RecursionError) as e:
        raise TypeError(f"the VMI is not JSON: {e}") from None


def _findings(diagnostics: Iterable[Diagnostic]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            one.rule.id,
            one.rule.slug,
            one.severity.value,
            one.message,
            one.help,
            _place(one.span) if one.span else None,
            one.patch,
            one.manifest,
        )
        for one in diagnostics
    )


def _traces(traces: Iterable[DocumentTrace]) -> tuple[PatchTrace, ...]:
    return tuple(
        PatchTrace(
            one.name,
            _place(one.span),
            one.priority,
            one.state.value,
            one.reason,
            tuple(map(_edit, one.edits)),
        )
        for one in traces
    )


def _edit(one: RunTrace) -> EditTrace:
    places = tuple(one.places)
    return EditTrace(one.label, _place(one.span), one.ran, one.matched, one.changed, one.skipped, one.reason, places)


def _place(span: Span) -> Place:
    begin, end = span.begin, span.finish
    return Place(span.source.name, begin.line, begin.column, end.line, end.column)
