"""Documentation that cannot rot: everything that README.md and the documents named below show is run.

What a fenced block is follows from its language and its first lines.

``yaml``
    A list is a list of domain edits, a map of keys of ``spec`` is a spec, ``apiVersion: patchlang/v1`` starts whole
    patch documents: all must compile. Anything else is a manifest, in which ConfigMaps and the annotation of the
    hook sidecars are checked. Comments at its start give the input: ``# annotations: {…}``, ``# labels: {…}``,
    ``# vmi: {…}``, merged into the VMI of the base domain.
``diff``
    What the patch shown last makes of a domain: lines with a blank or ``-`` in front are the domain before, those with
    a blank or ``+`` the domain after, byte for byte. ``<domain>`` around it may be left out. A second run on the
    outcome must change nothing, unless ``<!-- second run changes -->`` or ``<!-- second run fails -->`` stands before.
``text``
    What is said of the patch shown last: ``error[PL401 match-count] …`` and its ``help:`` line, or with places as the
    command line shows them (then the patch is a whole document). It is applied to the domain of the ``xml`` block
    between them, else to the base domain.
``sh``, ``python``, ``xml`` with ``xsl:`` elements
    A hook script: called as KubeVirt calls it, on the base domain or cloud-init data, it must give the same as the next
    patch. Snippets of Python and XSLT go into the frame shown under ``<!-- frame: … -->``, at its line ``…``. A snippet
    that starts with ``# lxml`` gets lxml. ``<!-- breaks: A; B -->`` before it names inputs (see ``variant``) of which
    the script makes something else than the patch, or what it spoils; the document says so in words.
``xml``
    Must be well-formed. ``<!-- base -->`` before it makes it the base domain of the document.

``json``
    The log of the sidecar, with the ConfigMap shown last, for one start of a VM; times and places apart.

``<!-- flags -->`` before a ``text`` makes it flags of the sidecar. ``<!-- boot: stable -->`` or ``<!-- boot: piles up
-->`` before a patch runs it as often as one boot does, on the base domain; ``<!-- advice: PL303 -->`` says what is
advised against it, else nothing is. ``<!-- not run -->`` leaves a block out.

Tables: ``<!-- table: NAME -->`` names one that is compared with the code, see ``TABLES``. A table whose head starts
with ``expression`` (CEL) or ``XPath`` holds an expression and its result in JSON, or ``error: `` and a part of its
message, on the values shown under ``<!-- values -->`` and the base domain; ``<!-- node: PATH -->`` before it says at
which matched node.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from lxml import etree

from patchlang import engine, libvirt_lists, rules
from patchlang.cel import compiled as cel_compiled
from patchlang.cel import functions as cel_functions
from patchlang.compile import BUILT_IN_NAMESPACES, Program
from patchlang.diagnostics import PatchError, Rule
from patchlang.document import model
from patchlang.document.decode import model_fields
from patchlang.domain.ops import facts_of
from patchlang.domain.tree import parse
from patchlang.engine import patch_domain
from patchlang.kubevirt.replay import second_run
from patchlang.lint import advise
from patchlang.load import decode_source, load_sources
from patchlang.record import Field
from patchlang.render import render
from patchlang.run_scope import Scope
from patchlang.source import SourceFile, Span, Text
from patchlang.xpath import tree as xpath_tree
from patchlang.xpath.query import Match

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "tests" / "corpus" / "base"
DOCUMENTS = ("README.md", "docs/language.md", "docs/from-scripts.md", "docs/sidecar.md")

# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block, or a table (``lang`` is ``table``). ``marks`` are the comments right before it."""

    document: str
    line: int
    lang: str
    text: str
    marks: dict[str, str]
    section: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def is_patch(self) -> bool:
        return self.lang == "yaml" and kind_of(self.text) != "manifest" and "not run" not in self.marks

    @property
    def is_script(self) -> bool:
        return self.lang in ("sh", "python") or (self.lang == "xml" and "<xsl:" in self.text)


@cache
def blocks(document: str) -> tuple[Block, ...]:
    path = ROOT / document
    return tuple(_blocks(document, path.read_text())) if path.exists() else ()


