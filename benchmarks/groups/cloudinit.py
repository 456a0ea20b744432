"""One edit of a large cloud-config, compared with scripts that load and dump the YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import yaml

from patchlang.compile import Program
from patchlang.engine import patch_cloud_init

from .. import documents
from ..context import Context
from ..hotspots import hotspots
from ..measure import figures, interleaved, rounded
from ..results import Group, Row
from ..sidecar import Sidecar, alone, hook_folder, pre_cloud_init, shim
from .engine import compiled

ROUNDS = 25
SIZE = 64 * 1024
SCRIPTS = {
    "a Python script (yaml.safe_load, safe_dump)": "cloudinit.py",
    "the same with libyaml (CSafeLoader, CSafeDumper)": "cloudinit_libyaml.py",
}
REACH = 0.3
OURS, ENGINE = "patch", "the engine, in this process"
PATCH = (documents.INPUTS / "bootcmd.yaml").read_text()

ABOUT = """\
`ensure` of a command in `bootcmd` of a cloud-config of 64 KB. The patch changes only the lines that it must and keeps
all others with their comments; the scripts load the YAML, append the command, and dump the YAML, with PyYAML's own
parser, as most scripts do, and with libyaml's. They run in the fallback and alone, as processes."""


def measure(context: Context) -> Group:
    data, vmi = cloud_init_data(SIZE), documents.vmi()
    with context.scratch() as scratch, ExitStack() as running:
        actions = _actions(context, scratch, running, data, vmi)
        compare(actions)
        taken = interleaved(actions, ROUNDS, warm_up=1)
    found = figures(taken)
    ours = found[OURS]
    rows = [Row("a call", "ms", ours, f"fallback with {name}", found[name], REACH) for name in SCRIPTS]
    rows += [Row("a call", "ms", ours, f"{name}, the process alone", found[_alone(name)]) for name in SCRIPTS]
    rows.append(Row("the engine alone", "ms", found[ENGINE]))
    work = partial(run, compiled([PATCH]), data, vmi)
    spent = hotspots("Self time of the engine by function", work, 10)
    return Group("cloudinit", "Cloud-init", ABOUT, tuple(rows), breakdowns=(spent,), samples=rounded(taken))


def cloud_init_data(size: int) -> bytes:
    """What KubeVirt sends for a VM whose cloud-config writes enough files to have exactly ``size`` bytes."""
    data = json.loads((documents.BASE / "nocloud-cloudconfig.cloudinit.json").read_bytes())
    lines = [data["UserData"].rstrip("\n").partition("\nwrite_files:")[0], "write_files:"]
    number, length = 0, sum(len(line) + 1 for line in lines)
    while True:
        number += 1
        entry = (
            f"  - path: /etc/app/conf.d/{number:04}.conf  # of the application\n"
            f"    owner: root:root\n    permissions: '0640'\n    content: |\n"
            f"      [section-{number}]\n      listen = 10.0.{number % 256}.1:{8000 + number}\n      enabled = yes"
        )
        if length + len(entry) + 1 > size:
            break
        lines.append(entry)
        length += len(entry) + 1
    return json.dumps({**data, "UserData": "\n".join(lines) + "\n"}, separators=(",", ":")).encode()


def run(program: Program, data: bytes, vmi: bytes) -> bytes:
    outcome = patch_cloud_init(program, data, b"", vmi)
    if outcome.data is None:
        raise AssertionError(f"the patch fails: {outcome.diagnostics[0]}")
    return outcome.data


def _alone(name: str) -> str:
    return f"{name}, alone"


def _actions(
    context: Context, scratch: Path, running: ExitStack, data: bytes, vmi: bytes
) -> dict[str, Callable[[], bytes]]:
    actions: dict[str, Callable[[], bytes]] = {}
    libraries = Path(yaml.__file__).parents[1]

    def serve(name: str, patches: Path | None, search: Path | None = None) -> None:
        hooks = scratch / f"hooks-{len(actions)}"
        sidecar = running.enter_context(
            Sidecar(hooks, shim(context.python, hooks, patches), search, libraries=libraries)
        )
        actions[name] = partial(pre_cloud_init, sidecar.socket, data, vmi)

    documents.write_patches(scratch / "patches", PATCH, 1)
    serve(OURS, scratch / "patches")
    for name, file in SCRIPTS.items():
        search = hook_folder(scratch / f"bin-{file}", "preCloudInitIso", file)
        serve(name, None, search)
        arguments = ("--vmi", vmi.decode(), "--cloud-init", data.decode())
        actions[_alone(name)] = alone(search / "preCloudInitIso", *arguments, libraries=libraries)
    actions[ENGINE] = partial(run, compiled([PATCH]), data, vmi)
    return actions


def compare(actions: dict[str, Callable[[], bytes]]) -> None:
    """All results must be the same cloud-config. Raises AssertionError."""
    outcomes = {name: yaml.load(json.loads(action())["UserData"], yaml.CSafeLoader) for name, action in actions.items()}
    different = [name for name, outcome in outcomes.items() if outcome != outcomes[OURS]]
    if different or outcomes[OURS]["bootcmd"][-1] != ["echo", "patched"]:
        raise AssertionError(f"not the result of the patch: {', '.join(different)}")
