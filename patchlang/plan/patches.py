"""Which patches a VM asks for: its annotation's sidecars, their ConfigMaps, and the programs of these."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from .. import rules
from ..compile import Program
from ..diagnostics import Diagnostic, PatchError
from ..document import yamltree
from ..document.nested_source import Embedded
from ..document.yamltree import Mapping, Node
from ..files import MAX_FILE_BYTES
from ..loading import load_sources
from ..manifests import arguments, configmaps, jsontree, sidecars
from ..manifests.arguments import DEFAULT_PATCHES
from ..manifests.configmaps import ConfigMap
from ..manifests.crosscheck import is_hook, is_meant_for_us
from ..manifests.sidecars import Sidecar
from ..record import field, record, replace
from ..source import Position, SourceFile, Span
from .inventory import Inventory, Part, Place

_MOST = 200
"""Sets and programs that are kept, of each kind."""


@record
class Step:
    """One sidecar: its program, and the text and name of the ConfigMap's key that it is from; whether it only audits.

    The program may have been compiled from another ConfigMap with the same text.
    """

    program: Program
    content: Embedded | None = None
    label: str | None = None
    audits: bool = False

    def placed(self, found: Diagnostic) -> Diagnostic:
        """A finding of the program in this step's own ConfigMap."""
        return found if self.content is None else _placed(found, self.content, self.label)


@record(frozen=False)
class PatchSet:
    """What a VM's sidecars do, in order. ``unknown`` says what keeps it from being known.

    ``found`` are errors that keep the VM from starting. ``others``: there are sidecars whose work is not known.
    """

    steps: list[Step] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    unknown: str = ""
    others: bool = False