def _blocks(document: str, text: str) -> Iterator[Block]:
    lines = text.split("\n")
    marks: dict[str, str] = {}
    section, at = "", 0
    while at < len(lines):
        line, first = lines[at], at
        at += 1
        if fence := re.match(r"( *)```(\w*)$", line):
            while lines[at].strip() != "```":
                at += 1
            indent = len(fence[1])
            body = "".join(f"{inner[indent:]}\n" for inner in lines[first + 1 : at])
            at += 1
            yield Block(document, first + 1, fence[2], body, marks, section)
        elif mark := re.match(r" *<!-- ([^:]*?)(?:: (.*))? -->$", line):
            marks = {**marks, mark[1]: mark[2] or ""}
            continue
        elif line.startswith("|"):
            while lines[at].startswith("|"):
                at += 1
            yield Block(document, first + 1, "table", "\n".join(lines[first:at]), marks, section)
        elif heading := re.match(r"#+ (.*)", line):
            section = heading[1]
        elif not line.strip():
            continue
        marks = {}


def rows(table: Block) -> list[list[str]]:
    """The cells of a table, without its head."""
    split = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in table.text.split("\n")]
    return [[cell.replace("\\|", "|").strip() for cell in row] for row in split[2:]]


def head(table: Block) -> list[str]:
    return [cell.strip() for cell in table.text.split("\n")[0].strip("|").split("|")]


def codes(cell: str) -> list[str]:
    """The code spans of a cell."""
    return [found[1] or found[2] for found in re.finditer(r"`` (.*?) ``|`([^`]+)`", cell)]


def all_blocks(wanted: Callable[[Block], bool]) -> list[Any]:
    return [pytest.param(b, id=str(b)) for document in DOCUMENTS for b in blocks(document) if wanted(b)]


# -- patches -----------------------------------------------------------------------------------------------------------


def kind_of(text: str) -> str:
    first = next(line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    if first.startswith("- "):
        return "edits"
    if first.startswith("apiVersion: patchlang/"):
        return "documents"
    top = set(re.findall(r"^([A-Za-z]+):", text, re.MULTILINE))
    return "spec" if top and top <= set(model_fields(model.Spec)) else "manifest"


def source(text: str) -> SourceFile:
    """A patch file from what a block shows."""
    kind = kind_of(text)
    if kind == "documents":
        return SourceFile("patch.yaml", text)
    body = "  domain:\n" + textwrap.indent(text, "    ") if kind == "edits" else textwrap.indent(text, "  ")
    head = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: example}\n"
    return SourceFile("patch.yaml", f"{head}spec:\n{body}")


def program(block: Block) -> Program:
    compiled, diagnostics = load_sources([source(block.text)])
    assert compiled is not None, f"{block} does not load:\n{render(diagnostics)}"
    return compiled


def given(text: str) -> dict[str, Any]:
    """What the comments at the start of a patch say of the VMI."""
    values: dict[str, Any] = {}
    for line in text.split("\n"):
        if not (found := re.match(r"# (annotations|labels|vmi): (.*)", line)):
            break
        value = yaml.safe_load(found[2])
        merge(values, value if found[1] == "vmi" else {"metadata": {found[1]: value}})
    return values


def merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def base_of(block: Block) -> str:
    """The base domain for a block: the one it names, else that of its document."""
    if name := block.marks.get("domain"):
        return (BASE / f"{name}.domain.xml").read_text()
    shown = [b for b in blocks(block.document) if "base" in b.marks]
    return shown[0].text.rstrip("\n") if shown else (BASE / "linux-min.domain.xml").read_text()


def vmi_of(block: Block, shown: str) -> bytes:
    """The VMI of the base domain with what a patch's comments add."""
    own = any("base" in b.marks for b in blocks(block.document))
    vmi = {} if own else json.loads((BASE / f"{block.marks.get('domain', 'linux-min')}.vmi.json").read_text())
    merge(vmi, given(shown))
    return json.dumps(vmi).encode()


def attempt(patch: Program, domain: bytes, vmi: bytes) -> tuple[bytes | None, str]:
    outcome = patch_domain(patch, domain, vmi)
    return outcome.data, render(outcome.diagnostics)


def apply(patch: Program, domain: bytes, vmi: bytes) -> bytes:
    result, said = attempt(patch, domain, vmi)
    assert result is not None, said
    return result


@pytest.mark.parametrize("block", all_blocks(lambda b: b.is_patch))
def test_patch_compiles(block: Block) -> None:
    following = [b for b in blocks(block.document) if b.line > block.line]
    if following and following[0].lang == "text" and _fails_to_load(block):
        return  # the text is compared below
    program(block)


@pytest.mark.parametrize("block", all_blocks(lambda b: b.is_patch))
def test_patch_needs_no_advice(block: Block) -> None:
    """Unless ``<!-- advice: PL303 -->`` says which."""
    patches, _ = decode_source(source(block.text))
    found = {d.rule.id for d in advise(patches, None)}
    assert found == set(filter(None, block.marks.get("advice", "").split(", ")))


