"""Every hook script in a document gives the same result as its patch, and breaks where the document says it does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory

import pytest
import yaml
from docblocks import BASE, Block, all_blocks, attempt, base_of, blocks, boot, merge, program, vmi_of
from lxml import etree

from patchlang import engine
from patchlang.compile import Program
from patchlang.render import render


@dataclass(frozen=True)
class Call:
    """The input of one hook call."""

    domain: bool
    data: bytes
    vmi: bytes

    def patched(self, patch: Program) -> tuple[bytes | None, str]:
        if self.domain:
            return attempt(patch, self.data, self.vmi)
        outcome = engine.patch_cloud_init(patch, self.data, b"", self.vmi)
        return outcome.data, render(outcome.diagnostics)

    def by_script(self, script: Block) -> bytes | None:
        """The output of the script; None if it fails."""
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
        """The content to compare: the XML without layout and prefixes, or the data with the user data decoded."""
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
# inputs on which a script fails or gives a different result from its patch
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
# changes that a script makes to bytes by accident
SPOILT: dict[str, Callable[[bytes], bool]] = {
    "an invented prefix": lambda printed: b"<ns0:" in printed,
    "comments": lambda printed: b"# managed by" not in printed,
    "empty elements": lambda printed: b"/>" in printed,
}


def variant(way: str, call: Call, block: Block, patch: Program) -> Call:
    """The same call with another input."""
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
    """The script fails or its result differs from the patch's; or only the patch reports an error."""
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


def test_there_are_enough_idioms() -> None:
    scripts = [b for b in blocks("docs/from-scripts.md") if b.is_script and "frame" not in b.marks]
    assert len(scripts) >= 20
