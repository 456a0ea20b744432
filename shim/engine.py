"""The engine process: reads and compiles the patches, then answers one request after the other.

Everything that may take long, fill the memory or crash happens here: YAML, XML, XPath, CEL. The front
(:mod:`shim.engines`) limits the time of each request, kills this process when it is late, and starts another one.
This process only writes frames to the front, and its progress into memory (:mod:`shim.progress`).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import frames, memory, progress

if TYPE_CHECKING:
    import socket

    from patchlang.compile import Program
    from patchlang.diagnostics import Diagnostic
    from patchlang.result import DocumentTrace, EditTrace
    from patchlang.rng.schema import DomainSchema
    from patchlang.source import Span

MAX_TRACE = 1024 * 1024
"""Characters of lines about edits, at level `debug`, per run."""
PATIENCE = 5.0
"""Seconds beyond a request's time after which the process exits by itself, in case nothing kills it."""
MAX_FINDINGS = 200
"""Diagnostics that are sent to the front, besides the total number."""
LARGE = 128 * 1024
"""Bytes of a request after which memory is released; less leaves little behind."""

Reply = tuple[dict[str, Any], list[bytes]]


def serve(connection: socket.socket, noted: int) -> NoReturn:
    """Answers the frames that arrive on ``connection`` until it is closed; ``noted`` is the progress file."""
    status = 0
    try:
        _become_an_engine()
        _answer_all(connection, noted)
    except (OSError, frames.BrokenFrameError):
        status = 1  # the front is gone
    except MemoryError:
        status = frames.NO_MEMORY
    except BaseException:
        status = 2
    os._exit(status)


def _become_an_engine() -> None:
    # The front decides when the engine ends. A terminal sends its signals to both.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what libraries print may contain data
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    with suppress(OSError):  # if /proc is hidden
        Path("/proc/self/oom_score_adj").write_text("1000")


def _answer_all(connection: socket.socket, noted: int) -> None:
    first = frames.receive(connection)
    if first is None:
        return
    head, blobs = first
    limit_memory(head["memory"])
    worker = Worker(head, noted)
    if not _answer(connection, head, lambda: worker.load(blobs)) or not worker.serves:
        return
    limit_memory(head["memory"])
    gc.collect()
    gc.freeze()  # what exists now stays; the collection after each request need not look at it
    requests: dict[str, Callable[..., Reply]] = {
        "domain": worker.define_domain,
        "cloud-init": worker.pre_cloud_init,
        "check": worker.check_domain,
    }
    del first, blobs
    while (frame := frames.receive(connection)) is not None:
        progress.begin(noted)
        head, blobs = frame
        if not _answer(connection, head, partial(requests[head["call"]], *blobs)):
            return
        large = sum(map(len, blobs)) > LARGE
        del frame, head, blobs
        gc.collect()  # a run's documents are in cycles
        if large:
            memory.give_back()


def _answer(connection: socket.socket, head: dict[str, Any], work: Callable[[], Reply]) -> bool:
    """Sends the result of ``work``, or its failure; returns whether the process may continue."""
    signal.setitimer(signal.ITIMER_REAL, head["seconds"] + PATIENCE)
    try:
        reply, results = work()
    except MemoryError:
        reply, results = {"memory": True}, []
    except Exception as error:
        from .log import places

        reply, results = {"bug": places(error)}, []
    signal.setitimer(signal.ITIMER_REAL, 0)
    frames.send(connection, reply, *results)
    return "memory" not in reply


def limit_memory(allowed: int) -> None:
    """As :func:`shim.memory.limit_self`; without ``/proc`` there is no limit."""
    with suppress(OSError, KeyError, ValueError):
        memory.limit_self(allowed)


