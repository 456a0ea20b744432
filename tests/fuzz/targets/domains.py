"""Domain XML and the VMI, for valid patches."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from random import Random

from lxml import etree

from patchlang.diagnostics import PatchError
from patchlang.extract import read_domain, read_vmi

from .. import laws, mutate
from ..target import Parts, Target
from . import programs

_XML_TOKENS = re.compile(
    r"<!--.*?-->|<[!?/]?[\w:.-]*|[\w:.-]+=(?:'[^']*'|\"[^\"]*\")|/?>|&#?\w+;|\s+|[^<>&\s]+|.", re.DOTALL
)
_XML_WORDS = (
    "<a/>", "<a>", "</a>", "<!-- c -->", "<!---->", "<!--", "-->", "<?pi x?>", "<?xml version='1.0'?>", "<![CDATA[",
    "]]>", "<![CDATA[x]]>", "<!DOCTYPE domain>", "<!DOCTYPE domain [<!ENTITY a 'b'>]>", "&a;", "&amp;", "&lt;",
    "&#10;", "&#0;", "&#xD800;", "&#x10FFFF;", " xmlns='urn:x'", " xmlns=''", " xmlns:p='urn:p'", "<p:a/>",
    " p:b='1'", " a='1'", " a=\"'\"", " xml:space='preserve'", " xml:lang='x'", "\n", "\r\n", "\r", "\t", "  ", "é",
    "\u2028", "\ufeff", "\U0001f98a", "</domain>", "<domain>", "<domain type='kvm'>", "<devices>", "</devices>",
    "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/hostname'/>", "encoding='utf-16'",
    "standalone='yes'", "%a;", "text", "a.b", "<a b='<'/>", "<qemu:arg value='x'/>", "<name>", "<uuid>",
)  # fmt: skip
_XML_BYTES = tuple(word.encode() for word in _XML_WORDS)


_TAGS = (
    "a",
    "disk",
    "target",
    "devices",
    "name",
    "alias",
    "interface",
    "{urn:x}a",
    "{http://libvirt.org/schemas/domain/qemu/1.0}arg",
)
_ATTRIBUTES = ("a", "dev", "type", "name", "{urn:x}a", "{http://www.w3.org/XML/1998/namespace}space")
_TEXTS = ("", " ", "\n", "\n    ", "\t", "a", "vda", "ua-a", "1", " é\u2028\U0001f98a ", "<&>]]>'\"", "\r\n", "x" * 200)


def _domain(random: Random, data: bytes, other: bytes) -> bytes:
    choice = random.random()
    if choice < 0.5 and (changed := well_formed(random, data, other)) is not None:
        return changed
    if choice < 0.65:
        return mutate.of_bytes(random, data, _XML_BYTES, other)
    text = data.decode(errors="replace")
    words = _XML_WORDS if random.random() < 0.5 else _XML_TOKENS.findall(other.decode(errors="replace"))
    return mutate.of_tokens(random, text, _XML_TOKENS, words or _XML_WORDS).encode(errors="surrogatepass")


def well_formed(random: Random, data: bytes, other: bytes) -> bytes | None:
    """Another XML text; None if the seed is not well-formed. Empty elements may get two tags, as in Go."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root, pieces = etree.fromstring(data, parser), list(etree.fromstring(other, parser).iter())
    except etree.XMLSyntaxError:
        return None
    for _ in range(mutate.many(random) + 1):
        nodes = list(root.iter())
        _change(random, random.choice(nodes), random.choice(nodes), random.choice(pieces))
    text = etree.tostring(root)
    return re.sub(rb"<([\w:]+)([^<>]*)/>", rb"<\1\2></\1>", text) if random.random() < 0.5 else text


