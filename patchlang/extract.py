"""Inputs in the form people have them: a domain in ``virsh dumpxml`` output or a log, a VMI in any manifest."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from . import rules
from .diagnostics import fail
from .patterns import pattern
from .record import record

_DUMP = pattern(rb"Domain XML generated\. Base64 dump ([^\s\"\\]*)")
_START = pattern(rb"<domain[\s/>]")
_END = b"</domain>"
# how YAML and JSON begin
_OTHER = pattern(rb"(?:\xef\xbb\xbf)?\s*+(?:#[^\n]*+\s++)*+(?:\{|---|[A-Za-z]\w*+:(?=\s))")


@record
class FoundDomain:
    """The domain in a text, and a description of where it was, if the text has more."""

    data: bytes
    where: str | None = None


def read_domain(text: bytes) -> FoundDomain:
    """The domain in a text: XML is returned as is, faults included.

    In a virt-launcher log, it is the last base64 dump; log lines around a plain domain are skipped. Raises
    PatchError (PL501) for a truncated dump.
    """
    dumps = list(_DUMP.finditer(text))
    if dumps:
        return _from_log(text, dumps)
    if (other := _OTHER.match(text)) is not None and _START.search(text) is None:
        help = "pass XML as printed by `virsh dumpxml`; pass a VMI with `--vmi`, a patch with `--patches`"
        if other[0].endswith(b"{"):
            help += ", cloud-init data with `--cloud-init`"
        raise fail(rules.BAD_DOMAIN, "the domain is YAML or JSON, but must be XML", None, help)
    start, end = _START.search(text), text.rfind(_END)
    first = start.start() if start and _is_not_xml(text[: start.start()]) else 0
    last = end + len(_END) if end >= 0 and _is_not_xml(text[end + len(_END) :]) else len(text)
    if (first, last) == (0, len(text)):
        return FoundDomain(text)
    return FoundDomain(text[first:last], f"lines {_line(text, first)} to {_line(text, end if end >= 0 else last)}")


def _is_not_xml(text: bytes) -> bool:
    """Whether it is not allowed next to the root of a document."""
    rest = text.removeprefix(b"\xef\xbb\xbf").strip()
    return rest != b"" and not rest.startswith(b"<")


def _line(text: bytes, offset: int) -> int:
    return text.count(b"\n", 0, offset) + 1


def _from_log(text: bytes, dumps: list[re.Match[bytes]]) -> FoundDomain:
    line = _line(text, dumps[-1].start())
    try:
        data = b64decode(dumps[-1][1], validate=True)
    except binascii.Error:
        data = b""
    if not data.rstrip().endswith((_END, b"/>")):
        message = f"the base64 dump in line {line} is truncated"
        raise fail(rules.BAD_DOMAIN, message, None, "copy the whole line of virt-launcher's log")
    which = f", the last of {len(dumps)} dumps" if len(dumps) > 1 else ""
    return FoundDomain(data, f"the base64 dump in line {line}{which}")


def read_vmi(text: bytes) -> bytes:
    """The VMI in a text, YAML or JSON, as the JSON that :func:`patchlang.vmi.parse_vmi` reads.

    It may be in a list or one of several documents; a VirtualMachine gives the VMI of its template. JSON of a VMI
    is returned as is, faults included. Raises PatchError (PL504) if there is not exactly one.
    """
    if text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        help = "pass a VirtualMachineInstance or a VirtualMachine in YAML or JSON; pass a domain with `--domain`"
        raise fail(rules.BAD_VMI, "the VMI is XML, but must be YAML or JSON", None, help)
    try:
        documents, is_json = [json.loads(text)], True
    except (ValueError, RecursionError):
        documents, is_json = _yaml_documents(text), False
    if len(documents) == 1 and (not isinstance(documents[0], dict) or documents[0].get("kind") in (None, _VMI)):
        return text if is_json else _json(documents[0])
    found = [vmi for document in documents for vmi in _vmis(document)]
    if len(found) == 1:
        return _json(found[0])
    if found:
        names = ", ".join(str(_map(vmi, "metadata").get("name")) for vmi in found[:10])
        raise fail(rules.BAD_VMI, f"found {len(found)} VMs, but need exactly one: {names}", None, "pass one of them")
    kinds = sorted({str(d.get("kind")) for d in documents if isinstance(d, dict)})
    there = f"; found: {', '.join(kinds)}" if kinds else ""
    raise fail(rules.BAD_VMI, f"no VM found{there}", None, "pass a VirtualMachineInstance or a VirtualMachine")


_VMI = "VirtualMachineInstance"
_TEMPLATED = ("VirtualMachine", "VirtualMachineInstanceReplicaSet")


def _vmis(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    kind = document.get("kind")
    if kind == _VMI:
        yield document
    elif kind in _TEMPLATED:
        yield _of_template(document)
    elif isinstance(kind, str) and kind.endswith("List") and isinstance(items := document.get("items"), list):
        for item in items:
            yield from _vmis(item)


def _of_template(manifest: dict[str, Any]) -> dict[str, Any]:
    """The VMI that KubeVirt makes from a VirtualMachine: its name and namespace, and everything in its template."""
    own, spec = manifest.get("metadata"), manifest.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(own, dict) or not isinstance(template, dict):
        raise fail(rules.BAD_VMI, f"the {manifest['kind']} has no `metadata` or no `spec.template`")
    metadata = {**_map(template, "metadata"), **{k: own[k] for k in ("name", "namespace") if k in own}}
    vmi = {"apiVersion": manifest.get("apiVersion"), "kind": _VMI, "metadata": metadata}
    return {**vmi, "spec": template.get("spec") or {}}


def _map(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """A map in a manifest, empty if missing. Raises PatchError (PL504) if something else is there."""
    value = manifest.get(name) or {}
    if not isinstance(value, dict):
        raise fail(rules.BAD_VMI, f"`{name}` of a {manifest.get('kind', 'template')} is not a map")
    return value


def _yaml_documents(text: bytes) -> list[Any]:
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=text_timestamps()))
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        mark = getattr(e, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise fail(rules.BAD_VMI, f"the VMI is neither JSON nor YAML{place}") from None
    return [d for d in documents if d is not None] or documents[:1] or [None]


def _json(data: Any) -> bytes:
    try:
        return json.dumps(data).encode()
    except (TypeError, ValueError, RecursionError):
        raise fail(rules.BAD_VMI, "the VMI contains YAML that JSON cannot represent") from None


def text_timestamps() -> Any:
    """PyYAML's safe loader, except that timestamps stay text, as in KubeVirt's JSON."""
    import yaml

    resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    return type("TextTimestamps", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": resolvers})
