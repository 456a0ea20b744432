"""Which patches a VM uses: its annotation's sidecars, their ConfigMaps, and the resulting programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from ..manifests.arguments import DEFAULT_DOMAIN, DEFAULT_PATCHES, Arguments
from ..manifests.configmaps import ConfigMap, Entry
from ..manifests.crosscheck import is_hook, is_meant_for_us
from ..manifests.sidecars import Sidecar
from ..record import field, record, replace
from ..source import Position, SourceFile, Span
from .inventory import Inventory, Part, Place

_ENDINGS = (".yaml", ".yml")
_MOST = 200
"""Cache size for sets and programs, each."""


Text = tuple[Embedded, str]
"""A key of a ConfigMap: its text, and its description."""


@record
class Step:
    """One sidecar: its program, and the ConfigMap keys that it comes from; whether it only audits, its limit.

    The program may have been compiled from another ConfigMap with the same text.
    """

    program: Program
    texts: tuple[Text, ...] = ()
    audits: bool = False
    max_domain_bytes: int = DEFAULT_DOMAIN

    def placed(self, found: Diagnostic) -> Diagnostic:
        """A finding of the program, located in this step's own ConfigMap."""
        return _placed(found, self.texts)


@record(frozen=False)
class PatchSet:
    """What a VM's sidecars do, in order. ``unknown`` says why that cannot be determined.

    ``found`` are errors that keep the VM from starting. ``others``: some sidecars do unknown work.
    ``selected``: a Plugin is involved.
    """

    steps: list[Step] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    unknown: str = ""
    others: bool = False
    selected: bool = False