def _fails_to_load(block: Block) -> bool:
    return load_sources([source(block.text)])[0] is None


def before_and_after(diff: Block) -> tuple[bytes, bytes]:
    lines = diff.text.rstrip("\n").split("\n")
    assert all(line[:1] in (" ", "-", "+", "") for line in lines), "a line of a diff has a mark in front"
    before, after = ([line[1:] for line in lines if line[:1] != other] for other in "+-")
    return in_domain(before), in_domain(after)


def in_domain(lines: list[str]) -> bytes:
    """A domain of which ``<domain>`` itself may have been left out."""
    if not lines[0].startswith("<domain"):
        lines = ["<domain>", *(f"  {line}" if line else line for line in lines), "</domain>"]
    return "\n".join(lines).encode()


def last_patch(block: Block) -> Block:
    earlier = [b for b in blocks(block.document) if b.line < block.line and b.is_patch]
    assert earlier, f"{block}: no patch stands before it"
    return earlier[-1]


@pytest.mark.parametrize("diff", all_blocks(lambda b: b.lang == "diff"))
def test_patch_gives_what_is_shown(diff: Block) -> None:
    patch = last_patch(diff)
    before, after = before_and_after(diff)
    vmi = json.dumps(given(patch.text)).encode()
    compiled = program(patch)
    assert apply(compiled, before, vmi).decode() == after.decode()
    again, _ = attempt(compiled, after, vmi)
    if "second run fails" in diff.marks:
        assert again is None
    elif "second run changes" in diff.marks:
        assert again not in (None, after)
    else:
        assert again == after


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "text" and "flags" not in b.marks))
def test_message_is_what_is_shown(block: Block) -> None:
    patch = last_patch(block)
    compiled, diagnostics = load_sources([source(patch.text)])
    if compiled is not None:
        between = [b for b in blocks(block.document) if b.lang == "xml" and patch.line < b.line < block.line]
        domain = in_domain(between[0].text.rstrip("\n").split("\n")) if between else base_of(block).encode()
        diagnostics = patch_domain(compiled, domain, vmi_of(block, patch.text)).diagnostics
    if block.text.startswith("patch.yaml:"):
        assert render(diagnostics) == block.text
        return
    lines = []
    for d in diagnostics:
        lines += [f"{d.severity.value}[{d.rule.id} {d.rule.slug}] {d.message}\n", f"help: {d.help}\n" if d.help else ""]
    assert "".join(lines) == block.text


def boot(patch: Program, domain: bytes, vmi: bytes) -> list[bytes]:
    """The outcomes of the three runs of one boot."""
    first = apply(patch, domain, vmi)
    second = apply(patch, second_run(domain, first), vmi)
    return [first, second, apply(patch, second, vmi)]


@pytest.mark.parametrize("block", all_blocks(lambda b: "boot" in b.marks))
def test_patch_over_one_boot(block: Block) -> None:
    domain, vmi = base_of(block).encode(), vmi_of(block, block.text)
    sizes = [sum(1 for _ in etree.fromstring(result).iter()) for result in boot(program(block), domain, vmi)]
    if block.marks["boot"] == "stable":
        assert len(set(sizes)) == 1
    else:
        assert block.marks["boot"] == "piles up"
        assert sizes[2] > sizes[0]


# -- scripts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One call of a hook: what goes in."""

    domain: bool
    data: bytes
    vmi: bytes

    def patched(self, patch: Program) -> tuple[bytes | None, str]:
        if self.domain:
            return attempt(patch, self.data, self.vmi)
        outcome = engine.patch_cloud_init(patch, self.data, b"", self.vmi)
        return outcome.data, render(outcome.diagnostics)

    def by_script(self, script: Block) -> bytes | None:
        """What the script prints; None where it fails."""
        name, option = ("onDefineDomain", "--domain") if self.domain else ("preCloudInitIso", "--cloud-init")
        arguments = ["--vmi", self.vmi.decode(), option, self.data.decode()]
        if script.lang == "xml":
            style = etree.XSLT(etree.fromstring(in_frame(script, "xml").encode()))
            return bytes(style(etree.fromstring(self.data)))
        if script.lang == "sh":
            command = ["sh", "-c", script.text, name, *arguments]
        else:
            command = [sys.executable, "-c", in_frame(script, "python" if self.domain else "cloud-init"), *arguments]
        with TemporaryDirectory() as folder:
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
        return done.stdout if done.returncode == 0 else None

    def meaning(self, data: bytes) -> object:
        """What is compared: the XML without its layout and prefixes, or the data with the user data opened."""
        if self.domain:
            bare = etree.tostring(etree.fromstring(data, etree.XMLParser(remove_blank_text=True)))
            return etree.canonicalize(bare.decode(), rewrite_prefixes=True)
        record = json.loads(data)
        if record["UserData"].startswith("#cloud-config"):
            record["UserData"] = yaml.safe_load(record["UserData"])
        return record