class Resolver:
    """Resolves annotations to patches; texts that are the same are compiled once."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.config_maps: dict[str, tuple[ConfigMap | None, list[Diagnostic]]] = {}
        self.programs: dict[bytes, tuple[Program | None, tuple[Diagnostic, ...]]] = {}
        self.sets: dict[tuple[str, str], PatchSet] = {}

    def of(self, namespace: str, annotation: str) -> PatchSet:
        """What an annotation asks for; what is wrong with it has no place yet (:func:`in_object`)."""
        key = (namespace, annotation)
        if key not in self.sets:
            _make_room(self.sets)
            self.sets[key] = self.resolve(namespace, annotation)
        return self.sets[key]

    def resolve(self, namespace: str, annotation: str) -> PatchSet:
        result = PatchSet()
        listed, wrong = sidecars.read_text(_Annotation("", annotation, Position(1, 1)))
        result.found += (one for one in wrong if one.is_error)
        for sidecar in listed if not result.found else ():
            self.add(sidecar, namespace, result)
        if not listed and not result.found:
            result.unknown = "the annotation asks for no sidecar"
        return result

    def add(self, sidecar: Sidecar, namespace: str, result: PatchSet) -> None:
        mount = sidecar.config_map
        path = mount.path.text if mount and mount.path else ""
        is_other_program = bool(sidecar.command) and PurePosixPath(sidecar.command[0].text).name != "sidecar-shim"
        if is_other_program or not (is_meant_for_us(sidecar, path) or mount):
            result.others = True
            return
        told, wrong = arguments.read((*sidecar.command[1:], *sidecar.args))
        if mount is None or mount.key is None:
            where = "a volume claim" if sidecar.claim else "its image"
            result.unknown = f"the patches of a sidecar are in {where}, which is not in the dump"
            return
        name = f"{namespace}/{mount.name.text}"
        config_map, faults = self.config_map(name)
        if config_map is None:
            result.unknown = f"ConfigMap {name} is not in the dump"
            return
        entry = config_map.entry(mount.key.text)
        result.found += faults
        if entry is None:
            message = f"ConfigMap {name} has no key `{mount.key.text}`: the sidecar finds an empty directory"
            known = ", ".join(one.key.text for one in config_map.entries) or "none"
            result.found.append(Diagnostic(rules.NO_PATCH_FILE, message, config_map.span, f"keys there: {known}"))
            return
        if entry.content is None or (is_hook(path) and entry.is_program):
            result.others = True
            return
        looked_at = [PurePosixPath(one) for one in told.patches or (DEFAULT_PATCHES,)]
        at_path = PurePosixPath(path)
        is_read = at_path in looked_at or (at_path.parent in looked_at and at_path.suffix in (".yaml", ".yml"))
        if not is_read and not is_hook(path):
            result.unknown = f"the sidecar does not look at {path}, where key `{mount.key.text}` is mounted"
            return
        result.found += (one for one in wrong if one.is_error)
        label = f"ConfigMap {name}, key {mount.key.text}"
        program, diagnostics = self.compiled(entry.content)
        result.found += (_placed(one, entry.content, label) for one in diagnostics)
        if program is not None:
            result.steps.append(Step(program, entry.content, label, "audit" in arguments.names(sidecar.args)))

    def config_map(self, name: str) -> tuple[ConfigMap | None, list[Diagnostic]]:
        """A ConfigMap of the dump, None where it has none, and what Kubernetes would refuse in it."""
        if name not in self.config_maps:
            _make_room(self.config_maps)
            place = self.inventory.config_maps.get(name)
            self.config_maps[name] = (None, []) if place is None else self.read(place)
        return self.config_maps[name]

    def read(self, place: Place) -> tuple[ConfigMap | None, list[Diagnostic]]:
        file = self.inventory.files[place.file]
        with open(file.path, "rb") as dump:
            dump.seek(place.start)
            text = dump.read(place.length).decode()
        part = Part(file.name, text, Position(place.line, place.column))
        try:
            roots: Sequence[Node] = [jsontree.parse(part)[0]] if file.is_json else yamltree.parse(part, manifest=True)
        except PatchError as e:
            return None, [e.diagnostic]
        root = roots[0] if roots else None
        if isinstance(root, yamltree.Sequence):
            root = root.items[0]
        if not isinstance(root, Mapping):
            return None, []
        config_map, faults = configmaps.read(root)
        return config_map, [one for one in faults if one.is_error]

    def compiled(self, content: Embedded) -> tuple[Program | None, tuple[Diagnostic, ...]]:
        """The program of a patch text, and what keeps it from being one; the same text is compiled once."""
        digest = sha256(content.text.encode(errors="surrogatepass")).digest()
        if digest not in self.programs:
            _make_room(self.programs)
            if len(content.text.encode(errors="surrogatepass")) > MAX_FILE_BYTES:
                message = f"the patch file is larger than {MAX_FILE_BYTES // 1024} KiB"
                found: tuple[Diagnostic, ...] = (Diagnostic(rules.FILE_TOO_BIG, message, Span(content, 0, 0)),)
                program = None
            else:
                program, found = load_sources([content], named={content.name})
            self.programs[digest] = program, tuple(one for one in found if one.is_error)
        return self.programs[digest]


def _placed(found: Diagnostic, content: Embedded, label: str | None) -> Diagnostic:
    """A finding in the text of one ConfigMap, in another one of the same text."""

    def moved(span: Span) -> Span:
        return Span(content, span.start, span.end) if span.source.text == content.text else span

    span = moved(found.span) if found.span else None
    related = tuple((moved(place), text) for place, text in found.related)
    line = SourceFile("", content.text).position(span.start).line if span else 0
    return replace(found, span=span, related=related, manifest=f"{label}, line {line}" if span else label)


@record(slots=False)
class _Annotation(SourceFile):
    """The text of an annotation, all of which is where its object stands."""

    first: Position

    def position(self, offset: int) -> Position:
        del offset
        return self.first

    def line(self, number: int) -> str:
        del number
        return ""


def _make_room(known: dict[Any, Any]) -> None:
    if len(known) >= _MOST:
        del known[next(iter(known))]


def in_object(found: Diagnostic, file: str, line: int) -> Diagnostic:
    """A finding; of one in the annotation, the place is the object that has it, and the message shows what is meant."""
    span = found.span
    if span is None or not isinstance(span.source, _Annotation):
        return found
    text = span.source.text
    inside = Span(_Annotation(file, text, Position(line, 1)), span.start, span.end)
    at = SourceFile("", text).position(span.start)
    where = f"in the annotation hookSidecars, line {at.line}, column {at.column}: "
    return replace(found, span=inside, message=f"{where}{found.message}")
