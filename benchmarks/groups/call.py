"""One call over the socket, with patches and with hook executables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from xml.etree.ElementTree import canonicalize

from patchlang.engine import patch_domain
from patchlang.loading import load

from .. import documents
from ..cgroup import SHARE, Cage, Unavailable, cage
from ..context import Context
from ..measure import figures, interleaved, rounded
from ..results import Breakdown, Group, Row
from ..sidecar import SOCKET, Sidecar, alone, define_domain, hook_folder, shim

ROUNDS = 200
HOOKS = {
    "the user guide's shell script": "guide.sh",
    "a bare sed": "sed.sh",
    "the user guide's Python script": "script.py",
}
REACH = {"a bare sed": 0.5, "the user guide's shell script": 0.5, "the user guide's Python script": 0.1}
OURS, ECHO, ENGINE = "patch", "an empty in-process echo", "the engine, in this process"

ABOUT = """\
Three entries of the base board of a real domain, sent by a client that opens a new connection for each call, as
virt-launcher does. The patch takes one entry from an annotation of the VMI (a `when` and a value in CEL). The hooks
have it hard-coded, and run in the sidecar's fallback. A hook alone is the same executable as a process, without
sidecar and gRPC, so that a slow fallback cannot flatter us. A bare server is a gRPC server in asyncio that runs the
executable and does nothing else. The echo is a gRPC server in Python that returns its input. All servers run in one
cgroup, as in a container; a hook alone does not. Before anything is timed, all results are compared."""


def measure(context: Context) -> Group:
    domain, vmi = documents.domain(), documents.vmi()
    with context.scratch() as scratch, ExitStack() as running:
        container: Cage | None = None
        with suppress(Unavailable):
            container = running.enter_context(cage(SHARE))
        actions = _actions(context, scratch, running, container, domain, vmi)
        compare({name: action for name, action in actions.items() if name != ECHO}, domain)
        taken = interleaved(actions, ROUNDS)
    found = figures(taken)
    ours, echo, engine = found[OURS], found[ECHO], found[ENGINE]
    rows = [Row("a call", "ms", ours, f"fallback with {hook}", found[hook], REACH[hook]) for hook in HOOKS]
    rows += [Row("a call", "ms", ours, f"{hook}, the process alone", found[_alone(hook)]) for hook in HOOKS]
    rows += [
        Row(f"fallback with {hook}", "ms", found[hook], "a bare server", found[_bare(hook)], 1.3) for hook in HOOKS
    ]
    rows.append(Row("a call", "ms", ours, ECHO, echo, 2.0))
    shim = max(0.0, ours.median - echo.median - engine.median)
    where = (
        ("gRPC on both sides (the echo)", echo.median),
        ("the engine", engine.median),
        ("the rest of the sidecar: communication between processes, log, garbage collection", shim),
    )
    size = f"{len(domain) / 1000:.1f} KB"
    return Group(
        "call",
        f"One call, {size} of domain",
        ABOUT,
        tuple(rows),
        breakdowns=(Breakdown("Where a call's time goes", "ms", where),),
        samples=rounded(taken),
    )


def _alone(hook: str) -> str:
    return f"{hook}, alone"


def _bare(hook: str) -> str:
    return f"{hook}, under a bare server"


def _actions(
    context: Context, scratch: Path, running: ExitStack, container: Cage | None, domain: bytes, vmi: bytes
) -> dict[str, Callable[[], bytes]]:
    actions: dict[str, Callable[[], bytes]] = {}

    def serve(name: str, command: Callable[[Path], list[str]], search: Path | None = None) -> None:
        folder = scratch / f"hooks-{len(actions)}"
        sidecar = running.enter_context(Sidecar(folder, command(folder), search, container))
        actions[name] = lambda: define_domain(sidecar.socket, domain, vmi)

    def server(module: str, *arguments: str) -> Callable[[Path], list[str]]:
        return lambda folder: [str(context.python), "-m", f"benchmarks.{module}", str(folder / SOCKET), *arguments]

    documents.write_patches(scratch / "patches", documents.WITH_CEL, 1)
    serve(OURS, lambda folder: shim(context.python, folder, scratch / "patches"))
    serve(ECHO, server("echo"))
    for hook, file in HOOKS.items():
        search = hook_folder(scratch / f"bin-{file}", "onDefineDomain", file)
        executable = search / "onDefineDomain"
        serve(hook, lambda folder: shim(context.python, folder, None), search)
        serve(_bare(hook), server("runner", str(executable)), search)
        actions[_alone(hook)] = alone(executable, "--vmi", vmi.decode(), "--domain", domain.decode())
    program = load(list((scratch / "patches").iterdir())).program
    assert program is not None
    actions[ENGINE] = lambda: patch_domain(program, domain, vmi).data or b""
    return actions


def compare(actions: Mapping[str, Callable[[], bytes]], plain: bytes) -> None:
    """All results must be the same document, and it must differ from ``plain``. Raises AssertionError."""
    outcomes = {name: _canonical(action()) for name, action in actions.items()}
    wanted = outcomes[OURS]
    if wanted == _canonical(plain):
        raise AssertionError("the patch changes nothing")
    different = [name for name, outcome in outcomes.items() if outcome != wanted]
    if different:
        raise AssertionError(f"not the result of the patch: {', '.join(different)}")


def _canonical(domain: bytes) -> str:
    """The document without differences in indentation, quotes and prefixes."""
    return str(canonicalize(domain.decode(), strip_text=True, rewrite_prefixes=True))
