"""Growth is counted before it happens: a refused run takes at most three times its limit, whatever the edits.

Measured in a separate process, by the kernel: the memory of Python, libxml2, libyaml and CEL.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from patchlang.budget import LIMIT

ROOT = Path(__file__).parents[1]
FLOOR = 6 << 20
"""Other memory of a run: the domain, and the modules that load on first use of a feature."""

RUNNER = """
import ctypes, gc, json, sys
from patchlang import engine
from patchlang.loading import load_sources
from patchlang.source import SourceFile

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))

for line in sys.stdin:
    given = json.loads(line)
    program, found = load_sources([SourceFile("patch.yaml", json.dumps(given["patch"]))])
    if program is None:
        too_big = {d.rule.id for d in found if d.is_error} == {"PL413"}
        print(json.dumps([0, ["PL413" if too_big else "not loaded"], [d.message for d in found]]), flush=True)
        continue
    data, vmi = given["data"].encode(), json.dumps(given["vmi"]).encode()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # resets the peak
    before = memory("VmRSS")
    if given["kind"] == "domain":
        outcome = engine.patch_domain(program, data, vmi)
    else:
        outcome = engine.patch_cloud_init(program, data, b"", vmi)
    peak = memory("VmHWM") - before
    found = [d.rule.id for d in outcome.diagnostics], [d.message for d in outcome.diagnostics]
    print(json.dumps([peak, *found]), flush=True)
    del outcome, data, vmi, given
"""


class Runner:
    """Runs patches one by one and reports how much memory each took."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def run(self, given: dict[str, Any]) -> tuple[int, list[str], list[str]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(given), file=self.process.stdin, flush=True)
        peak, found, messages = json.loads(self.process.stdout.readline())
        assert found != ["not loaded"], messages
        return peak, found, messages


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pytest.skip("the kernel does not let a process reset its peak memory")
    started = Runner()
    with started.process:
        yield started
        assert started.process.stdin is not None
        started.process.stdin.close()


def patch(edits: list[dict[str, Any]], variables: int, kind: str) -> dict[str, Any]:
    texts = [{"name": f"v{n}", "expression": f"vmi.spec.text + string({n})"} for n in range(variables)]
    spec: dict[str, Any] = {"variables": texts} if texts else {}
    return {
        "apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "growing"}, "spec": {**spec, kind: edits},
    }  # fmt: skip


sizes = st.sampled_from((1, 3, 30, 300, 3000))
few = st.sampled_from((1, 3, 30, 300))
NAMED = ("vmi.metadata.name", "vmi.spec.text")
# inside one expression, not these limits but the memory of the process ends growth (PL417): no new text in its loops
named = st.sampled_from(NAMED)
texts = st.sampled_from((*NAMED, "vmi.spec.text + vmi.metadata.name"))


@st.composite
def domain_edits(draw: st.DrawFn) -> dict[str, Any]:
    hole, path = f"$[ {draw(texts)} ]", draw(st.sampled_from(("//*", "//a", "/domain")))
    many = {"expect": "0+"}
    edits: list[dict[str, Any]] = [
        {"op": "add", "path": path, "xml": "<b><c/></b>" * draw(sizes), **many},
        {"op": "add", "path": path, "xml": f"<b d='{hole}'>{hole}</b>" * draw(few), **many},
        {"op": "replace", "path": "//a", "xml": f"<a x='{hole}'/>" + "<b/>" * draw(sizes), **many},
        {"op": "merge", "path": path, "xml": "".join(f"<m{n} x='{hole}'/>" for n in range(draw(few))), **many},
        {"op": "set", "path": "//a/@x", "value": hole * draw(few), **many},
        {"op": "set", "path": "//a", "value": f"{hole}!", **many},
        {"op": "ensure", "in": "//a", "path": "b/c/@d", "value": hole, **many},
        {"op": "copy", "from": "/domain/*", "path": "/domain/a[1]", **many},
        {"op": "qemuArgs", "args": [hole] * draw(sizes)},
        {"op": "qemuArgs", "args": f"$[ range(1000).map(i, {draw(named)}) ]"},
        {"op": "set", "path": "//a/@x", "value": "$[ xpath('string(/)') + vmi.spec.text ]", **many},
    ]  # fmt: skip
    edit = draw(st.sampled_from(edits))
    loop = draw(st.sampled_from((0, 0, 20, 1000)))
    return {**edit, "forEach": f"range({loop})"} if loop else edit