class Resolver:
    """Resolves annotations to patches; identical texts are compiled once."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.config_maps: dict[str, tuple[ConfigMap | None, list[Diagnostic]]] = {}
        self.programs: dict[bytes, tuple[Program | None, tuple[Diagnostic, ...]]] = {}
        self.sets: dict[tuple[str, str], PatchSet] = {}

    def of(self, namespace: str, annotation: str) -> PatchSet:
        """What an annotation requests; its problems have no place yet (:func:`in_object`)."""
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
            result.unknown = "the annotation names no sidecar"
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
        name, key = f"{namespace}/{mount.name.text}", mount.key.text
        looked_at = [PurePosixPath(one) for one in told.patches or (DEFAULT_PATCHES,)]
        at_path = PurePosixPath(path)
        is_read = at_path in looked_at or (at_path.parent in looked_at and at_path.suffix in _ENDINGS)
        entry = self.entry(name, key, result)
        if entry is None:
            return
        if entry.content is None or (is_hook(path) and entry.is_program):
            result.others = True
        elif not is_read and not is_hook(path):
            result.unknown = f"the sidecar does not read {path}, where key `{key}` is mounted"
        else:
            result.found += (one for one in wrong if one.is_error)
            self.step([(entry.content, f"ConfigMap {name}, key {key}")], told, result)

    def add_keys(self, name: str, keys: Sequence[str] | None, told: Arguments, result: PatchSet) -> None:
        """Adds a sidecar that reads these keys of a ConfigMap, or (None) all keys named like patch files."""
        config_map, _ = self.config_map(name)
        if keys is None and config_map is not None:
            there = (one.key.text for one in config_map.entries)
            keys = sorted(key for key in there if key.endswith(_ENDINGS) and not key.startswith("."))
        entries = [self.entry(name, key, result) for key in keys or ("",)]
        texts = [(one.content, f"ConfigMap {name}, key {one.key.text}") for one in entries if one and one.content]
        if texts and not result.unknown:
            self.step(texts, told, result)

    def entry(self, name: str, key: str, result: PatchSet) -> Entry | None:
        """A key of a ConfigMap; if there is none, the result says so."""
        config_map, faults = self.config_map(name)
        if config_map is None:
            result.unknown = f"ConfigMap {name} is not in the dump"
            return None
        result.found += (one for one in faults if one not in result.found)
        entry = config_map.entry(key)
        if entry is None:
            message = f"ConfigMap {name} has no key `{key}`: the sidecar finds an empty directory"
            known = ", ".join(one.key.text for one in config_map.entries) or "none"
            result.found.append(Diagnostic(rules.NO_PATCH_FILE, message, config_map.span, f"its keys: {known}"))
        return entry

    def step(self, texts: Sequence[Text], told: Arguments, result: PatchSet) -> None:
        for content, _ in texts:
            result.found += _other_text(content, told)
        program, diagnostics = self.compiled([content for content, _ in texts])
        result.found += (_placed(one, texts) for one in diagnostics)
        if program is not None:
            result.steps.append(Step(program, tuple(texts), told.audits, told.max_domain_bytes))

    def config_map(self, name: str) -> tuple[ConfigMap | None, list[Diagnostic]]:
        """A ConfigMap of the dump, None if it is missing, and what Kubernetes would refuse in it."""
        if name not in self.config_maps:
            _make_room(self.config_maps)
            place = self.inventory.config_maps.get(name)
            self.config_maps[name] = (None, []) if place is None else self.read(place)
        return self.config_maps[name]

    def read(self, place: Place) -> tuple[ConfigMap | None, list[Diagnostic]]:
        root, wrong = self.parsed(place)
        if root is None:
            return None, wrong
        config_map, faults = configmaps.read(root)
        return config_map, [one for one in faults if one.is_error]

    def parsed(self, place: Place) -> tuple[Mapping | None, list[Diagnostic]]:
        """An object of the dump with places."""
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
        return (root, []) if isinstance(root, Mapping) else (None, [])

    def compiled(self, contents: Sequence[Embedded]) -> tuple[Program | None, tuple[Diagnostic, ...]]:
        """The program of patch texts, and their errors; identical texts are compiled once."""
        texts = [content.text.encode(errors="surrogatepass") for content in contents]
        digest = sha256(b"\0".join(texts)).digest()
        if digest not in self.programs:
            _make_room(self.programs)
            large = [content for content, text in zip(contents, texts, strict=True) if len(text) > MAX_FILE_BYTES]
            message = f"the patch file is larger than {MAX_FILE_BYTES // 1024} KiB"
            found = tuple(Diagnostic(rules.FILE_TOO_BIG, message, Span(content, 0, 0)) for content in large)
            program = None
            if not large:
                program, found = load_sources(contents, named={content.name for content in contents})
            self.programs[digest] = program, tuple(one for one in found if one.is_error)
        return self.programs[digest]


def _other_text(content: Embedded, told: Arguments) -> Iterator[Diagnostic]:
    """Whether the sidecar would refuse the text by its checksum (PL011)."""
    digest = sha256(content.text.encode(errors="surrogatepass")).hexdigest()
    if told.sha256 and digest not in [one.text.lower() for one in told.sha256]:
        message = f"the patch file's SHA-256 does not match `--sha256`: {digest}"
        yield Diagnostic(rules.OTHER_CHECKSUM, message, told.sha256[0].span, "review the text, then write its checksum")


def _placed(found: Diagnostic, texts: Sequence[Text]) -> Diagnostic:
    """A finding in the text of one ConfigMap, moved to another one with the same text."""

    def own(span: Span | None) -> Text | None:
        return next((one for one in texts if span is not None and one[0].text == span.source.text), None)

    def moved(span: Span) -> Span:
        here = own(span)
        return span if here is None else Span(here[0], span.start, span.end)

    here, span = own(found.span), found.span
    if here is None or span is None:
        return found
    line = SourceFile("", here[0].text).position(span.start).line
    related = tuple((moved(place), text) for place, text in found.related)
    return replace(found, span=moved(span), related=related, manifest=f"{here[1]}, line {line}")


@record(slots=False)
class _Annotation(SourceFile):
    """The text of an annotation, all of which has the place of its object."""

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
    """A finding; for one in the annotation, the place is its object, and the message shows what is meant."""
    span = found.span
    if span is None or not isinstance(span.source, _Annotation):
        return found
    text = span.source.text
    inside = Span(_Annotation(file, text, Position(line, 1)), span.start, span.end)
    at = SourceFile("", text).position(span.start)
    where = f"in the annotation hookSidecars, line {at.line}, column {at.column}: "
    return replace(found, span=inside, message=f"{where}{found.message}")