def in_frame(script: Block, name: str) -> str:
    frame = next(b for b in blocks(script.document) if b.marks.get("frame") == name)
    text = frame.text
    if script.text.startswith("# lxml"):
        text = text.replace("import xml.etree.ElementTree as ET", "from lxml import etree as ET")
    return re.sub(r"^.*….*\n", lambda _: script.text, text, flags=re.MULTILINE)


def compact(vmi: bytes) -> bytes:
    """JSON as KubeVirt writes it."""
    return json.dumps(json.loads(vmi), separators=(",", ":")).encode()


def missing_tools(script: Block) -> list[str]:
    named = re.findall(r"\b(?:sed|awk|jq|grep)\b", script.text) if script.lang == "sh" else []
    return [tool for tool in dict.fromkeys(named) if shutil.which(tool) is None]


def _other_order_of_attributes(domain: bytes) -> bytes:
    def swap(tag: re.Match[str]) -> str:
        return f"<{tag[1]} {' '.join(reversed(re.findall(ATTRIBUTE, tag[2])))}{tag[3]}"

    return re.sub(rf"<([\w:]+) ((?:{ATTRIBUTE} ?)+)(/?>)", swap, domain.decode()).encode()


def _other_order_of_devices(domain: bytes) -> bytes:
    root = etree.fromstring(domain)
    devices = root.find("devices")
    assert devices is not None
    devices[:] = list(reversed(devices))
    return bytes(etree.tostring(root, method="c14n"))


def _multipart(_data: bytes) -> bytes:
    return (BASE / "nocloud-mime.cloudinit.json").read_bytes()


ATTRIBUTE = r'[\w:]+="[^"]*"'
# inputs on which a script fails, or makes something else than its patch
VARIANTS: dict[str, Callable[[bytes], bytes]] = {
    "another order of attributes": _other_order_of_attributes,
    "another order of devices": _other_order_of_devices,
    "a tag over two lines": lambda d: re.sub(rb'<([\w:]+) ([\w:]+="[^"]*") ', rb"<\1\n\2 ", d),
    "multipart user data": _multipart,
    "no prefix declared": lambda d: re.sub(rb' xmlns:qemu="[^"]*"', b"", d),
    "one line": lambda d: re.sub(rb">\s+<", b"><", d),
    "self-closed tags": lambda d: bytes(etree.tostring(etree.fromstring(d))),
    "single quotes": lambda d: d.replace(b'"', b"'"),
}
# what a script does to bytes that it does not mean to change
SPOILT: dict[str, Callable[[bytes], bool]] = {
    "a prefix of its own": lambda printed: b"<ns0:" in printed,
    "comments": lambda printed: b"# managed by" not in printed,
    "empty elements": lambda printed: b"/>" in printed,
}


def variant(way: str, call: Call, block: Block, patch: Program) -> Call:
    """The call with another input."""
    if way == "second run":
        result, said = call.patched(patch)
        assert result is not None, said
        return replace(call, data=result)
    if way == "special characters":
        text = re.sub(r": ([\"']?)[^\"'{},]+\1(?=[,}])", r""": 'R&D/"Lab''s" <1>|'""", block.text)
        assert text != block.text
        return replace(call, vmi=compact(vmi_of(block, text)))
    if way == "no annotation":
        return replace(call, vmi=compact(vmi_of(block, "")))
    if way == "spaces in the JSON":
        return replace(call, vmi=json.dumps(json.loads(call.vmi)).encode())
    if way.startswith("vmi "):
        pointer, value = way.removeprefix("vmi ").split("=")
        vmi, changed = json.loads(call.vmi), {}
        for name in reversed(pointer.split("/")[1:]):
            changed = {name: changed or value}
        merge(vmi, changed)
        return replace(call, vmi=compact(json.dumps(vmi).encode()))
    if way.startswith("with "):
        record = json.loads(call.data)
        record["UserData"] += f"{way.removeprefix('with ')}: [echo theirs]\n"
        return replace(call, data=json.dumps(record).encode())
    if way.startswith("without "):
        return replace(call, data=without(way.removeprefix("without "), call))
    return replace(call, data=VARIANTS[way](call.data))


