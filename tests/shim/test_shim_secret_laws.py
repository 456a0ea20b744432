"""The law that secret markers appear nowhere.

The edits fail in every way on generated domains, VMIs and cloud-init data. No message, trace, log line or status
contains anything that `patchlang.quoting` does not let through.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_shim_secrets import MARK, Lines, Sidecar, assert_nothing_in

from patchlang import engine, rules
from patchlang.cli.apply import _trace_lines
from patchlang.files import source_of
from patchlang.loading import load_sources
from patchlang.render import render
from patchlang.result import CloudInitOutcome, Outcome
from patchlang.rng.check import patch_domain_checked
from patchlang.rng.schema import DomainSchema
from shim.log import log

EXAMPLES = 80
SCHEMA = DomainSchema(Path(__file__).parents[1] / "domainschema")
Run: TypeAlias = Callable[[Any], Outcome | CloudInitOutcome]


@pytest.fixture(scope="module")
def sidecar() -> Iterator[Sidecar]:
    handler, level = Lines(), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    with asyncio.Runner() as runner:
        yield Sidecar(handler.said, runner)
    log.removeHandler(handler)
    log.setLevel(level)


def pick(*choices: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(choices)


# -- the VMI -------------------------------------------------------------------------------------------------------

# messages from CEL, XPath, JSON and YAML about a value begin like this
VALUES = pick(
    MARK, MARK, MARK, f"xpath: {MARK}", f"quantity: {MARK}(", f"No matching overloads found : {MARK}(x)",
    f'Key not found in map : "{MARK}"', f"Index error: index=1 size=1 {MARK}", f'No value with name "{MARK}"',
    f"{MARK}/{MARK}", f"@{MARK}", f"{MARK}']", f"({MARK}", f"1{MARK}", f"{MARK}: [",
    f"*{MARK}", f"!{MARK} x", f"&{MARK} {{",
    f"%{MARK}", f"#cloud-config\n{MARK}: {MARK}\n{MARK}: 1\n", f"MIME-Version: 1.0\nContent-Type: text/{MARK}\n\nx",
    f"{{%{MARK}%}}", "q" + MARK * 20,
)  # fmt: skip


@st.composite
def vmis(draw: st.DrawFn) -> bytes:
    inner = {MARK: draw(VALUES), f"{MARK}2": {MARK: [draw(VALUES)]}, "k": draw(VALUES)}
    annotations = {"s": draw(VALUES), "t": draw(VALUES), "j": json.dumps(inner), "l": json.dumps([draw(VALUES), inner])}
    return json.dumps({"metadata": {"name": MARK, "annotations": annotations}, "spec": {"x": [MARK]}}).encode()


VARIABLES = """
  variables:
    - {name: s, expression: "vmi.metadata.annotations['s']"}
    - {name: j, expression: "parseJSON(vmi.metadata.annotations['j'])"}
    - {name: l, expression: "parseJSON(vmi.metadata.annotations['l'])"}
