"""The findings of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..diagnostics import Diagnostic, Severity
from ..record import record


@record
class Held:
    """What a file contains: how many patches, VMs with sidecars, and tests."""

    name: str
    patches: int = 0
    machines: int = 0
    tests: int = 0

    def __add__(self, other: Held) -> Held:
        return Held(self.name, self.patches + other.patches, self.machines + other.machines, self.tests + other.tests)


@record
class Checked:
    """A file, its contents and its findings, in order. Without a name: findings without a place."""

    held: Held
    diagnostics: tuple[Diagnostic, ...]


@record
class Totals:
    """A run in numbers. ``failed``: there are errors, or with ``strict`` any findings.

    ``templates`` are Helm templates, which were not checked.
    """

    files: int
    patches: int
    machines: int
    tests: int
    errors: int
    warnings: int
    advice: int
    strict: bool
    failed: bool
    templates: int = 0


@record
class Report:
    """The files with something to check, in order; first, if any, findings without a place.

    ``templates`` are files that Helm must render before they can be checked.
    """

    files: tuple[Checked, ...]
    templates: int = 0

    def __iter__(self) -> Iterator[Checked]:
        return iter(self.files)

    @property
    def is_empty(self) -> bool:
        return not self.files

    def totals(self, *, strict: bool) -> Totals:
        counts = dict.fromkeys(Severity, 0)
        for file in self.files:
            for diagnostic in file.diagnostics:
                counts[diagnostic.severity] += 1
        held = sum((file.held for file in self.files), Held(""))
        return Totals(
            files=sum(bool(file.held.name) for file in self.files),
            patches=held.patches,
            machines=held.machines,
            tests=held.tests,
            errors=counts[Severity.ERROR],
            warnings=counts[Severity.WARNING],
            advice=counts[Severity.ADVICE],
            strict=strict,
            failed=bool(sum(counts.values()) if strict else counts[Severity.ERROR]),
            templates=self.templates,
        )


def report(held: Iterable[Held], found: Iterable[Diagnostic], templates: int = 0) -> Report:
    """Sorted findings, by file."""
    files: dict[str, Held] = {}
    for one in held:
        files[one.name] = files.get(one.name, Held(one.name)) + one
    by_file: dict[str, list[Diagnostic]] = {name: [] for name in files}
    for diagnostic in found:
        by_file.setdefault(diagnostic.span.source.name if diagnostic.span else "", []).append(diagnostic)
    return Report(
        tuple(Checked(files.get(name, Held(name)), tuple(by_file[name])) for name in sorted(by_file)), templates
    )
