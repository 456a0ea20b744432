"""What answers the callbacks: the engine with its patches, executables, nothing, or the reason for not answering."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from patchlang.executables import MAX_CLOUD_INIT, ON_DEFINE_DOMAIN, PRE_CLOUD_INIT_ISO

from . import documents, hooks
from .documents import CloudInit, UnreadableError
from .engines import Engines
from .frames import MAX_RESULT
from .hooks import Found
from .log import log
from .programs import Programs
from .status import CallError, describe, from_findings
from .text import one_line

if TYPE_CHECKING:
    from patchlang.quoting import Names

AT_ONCE = 100
"""How many lines are logged before anything else gets its turn."""
MAX_LINES = 20
"""Log lines for the errors of one run, and for its warnings."""


class Outcome(NamedTuple):
    """The documents of the response, and whether the first of them differs from the input."""

    results: list[bytes]
    changed: bool


class Backend(Protocol):
    """One of the backends below. Calls come one at a time, are never canceled, and raise CallError.

    ``documents`` are handed over: a list that the backend empties once it has passed them on.
    """

    serves_domain: bool
    serves_cloud_init: bool

    async def define_domain(self, documents: list[bytes], seconds: float) -> Outcome:
        """From the domain and the VMI, the new domain, within ``seconds``."""

    async def pre_cloud_init(self, documents: list[bytes], seconds: float) -> Outcome:
        """From ``cloudInitData``, ``cloudInitNoCloudSource`` and the VMI, the new first two, within ``seconds``."""

    def stop(self) -> None:
        """Stops whatever is running."""


class Patches:
    """The engine, with a loaded program."""

    def __init__(self, engines: Engines, loaded: Mapping[str, Any], max_domain_bytes: int) -> None:
        self._engines = engines
        self._max_domain_bytes = max_domain_bytes
        self.serves_domain = bool(loaded["domain"])
        self.serves_cloud_init = bool(loaded["cloud_init"])

    async def define_domain(self, documents: list[bytes], seconds: float) -> Outcome:
        size = len(documents[0])
        if size > self._max_domain_bytes:
            raise CallError(
                "RESOURCE_EXHAUSTED",
                f"error[PL506 input-too-big] the domain has {size} bytes, but the limit is {self._max_domain_bytes}; "
                "raise --max-domain-bytes, and the sidecar's memory with it",
            )
        return await self._ask("domain", documents, seconds, "OnDefineDomain")

    async def pre_cloud_init(self, documents: list[bytes], seconds: float) -> Outcome:
        return await self._ask("cloud-init", documents, seconds, "PreCloudInitIso")

    def stop(self) -> None:
        self._engines.stop()

    async def _ask(self, call: str, documents: list[bytes], seconds: float, doing: str) -> Outcome:
        reply, results = await self._engines.ask(call, documents, seconds, doing)
        await _report(reply)
        if "refusal" in reply:
            raise CallError("FAILED_PRECONDITION", reply["refusal"])
        if not results:
            raise from_findings(reply["findings"], reply["errors"])
        return Outcome(results, bool(reply["changed"]))


class Executables:
    """The hook executables that were found; KubeVirt's own way. With ``engines`` a schema checks their output."""

    def __init__(
        self,
        found: Mapping[str, Found],
        environment: Mapping[bytes, bytes],
        programs: Programs,
        engines: Engines | None,
    ) -> None:
        self._found = found
        self._engines = engines
        self._environment = environment
        self._programs = programs
        self.serves_domain = ON_DEFINE_DOMAIN in found
        self.serves_cloud_init = PRE_CLOUD_INIT_ISO in found

    async def define_domain(self, documents_: list[bytes], seconds: float) -> Outcome:
        domain, vmi = documents_
        found = self._found.get(ON_DEFINE_DOMAIN)
        if found is None:
            return Outcome([domain], False)
        until = asyncio.get_running_loop().time() + seconds
        output = await self._call(found, {"vmi": vmi, "domain": domain}, seconds)
        try:
            await documents.check_domain(output)
        except UnreadableError as problem:
            raise hooks.bad_output(found, str(problem)) from None
        if self._engines is not None:
            left = until - asyncio.get_running_loop().time()
            await self._check_by_schema(self._engines, found, [domain, output], max(0.0, left))
        return _printed(found, output != domain, output)

    async def pre_cloud_init(self, documents_: list[bytes], seconds: float) -> Outcome:
        data, source, vmi = documents_
        found = self._found.get(PRE_CLOUD_INIT_ISO)
        if found is None:
            return Outcome([data, source], False)
        output = await self._call(found, {"vmi": vmi, "cloud-init": data}, seconds)
        if len(output) > MAX_CLOUD_INIT:
            raise hooks.bad_output(found, f"has {len(output)} bytes, more than the limit of {MAX_CLOUD_INIT}")
        try:
            printed = CloudInit(output)
            losses = printed.losses(_names(found, data))
        except UnreadableError as problem:
            raise hooks.bad_output(found, str(problem)) from None
        _log_lines(log.warning, [f"output of {found.hook}: {loss}" for loss in losses], len(losses), "warnings")
        return _printed(found, output != data, output, printed.no_cloud_source)

    def stop(self) -> None:
        self._programs.stop()
        if self._engines is not None:
            self._engines.stop()

    async def _call(self, found: Found, arguments: Mapping[str, bytes], seconds: float) -> bytes:
        hooks.check_arguments(found.hook, arguments)
        documents.check_vmi(arguments["vmi"])
        if "cloud-init" in arguments:
            try:
                documents.read_object(arguments["cloud-init"])
            except UnreadableError as problem:
                text = f"error[PL505 bad-cloud-init] the cloud-init data {problem}"
                raise CallError("INVALID_ARGUMENT", text) from None
        return await hooks.call(self._programs, found, arguments, seconds, self._environment)

    async def _check_by_schema(self, engines: Engines, found: Found, both: list[bytes], seconds: float) -> None:
        reply, _ = await engines.ask("check", both, seconds, "checking against the schema")
        if "faults" not in reply:
            raise from_findings(reply["findings"], reply["errors"])
        faults = reply["faults"]
        if faults:
            lines = [
                f"the output of {found.hook} is invalid according to libvirt's schema: {fault}" for fault in faults
            ]
            _log_lines(log.error, lines, reply["count"], "errors")
            more = f" (and {reply['count'] - 1} more)" if reply["count"] > 1 else ""
            raise hooks.bad_output(found, f"is invalid according to libvirt's schema: {faults[0]}{more}")