"""
EXPRESSIONS = pick(
    *["variables.s"] * 6, "variables.j.k", "vmi.metadata.annotations['t']", "variables.j[variables.s]",
    "vmi[variables.s]", "'a'.matches(variables.s)", "quantity(variables.s)", "parseJSON(variables.s)", "variables.j",
    "variables.l[0]", "variables.l[7]", "keys(variables.j)[0]", "variables.j.nothing", "xpath('$x', variables.j)",
    "int(variables.s)", "capture(variables.s, variables.s)[0]", "variables.s.nothing", "{variables.s: 1}",
    "variables.s + 1", "[variables.s][3]", "variables.j.map(x, x)", "duration(variables.s) > duration(variables.s)",
)  # fmt: skip
DOMAIN_EXPRESSIONS = EXPRESSIONS | pick(
    "xpath(variables.s)", "xpath('//a[. = $x]', {'x': variables.j})", "xpath('/domain[$j.nothing]')",
    "xpath('string(/domain/metadata/password)')", "xpath('//x[' + variables.s)", "xpath('string($j.nothing)')",
    "xpath('$s', {variables.s: 1})", "xpath('string($j)')",
)  # fmt: skip

# -- domains -------------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "password", "secret", "value", "name", "key", "entry")
ATTRIBUTES = ("x", "name", "passwd", "value", "id")


@st.composite
def elements(draw: st.DrawFn, depth: int = 2, hidden: bool = False) -> str:
    """Markup with marks wherever the name of the node, a parent or a sibling says that it is secret."""
    name = draw(pick(*NAMES))
    label = draw(pick("disk", "password", "an API key"))
    attributes = sorted(draw(st.sets(pick(*ATTRIBUTES), max_size=3)))
    labelled = {a for a in attributes if a in ("name", "id")}
    secret = hidden or name in ("password", "secret") or "passwd" in attributes or (labelled and label != "disk")
    children = draw(st.lists(st.deferred(lambda: elements(depth - 1, bool(secret))), max_size=2)) if depth else []

    def text() -> str:
        return MARK if secret or name == "value" else "shown"

    written = "".join(f' {a}="{label if a in labelled else text()}"' for a in attributes)
    body = "".join(children) or draw(pick("", text(), f"{text()}<!--{MARK}-->", f"<?p {MARK}?>{text()}"))
    beside = draw(pick("", "", f"<password>{MARK}</password>"))
    return (
        f"<{name}{written}>{body}</{name}>" if not beside or not secret else f"<{name}{written}>{body}</{name}>{beside}"
    )


@st.composite
def domains(draw: st.DrawFn) -> bytes:
    inner = "".join(draw(st.lists(elements(), min_size=1, max_size=4)))
    data = (
        f'<domain type="kvm">\n  <name>n</name>\n  <metadata>\n    {inner}\n  </metadata>\n'
        f'  <devices>\n    <graphics type="vnc" passwd="{MARK}"/>\n    <disk type="file"><target dev="vda"/></disk>\n'
        f"  </devices>\n</domain>\n"
    )
    if draw(st.integers(0, 29)) == 0:  # the end of the readable part, at a mark
        at = draw(pick(*(m.start() for m in re.finditer(MARK, data))))
        data = data[:at] + draw(pick("&", "<", "<!--", "--", "\x01", '"', "&#0;", "<?", "]]>", "</x>")) + data[at:]
    return data.encode()


NODES = (
    *(f"/domain/metadata/{name}" for name in NAMES), *(f"//{name}" for name in NAMES), "/domain/metadata/*", "//*",
    "/domain/devices/graphics", "/domain/devices/disk",
    *["/domain/devices/disk/made", "/domain/devices/disk/made[1]"] * 6,
    "//made/*", "/domain/devices/disk/made/in",
)  # fmt: skip
PREDICATES = (
    "[@v = 'q']", "[@v = 'q']", "[@* = 'q']", "[. = 'q']", "[text() = 'q']",
    "[* = 'q']", "[../* = 'q']", "[../../* = 'q']", "[following-sibling::* = 'q']",
    "[.//text() = 'q']", "[@x = 'q']", "[@* = 'q']", "[../@* = 'q']", "[. = $s]", "[@value = $j.k]", "[* = $l]",
    "[password = 'q']", "[a/@x = 'q' and b = 'q']", "[target/@dev = 'q']", "[@passwd = 'q']", "[in/@v = $s]", "[$s]",
    "[. = $j.nothing]", "[comment() = 'q']", "[processing-instruction() = 'q']", "",
)  # fmt: skip
PATHS = st.builds(
    lambda node, predicate, rest: node + predicate + rest,
    pick(*NODES), pick(*PREDICATES), pick("", "", "", "/@x", "/@nothing", "/nothing", "/text()", "/text()/q", "/@x/q"),
)  # fmt: skip
FRAGMENTS = pick(
    "<made v='T'>T</made>", "<made v='T'><in v='T'/><in v='T'/></made>", "<a x='T'>T</a>", "<name>T</name>",
    "<a name='T'/><a name='T'/>", "<entry><in>T</in></entry>",
)  # fmt: skip
BUILD_PATHS = pick(
    "/domain/devices/disk/made/@v", "/domain/metadata/T", "/domain/devices/disk/made/T/@v",
    "/domain/devices/disk/made[@n='T']/in",
    "/domain/devices/disk/made/@T", "/domain/devices/disk/made[.='T']", "/domain/devices/disk/made[@n=$s]/@v",
    "/domain/T/in",
    "/domain/devices/disk/made[@T='x']/in", "/domain/metadata/a[@x='T'][@x='q']", "T",
)  # fmt: skip
EXPECT = pick("", "", ", expect: 1", ", expect: 0", ', expect: "2+"', ', expect: "0+"', ", expect: 7")


@st.composite
def domain_edits(draw: st.DrawFn) -> str:
    path, other = json.dumps(draw(PATHS)), json.dumps(draw(PATHS))
    expect, fragment = draw(EXPECT), json.dumps(draw(FRAGMENTS))
    build = json.dumps(draw(BUILD_PATHS))
    code = draw(DOMAIN_EXPRESSIONS)
    edit = draw(
        pick(
            f"op: set, path: {path}, value: 'T'{expect}",
            f"op: add, path: {path}, xml: {fragment}{expect}",
            f"op: replace, path: {path}, xml: {fragment}{expect}",
            f"op: merge, path: {path}, xml: {fragment}{expect}",
            f"op: remove, path: {path}{expect}",
            f"op: rename, path: {path}, to: b{expect}",
            f"op: copy, from: {path}, path: {other}{expect}",
            f"op: move, from: {path}, path: {other}{expect}",
            f"op: ensure, path: {build}, value: 'T'",
            f"op: ensure, path: {build}",
            f"op: ensure, in: {path}, path: 'made[@n=\"T\"]/in', value: 'T'{expect}",
            f"op: test, path: {path}{expect}",
            "op: test, expression: R",
            "op: qemuArgs, args: ['T'], env: {A: 'T', 'T': x}",
            f"op: set, path: {path}, value: 'T', unless: \"@x = $s\"{expect}",
            f"op: set, path: {path}, forEach: R, value: 'T'{expect}",
            f"op: set, path: {path}, when: R, value: 'T'{expect}",
        )
    )
    return "{" + filled(edit, code) + "}"


def filled(edit: str, code: str) -> str:
    hole = f"$[ {code} ]".replace("'", "''")
    inside = json.dumps(f"$[ {code} ]")[1:-1]
    # within a text in double quotes, otherwise within one in single quotes
    edit = re.sub(r'"(?:\\.|[^"\\])*"', lambda m: re.sub(r"\bT\b", lambda _: inside, m[0]), edit)
    return re.sub(r"(?<=['/])T(?=['/])", lambda _: hole, edit).replace(": R", ": " + json.dumps(code))


def program_of(kind: str, edits: list[str], more: str = "") -> Any:
    text = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: p}}\nspec:{VARIABLES}{more}  {kind}:\n"
    text += "".join(f"    - {edit}\n" for edit in edits)
    return load_sources([source_of("p.yaml", text.encode())])[0]


# the ways in which edits may use a value, whatever the input
MAKERS = {
    "domain": [
        "{op: set, path: /domain/devices/disk/target/@v, value: '$[ variables.s ]'}",
        "{op: set, path: /domain/devices/disk/target, value: '$[ variables.s ]'}",
        "{op: add, path: /domain/devices, xml: \"<made v='$[ variables.s ]'><in>$[ variables.s ]</in></made>\"}",
        "{op: ensure, path: '/domain/devices/a/@$[ variables.s ]', value: x}",
        "{op: ensure, path: '/domain/$[ variables.s ]', value: x}",
    ],
    "cloudInit": [
        "{op: ensure, target: userData, path: /made, value: {k: '$[ variables.s ]'}}",
        "{op: ensure, target: userData, path: '/$[ variables.s ]', value: x}",
    ],
}
# these fail whatever the earlier edits did, and examine all of it
PROBES = {
    "domain": [
        *(
            f"{{op: test, path: \"//*[{compared} = 'q']\"}}"
            for compared in (".", "text()", "*", "../*", "@v", "@x", "@*")
        ),
        *(f"{{op: test, path: \"//*[{compared} = 'q']\"}}" for compared in ("../@*", "in/@v", "name", "preceding::*")),
        *(
            f"{{op: test, path: '{path}', expect: 99}}"
            for path in ("//*", "//@*", "//text()", "//made", "//@v", "//in/..")
        ),
        *(f"{{op: test, path: '{path}'}}" for path in ("//made/nothing", "//in/@nothing", "/domain/metadata/nothing")),
        *(f"{{op: rename, path: '{path}', to: v}}" for path in ("//made/@*", "//a/@*")),
        "{op: set, path: '//made', value: x}",
    ],
    "cloudInit": [
        *(
            f"{{op: replace, target: userData, path: {path}, value: 1}}"
            for path in ("/q", "/made/q", "/made/0/q", "/list/q")
        ),
        *(f"{{op: replace, target: userData, path: '{path}', value: 1}}" for path in ("/list/[q=1]", "/users/[q=1]")),
        *(
            f"{{op: replace, target: {target}, path: /q, value: 1}}"
            for target in ("networkData", "metaData", "cloudInitData")
        ),
        "{op: test, target: userData, path: /made, value: q}",
        "{op: test, target: userData, part: {filename: q}, path: /made, value: q}",
    ],
}
IGNORED = pick(*[""] * 5, "  failurePolicy: Ignore\n")
SEEN = {"domain": Counter[str](), "cloudInit": Counter[str]()}


def search(kind: str, edits: list[str], more: str, run: Run, *whole: Callable[[Any], str]) -> None:
    """Keep the edits that succeed, one after the other, and search the messages of those that fail after them."""
    good: list[str] = []
    failing = None
    for edit in [*edits, *MAKERS[kind], *PROBES[kind]]:
        program = program_of(kind, [*good, edit], more)
        if program is None:
            continue
        outcome = run(program)
        said = render(outcome.diagnostics) + "\n".join(_trace_lines(outcome.trace))
        assert_nothing_in(said)
        if outcome.data is None or any(d.rule is rules.IGNORED for d in outcome.diagnostics):
            failing = failing or program
            SEEN[kind].update(d.rule.id for d in outcome.diagnostics)
        else:
            good.append(edit)
            SEEN[kind]["done"] += 1
    for program in (failing, program_of(kind, good, more) if good else None):
        if program is not None:
            for said_of in whole:
                assert_nothing_in(said_of(program))


@settings(max_examples=EXAMPLES)
@given(domain=domains(), vmi=vmis(), edits=st.lists(domain_edits(), min_size=3, max_size=9), more=IGNORED)
def test_no_mark_is_said_of_a_domain(sidecar: Sidecar, domain: bytes, vmi: bytes, edits: list[str], more: str) -> None:
    def run(program: Any) -> Outcome:
        return engine.patch_domain(program, domain, vmi)

    def checked(program: Any) -> str:
        return render(patch_domain_checked(SCHEMA, program, domain, vmi).diagnostics)

    search("domain", edits, more, run, lambda program: sidecar.domain(program, domain, vmi), checked)


# -- cloud-init data -----------------------------------------------------------------------------------------------

CONFIG = (
    f"#cloud-config\nhostname: {MARK}\npassword: '{MARK}'\nusers:\n- name: {MARK}\n  passwd: {MARK}\n- {MARK}\n"
    f"list: [{MARK}, {MARK}]\nruncmd:\n- echo {MARK} # {MARK}\n"
)
SCRIPT = f"#!/bin/sh\necho {MARK}\n"


def mime(*parts: tuple[str, str, str]) -> str:
    text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=zz\n\n"
    for kind, name, content in parts:
        text += f'--zz\nContent-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n\n{content}\n'
    return text + "--zz--\n"


TEXTS = pick(
    *[CONFIG] * 20, CONFIG + "hostname: b\n", SCRIPT, MARK, "",
    f"#include\nhttps://{MARK}\n", f"#cloud-boothook\n{MARK}",
    f"## template: jinja\n{CONFIG}x: {{% {MARK} %}}\n", f"## template: jinja\n{CONFIG}",
    f"#cloud-config\nx: *{MARK}\n", f"#cloud-config\nx: !{MARK} y\n", f"#cloud-config\nx: &{MARK} [\n",
    f"#cloud-config\nx: %{MARK}\n", f"#cloud-config\nx: '{MARK}\n", f"#cloud-config\n- {MARK}\n",
    f"#cloud-config\n{MARK}",
    f"#cloud-config\nx: !!binary {MARK}\n", f"#cloud-config\nx: !!int {MARK}\n", f'#cloud-config\nx: "\\{MARK}"\n',
    f"#cloud-config\nx: &{MARK} 1\ny: &{MARK} 2\n", f"#cloud-config\nx: !!timestamp {MARK}\n", f"%{MARK}\n---\na: 1\n",
    f"#cloud-config\n<<: {MARK}\n", f"#cloud-config-archive\n- content: {MARK}\n", f"#cloud-config\nx: @{MARK}\n",
    mime(("text/cloud-config", MARK, CONFIG), ("text/x-shellscript", f"{MARK}.sh", SCRIPT),
        (f"text/{MARK}", MARK, MARK)),
    mime(("text/cloud-config", MARK, CONFIG), ("text/cloud-config", MARK, f"#cloud-config\nx: *{MARK}\n")),
    mime((f"application/{MARK}", f"{MARK}1", MARK)), mime(("application/gzip", MARK, MARK)),
    mime((f'text/plain; charset="{MARK}"', MARK, MARK)).replace("boundary=zz", f"boundary={MARK}"),
    mime((f"text/cloud-config\nContent-Transfer-Encoding: base64\nX-{MARK}: {MARK}", MARK, "*" + MARK)),
    b64encode(CONFIG.encode()).decode(),
)  # fmt: skip
NETWORK = pick(
    *[""] * 5, f"version: 2\nethernets:\n  e0: {{match: {{macaddress: '{MARK}'}}}}\n",
    f"network:\n  version: 1\n  config: {MARK}\n",
    f'{{"links": [{{"id": "{MARK}"}}]}}', f"*{MARK}", f'{{"a": {MARK}}}',
    f"network:\n  version: 2\n  ethernets: {{e0: {{addresses: [{MARK}]}}}}\n", f"network: {MARK}\n",
    f"network: {{version: {MARK}}}\nversion: 1\n", f"version: 2\nethernets: @{MARK}\n", f"- {MARK}\n", MARK,
    f"network:\n  version: 2\n  a: {MARK}\n  a: {MARK}\n",
)  # fmt: skip
META = pick(*[{"instance-id": MARK, "local-hostname": MARK}] * 20, None, {"instance-id": 7, "public-keys": {"0": MARK}})


@st.composite
def cloud_inits(draw: st.DrawFn) -> bytes:
    value = {
        "DataSource": draw(pick(*["noCloud"] * 20, "configDrive", MARK)),
        "NoCloudMetaData": draw(META),
        "ConfigDriveMetaData": None,
        "UserData": draw(TEXTS),
        "NetworkData": draw(NETWORK),
        "DevicesData": None,
        "VolumeName": MARK,
    }
    data = json.dumps(value).encode()
    return data if draw(st.integers(0, 29)) else data[: data.rindex(MARK.encode()) + 2]


POINTERS = pick(
    "/hostname", "/hostnam", "/users/[name=T]/passwd", "/users/[nam=x]", "/users/7", "/users/T", "/T", "/a/T/b",
    *["/made", "/made/b", "/list/-"] * 5,
    "/made/q", "/made/T", "/list/[=T]", "/password/x", "/list/-", "", "/users/0/q", "/made/[k=T]", "/T/q", "/list/x",
    "/ethernets/e0/q", "/ethernets/T/q", "/network/q", "/network/T",
    "/network/ethernets/e0/addresses/[=T]", "/network",
    "/UserData", "/NoCloudMetaData/T", "/NetworkData", "/public-keys/T",
    "/instance-id",
)  # fmt: skip
TARGETS = pick(
    *["userData"] * 12, "userData, part: {contentType: text/cloud-config}", "networkData", "metaData",
    "cloudInitData", "userData, part: {contentType: text/x-shellscript}", "userData, part: {filename: x}",
)  # fmt: skip


@st.composite
def cloud_init_edits(draw: st.DrawFn) -> str:
    path, other, target, expect = json.dumps(draw(POINTERS)), json.dumps(draw(POINTERS)), draw(TARGETS), draw(EXPECT)
    value = draw(pick("'T'", "'T'", "{made: 'T'}", "['T', {k: 'T'}]", "{hostname: 'T', users: ['T']}", "R"))
    code = draw(EXPRESSIONS | pick("cloudInit.userData.value", "cloudInit.userData[variables.s]", "keys(cloudInit)[9]"))
    value = value.replace("R", json.dumps(f"$[ {code} ]"))
    edit = draw(
        pick(
            f"op: add, target: {target}, path: {path}, value: {value}{expect}",
            f"op: replace, target: {target}, path: {path}, value: {value}{expect}",
            f"op: remove, target: {target}, path: {path}{expect}",
            f"op: ensure, target: {target}, path: {path}, value: {value}",
            f"op: merge, target: {target}, path: {path}, value: {value}{expect}",
            f"op: merge, target: {target}, value: {value}",
            f"op: test, target: {target}, path: {path}, value: {value}",
            f"op: move, target: {target}, from: {path}, path: {other}{expect}",
            f"op: copy, target: {target}, from: {path}, path: {other}{expect}",
            "op: addPart, contentType: text/x-shellscript, filename: x, content: 'T'",
            "op: addPart, contentType: text/cloud-config, filename: x, content: 'T'",
            "op: replace, path: /UserData, value: 'T'",
            "op: replace, path: /NetworkData, value: 'T'",
            "op: test, expression: R",
            f"op: ensure, target: {target}, path: {path}, forEach: R, value: {value}",
        )
    )
    return "{" + filled(edit, code) + "}"


@settings(max_examples=EXAMPLES)
@given(data=cloud_inits(), vmi=vmis(), edits=st.lists(cloud_init_edits(), min_size=3, max_size=9), more=IGNORED)
def test_no_mark_is_said_of_cloud_init_data(
    sidecar: Sidecar, data: bytes, vmi: bytes, edits: list[str], more: str
) -> None:
    def run(program: Any) -> CloudInitOutcome:
        return engine.patch_cloud_init(program, data, b"", vmi)

    search("cloudInit", edits, more, run, lambda program: sidecar.cloud_init(program, data, b"", vmi))


def test_the_laws_have_tried_both() -> None:
    """The laws have seen enough edits of every kind succeed and fail: otherwise they prove nothing."""
    for kind, seen in SEEN.items():
        if seen:
            assert seen["done"] > EXAMPLES / 8, (kind, seen)
            assert seen.total() - seen["done"] > EXAMPLES, (kind, seen)
            assert len(seen) > 5, (kind, seen)
