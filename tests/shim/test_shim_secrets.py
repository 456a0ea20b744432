"""No value of a VMI or of cloud-init data is in a log line, a status or an error message, whatever goes wrong.

The tests plant markers in every text of every case in tests/cases, and in values that flow into every kind of
expression and edit; then they search all output. docs/reliability.md lists the output that shows values on purpose.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import inprocess
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, CLOUD_INIT_VALUE, DOMAIN, PATCH
from shimprocess import Shim

sys.path.insert(0, str(Path(__file__).parents[1]))

import test_cases
import test_cloudinit_cases
from casefile import cases
from fuzz import worker
from fuzz.targets import USUAL
from test_cloudinit_cases import Case

from patchlang import engine
from patchlang.diagnostics import PatchError
from patchlang.files import source_of
from patchlang.loading import load, load_sources
from patchlang.render import render
from shim.engine import Worker
from shim.log import JsonFormatter, log
from shim.status import CallError

MARK = "Zq7"
FORMS = [MARK, MARK[::-1], b64encode(MARK.encode()).decode()]
# a message that the author wrote is the author's responsibility
AUTHORS = {"test-failed-with-message", "test-with-a-message"}


# -- output --------------------------------------------------------------------------------------------------------


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


class Sidecar:
    """All output of a call: log lines down to level `debug`, statuses, and the engine's frames without payload."""

    def __init__(self, lines: list[str], runner: asyncio.Runner) -> None:
        self.lines = lines
        self._runner = runner

    def domain(self, program: Any, domain: bytes, vmi: bytes) -> str:
        self.lines.clear()
        inprocess.define_domain(self._runner, program, domain, vmi, self.lines)
        return "\n".join(self.lines)

    def cloud_init(self, program: Any, data: bytes, source: bytes, vmi: bytes) -> str:
        self.lines.clear()
        inprocess.pre_cloud_init(self._runner, program, data, source, vmi, self.lines)
        return "\n".join(self.lines)


@pytest.fixture
def sidecar(runner: asyncio.Runner) -> Iterator[Sidecar]:
    handler = Lines()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield Sidecar(handler.said, runner)
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def assert_nothing_in(said: str) -> None:
    low = said.lower()
    for form in FORMS:
        assert form.lower() not in low, next(line for line in said.splitlines() if form.lower() in line.lower())


# -- markers -------------------------------------------------------------------------------------------------------


def in_json(value: Any) -> Any:
    """Mark every text in it."""
    if isinstance(value, dict):
        return {key: in_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_json(item) for item in value]
    return value + MARK if isinstance(value, str) else value


def in_bytes(data: bytes) -> bytes:
    """Mark every text in it; if it is not JSON, mark everything in quotes."""
    try:
        return json.dumps(in_json(json.loads(data))).encode()
    except ValueError:
        return data.replace(b'"', MARK.encode() + b'"')


def in_lines(text: str) -> str:
    """Mark every line after the first that has more than a key, at its end, before the closing characters."""
    first, *rest = text.split("\n")
    holds_no_value = re.compile(r"[:|>]\s*$|^-*\s*$|^\s*#")
    end = re.compile(r"([\"'\]}]*)(\r?)$")
    return "\n".join([first, *(r if holds_no_value.search(r) else end.sub(MARK + r"\1\2", r, count=1) for r in rest)])


class Marked(Case):
    def read(self, name: str) -> str | None:
        text = super().read(name)
        if text is None or name not in ("user-data", "network-data", "cloud-init.json", "legacy.json"):
            return text
        return in_lines(text) if name.endswith("data") else in_bytes(text.encode()).decode()


def secretive(vmi: bytes) -> bytes:
    """The VMI with more secret texts, if it can be parsed."""
    try:
        value = json.loads(vmi)
        value["spec"] = {
            **(value.get("spec") or {}),
            "accessCredentials": [{"userPassword": {"source": {"secret": {"secretName": MARK}}}}],
            "volumes": [{"name": "c", "cloudInitNoCloud": {"userData": f"password: {MARK}"}}],
        }
        return json.dumps(value).encode()
    except (ValueError, TypeError, AttributeError):
        return vmi


# -- all cases -----------------------------------------------------------------------------------------------------

DOMAINS = [*cases("reject"), *cases("apply")]


