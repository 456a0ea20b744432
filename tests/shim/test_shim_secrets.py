"""No value of a VMI or of cloud-init data is in a log line, a status or an error message, whatever goes wrong.

Markers are planted in every text of every case of tests/cases, and in values that flow into every kind of expression
and edit; then all that was said is searched. What shows values on purpose is told apart in docs/reliability.md.
"""

from __future__ import annotations

import gc
import itertools
import json
import logging
import random
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, CLOUD_INIT_VALUE, DOMAIN, PATCH
from shimprocess import Shim

sys.path.insert(0, str(Path(__file__).parents[1]))

import test_cases
import test_cloudinit_cases
from fuzz import worker
from fuzz.targets import USUAL
from test_cloudinit_cases import Case

from patchlang import engine
from patchlang.diagnostics import PatchError
from patchlang.files import source_of
from patchlang.load import load, load_sources
from patchlang.render import render
from shim import backends
from shim.arrival import CallbackPool
from shim.backends import Patches
from shim.log import JsonFormatter, log
from shim.service import Callbacks, Limits

MARK = "Zq7"
FORMS = [MARK, MARK[::-1], b64encode(MARK.encode()).decode()]
# what its author puts into a message is the author's to keep
AUTHORS = {"test-failed-with-message", "test-with-a-message"}


# -- what is said --------------------------------------------------------------------------------------------------


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


class RefusedError(Exception):
    pass


