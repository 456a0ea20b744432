"""No value becomes markup or path: an edit with a hole creates the same nodes for strange and plain values."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import yaml
from lxml import etree

from patchlang.compile import Program
from patchlang.engine import patch_cloud_init, patch_domain

from .. import laws, mutate, seeds
from ..target import Parts, Target
from . import cloudinit, patches

HOLE = "$[ vmi.spec.hole ]"
PLAIN = "plain"
_PIECES = (
    "']/evil[@k='1", "x' and @role='admin", "'] | //*[@a='", "\"]", "<evil/>", "</a>", "]]>", "<![CDATA[", "--", "&lt;",
    "a/b/@c", "/", "..", "//", "*", "text()", "[1]", "20", "$v", "~1", "/-", "[name=a]", "[=a]", "\n- a", "\n  b: c",
    "key: value", "{{ x }}", "*a", "&a", "!t", "|", "\n--==patchlang==\n", "\r\n", "---\n", "$[ 1 ]", "$$[", "é", "a",
)  # fmt: skip
# a value that contains one of them is not a name, a step or a number, which some holes may be
_ENDS = ("'", '"', "]", "<", ">", " ", "&", "=", "\n", "(", "|", ")")
_NO_PLACES = {"op", "target", "expect", "when", "forEach", "unless", "name", "allowProtected", "part"}


def _make(random: Random) -> Parts:
    value = "".join(random.choices(_PIECES, k=random.randrange(4))) + random.choice(_ENDS) + "zq"
    vmi = {"value": value.encode()}
    if random.random() < 0.5:
        seed = random.choice(seeds.for_domains())
        tree = random.choice(seeds.documents(seed.patch) or [{}])
        edits, kind = [random.choice(edits_of(tree, "domain") or [{"op": "qemuArgs", "args": ["a"]}])], "domain"
        data = {"domain.xml": seed.domain}
    else:
        config: Any = {"a": [1, {"a": "1"}, "b"], "b": {"a": {"b": []}}, "users": [{"name": "a"}], "runcmd": ["a"]}
        target = random.choice(("userData", "userData", "networkData", "metaData"))
        text = mutate.as_yaml(random, config)
        record = json.loads(seeds.NO_CLOUD_INIT) | {"UserData": f"#cloud-config\n{text}\n"}
        if target == "networkData":
            record["NetworkData"] = text.lstrip("\n") + "\n"
        tree, kind, data = {}, "cloudInit", {"cloud-init.json": json.dumps(record).encode()}
        edits = [cloudinit.operation(random, target, [*cloudinit.pointers(config)])]
        if random.random() < 0.2:
            edits = [{"op": "addPart", "contentType": "text/x-shellscript", "filename": "a", "content": "a"}]
    edit = json.loads(json.dumps(edits[0]))
    if "unless" in edit or "edits" in edit:  # these checks of the result may depend on the value
        edit.pop("unless", None)
        edit.pop("edits", None)
    for _ in range(mutate.many(random)):
        holder, key = random.choice([*_texts(edit)] or [({"": ""}, "")])
        at = random.randrange(len(holder[key]) + 1)
        holder[key] = random.choice((HOLE, holder[key][:at] + HOLE + holder[key][at:], f"{holder[key]}/{HOLE}"))
    return {"patch.yaml": patches.written(random, tree, kind, [edit]), **vmi, **data}


def edits_of(tree: Any, kind: str) -> list[Any]:
    """The edits of a patch document that may be any data."""
    spec = tree.get("spec") if isinstance(tree, dict) else None
    found = spec.get(kind) if isinstance(spec, dict) else None
    return [edit for edit in found if isinstance(edit, dict)] if isinstance(found, list) else []


def _texts(edit: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """The positions of strings in an edit that may be computed."""
    for key, value in edit.items():
        if key in _NO_PLACES:
            continue
        pending: list[tuple[Any, Any]] = [(edit, key)] if isinstance(value, str) else [*mutate.places(value)]
        yield from ((holder, name) for holder, name in pending if isinstance(holder[name], str))


def _check(parts: Parts) -> str:
    program = patches.loaded(parts)
    if program is None:
        return laws.REFUSED
    outcomes = [_shape(program, parts, value) for value in (PLAIN, parts["value"].decode())]
    if None in outcomes:
        return laws.REFUSED
    laws.require(outcomes[0] == outcomes[1], "a value became markup or a path")
    return laws.RESULT


def _shape(program: Program, parts: Parts, value: str) -> Any:
    """The result without its texts; None if there is no result."""
    vmi = json.dumps({"spec": {"hole": value}}).encode()
    if "domain.xml" in parts:
        outcome = patch_domain(program, parts["domain.xml"], vmi)
        laws.shown(outcome.diagnostics, refused=outcome.data is None)
        return outcome.data and _of_xml(etree.fromstring(outcome.data, etree.XMLParser(resolve_entities=False)))
    data = patch_cloud_init(program, parts["cloud-init.json"], b"", vmi)
    laws.shown(data.diagnostics, refused=data.data is None)
    if data.data is None:
        return None
    record = json.loads(data.data)
    return [
        _of_text(record["UserData"]), _of_data(yaml.safe_load(record["NetworkData"])),
        _of_data(record["NoCloudMetaData"]),
    ]  # fmt: skip


def _of_xml(element: etree._Element) -> Any:
    if not isinstance(element.tag, str):
        return None
    return str(element.tag), sorted(map(str, element.attrib)), [_of_xml(child) for child in element]


def _of_text(text: str) -> Any:
    if text.startswith("#cloud-config"):
        return _of_data(yaml.safe_load(text))
    return [part.get_content_type() for part in email.message_from_string(text).walk()]


def _of_data(data: Any) -> str:
    """Data without its strings, and without its keys, which may be computed."""
    if isinstance(data, dict):
        return "{" + ",".join(sorted(_of_data(item) for item in data.values())) + "}"
    return f"[{','.join(map(_of_data, data))}]" if isinstance(data, list) else type(data).__name__


TARGETS = (Target("value", 8, _make, _check),)
