"""What a dump contains and where: VMs, ConfigMaps and domains, by name and place. No object is kept."""

from __future__ import annotations

import json
import os
import shutil
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from .. import rules
from ..diagnostics import Diagnostic, fail
from ..files import reason_of, unreadable
from ..manifests.machines import ANNOTATION
from ..record import field, record
from ..source import Position, SourceFile, Span
from . import jsonstream, yamlstream
from .jsonstream import Found, NotJsonError
from .selector import Selector
from .yamlstream import NotYamlError

OBJECTS = (".json", ".yaml", ".yml")
DOMAINS = (".xml", ".log", ".txt")
_KINDS = ("VirtualMachineInstance", "VirtualMachine", "ConfigMap")
_ADMISSION = ("Plugin", "MutatingAdmissionPolicy")
_NOWHERE = -1


@record
class Place:
    """Where an object is: the number of its file, its bytes there, its line and column."""

    file: int
    start: int
    length: int
    line: int
    column: int


@record(slots=False)
class Part(SourceFile):
    """Part of a file, with places in that file."""

    first: Position

    def position(self, offset: int) -> Position:
        inside = SourceFile.position(self, offset)
        column = inside.column + (self.first.column - 1 if inside.line == 1 else 0)
        return Position(inside.line + self.first.line - 1, column)

    def line(self, number: int) -> str:
        inside = number - self.first.line + 1
        return " " * (self.first.column - 1 if inside == 1 else 0) + SourceFile.line(self, inside)

    __repr__ = SourceFile.__repr__


@record
class DumpFile:
    """A file of objects: its name, and where to read it from. ``is_json``: its objects are JSON as they are.

    Otherwise ``objects`` is where they are as JSON.
    """

    name: str
    path: str
    is_json: bool
    objects: str = ""


@record(frozen=False)
class Inventory:
    """``numbers`` are VMs by ``namespace/name``; everything else about a VM is at its number in the columns.

    ``annotations`` are the distinct texts that request sidecars; ``asked`` says which of them a VM has, ``lines``
    where the object with it begins. ``domains`` are files by VM, ``admission`` Plugins and policies.
    """

    files: list[DumpFile] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    config_maps: dict[str, Place] = field(default_factory=dict)
    admission: list[Place] = field(default_factory=list)
    annotations: dict[str, int] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    found: list[Diagnostic] = field(default_factory=list)
    columns: dict[str, array[int]] = field(
        default_factory=lambda: {name: array("q") for name in ("vmi", "vmi_at", "vmi_size", "vm", "vm_at", "vm_size")}
    )
    asked: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    wanted: bytearray = field(default_factory=bytearray)

    def number(self, name: str) -> int:
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = len(self.asked)
            for column in self.columns.values():
                column.append(_NOWHERE)
            self.asked.append(_NOWHERE)
            self.lines.append(1)
            self.wanted.append(False)
        return number

    def place(self, number: int, kind: str) -> tuple[int, int, int] | None:
        """The file, offset and length of a VM's VMI (``vmi``) or VirtualMachine (``vm``)."""
        file = self.columns[kind][number]
        if file == _NOWHERE:
            return None
        return file, self.columns[f"{kind}_at"][number], self.columns[f"{kind}_size"][number]