class Context:
    """Of a call whose caller waits a minute."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def time_remaining(self) -> float:
        return 60

    def abort(self, code: grpc.StatusCode, text: str) -> None:
        self.said.append(f"{code.name}: {text}")
        raise RefusedError


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """All log lines and statuses. What pytest holds is kept from the collection after each call, as in the sidecar."""
    gc.collect()
    gc.freeze()
    handler = Lines()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler.said
    log.removeHandler(handler)
    log.setLevel(level)
    gc.unfreeze()


@pytest.fixture(scope="module")
def pool() -> Iterator[CallbackPool]:
    with CallbackPool() as made:
        yield made


def told(lines: list[str], pool: CallbackPool, program: Any, call: Callable[[Callbacks, Any], object]) -> str:
    """Everything that the sidecar says of one call."""
    lines.clear()
    callbacks = Callbacks(Patches(program, lambda: program), 1 << 20, Limits())
    error = pool.submit(call, callbacks, Context(lines)).exception()
    assert error is None or isinstance(error, RefusedError)
    return "\n".join(lines)


def define_domain(calls: Callbacks, context: Any, vmi: bytes) -> object:
    return calls.define_domain(context, DOMAIN, vmi)


def pre_cloud_init(calls: Callbacks, context: Any, vmi: bytes) -> object:
    return calls.pre_cloud_init(context, CLOUD_INIT, b"", vmi)


def assert_nothing_in(said: str) -> None:
    low = said.lower()
    for form in FORMS:
        assert form.lower() not in low, next(line for line in said.splitlines() if form.lower() in line.lower())


# -- markers -------------------------------------------------------------------------------------------------------


def in_json(value: Any) -> Any:
    """Every text in it, marked."""
    if isinstance(value, dict):
        return {key: in_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_json(item) for item in value]
    return value + MARK if isinstance(value, str) else value


def in_bytes(data: bytes) -> bytes:
    """Every text in it, marked; where it is no JSON, all that is in quotes."""
    try:
        return json.dumps(in_json(json.loads(data))).encode()
    except ValueError:
        return data.replace(b'"', MARK.encode() + b'"')


def in_lines(text: str) -> str:
    """Every line after the first that holds more than a key, marked at its end, before what closes it."""
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
    """The VMI with more texts that nobody may see, where it can be read."""
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

DOMAINS = [*test_cases.folders("reject"), *test_cases.folders("apply")]


def test_domains_of_all_cases(lines: list[str], pool: CallbackPool, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = 0
    for case in DOMAINS:
        monkeypatch.chdir(case)
        program = load(test_cases.patch_files()).program
        if program is None or case.name in AUTHORS or not Path("domain.xml").exists():
            continue
        domain, vmi = Path("domain.xml").read_bytes(), secretive(in_bytes(test_cases.vmi_of_case()))
        said = told(lines, pool, program, lambda calls, context: calls.define_domain(context, domain, vmi))  # noqa: B023
        refused += "failed: " in said
        assert_nothing_in(said + render(engine.patch_domain(program, domain, vmi).diagnostics))
    assert refused > 80


def test_cloud_init_data_of_all_cases(lines: list[str], pool: CallbackPool) -> None:
    refused = 0
    for folder in test_cloudinit_cases.FOLDERS:
        program = load(Case(folder).patches()).program
        if program is None or folder.name in AUTHORS:
            continue
        for case in (Case(folder), Marked(folder)):
            (data, source), vmi = case.request(), secretive(in_bytes(case.vmi()))
            said = told(lines, pool, program, lambda calls, context: calls.pre_cloud_init(context, data, source, vmi))  # noqa: B023
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


def test_values_in_every_kind_of_expression_and_edit(lines: list[str], pool: CallbackPool) -> None:
    choose = random.Random(6)
    ran = refused = 0
    for kind, program in programs():
        for value in choose.sample(VALUES, 2):
            vmi = json.dumps({"metadata": {"name": "n", "annotations": {"s": value}}}).encode()
            call = define_domain if kind == "domain" else pre_cloud_init
            said = told(lines, pool, program, partial(call, vmi=vmi))
            ran += 1
            refused += "failed: " in said
            assert_nothing_in(said)
    assert ran > 600
    assert ran > refused > ran / 2


@pytest.mark.parametrize("target", ["patch-domain", "vmi", "patch-cloud-init", "user-data", "network-data", "mime"])
def test_what_the_fuzzer_tries(target: str, lines: list[str], pool: CallbackPool) -> None:
    ran = refused = 0
    for number in range(100):
        parts = worker.input_of(USUAL[target], 11, number)
        if b"message" in parts["patch.yaml"]:
            continue  # an author's
        try:
            program, _ = load_sources([source_of("p.yaml", parts["patch.yaml"])])
        except PatchError:
            continue
        if program is None:
            continue
        vmi = secretive(in_bytes(parts["vmi.json"]))
        if "domain.xml" in parts:
            domain = parts["domain.xml"]
            said = told(lines, pool, program, lambda calls, context: calls.define_domain(context, domain, vmi))  # noqa: B023
        else:
            data, source = in_bytes(parts["cloud-init.json"]), in_bytes(parts["legacy.json"])
            said = told(lines, pool, program, lambda calls, context: calls.pre_cloud_init(context, data, source, vmi))  # noqa: B023
        ran += 1
        refused += "failed: " in said
        assert_nothing_in(said)
    assert ran > 5
    assert refused > 2


# -- faults of ours ------------------------------------------------------------------------------------------------

INNARDS = {
    "patchlang.domainxml.parse": "domain",
    "patchlang.engine.parse_vmi": "both",
    "patchlang.engine.Run.all": "both",
    "patchlang.engine.Run.edit": "both",
    "patchlang.cloudinit.open_cloud_init": "cloudInit",
    "patchlang.cloudinit.CloudInit.close": "cloudInit",
    "patchlang.userdata.open_user_data": "cloudInit",
    "patchlang.jsontext.rewrite": "cloudInit",
    "patchlang.usable.faults": "cloudInit",
}


@pytest.mark.parametrize("place", INNARDS)
@pytest.mark.parametrize("error", [KeyError, ValueError, RecursionError, MemoryError, UnicodeError, AssertionError])
def test_an_exception_that_nobody_expects(
    place: str, error: type[Exception], lines: list[str], pool: CallbackPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id and the place in the code; the exception's message and its cause's hold data."""

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
        said = told(lines, pool, program, lambda calls, context: calls.define_domain(context, DOMAIN, vmi))
        assert re.search(r"INTERNAL: internal error [0-9a-f]{8} during OnDefineDomain", said)
        assert f"{error.__name__} at test_shim_secrets.py:" in said
        assert_nothing_in(said)
    if kind in ("cloudInit", "both"):
        meta = {"instance-id": MARK, "local-hostname": MARK}
        value = {**CLOUD_INIT_VALUE, "UserData": f"#cloud-config\npassword: {MARK}\n", "NoCloudMetaData": meta}
        data = json.dumps(value).encode()
        said = told(lines, pool, program, lambda calls, context: calls.pre_cloud_init(context, data, b"", vmi))
        assert re.search(r"INTERNAL: internal error [0-9a-f]{8} during PreCloudInitIso", said)
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
    """What they get and print is not shown; what they write to standard error is theirs."""
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


def test_a_leak_would_be_found(lines: list[str], pool: CallbackPool, monkeypatch: pytest.MonkeyPatch) -> None:
    program, _ = load_sources([source_of("a.yaml", PATCH.encode())])

    def leaks(*arguments: Any, **more: Any) -> Any:
        log.warning("the VMI is %s", arguments[2].decode())
        return engine.patch_domain(*arguments, **more)

    monkeypatch.setattr(backends, "patch_domain", leaks)
    vmi = json.dumps({"metadata": {"name": MARK}}).encode()
    said = told(lines, pool, program, lambda calls, context: calls.define_domain(context, DOMAIN, vmi))
    with pytest.raises(AssertionError):
        assert_nothing_in(said)
