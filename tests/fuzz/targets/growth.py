"""Growth is counted before it happens: a refused run has used no more than three times the limit."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from random import Random
from typing import Any

from patchlang.budget import LIMIT
from patchlang.engine import patch_cloud_init, patch_domain

from .. import laws, seeds
from ..target import Parts, Target
from . import patches

_LEAST, _MOST = 4, 20
"""Powers of two: the characters of a value."""


def _make(random: Random) -> Parts:
    """Values that double from one variable to the next, written to many nodes, many times, in many loops."""
    power = random.randrange(_LEAST, _MOST + 1)
    first = "x" * 2**_LEAST
    variables = [{"name": f"v{_LEAST}", "expression": f"'{first}'"}]
    variables += [{"name": f"v{n + 1}", "expression": f"variables.v{n} + variables.v{n}"} for n in range(_LEAST, power)]
    value, kind = f"$[ variables.v{power} ]", "domain" if random.random() < 0.7 else "cloudInit"
    edits = [_of_domain(random, value) if kind == "domain" else _of_cloud_init(random, value) for _ in range(2)]
    for edit in edits:
        if random.random() < 0.3:
            edit["forEach"] = f"range({_times(random)})"
    tree = {"spec": {"variables": variables}}
    parts = {"patch.yaml": patches.written(random, tree, kind, edits), "vmi.json": b"{}"}
    if kind == "cloudInit":
        return {**parts, "cloud-init.json": seeds.NO_CLOUD_INIT}
    nodes = _times(random)
    flat = "<domain><name>a</name>" + "<a x='1'><b/></a>" * nodes + "</domain>"
    deep = "<domain><name>a</name>" + "<a x='1'>" * min(nodes, 100) + "</a>" * min(nodes, 100) + "</domain>"
    return {**parts, "domain.xml": random.choice((flat, flat, deep)).encode()}


def _times(random: Random) -> int:
    """A count small enough that an edit of each node for each node finishes within seconds."""
    return int(2 ** (random.random() * 9))


def _of_domain(random: Random, value: str) -> dict[str, Any]:
    nodes, many = random.choice(("//*", "//a", "/domain", "//a[1]", "//b")), _times(random)
    expect = {"expect": "0+"}
    fragment = random.choice((f"<n x='{value}'>{value}</n>", "<n><m/></n>", f"<n>{value * 3}</n>", "<n/>")) * many
    lists = random.choice(("xpath('//*')", f"range({many})", "xpath('//a/@x')"))
    return random.choice((
        {"op": "add", "path": nodes, "xml": fragment, **expect},
        {"op": "merge", "path": nodes, "xml": fragment[:60_000] if many < 9 else "<n/>", **expect},
        {"op": "replace", "path": random.choice(("//a", "//b")), "xml": fragment, **expect},
        {"op": "set", "path": f"{nodes}/@y", "value": value * min(many, 50), **expect},
        {"op": "set", "path": nodes, "value": value, **expect, "allowProtected": True},
        {"op": "ensure", "in": nodes, "path": f"n[@y='{value}']/m/@z", "value": value, **expect},
        {"op": "copy", "from": random.choice(("/domain/a[1]", "//a")), "path": nodes, **expect},
        {"op": "qemuArgs", "args": [value] * min(many, 200)},
        {"op": "rename", "path": "//a", "to": "n", **expect},
        {"op": "set", "path": f"{nodes}/@y", "value": "$[ item ]", "forEach": lists, **expect},
    ))  # fmt: skip


def _of_cloud_init(random: Random, value: str) -> dict[str, Any]:
    many, at = _times(random), {"target": "userData"}
    return random.choice((
        {"op": "ensure", **at, "path": f"/l/{random.choice(('-', '[name=$[ string(index) ]]', '[=' + value + ']'))}",
         "value": value},
        {"op": "ensure", **at, "path": "/k$[ string(index) ]", "value": [value] * min(many, 200)},
        {"op": "copy", **at, "from": "/users", "path": "/users/-"},
        {"op": "copy", **at, "from": "", "path": "/x$[ string(index) ]"},
        {"op": "merge", **at, "path": "", "value": {"a": {value: [value, value]}}},
        {"op": "addPart", "contentType": "text/x-shellscript", "filename": "a", "content": value * min(many, 50)},
        {"op": "replace", "path": "/UserData", "value": "#cloud-config\na: " + value * min(many, 50)},
        {"op": "replace", "path": "/UserData", "value": f"#cloud-config\na: [{'[],' * many}]\nb: {value}"},
    ))  # fmt: skip


def _check(parts: Parts) -> str:
    program = patches.loaded(parts)
    if program is None:
        return laws.REFUSED
    before = _settled()
    outcome: Any
    if "domain.xml" in parts:
        outcome = patch_domain(program, parts["domain.xml"], parts["vmi.json"])
    else:
        outcome = patch_cloud_init(program, parts["cloud-init.json"], b"", parts["vmi.json"])
    peak = _status("VmHWM") - before
    if outcome.data is None:
        laws.require(
            peak <= 3 * LIMIT, f"an edit that is refused takes more than three times the limit: {peak >> 20} MiB"
        )
    return laws.shown(outcome.diagnostics, refused=outcome.data is None)


def _settled() -> int:
    """The memory of the process after it returned all free memory to the kernel, which now restarts the peak."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) << 10


TARGETS = (Target("growth", 1, _make, _check),)