@st.composite
def cloud_init_edits(draw: st.DrawFn) -> dict[str, Any]:
    hole = f"$[ {draw(texts)} ]"
    edits: list[dict[str, Any]] = [
        {"op": "add", "target": "userData", "path": "/runcmd/-", "value": hole},
        {"op": "ensure", "target": "userData", "path": f"/a/b/{hole}", "value": [hole] * draw(sizes)},
        {"op": "merge", "target": "userData", "path": "", "value": {f"k{n}": hole for n in range(draw(sizes))}},
        {"op": "copy", "target": "userData", "from": "", "path": "/copy"},
        {"op": "copy", "target": "userData", "from": "/runcmd", "path": "/runcmd/-"},
        {"op": "add", "target": "cloudInitData", "path": "/more", "value": [[hole]] * draw(sizes)},
        {"op": "add", "target": "userData", "path": "/$[ vmi.spec.text ]" * 30, "value": 1},
        {"op": "replace", "target": "cloudInitData", "path": "/UserData", "value": hole * draw(sizes)},
        {"op": "addPart", "contentType": "text/x-sh", "filename": "a", "content": "#!/bin/sh\n" + hole * draw(sizes)},
    ]  # fmt: skip
    edit = draw(st.sampled_from(edits))
    loop = draw(st.sampled_from((0, 0, 20)))
    return {**edit, "forEach": f"range({loop})"} if loop else edit


LAW = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def hold(runner: Runner, given: dict[str, Any]) -> None:
    peak, found, messages = runner.run(given)
    event(f"{given['patch']['spec'].get('domain', given['patch']['spec'].get('cloudInit'))[0]['op']}: {found[:1]}")
    assert peak <= 3 * LIMIT + FLOOR, (f"{peak:,} bytes", found, messages)


@LAW
@given(st.lists(domain_edits(), min_size=1, max_size=3), sizes, st.sampled_from((10, 10_000, 1_000_000)), st.booleans())
def test_growth_of_a_domain(runner: Runner, edits: list[dict[str, Any]], elements: int, text: int, wide: bool) -> None:
    data = "<domain><name>a</name>" + "<a x='1'/>" * min(elements, 1000) + "</domain>"
    vmi = {"metadata": {"name": "n"}, "spec": {"text": ("é" if wide else "x") * text}}
    hold(runner, {"patch": patch(edits, 0, "domain"), "data": data, "vmi": vmi, "kind": "domain"})


@LAW
@given(st.lists(cloud_init_edits(), min_size=1, max_size=3), st.sampled_from((10, 10_000, 1_000_000)), st.booleans())
def test_growth_of_cloud_init_data(runner: Runner, edits: list[dict[str, Any]], text: int, wide: bool) -> None:
    record = {
        "DataSource": "noCloud", "NoCloudMetaData": {"instance-id": "i"}, "ConfigDriveMetaData": None,
        "UserData": "#cloud-config\nruncmd: [a]\n", "NetworkData": "", "DevicesData": None, "VolumeName": "v",
    }  # fmt: skip
    vmi = {"metadata": {"name": "n"}, "spec": {"text": ("é" if wide else "x") * text}}
    given_ = {"patch": patch(edits, 0, "cloudInit"), "data": json.dumps(record), "vmi": vmi, "kind": "cloudInit"}
    hold(runner, given_)


@pytest.mark.parametrize("variables", [3, 60])
def test_growth_of_variables(runner: Runner, variables: int) -> None:
    """Each would fit alone, but the sum counts."""
    vmi = {"spec": {"text": "x" * 1_000_000}}
    edits = [{"op": "test", "expression": " && ".join(f"variables.v{n} != ''" for n in range(variables))}]
    given_ = {"patch": patch(edits, variables, "domain"), "data": "<domain/>", "vmi": vmi, "kind": "domain"}
    peak, found, messages = runner.run(given_)
    assert found == (["PL403"] if variables > 8 else []), messages
    assert peak <= 3 * LIMIT + FLOOR
