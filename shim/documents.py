"""Input next to the engine, and the output of executables: parsed in the event loop, in bounded steps.

Nothing is kept of a domain except whether it is one. JSON values are counted before parsing, since a
few bytes of text can become a hundred in memory.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from .status import CallError

if TYPE_CHECKING:
    from patchlang.quoting import Names

MAX_VALUES = 50_000
"""Values that the front parses in a VMI or in cloud-init data; user data is one string there."""

MAX_DEPTH = 256
"""Nested elements: libxml2's limit, which libvirt and the next sidecar share."""

MAX_NAMES = 5_000
"""Distinct names in a domain: expat keeps each of them."""

MAX_TAG = 128 * 1024
"""Bytes of one tag or comment: expat parses it at once, with all attributes."""

_PIECE = 64 * 1024
_QUOTE = ord('"')
# An unclosed string extends to the end, and is not tried again from each quote in it.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{,]', re.DOTALL)


class UnreadableError(Exception):
    """The document is invalid; the text continues after its name, and quotes nothing of it."""


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object as Go's ``encoding/json`` reads it. Raises UnreadableError."""
    try:
        text = data.decode("utf-8")
        if len(data) > MAX_VALUES:  # each takes at least a byte
            _count_values(data)
        value = json.loads(text, parse_constant=_not_json)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if data.strip() else "it is empty"
        raise UnreadableError(f"is not JSON ({where})") from None
    except (ValueError, RecursionError):
        raise UnreadableError("is not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableError("is not a JSON object")
    return value


def _count_values(data: bytes) -> None:
    """Raises UnreadableError if there are too many. Strings count too: in JSON a value is next to each of them."""
    values = texts = 0
    for token in _TOKEN.finditer(data):
        is_text = data[token.start()] == _QUOTE
        values, texts = values + (not is_text), texts + is_text
        if values > MAX_VALUES or texts > 2 * MAX_VALUES:
            raise UnreadableError(f"has more than {MAX_VALUES:,} values")


def check_vmi(vmi: bytes) -> None:
    """Raises CallError if it is not a JSON object."""
    try:
        read_object(vmi)
    except UnreadableError as problem:
        raise CallError("INVALID_ARGUMENT", f"error[PL504 bad-vmi] the VMI {problem}") from None


def _not_json(constant: str) -> object:
    raise ValueError(constant)


async def check_domain(data: bytes) -> None:
    """Raises UnreadableError if it is not the XML of a domain: not well-formed, another root, a DOCTYPE."""
    depth = 0

    def start(name: str, _attributes: object) -> None:
        nonlocal depth
        if depth == 0 and name != "domain":
            raise UnreadableError(f"has the root `{name[:80]}`, not `domain`")
        depth += 1
        if depth > MAX_DEPTH:
            raise UnreadableError(f"is nested deeper than {MAX_DEPTH} elements")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise UnreadableError("has a DOCTYPE; entities and DTDs are not allowed")

    def declaration(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise UnreadableError(f"declares encoding {encoding[:40]}; only UTF-8 is supported")

    # Namespaces are parsed too: libvirt refuses an undeclared prefix.
    names: dict[str, str] = {}
    reader = expat.ParserCreate("UTF-8", namespace_separator=" ", intern=names)
    reader.StartElementHandler, reader.EndElementHandler = start, end
    reader.StartDoctypeDeclHandler, reader.XmlDeclHandler = doctype, declaration
    try:
        for at in range(0, len(data), _PIECE):
            if at > 0:
                await asyncio.sleep(0)
            reader.Parse(data[at : at + _PIECE], False)
            if len(names) > MAX_NAMES:
                raise UnreadableError(f"has more than {MAX_NAMES:,} different names")
            if at + _PIECE - reader.CurrentByteIndex > MAX_TAG + _PIECE:
                raise UnreadableError(f"has a tag or a comment of more than {MAX_TAG // 1024} KiB")
        reader.Parse(b"", True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise UnreadableError(f"is not well-formed at line {error.lineno}, column {error.offset + 1}: {what}") from None


class CloudInit:
    """Cloud-init data that an executable receives and prints, read as virt-launcher reads it.

    ``preCloudInitIsoValidateResult`` (pkg/hooks/manager.go) unmarshals the result with Go's ``encoding/json``. What it
    cannot use then, ``patchlang.cloudinit.virtlauncher`` reports, for executables and patches alike.
    """

    def __init__(self, data: bytes) -> None:
        """Raises UnreadableError."""
        from patchlang.cloudinit.virtlauncher import as_go_reads

        self.members = as_go_reads(read_object(data))

    def losses(self, names: Names) -> list[str]:
        """What virt-launcher will silently drop, with the names that may be quoted.

        Raises UnreadableError if it could not use the data.
        """
        from patchlang.cloudinit.virtlauncher import faults

        found = []
        for fault in faults(self.members, legacy_only=False, names=names):
            if fault.diagnostic.is_error:
                raise UnreadableError(f"is refused: {fault.diagnostic.message}")
            found.append(str(fault.diagnostic))
        return found

    @property
    def no_cloud_source(self) -> bytes:
        """The older ``CloudInitNoCloudSource`` with the same content, as Go writes it: empty members omitted."""
        source = {"userData": self.members.get("UserData"), "networkData": self.members.get("NetworkData")}
        return json.dumps({k: v for k, v in source.items() if v}, separators=(",", ":")).encode()