def _change(random: Random, node: etree._Element, other: etree._Element, piece: etree._Element) -> None:
    parent = node.getparent()
    match random.randrange(10):
        case 0 if parent is not None:
            parent.remove(node)
        case 1 if parent is not None:
            node.addnext(deepcopy(node))
        case 2 if parent is not None and isinstance(other.tag, str) and node not in (other, *other.iterancestors()):
            other.insert(random.randrange(len(other) + 1), node)
        case 3 if isinstance(node.tag, str):
            node.insert(random.randrange(len(node) + 1), deepcopy(piece))
        case 4 if isinstance(node.tag, str) and node.attrib:
            del node.attrib[random.choice(list(node.attrib))]
        case 5 if isinstance(node.tag, str) and parent is not None:
            node.tag = random.choice(_TAGS)
        case 6 if isinstance(node.tag, str):
            node.insert(
                0, random.choice((etree.Comment("c"), etree.ProcessingInstruction("p", "x"), etree.Element("a")))
            )
        case 7 if isinstance(node.tag, str):
            node.text = random.choice(_TEXTS)
        case 8 if parent is not None:
            node.tail = random.choice(_TEXTS)
        case _ if isinstance(node.tag, str):
            node.set(random.choice((*_ATTRIBUTES, *map(str, node.attrib))), random.choice(_TEXTS))
        case _:
            pass


def _make_domain(random: Random) -> Parts:
    choice = programs.domain_seeds()
    seed, other = random.choice(choice), random.choice(choice)
    given = seed if random.random() < 0.8 else other
    return {"patch.yaml": seed.patch, "domain.xml": _domain(random, given.domain, other.domain), "vmi.json": seed.vmi}


def _make_vmi(random: Random) -> Parts:
    choice = [seed for seed in programs.domain_seeds() if len(seed.vmi) > 2]
    seed, other = random.choice(choice), random.choice(choice)
    return {"patch.yaml": seed.patch, "domain.xml": seed.domain, "vmi.json": _vmi(random, seed.vmi, other.vmi)}


def _vmi(random: Random, data: bytes, other: bytes) -> bytes:
    try:
        tree, others = json.loads(data), [json.loads(other)]
    except (ValueError, RecursionError):
        return mutate.of_bytes(random, data, (), other)
    if random.random() < 0.3:
        return mutate.of_bytes(random, data, (b"null", b'"metadata":', b"{}", b"[]", b"1e999", b"NaN"), other)
    return mutate.as_json(mutate.of_data(random, tree, others))


def _check(parts: Parts) -> str:
    return laws.domain(programs.program(parts["patch.yaml"]), parts["domain.xml"], parts["vmi.json"])


def _make_dump(random: Random) -> Parts:
    """Domains and VMIs as the command line accepts them: in logs, among documents, in machines."""
    seed = random.choice(programs.domain_seeds())
    log = b'{"level":"info","msg":"Domain XML generated. Base64 dump PGRvbWFpbi8+","pos":"a.go:1"}\n'
    before = random.choice((b"", log, b"2024 info: x\n", b"<!-- virsh -->\n"))
    dumped = mutate.of_bytes(random, before + seed.domain[:2000], (log, b"</domain>", b"<domain>"))
    manifest = json.loads(seed.vmi) if random.random() < 0.5 and _is_object(seed.vmi) else {"metadata": {"name": "a"}}
    kind = random.choice(("VirtualMachine", "VirtualMachineInstance", "VirtualMachineInstanceReplicaSet", "Pod"))
    if kind != "VirtualMachineInstance":
        manifest = {"spec": {"template": manifest}, "metadata": {"name": "a"}}
    manifest = {"apiVersion": "kubevirt.io/v1", "kind": kind, **manifest}
    if random.random() < 0.3:
        manifest = {"kind": "List", "items": [manifest]}
    changed = mutate.of_data(random, manifest)
    text = mutate.as_yaml(random, changed).encode(errors="surrogatepass")
    return {"domain.log": dumped, "machine.yaml": text if random.random() < 0.8 else mutate.of_bytes(random, text)}


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def _check_dump(parts: Parts) -> str:
    found = laws.RESULT
    try:
        read_domain(parts["domain.log"])
    except PatchError as e:
        found = laws.shown([e.diagnostic], refused=True)
    try:
        json.loads(read_vmi(parts["machine.yaml"]))
    except PatchError as e:
        found = laws.shown([e.diagnostic], refused=True)
    return found


TARGETS = (
    Target("domain", 30, _make_domain, _check),
    Target("vmi", 8, _make_vmi, _check),
    Target("dumps", 8, _make_dump, _check_dump),
)
