"""The findings of ``validate`` for a folder with files that are open in an editor, with the editor's positions.

A check of the whole folder takes as long as its files are large. While someone types, :meth:`Checker.quick` checks only
the documents of a file that changed, and takes the findings of the others from the last whole check.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ... import rules
from ...diagnostics import Diagnostic
from ...patterns import pattern
from ...record import record, replace
from ...source import Span
from ...suggestions import suggestion
from ...validation.discovery import ENDINGS, Input
from ...validation.ignores import can_be_ignored
from ...validation.leftout import LeftOut
from ...validation.nearest import configuration
from ...validation.options import Options, configured_options
from ...validation.run import OF_SEVERAL_FILES, validate_files
from .positions import UTF_16, Lines, Point, Range

MOST_FILES = 1000
_MOST_CHANGED = 3
_MARK = pattern(r"(?m)^---(?=[ \t\r\n]|\Z)")


@record
class Related:
    """Another place that belongs to a finding."""

    file: str
    range: Range
    message: str


@record
class Finding:
    """A finding, with its place in the file. ``instead`` is what to write instead of the characters of ``meant``."""

    range: Range
    severity: str
    rule: str
    message: str
    related: tuple[Related, ...] = ()
    meant: Range | None = None
    instead: str = ""
    ignorable: bool = False

    def moved(self, lines: int) -> Finding:
        """The same finding, this many lines further down."""
        meant = None if self.meant is None else _moved(self.meant, lines)
        return replace(self, range=_moved(self.range, lines), meant=meant)


def _moved(range: Range, lines: int) -> Range:
    start, end = range.start, range.end
    return Range(Point(start.line + lines, start.character), Point(end.line + lines, end.character))


Findings = dict[str, tuple[Finding, ...]]
"""By the paths of the files."""


@record
class Folder:
    """A folder to check: ``open`` has the texts in editors, by path. ``encoding`` is the client's."""

    path: str
    open: Mapping[str, str]
    encoding: str = UTF_16