def without(what: str, call: Call) -> bytes:
    if not call.domain:
        record = json.loads(call.data)
        config = yaml.safe_load(record["UserData"])
        del config[what]
        record["UserData"] = "#cloud-config\n" + yaml.safe_dump(config)
        return json.dumps(record).encode()
    root = etree.fromstring(call.data)
    gone = root.xpath(what)
    assert gone
    for node in gone:
        parent = node.getparent()
        if isinstance(node, etree._Element):
            parent.remove(node)
        else:
            del parent.attrib[node.attrname]
    return bytes(etree.tostring(root, method="c14n"))


@pytest.mark.parametrize("script", all_blocks(lambda b: b.is_script and not {"not run", "frame"} & set(b.marks)))
def test_script_and_patch_give_the_same(script: Block) -> None:
    if missing := missing_tools(script):
        pytest.skip(f"needs {', '.join(missing)}")
    block = next(b for b in blocks(script.document) if b.line > script.line and b.is_patch)
    patch = program(block)
    data = (
        base_of(script).encode() if patch.edits_domain else (BASE / "nocloud-cloudconfig.cloudinit.json").read_bytes()
    )
    call = Call(patch.edits_domain, data, compact(vmi_of(script, block.text)))
    wanted, said = call.patched(patch)
    assert wanted is not None, said
    assert call.meaning(wanted) != call.meaning(data), "an example changes something"
    printed = call.by_script(script)
    assert printed is not None, "the script fails"
    assert call.meaning(printed) == call.meaning(wanted)
    again, said = replace(call, data=wanted).patched(patch)
    assert again == wanted, said
    if call.domain:
        _, second, third = boot(patch, data, call.vmi)
        assert third == second
    assert "breaks" in script.marks
    for way in script.marks["breaks"].split("; "):
        if way in SPOILT:
            assert (SPOILT[way](printed), SPOILT[way](wanted)) == (True, False), way
        else:
            goes_wrong(script, patch, variant(way, call, block, patch), way)


def goes_wrong(script: Block, patch: Program, call: Call, way: str) -> None:
    """The script fails, or makes something else than the patch; or the patch refuses, and the script says nothing."""
    printed = call.by_script(script)
    right, said = call.patched(patch)
    if right is None:
        assert "error[PL" in said
        assert printed is not None, f"{way}: the script refuses, too"
        return
    try:
        same = printed is not None and call.meaning(printed) == call.meaning(right)
    except (etree.XMLSyntaxError, ValueError, yaml.YAMLError):
        same = False
    assert not same, f"{way}: the script gives what the patch gives"


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "xml" and not b.is_script))
def test_xml_is_well_formed(block: Block) -> None:
    names = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in BUILT_IN_NAMESPACES.items())
    etree.fromstring(block.text if block.text.startswith("<?xml") else f"<any{names}>{block.text}</any>")


# -- manifests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "yaml" and kind_of(b.text) == "manifest"))
def test_manifest(block: Block) -> None:
    from shim.config import parse as parse_arguments

    for document in yaml.safe_load_all(block.text):
        if document.get("kind") == "ConfigMap":
            for name, text in document["data"].items():
                if "apiVersion: patchlang/" in text:
                    compiled, diagnostics = load_sources([SourceFile(name, text)])
                    assert compiled is not None, render(diagnostics)
        for text in _sidecars(document):
            for sidecar in json.loads(text):
                assert {"image", "args", "configMap", "command", "pvc", "imagePullPolicy"} >= set(sidecar)
                parse_arguments(sidecar.get("args", []))


def _sidecars(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "hooks.kubevirt.io/hookSidecars":
                yield value
            else:
                yield from _sidecars(value)


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "text" and "flags" in b.marks))
def test_flags_are_known(block: Block) -> None:
    from shim.config import parse as parse_arguments

    parse_arguments(block.text.split())


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "json"))
def test_log_is_what_is_shown(block: Block, tmp_path: Path) -> None:
    earlier = [b for b in blocks(block.document) if b.line < block.line and "kind: ConfigMap" in b.text]
    patches, sockets = tmp_path / "patches", tmp_path / "sockets"
    for folder in (patches, sockets):
        folder.mkdir()
    for name, text in yaml.safe_load(earlier[-1].text)["data"].items():
        (patches / name).write_text(text)
    log = log_of_one_start(patches, sockets, base_of(block).encode())
    log = log.replace(str(patches), "/etc/patchlang/patches.d").replace(str(sockets), "/var/run/kubevirt-hooks")
    shown, real = (
        [json.loads(re.sub(r"[0-9.]+ ms", "1 ms", line)) for line in text.splitlines()] for text in (block.text, log)
    )
    assert [list(line) for line in shown] == [list(line) for line in real]
    kept = ("component", "level", "msg")
    assert [[line[key] for key in kept] for line in shown] == [[line[key] for key in kept] for line in real]