def test_domains_of_all_cases(sidecar: Sidecar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = 0
    for case in DOMAINS:
        if any(part.generated for part in case.parts.values()):
            continue
        monkeypatch.chdir(case.unpack(tmp_path / case.path.parent.name / case.name))
        program = load(test_cases.patch_files()).program
        if program is None or case.name in AUTHORS or not Path("domain.xml").exists():
            continue
        domain, vmi = Path("domain.xml").read_bytes(), secretive(in_bytes(test_cases.vmi_of_case()))
        said = sidecar.domain(program, domain, vmi)
        refused += "failed: " in said
        assert_nothing_in(said + render(engine.patch_domain(program, domain, vmi).diagnostics))
    assert refused > 80


def test_cloud_init_data_of_all_cases(sidecar: Sidecar) -> None:
    refused = 0
    for file in test_cloudinit_cases.CASES:
        program, _ = load_sources(Case(file).patches())
        if program is None or file.name in AUTHORS:
            continue
        for case in (Case(file), Marked(file)):
            (data, source), vmi = case.request(), secretive(in_bytes(case.vmi()))
            said = sidecar.cloud_init(program, data, source, vmi)
            refused += "failed: " in said
            assert_nothing_in(said + render(engine.patch_cloud_init(program, data, source, vmi).diagnostics))
    assert refused > 60


# -- values in expressions and edits -------------------------------------------------------------------------------

SECRET = "vmi.metadata.annotations['s']"
VALUES = [
    MARK, MARK + "\x01", MARK + "(", MARK + "'\"", "[" + MARK, '{"a": ' + MARK, MARK * 1500, MARK + "/x~2", f"<{MARK}>",
    f"/domain/{MARK}[",
    "0" + MARK, MARK + "\U0001f600 \u202e", "$" + MARK, f"-{MARK}: [\n\t", "1e5" + MARK, f"a`{MARK}`(",
    f"{MARK}:x", f"following::{MARK}", "9" * 30 + MARK,
]  # fmt: skip
EXPRESSIONS = """
S | quantity(S) | int(S) | double(S) | uint(S) | bool(S) | parseJSON(S) | timestamp(S) | duration(S)
capture(S, S) | capture(S, 'x')[0] | xpath(S) | xpath('//a[' + S) | xpath('/domain/name', {'x': S})
xpath('$x', {S: 1}) | S.missing | vmi[S] | vmi.metadata[S] | {'a': S} | [S] | vmi.metadata | bytes(S)
S.substring(100000) | S.charAt(-1) | '%d'.format([S]) | range(int(S)) | range(S) | S.matches(S + '(')
S.replace('Z', S, -2) | optional.none().value() | dyn(S) * 2 | hex(dyn(S)) | keys(dyn(S)) | flatten(dyn(S))
[S][5] | {S: 1}[S + 'x'] | S.split('')[9999] | S.indexOf(S, 99999) | S == 1 | S > 1 | [S].exists(x, x.y)
[1].map(x, S.y) | node.attributes[S] | has(vmi.metadata.zz) ? 1 : dyn(S).x | math.greatest(dyn(S), 1)
S.lowerAscii() + string(dyn(S).y) | base64.decode(S) | dyn([S]).join(1) | optional.of(S) | cel.bind(x, S, x.y)
""".replace("\n", " | ").strip(" |").split(" | ")  # fmt: skip
EDITS = {
    "domain": """
{op: set, path: /domain/name, value: "T"}
{op: set, path: /domain/memory/@unit, value: "T"}
{op: add, path: /domain/devices, xml: "<a b='T'>T</a>"}
{op: ensure, path: "/domain/metadata/T", value: x}
{op: ensure, path: "/domain/metadata/a[@b='T']", value: "T"}
{op: ensure, path: "/domain/metadata/a[@b=T]", value: "T"}
{op: qemuArgs, args: ["T"], env: {A: "T"}}
{op: qemuArgs, args: "T"}
{op: set, path: /domain/memory, when: "R", value: x}
{op: set, path: /domain/memory, forEach: "R", value: "T"}
{op: test, expression: "R"}
{op: set, path: "/domain/devices/disk[target/@dev = $v]/@device", value: x}
{op: set, path: "/domain/devices/disk[$v]/@device", value: x}
{op: remove, path: "/domain/*[name() = $v]", expect: 1}
{op: set, path: /domain/memory, value: "T", unless: "@unit = $v"}
""",
    "cloudInit": """
{op: add, path: /UserData, value: "T"}
{op: ensure, target: userData, path: "/a/T", value: "T"}
{op: test, target: userData, path: /hostname, value: "T"}
{op: test, path: "/T", value: x}
{op: replace, target: userData, path: "/T", value: 1}
{op: ensure, target: userData, path: "/users/[name=T]/x", value: "T"}
{op: merge, target: userData, value: {a: "T"}}
{op: replace, target: metaData, path: /instance-id, value: "T"}
{op: addPart, contentType: text/x-shellscript, filename: "T", content: "T"}
{op: addPart, contentType: text/cloud-config, filename: x, content: "T"}
{op: replace, target: networkData, path: "", value: "T"}
{op: add, path: /NetworkData, value: "T"}
{op: move, target: userData, from: "/T", path: /y}
{op: copy, target: userData, from: /hostname, path: "/T/x"}
{op: remove, target: userData, path: "/users/T", expect: 1}
""",
}


def programs() -> Iterator[tuple[str, Any]]:
    for kind, edits in EDITS.items():
        pairs = list(itertools.product(edits.strip().splitlines(), EXPRESSIONS))
        for edit, expression in random.Random(5).sample(pairs, 260):
            code = re.sub(r"(?<![A-Za-z'])S(?![a-z])", SECRET, expression)
            filled = edit.replace("T", f"$[ {code} ]").replace('"R"', json.dumps(code))
            text = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
            text += f"  variables: [{{name: v, expression: {json.dumps(code)}}}]\n  {kind}:\n    - {filled}\n"
            program, _ = load_sources([source_of("p.yaml", text.encode())])
            if program is not None:
                yield kind, program


def test_values_in_every_kind_of_expression_and_edit(sidecar: Sidecar) -> None:
    choose = random.Random(6)
    ran = refused = 0
    for kind, program in programs():
        for value in choose.sample(VALUES, 2):
            vmi = json.dumps({"metadata": {"name": "n", "annotations": {"s": value}}}).encode()
            if kind == "domain":
                said = sidecar.domain(program, DOMAIN, vmi)
            else:
                said = sidecar.cloud_init(program, CLOUD_INIT, b"", vmi)
            ran += 1
            refused += "failed: " in said
            assert_nothing_in(said)
    assert ran > 600
    assert ran > refused > ran / 2


@pytest.mark.parametrize("target", ["patch-domain", "vmi", "patch-cloud-init", "user-data", "network-data", "mime"])
def test_what_the_fuzzer_tries(target: str, sidecar: Sidecar) -> None:
    ran = refused = 0
    for number in range(100):
        parts = worker.input_of(USUAL[target], 11, number)
        if b"message" in parts["patch.yaml"]:
            continue  # the author's
        try:
            program, _ = load_sources([source_of("p.yaml", parts["patch.yaml"])])
        except PatchError:
            continue
        if program is None:
            continue
        vmi = secretive(in_bytes(parts["vmi.json"]))
        if "domain.xml" in parts:
            domain = parts["domain.xml"]
            said = sidecar.domain(program, domain, vmi)
        else:
            data, source = in_bytes(parts["cloud-init.json"]), in_bytes(parts["legacy.json"])
            said = sidecar.cloud_init(program, data, source, vmi)
        ran += 1
        refused += "failed: " in said
        assert_nothing_in(said)
    assert ran > 5
    assert refused > 2


# -- bugs of our own -----------------------------------------------------------------------------------------------

INNARDS = {
    "patchlang.domain.tree.parse": "domain",
    "patchlang.engine.parse_vmi": "both",
    "patchlang.engine.Run.all": "both",
    "patchlang.engine.run_edit": "both",
    "patchlang.cloudinit.state.open_cloud_init": "cloudInit",
    "patchlang.cloudinit.state.CloudInit.close": "cloudInit",
    "patchlang.cloudinit.userdata.open_user_data": "cloudInit",
    "patchlang.cloudinit.jsontext.rewrite": "cloudInit",
    "patchlang.cloudinit.virtlauncher.faults": "cloudInit",
}


@pytest.mark.parametrize("place", INNARDS)
@pytest.mark.parametrize("error", [KeyError, ValueError, RecursionError, MemoryError, UnicodeError, AssertionError])
def test_an_exception_that_nobody_expects(
    place: str, error: type[Exception], sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has an id and the place in the code; the texts of the exception and its cause contain data."""

    def breaks(*arguments: Any, **more: Any) -> Any:
        try:
            raise LookupError(MARK)
        except LookupError as cause:
            raise error(f"{MARK} in {arguments}") from cause

    program, _ = load_sources([source_of("a.yaml", PATCH.encode()), source_of("b.yaml", CLOUD_INIT_PATCH.encode())])
    monkeypatch.setattr(place, breaks)
    kind = INNARDS[place]
    vmi = json.dumps({"metadata": {"name": MARK}}).encode()
    if kind in ("domain", "both"):
        said = sidecar.domain(program, DOMAIN, vmi)
        assert_no_more_than_a_place(said, error, "OnDefineDomain")
    if kind in ("cloudInit", "both"):
        meta = {"instance-id": MARK, "local-hostname": MARK}
        value = {**CLOUD_INIT_VALUE, "UserData": f"#cloud-config\npassword: {MARK}\n", "NoCloudMetaData": meta}
        data = json.dumps(value).encode()
        said = sidecar.cloud_init(program, data, b"", vmi)
        assert_no_more_than_a_place(said, error, "PreCloudInitIso")


def assert_no_more_than_a_place(said: str, error: type[Exception], call: str) -> None:
    if error is MemoryError:  # not a bug: the engine's memory is limited
        assert re.search(r"RESOURCE_EXHAUSTED: (\S+: )?error\[PL417 [\w-]+\] the run ran out of memory", said)
    else:
        assert re.search(rf"INTERNAL: internal error [0-9a-f]{{8}} during {call}", said)
        assert f"{error.__name__} at test_shim_secrets.py:" in said
    assert_nothing_in(said)


# -- executables ---------------------------------------------------------------------------------------------------

FAILING = {
    "exit": "exit 3",
    "signal": "kill -9 $$",
    "nothing": "true",
    "garbage": 'printf "%s" "$4" | tr "<{" "[["',
    "text-around-it": 'echo note; printf "%s" "$4"',
    "not-utf-8": "printf '\\377'; printf %s \"$4\"",
    "too-much": 'while :; do printf "%s" "$4"; done',
    "hangs": 'printf "%s" "$4"; sleep 300',
    "wrong-types": 'printf "%s" "$4" | sed "s/\\"DataSource\\"/\\"Data\\"/; s/<domain/<dom/; s/domain>/dom>/"',
}


@pytest.mark.parametrize("how", FAILING)
def test_executables_that_fail(shim: Shim, how: str) -> None:
    """Their input and output are not shown; standard error is their own responsibility."""
    for hook in ("onDefineDomain", "preCloudInitIso"):
        shim.executable(hook, f"#!/bin/sh\n{FAILING[how]}\n")
    shim.start(version="v1alpha3").launcher()
    domain = re.sub(rb'="([^"]*)"', rb'="\1' + MARK.encode() + b'"', DOMAIN)
    vmi = json.dumps({"metadata": {"name": MARK, "annotations": {"password": MARK}}}).encode()
    seconds = 2.0
    said = []
    for call, data in ((virtlauncher.define_domain, domain), (virtlauncher.pre_cloud_init, in_bytes(CLOUD_INIT))):
        with pytest.raises(grpc.RpcError) as caught:
            call(shim.socket, "v1alpha3", data, vmi, seconds)
        said.append(str(caught.value.details()))
    assert_nothing_in("\n".join(said) + shim.text)


@pytest.mark.parametrize("size", [200_000, 100_000], ids=["one-argument", "all-together"])
def test_executables_that_cannot_be_started(shim: Shim, size: int) -> None:
    shim.executable("preCloudInitIso", "#!/no/such/interpreter\n")
    shim.start(version="v1alpha3").launcher()
    data = json.dumps({**CLOUD_INIT_VALUE, "UserData": MARK * (size // 3)}).encode()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.pre_cloud_init(shim.socket, "v1alpha3", data, json.dumps({"metadata": {"name": MARK}}).encode())
    assert_nothing_in(caught.value.details() + shim.text)


# -- the search itself ---------------------------------------------------------------------------------------------


def log_it(text: str, reply: dict[str, Any]) -> None:
    log.debug("the VMI is %s", text)


def send_it(text: str, reply: dict[str, Any]) -> None:
    reply["more"] = text


def raise_it(text: str, reply: dict[str, Any]) -> None:
    raise CallError("INTERNAL", text)


@pytest.mark.parametrize("leak", [log_it, send_it, raise_it])
def test_a_leak_would_be_found(
    leak: Callable[[str, dict[str, Any]], None], sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, _ = load_sources([source_of("a.yaml", PATCH.encode())])
    right = Worker.define_domain

    def leaks(worker: Worker, domain: bytes, vmi: bytes) -> Any:
        reply, results = right(worker, domain, vmi)
        if leak is not raise_it:
            leak(vmi.decode(), reply)
        return reply, results

    def fails(reply: Any) -> None:
        if leak is raise_it:
            leak(MARK, reply)

    monkeypatch.setattr(Worker, "define_domain", leaks)
    monkeypatch.setattr("shim.backends._report", fails)
    said = sidecar.domain(program, DOMAIN, json.dumps({"metadata": {"name": MARK}}).encode())
    with pytest.raises(AssertionError):
        assert_nothing_in(said)