class Worker:
    """What is loaded, and its operations. Every method may raise MemoryError, and another exception only for a bug."""

    def __init__(self, head: dict[str, Any], noted: int) -> None:
        self._head = head
        self._noted = noted
        self._program: Program | None = None
        self._schema: DomainSchema | None = None
        self._debug: bool = head["debug"]

    @property
    def serves(self) -> bool:
        """Whether there is anything to answer requests with."""
        return self._program is not None or self._schema is not None

    def load(self, blobs: list[bytes]) -> Reply:
        """Finds and compiles the patches; ``blobs`` are their texts if an earlier engine has read them.

        The blobs of the reply are those texts.
        """
        reply, texts = self._load(blobs)
        return {**reply, "serves": self.serves}, texts

    def _load(self, blobs: list[bytes]) -> Reply:
        from patchlang.source import SourceFile

        from . import sources

        head = self._head
        paths = [Path(path) for path in head["paths"]]
        hook_files = [Path(path) for path in head["hook_files"]]
        wanted = sources.Wanted(paths, head["named"], hook_files, head["version"], head["sha256"])
        if blobs:
            names = head["sources"]
            found = [SourceFile(name, blob.decode()) for name, blob in zip(names, blobs, strict=True)]
            texts = sources.Texts(found, [], [])
        else:
            texts = sources.read(wanted)
        reply: dict[str, Any] = {"sources": [text.name for text in texts.sources], "digests": texts.digests}
        reply |= _findings([])
        if head["check_domain"] is not None and (broken := self._load_schema(head["check_domain"])):
            return {**reply, **_findings([broken])}, []
        if not texts.sources and not texts.problems:
            return reply, []
        loaded = sources.load(wanted, texts.sources, texts.problems, self._note)
        reply |= _findings(loaded.diagnostics)
        if loaded.refusal:
            return {**reply, "refusal": loaded.refusal}, []
        if loaded.program is None:
            return reply, []
        self._program = loaded.program
        self._prepare()
        holding = {document.span.source.name for document in loaded.program.documents}
        reply |= {
            "domain": loaded.program.edits_domain,
            "cloud_init": loaded.program.edits_cloud_init,
            "names": loaded.program.names,
            "holding": [text.name for text in texts.sources if text.name in holding],
        }
        return reply, [text.text.encode() for text in texts.sources]

    def define_domain(self, domain: bytes, vmi: bytes) -> Reply:
        """The new domain, checked against the schema if there is one."""
        from patchlang.vmi import check_vmi

        from .pod import ThisPod

        assert self._program is not None
        if not self._program.edits_domain:
            problem = check_vmi(vmi)
            return (_findings([problem]), []) if problem else ({**_findings([]), "changed": False}, [domain])
        if self._schema is None:
            from patchlang.engine import patch_domain

            outcome = patch_domain(self._program, domain, vmi, progress=self._note, pod=ThisPod())
        else:
            from patchlang.rng.check import patch_domain_checked

            pod = ThisPod()
            outcome = patch_domain_checked(self._schema, self._program, domain, vmi, progress=self._note, pod=pod)
        reply = self._report(outcome.diagnostics, outcome.trace)
        if outcome.data is None:
            return reply, []
        return _result(reply, "domain", outcome.data != domain, outcome.data)

    def pre_cloud_init(self, data: bytes, source: bytes, vmi: bytes) -> Reply:
        """The new ``cloudInitData``, and the ``cloudInitNoCloudSource`` with the same content."""
        from patchlang.engine import patch_cloud_init

        from .pod import ThisPod

        assert self._program is not None
        outcome = patch_cloud_init(self._program, data, source, vmi, progress=self._note, pod=ThisPod())
        reply = self._report(outcome.diagnostics, outcome.trace)
        if outcome.data is None or outcome.no_cloud_source is None:
            return reply, []
        return _result(reply, "cloud-init data", outcome.data != data, outcome.data, outcome.no_cloud_source)

    def check_domain(self, before: bytes, after: bytes) -> Reply:
        """What an executable made invalid according to the schema: ``faults``, empty if nothing."""
        from patchlang.diagnostics import PatchError
        from patchlang.rng.faults import Comparison

        assert self._schema is not None
        try:
            faults = [fault for fault in Comparison(self._schema, before).new_faults(after) if fault.sure]
        except PatchError as error:
            return _findings([error.diagnostic]), []
        return {"faults": [f"{fault.path} {fault.says}" for fault in faults[:MAX_FINDINGS]], "count": len(faults)}, []

    def _load_schema(self, folder: str) -> Diagnostic | None:
        from patchlang.diagnostics import PatchError
        from patchlang.rng.schema import DomainSchema

        try:
            self._schema = DomainSchema(Path(folder))
        except PatchError as error:
            return error.diagnostic
        return None

    def _prepare(self) -> None:
        """Imports now what calls need, which would otherwise delay them."""
        import patchlang.engine

        from . import pod  # noqa: F401

        if cel := sys.modules.get("patchlang.cel.library"):  # if an expression has been compiled
            cel.warm_up()
        assert self._program is not None
        if self._program.edits_cloud_init:
            import patchlang.cloudinit.ops
            import patchlang.cloudinit.state  # noqa: F401

    def _note(self, document: str, span: Span) -> None:
        """Tells the front where the work is, whatever happens to this process."""
        progress.write(self._noted, document, str(span))

    def _report(self, diagnostics: tuple[Diagnostic, ...], trace: tuple[DocumentTrace, ...]) -> dict[str, Any]:
        traced = [_traced(document) for document in trace]
        if self._debug:
            room = MAX_TRACE
            for document, said in zip(trace, traced, strict=True):
                said["edits"] = lines = []
                for edit in document.edits:
                    line = _line(edit) if room > 0 else ""
                    room -= len(line)
                    if room > 0:
                        lines.append(line)
                said["left_out"] = len(document.edits) - len(lines)
        return {**_findings(diagnostics), "trace": traced}


def _result(reply: dict[str, Any], what: str, changed: bool, *results: bytes) -> Reply:
    size = sum(map(len, results))
    if size > frames.MAX_RESULT:
        text = f"the new {what} has {size} bytes, more than one gRPC message can hold ({frames.MAX_RESULT} bytes)"
        return {**reply, "refusal": text}, []
    return {**reply, "changed": changed}, list(results)


def _findings(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    found = [
        {"rule": d.rule.id, "error": d.is_error, "text": str(d), "help": d.help or ""}
        for d in sorted(diagnostics, key=lambda d: not d.is_error)[:MAX_FINDINGS]
    ]
    errors = sum(d.is_error for d in diagnostics)
    return {"findings": found, "errors": errors, "warnings": len(diagnostics) - errors}


def _traced(document: DocumentTrace) -> dict[str, Any]:
    reasons = [document.reason, *(f"{edit.label}: {edit.reason}" for edit in document.edits if edit.reason)]
    return {
        "name": document.name,
        "state": document.state.value,
        "matched": document.matched,
        "changed": document.changed,
        "skipped": document.skipped,
        "reasons": [reason for reason in reasons if reason][:MAX_FINDINGS],
    }


def _line(edit: EditTrace) -> str:
    """What an edit did, without values: as ``patchlang apply --trace`` shows it."""
    counts = f"matched {edit.matched}, changed {edit.changed}" + (f", skipped {edit.skipped}" if edit.skipped else "")
    places = f": {', '.join(edit.places[:5])}" if edit.places else ""
    reason = f" ({edit.reason})" if edit.reason else ""
    return f"{edit.span}: {edit.label}: {counts}{reason}{places}"


def main() -> NoReturn:
    """``python -m shim.engine SOCKET PROGRESS``: descriptors that the front hands over."""
    import socket

    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))


if __name__ == "__main__":
    main()