def log_of_one_start(patches: Path, sockets: Path, domain: bytes) -> str:
    """What the sidecar logs for Info, OnDefineDomain and Shutdown."""
    grpc = pytest.importorskip("grpc")
    from shim.stubs import info_pb2, info_pb2_grpc, v1alpha3_pb2, v1alpha3_pb2_grpc

    command = [sys.executable, "-m", "shim", "--version", "v1alpha3", "--patches", str(patches)]
    environment = {**os.environ, "CONTAINER_NAME": "hook-sidecar-0", "PATH": "", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--socket-dir", str(sockets)], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        with grpc.insecure_channel(f"unix:{sockets}/shim-hook-sidecar-0.sock") as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
            info_pb2_grpc.InfoStub(channel).Info(info_pb2.InfoParams())
            callbacks = v1alpha3_pb2_grpc.CallbacksStub(channel)
            callbacks.OnDefineDomain(v1alpha3_pb2.OnDefineDomainParams(domainXML=domain, vmi=b"{}"))
            callbacks.Shutdown(v1alpha3_pb2.ShutdownParams())
        return process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()


# -- expressions -------------------------------------------------------------------------------------------------------


@dataclass
class Values:
    """What expressions in a document see, from its block under ``<!-- values -->``."""

    vmi: dict[str, Any]
    variables: dict[str, Any]
    loop: dict[str, Any]
    domain: bytes
    path: str | None

    @property
    def names(self) -> cel_compiled.Names:
        return cel_compiled.Names(tuple((name, "dyn") for name in self.variables), True, self.path is not None, True)

    def scope(self) -> Scope:
        """What the engine makes of them, at the node of ``path``."""
        variables = "".join(f"  - {{name: {name}, expression: 'null'}}\n" for name in self.variables)
        compiled, _ = load_sources([source(f"variables:\n{variables}domain:\n  - {{op: test, path: /domain}}\n")])
        assert compiled is not None
        tree = parse(self.domain)
        scope = engine._domain_scope(tree, self.vmi, compiled.documents[0])
        scope.variables, scope.loop = dict(self.variables), dict(self.loop)
        if self.path is not None:
            found = tree.root.xpath(self.path)[0]
            attribute = getattr(found, "attrname", None)
            node = Match(found.getparent() if attribute else found, attribute)
            scope.context = node.context
            scope.facts["node"] = lambda: facts_of(node, 0)
        return scope


def located(text: str) -> Text:
    file = SourceFile("cell", text)
    return Text(text, lambda start, end: Span(file, start, len(text) if end is None else end))


def values_of(table: Block) -> Values:
    shown = next(b for b in blocks(table.document) if "values" in b.marks)
    data = yaml.safe_load(shown.text)
    vmi = data["vmi"]
    for kind in ("annotations", "labels"):
        vmi["metadata"].setdefault(kind, {})
    loop = {name: data[name] for name in ("item", "index") if name in data}
    path = table.marks.get("node")
    return Values(vmi, data.get("variables", {}), loop, base_of(table).encode(), path)


def is_expressions(block: Block) -> bool:
    return block.lang == "table" and head(block)[0] in ("expression", "XPath")


def cells() -> list[Any]:
    found = []
    for document in DOCUMENTS:
        for table in filter(is_expressions, blocks(document)):
            for number, row in enumerate(rows(table)):
                found.append(pytest.param(table, row, id=f"{table}+{number + 2}"))
    return found


@pytest.mark.parametrize(("table", "row"), cells())
def test_expression_gives_what_is_shown(table: Block, row: list[str]) -> None:
    values = values_of(table)
    [text], result = codes(row[0]), row[1]
    if result.startswith("error: "):
        with pytest.raises(PatchError) as raised:
            evaluate(head(table)[0], text, values)
        assert result.removeprefix("error: ").replace("`", "") in raised.value.diagnostic.message.replace("`", "")
        return
    assert json.dumps(evaluate(head(table)[0], text, values)) == json.dumps(json.loads(codes(result)[0]))


def evaluate(head: str, text: str, values: Values) -> Any:
    scope = values.scope()
    if head == "XPath":
        return scope.xpath(text, {})
    return cel_compiled.compile_expression(located(text), values.names).evaluate(scope)


# -- tables that are compared with the code ----------------------------------------------------------------------------


def first_codes(table: Block, column: int = 0) -> list[str]:
    return [code for row in rows(table) for code in codes(row[column])[:1]]


def table_of_spec(table: Block) -> None:
    assert first_codes(table) == list(model_fields(model.Spec))


def table_of_envelope(table: Block) -> None:
    assert first_codes(table) == ["apiVersion", "kind", "metadata.name", "spec"]


def table_of_quotes(table: Block) -> None:
    for row in rows(table):
        [meant, *context], [written] = codes(row[0]), codes(row[1])
        around = "{{key: {}}}" if context else "key: {}"
        assert yaml.load(around.format(written), yaml.BaseLoader) == {"key": meant}
        try:
            bare = yaml.load(around.format(meant), yaml.BaseLoader)
        except yaml.YAMLError:
            continue
        assert bare != {"key": meant}, f"{meant} needs no quotes"


def table_of_edit_keys(table: Block) -> None:
    common = set(model_fields(model.DomainBase))
    assert set(first_codes(table)) == {"op", *common}


def fields_of(op: str) -> Callable[[Block], None]:
    def check(table: Block) -> None:
        own = {
            name: field
            for name, (field, _) in model_fields(model.DOMAIN_OPS[op]).items()
            if name not in model_fields(model.DomainBase)
        }
        assert set(first_codes(table)) == set(own)
        for row in rows(table):
            [name, *_] = codes(row[0])
            assert (row[1] == "required") == own[name].is_required, name

    return check


def table_of_ops(table: Block) -> None:
    assert [codes(row[0])[0] for row in rows(table)] == list(model.DOMAIN_OPS)


def table_of_namespaces(table: Block) -> None:
    assert {codes(row[0])[0]: codes(row[1])[0] for row in rows(table)} == BUILT_IN_NAMESPACES


def table_of_merge_keys(table: Block) -> None:
    shown = {}
    for row in rows(table):
        keys = tuple(tuple(codes(key)) for key in row[1].split(", else "))
        for name in codes(row[0]):
            prefix, colon, local = name.rpartition(":")
            assert name not in shown
            shown[f"{{{BUILT_IN_NAMESPACES[prefix]}}}{local}" if colon else name] = keys
    assert shown == dict(libvirt_lists.MERGE_KEYS)


def table_of_functions(table: Block) -> None:
    named = {re.match(r"\w+", code)[0] for code in first_codes(table)}  # type: ignore[index]
    assert named == set(cel_functions.SIGNATURES)
    assert named == {name for name in cel_functions.FUNCTIONS if not name.endswith("__")}


def table_of_xpath_functions(table: Block) -> None:
    shown = [name for row in rows(table) for name in re.findall(r"([\w-]+)\(", row[1])]
    assert sorted(shown) == sorted(set(xpath_tree.FUNCTIONS) - {"id", "lang"})


def table_of_rules(table: Block) -> None:
    known = {value.id: value.slug for value in vars(rules).values() if isinstance(value, Rule)}
    shown = {codes(row[0])[0]: codes(row[1])[0] for row in rows(table)}
    assert list(shown) == sorted(shown)
    group = {rule[:3] for rule in shown}
    assert shown == {rule: slug for rule, slug in known.items() if rule[:3] in group}


def table_of_limits(table: Block) -> None:
    for row in rows(table):
        named = re.search(r"<!-- ([\w.]+) -->", row[1])
        assert named, f"{row[0]}: the constant is not named"
        assert number(row[1]) == constant(named[1]), row[0]


def constant(name: str) -> float:
    """``package.module.CONSTANT`` or ``package.module.Class.default``."""
    package, module, *rest = name.split(".")
    value: Any = importlib.import_module(f"{package}.{module}")
    for part in rest:
        value = getattr(value() if isinstance(value, type) else value, part)
    return float(value)


def number(cell: str) -> float:
    """``256 KiB``, ``1,000``, ``4 MiB``, ``50 s`` as a number."""
    found = re.match(r"([0-9][0-9,.]*)(?: (KiB|MiB))?", cell)
    assert found, cell
    factor = {"KiB": 1 << 10, "MiB": 1 << 20}.get(found[2], 1)
    return float(found[1].replace(",", "")) * factor


def table_of_flags(table: Block) -> None:
    from shim import config

    known = {
        option
        for action in config._parser()._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert {code.split()[0] for code in first_codes(table)} == known


TABLES: dict[str, Callable[[Block], None]] = {
    "envelope": table_of_envelope,
    "spec": table_of_spec,
    "quotes": table_of_quotes,
    "edit": table_of_edit_keys,
    "ops": table_of_ops,
    "namespaces": table_of_namespaces,
    "merge keys": table_of_merge_keys,
    "our functions": table_of_functions,
    "XPath functions": table_of_xpath_functions,
    "rules": table_of_rules,
    "limits": table_of_limits,
    "flags": table_of_flags,
    **{f"fields of {op}": fields_of(op) for op in model.DOMAIN_OPS},
}


@pytest.mark.parametrize("table", all_blocks(lambda b: b.lang == "table" and "table" in b.marks))
def test_table_agrees_with_the_code(table: Block) -> None:
    TABLES[table.marks["table"]](table)


def test_no_table_is_missing() -> None:
    there = {b.marks["table"] for document in DOCUMENTS for b in blocks(document) if "table" in b.marks}
    assert set(TABLES) == there


def test_every_rule_is_in_a_table() -> None:
    known = {value.id for value in vars(rules).values() if isinstance(value, Rule)}
    tables = [b for b in blocks("docs/language.md") if b.marks.get("table") == "rules"]
    assert known == {code for table in tables for code in first_codes(table)}


# constants whose limit the documents do not name: shapes of messages, and what bounds the code itself
NOT_LIMITS = {
    "patchlang.cel.checked_expr.MAX_DEPTH",
    "patchlang.lint.paths.MAX_DEGREE",  # beyond it there is advice
    "patchlang.validation.unit.MAX_MANIFEST_BYTES",  # docs/validate.md names it
    "shim.engine.MAX_FINDINGS",
    "shim.frames.MAX_RESULT",
    "shim.engines.MAX_HELD",
    "shim.frames.MAX_BLOB",
    "shim.frames.MAX_HEAD",
    "shim.frames.MAX_WAITING",
    "shim.log.MAX_MESSAGE",
    "shim.programs.MAX_LINE",
    "shim.programs.MAX_TAIL",
    "shim.progress.MAX_BYTES",
}


def test_every_limit_is_in_a_table() -> None:
    """All constants ``MAX_…`` of the code, but for those of cloud-init data, which has a document of its own."""
    defined = set()
    for package in ("patchlang", "shim"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if module.startswith("patchlang.cloudinit."):
                continue
            for statement in ast.parse(path.read_text()).body:
                for target in statement.targets if isinstance(statement, ast.Assign) else ():
                    if isinstance(target, ast.Name) and target.id.startswith("MAX_"):
                        defined.add(f"{module}.{target.id}")
    tables = [b for document in DOCUMENTS for b in blocks(document) if b.marks.get("table") == "limits"]
    shown = {name for table in tables for row in rows(table) for name in re.findall(r"<!-- ([\w.]+) -->", row[1])}
    assert defined - shown - NOT_LIMITS == set()


# -- the documents as a whole ------------------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        unique = slug
        while unique in found:
            unique, number = f"{slug}-{number}", number + 1
        found.add(unique)
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", (ROOT / document).read_text(), flags=re.DOTALL)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_heading_that_is_listed_is_there_in_this_order(document: str) -> None:
    """The contents at the top of a document."""
    text = (ROOT / document).read_text()
    listed = re.findall(r"^ *- \[[^\]]*\]\(#([^)]*)\)", text, re.MULTILINE)
    lines = {anchor: at for at, anchor in enumerate(_anchors_in_order(text))}
    assert all(lines[a] < lines[b] for a, b in pairwise(listed))


def _anchors_in_order(text: str) -> list[str]:
    plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", h.replace("`", "").lower()).replace(" ", "-") for h in headings]


def test_every_key_of_every_op_is_shown() -> None:
    shown: dict[str, set[str]] = {}
    for block in blocks("docs/language.md"):
        if block.is_patch and not _fails_to_load(block):
            patches, _ = decode_source(source(block.text))
            for edit in (edit for patch in patches for edit in patch.spec.domain):
                op = next(name for name, cls in model.DOMAIN_OPS.items() if type(edit) is cls)
                keys = {key for key, (field, _) in model_fields(type(edit)).items() if _is_set(edit, field)}
                shown.setdefault(op, set()).update(keys)
    for op, cls in model.DOMAIN_OPS.items():
        own = set(model_fields(cls)) - set(model_fields(model.DomainBase))
        assert own - shown.get(op, set()) == set(), op
    common = set().union(*shown.values())
    assert set(model_fields(model.DomainBase)) - common == {"name"}


def _is_set(edit: model.DomainEdit, field: Field) -> bool:
    return field.is_required or getattr(edit, field.name) != field.default


def test_there_are_enough_idioms() -> None:
    scripts = [b for b in blocks("docs/from-scripts.md") if b.is_script and "frame" not in b.marks]
    assert len(scripts) >= 20