def _names(found: Found, data: bytes) -> Names:
    """The names in an executable's output that may be quoted: those in its input, and those written in it.

    Any other may be a name that it made from a value.
    """
    from patchlang.quoting import Names

    return Names(inputs=lambda: [documents.read_object(data), dict.fromkeys(hooks.words_in(found))])


def _printed(found: Found, changed: bool, *results: bytes) -> Outcome:
    size = sum(map(len, results))
    if size > MAX_RESULT:
        problem = f"makes a response of {size} bytes, more than one gRPC message can hold ({MAX_RESULT} bytes)"
        raise hooks.bad_output(found, problem)
    return Outcome(list(results), changed)


class Nothing:
    """Nothing to do, on purpose. KubeVirt makes no calls then; a caller gets its input back."""

    serves_domain = False
    serves_cloud_init = False

    async def define_domain(self, documents: list[bytes], seconds: float) -> Outcome:
        return Outcome(documents[:1], False)

    async def pre_cloud_init(self, documents: list[bytes], seconds: float) -> Outcome:
        return Outcome(documents[:2], False)

    def stop(self) -> None:
        """Nothing runs."""


class Broken:
    """What cannot be served: every callback returns the reason, which then reaches the VMI's events.

    Only OnDefineDomain is advertised, since it is always called, and PreCloudInitIso may crash virt-launcher.
    """

    serves_domain = True
    serves_cloud_init = False

    def __init__(self, error: CallError) -> None:
        self.error = error

    async def define_domain(self, documents: list[bytes], seconds: float) -> Outcome:
        raise CallError(self.error.code, self.error.text)

    async def pre_cloud_init(self, documents: list[bytes], seconds: float) -> Outcome:
        raise CallError(self.error.code, self.error.text)

    def stop(self) -> None:
        """Nothing runs."""


def log_findings(reply: Mapping[str, Any], most: int = MAX_LINES) -> None:
    """One log line each, with a limit, so that data with many faults does not fill the log."""
    for is_error, say, what in ((True, log.error, "errors"), (False, log.warning, "warnings")):
        lines = [one_line(describe(finding)) for finding in reply["findings"] if finding["error"] == is_error]
        _log_lines(say, lines, reply[what], what, most)


async def _report(reply: Mapping[str, Any]) -> None:
    """One log line per document, and at level `debug` one per edit; then the problems. Without values."""
    for document in reply.get("trace", ()):
        counts = f"{document['matched']} matched, {document['changed']} changed, {document['skipped']} skipped"
        line = f"patch {document['name']} {document['state']}: {counts}"
        said = "; ".join(document["reasons"])
        say = {"failed": log.error, "ignored": log.warning}.get(document["state"], log.info)
        say("%s", one_line(f"{line} ({said})" if said else line))
        for number, edit in enumerate(document.get("edits", ())):
            log.debug("%s", one_line(edit))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        if document.get("left_out"):
            log.debug("lines of %d more edits omitted", document["left_out"])
    if reply["errors"] != 1:  # if there is only one, the line about the failed call has it
        log_findings(reply)
    else:
        log_findings({**reply, "findings": [f for f in reply["findings"] if not f["error"]], "errors": 0})


def _log_lines(say: Any, lines: Sequence[str], count: int, what: str, most: int = MAX_LINES) -> None:
    for line in lines[:most]:
        say("%s", line)
    left_out = count - min(len(lines), most)
    if left_out > 0:
        say("%d more %s omitted", left_out, what)