class Reader:
    """Reads dumps into an inventory. ``scratch`` is a folder for what must be read twice and is not a file."""

    def __init__(self, scratch: Path, selector: Selector | None, progress: Callable[[int], None]) -> None:
        self.scratch = scratch
        self.selector = selector
        self.progress = progress
        self.into = Inventory()
        self.pairs: dict[str, list[str]] = {}
        self.others: list[str] = []

    def read(self, dumps: Sequence[str], domains: Sequence[str]) -> Inventory:
        """Raises PatchError (PL001) for what cannot be read."""
        for name in dumps:
            if name == "-":
                self.objects("<stdin>", self.spooled())
            else:
                self.path(name)
        for name in domains:
            for path in _walk(name):
                self.domain(path)
        self.settle()
        return self.into

    def path(self, name: str) -> None:
        for path in _walk(name):
            lower = path.lower()
            if lower.endswith(DOMAINS):
                self.domain(path)
            elif lower.endswith(OBJECTS) or path == name:
                before = len(self.into.numbers)
                self.objects(path, path)
                new = list(self.into.numbers)[before:] if len(self.into.numbers) == before + 1 else []
                self.pairs.setdefault(_stem(path), []).extend(new)

    def spooled(self) -> str:
        """Standard input as a file, with ConfigMaps last."""
        path = self.scratch / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        return str(path)

    # -- objects -------------------------------------------------------------------------------------------------------

    def objects(self, name: str, path: str) -> None:
        try:
            with open(path, "rb") as file:
                start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
                file.seek(0)
                if start in (b"{", b"["):
                    self.into.files.append(DumpFile(name, path, True))
                    self.add(jsonstream.objects(file, (_KINDS[0],)), None)
                else:
                    copy = self.scratch / f"{len(self.into.files)}.json"
                    self.into.files.append(DumpFile(name, path, False, str(copy)))
                    with copy.open("wb") as spool:
                        self.add(yamlstream.objects(file), spool)
        except (NotJsonError, NotYamlError) as e:
            kind = "JSON" if isinstance(e, NotJsonError) else "YAML"
            place = Part(name, "", Position(e.line, e.column))
            help = "pass the output of `kubectl get vmi,vm,configmap -A -o json`; a domain file ends in .xml or .log"
            raise fail(rules.UNREADABLE, f"the dump is not {kind}: {e}", Span(place, 0, 0), help) from None
        except OSError as e:
            self.into.found.append(unreadable(name, reason_of(e)))

    def add(self, found: Iterable[Found], spool: BinaryIO | None) -> None:
        for one in found:
            value = one.value
            kind = value.get("kind") if isinstance(value, dict) else None
            if kind in _ADMISSION:
                self.into.admission.append(Place(len(self.into.files) - 1, one.start, one.length, one.line, one.column))
            if kind not in _KINDS:
                continue
            metadata = value.get("metadata")
            if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
                self.into.found.append(self.nameless(one, kind))
                continue
            name = f"{metadata.get('namespace') or 'default'}/{metadata['name']}"
            file = len(self.into.files) - 1
            if kind == "ConfigMap":
                self.into.config_maps[name] = Place(file, one.start, one.length, one.line, one.column)
                continue
            start, length = one.start, one.length
            if spool is not None:
                data = self.as_json(one)
                start, length = spool.tell(), len(data)
                spool.write(data)
            self.machine("vmi" if kind == _KINDS[0] else "vm", name, value, (file, start, length, one.line))

    def machine(self, kind: str, name: str, value: dict[str, Any], place: tuple[int, int, int, int]) -> None:
        number = self.into.number(name)
        columns = self.into.columns
        columns[kind][number], columns[f"{kind}_at"][number], columns[f"{kind}_size"][number], line = place
        metadata = value["metadata"] if kind == "vmi" else value_at(value, "spec", "template", "metadata")
        is_vm_known = columns["vm"][number] != _NOWHERE
        if kind == "vm" or not is_vm_known:  # the next start uses the VirtualMachine
            text = map_at(metadata, "annotations").get(ANNOTATION)
            texts = self.into.annotations
            self.into.asked[number] = texts.setdefault(text, len(texts)) if isinstance(text, str) else _NOWHERE
            fits = self.selector is None or self.selector.fits(map_at(metadata, "labels"))
            self.into.wanted[number] = fits
            self.into.lines[number] = line
        self.progress(len(self.into.numbers))

    def as_json(self, one: Found) -> bytes:
        """A YAML object as JSON. Raises PatchError if that is impossible."""
        try:
            return json.dumps(one.value, default=str).encode()
        except (TypeError, ValueError, RecursionError):
            place = Part(self.into.files[-1].name, "", Position(one.line, one.column))
            raise fail(
                rules.UNREADABLE, "the dump contains YAML that JSON cannot represent", Span(place, 0, 0)
            ) from None

    def nameless(self, one: Found, kind: object) -> Diagnostic:
        place = Part(self.into.files[-1].name, "", Position(one.line, one.column))
        return Diagnostic(rules.UNREADABLE, f"a {kind} has no name and is ignored", Span(place, 0, 0))

    # -- domains -------------------------------------------------------------------------------------------------------

    def domain(self, path: str) -> None:
        namespace, underscore, name = _stem(path).rpartition("/")[2].partition("_")
        if underscore and namespace and name:
            self.into.domains[f"{namespace}/{name}"] = path
        else:
            self.others.append(path)

    def settle(self) -> None:
        """Domains in files not named after a VM: the VM is the object next to it, or the ``name`` in the domain."""
        for path in self.others:
            beside = self.pairs.get(_stem(path)) or []
            name = beside[0] if len(beside) == 1 else _name_in(path)
            if name is None:
                help = "name it NAMESPACE_NAME.xml after its VM"
                message = f"cannot tell which VM the domain in `{path}` belongs to"
                self.into.found.append(Diagnostic(rules.UNREADABLE, message, None, help))
            else:
                self.into.domains.setdefault(name, path)


def _walk(name: str) -> Iterator[str]:
    """The files of a folder, recursively and by name; hidden ones are skipped."""
    if not os.path.isdir(name):
        yield name
        return
    for folder, folders, files in os.walk(name):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for file in sorted(files):
            if file.lower().endswith((*OBJECTS, *DOMAINS)) and not file.startswith("."):
                yield os.path.join(folder, file)


def _stem(path: str) -> str:
    """A path without its suffixes, including those of pairs such as ``web.vmi.json`` and ``web.domain.xml``."""
    stem = os.path.splitext(path)[0]
    for ending in (".vmi", ".vm", ".domain"):
        stem = stem.removesuffix(ending)
    return stem


def _name_in(path: str) -> str | None:
    """The VM of a domain, by the domain's own ``name``: KubeVirt uses NAMESPACE_NAME."""
    from ..diagnostics import PatchError
    from ..domain.read import read_root
    from ..extract import read_domain

    with suppress(OSError, PatchError):
        text = read_root(read_domain(Path(path).read_bytes()).data).findtext("name") or ""
        namespace, underscore, name = text.strip().partition("_")
        if underscore and namespace and name:
            return f"{namespace}/{name}"
    return None


def value_at(value: object, *path: str) -> object:
    """The value at a path of keys, None if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def map_at(metadata: object, name: str) -> dict[str, Any]:
    """The map of that name, empty if there is none."""
    found = metadata.get(name) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}