class Checker:
    """Checks folders, and keeps what it found in their open files."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Findings]] = {}
        """For an open file: its text, and the findings for the files of its folder."""

    def full(self, folder: Folder) -> Findings:
        """Check all files of a folder, except those that the configuration excludes."""
        settings, wrong = configuration(folder.path)
        left_out = LeftOut([settings.exclude] if settings.exclude else [])
        inputs = list(_inputs(folder, left_out))
        options = configured_options(settings)
        report = validate_files(inputs, wrong, options=options)
        found = _findings((one for file in report for one in file.diagnostics), folder)
        for path in folder.open:
            found.setdefault(path, ())
            self._known[path] = (folder.open[path], found)
        return found

    def quick(self, folder: Folder, path: str) -> Findings | None:
        """The findings of an open file whose text has changed a little; None if only a whole check can find them."""
        known = self._known.get(path)
        text = folder.open.get(path, "")
        settings, wrong = configuration(folder.path)
        if known is None or wrong:
            return None
        before, after = documents(known[0]), documents(text)
        origins = _origins(before, after)
        changed = [one for one, origin in zip(after, origins, strict=True) if origin is None]
        if not 0 < len(changed) <= _MOST_CHANGED:
            return None
        # lines that stand for the known documents
        part = "".join(
            one.text if origin is None else "\n" * one.text.count("\n")
            for one, origin in zip(after, origins, strict=True)
        )
        found = _of_part(path, part, folder, configured_options(settings))
        by_document = _by_document(known[1].get(path, ()), before)
        for one, origin in zip(after, origins, strict=True):
            if origin is not None:
                found += [kept.moved(one.line - before[origin].line) for kept in by_document.get(origin, ())]
        in_order = sorted(found, key=lambda one: (one.range.start, one.rule, one.message))
        result = {**known[1], path: tuple(in_order)}
        self._known[path] = (text, result)
        return result

    def forget(self, path: str) -> None:
        """A file was closed."""
        self._known.pop(path, None)


def _of_part(path: str, text: str, folder: Folder, options: Options) -> list[Finding]:
    report = validate_files([Input(path, False, text.encode(errors="surrogatepass"), open=True)], options=options)
    alone = Folder(folder.path, {path: text}, folder.encoding)
    return list(_findings((one for file in report for one in file.diagnostics), alone).get(path, ()))


@record
class Document:
    """A document of a file as text, and its first line."""

    text: str
    line: int


def documents(text: str) -> list[Document]:
    """The documents of a file."""
    starts = [0, *(mark.start() for mark in _MARK.finditer(text) if mark.start()), len(text)]
    found: list[Document] = []
    line = 0
    for start, end in pairwise(starts):
        found.append(Document(text[start:end], line))
        line += text.count("\n", start, end)
    return found


def _origins(before: Sequence[Document], after: Sequence[Document]) -> list[int | None]:
    """For each document after a change, the same document before it; None for a changed one."""
    if len(before) == len(after):
        return [number if one.text == before[number].text else None for number, one in enumerate(after)]
    most = min(len(before), len(after))
    head = tail = 0
    while head < most and before[head].text == after[head].text:
        head += 1
    while tail < most - head and before[-1 - tail].text == after[-1 - tail].text:
        tail += 1
    new = len(after) - head - tail
    return [*range(head), *([None] * new), *range(len(before) - tail, len(before))]


def _by_document(found: Sequence[Finding], among: Sequence[Document]) -> dict[int, list[Finding]]:
    lines = [one.line for one in among]
    by_document: dict[int, list[Finding]] = {}
    for one in found:
        by_document.setdefault(bisect_right(lines, one.range.start.line) - 1, []).append(one)
    return by_document


def _inputs(folder: Folder, left_out: LeftOut) -> Iterator[Input]:
    """The files that a sidecar would load together, as they are in the editor."""
    if not os.path.isabs(folder.path) or _is_left_out(folder.path, left_out):
        names: list[str] = []
    else:
        names = [name for name in _names(folder.path) if not left_out.leaves_out(folder.path, name, is_folder=False)]
    paths = {os.path.join(folder.path, name) for name in names[:MOST_FILES]}
    for path in sorted(paths - folder.open.keys()):
        if os.path.isfile(path):
            yield Input(path, False)
    for path, text in folder.open.items():
        is_file = os.path.isabs(path)
        name = os.path.basename(path)
        if is_file and (_is_left_out(folder.path, left_out) or left_out.leaves_out(folder.path, name, is_folder=False)):
            continue
        yield Input(path, False, text.encode(errors="surrogatepass"), open=True)


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(ENDINGS) and not name.startswith("."))
    except OSError:
        return []


def _is_left_out(folder: str, left_out: LeftOut) -> bool:
    """Whether a folder, or a folder above it, is excluded."""
    while (parent := os.path.dirname(folder)) != folder:
        if left_out.leaves_out(parent, os.path.basename(folder), is_folder=True):
            return True
        folder = parent
    return False


# -- findings ----------------------------------------------------------------------------------------------------------


_UNKNOWABLE = OF_SEVERAL_FILES - {rules.SAME_PLACE.id}
"""Whether a finding depends on files of other folders, which are not checked."""


def _findings(diagnostics: Iterator[Diagnostic], folder: Folder) -> Findings:
    found: dict[str, list[Finding]] = {}
    lines: dict[int, Lines] = {}

    def range_of(span: Span) -> Range:
        made = lines.get(id(span.source))
        if made is None:
            made = lines[id(span.source)] = Lines(span.source.text, folder.encoding)
        return made.range(span.start, span.end)

    kept = list(diagnostics)  # their sources must live as long as lines are identified by them
    for one in kept:
        if one.rule.id in _UNKNOWABLE:
            continue
        file = _path(one.span.source.name, folder) if one.span else next(iter(folder.open), "")
        meant = suggestion(one)
        found.setdefault(file, []).append(
            Finding(
                range_of(one.span) if one.span else Range(Point(0, 0), Point(0, 0)),
                one.severity.value,
                one.rule.id,
                f"{one.message}{one.origin}" + (f"\nhelp: {one.help}" if one.help else ""),
                tuple(Related(_path(place.source.name, folder), range_of(place), text) for place, text in one.related),
                range_of(meant.span) if meant else None,
                meant.text if meant else "",
                can_be_ignored(one.rule.id),
            )
        )
    return {file: tuple(ones) for file, ones in found.items()}


def _path(name: str, folder: Folder) -> str:
    """The path of the file with a finding, or its URI if it is not a file."""
    return name if name in folder.open else os.path.abspath(name)
