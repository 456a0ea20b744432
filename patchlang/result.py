"""The result of a run: the new bytes, what each edit matched and changed, and the findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from .diagnostics import Diagnostic
from .record import field, record
from .source import Span

SHOWN_PLACES = 5
"""How many are reported per edit."""


class State(Enum):
    """How a document ended."""

    APPLIED = "applied"
    SKIPPED = "skipped"
    IGNORED = "ignored"
    FAILED = "failed"


_PLACE = 1000
"""Maximum length of a place in a trace."""


Spot = tuple[int, int]
"""The place of something in the input: the offset of its first byte, and the offset after its last byte."""


@record(frozen=False)
class Effect:
    """What one application of an op did: nodes matched, nodes changed, the paths of the first few.

    ``spots`` are the places of the matched nodes in the input, if requested.
    """

    matched: int = 0
    changed: int = 0
    places: list[str] = field(default_factory=list)
    spots: list[Spot] | None = None


@record(frozen=False)
class EditTrace:
    """One edit over all its items, of which it ran for ``ran``.

    ``places`` are the paths of the nodes it matched, the first few of them; ``inner`` are the edits inside it.
    ``spots`` are the places of all of them in the input, if requested.
    """

    label: str
    span: Span
    ran: int = 0
    matched: int = 0
    changed: int = 0
    skipped: int = 0
    reason: str | None = None
    places: list[str] = field(default_factory=list)
    inner: list[EditTrace] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)

    def skip(self) -> None:
        self.skipped += 1
        self.reason = "`when` is false"

    def add(self, effect: Effect) -> None:
        self.matched += effect.matched
        self.changed += effect.changed
        for place in effect.places[: SHOWN_PLACES - len(self.places)]:
            self.places.append(place if len(place) <= _PLACE else place[:_PLACE] + "…")
        if effect.spots:
            self.spots += effect.spots

    def every(self) -> Iterator[EditTrace]:
        """This edit and all nested ones."""
        yield self
        for trace in self.inner:
            yield from trace.every()


@record(frozen=False)
class DocumentTrace:
    """One document. ``reason`` explains why it was skipped, was ignored or failed, without values of the input."""

    name: str
    span: Span
    priority: int
    state: State = State.APPLIED
    reason: str | None = None
    edits: list[EditTrace] = field(default_factory=list)

    @property
    def matched(self) -> int:
        return sum(e.matched for e in self.edits)

    @property
    def changed(self) -> int:
        return sum(e.changed for e in self.edits)

    @property
    def skipped(self) -> int:
        return sum(e.skipped for e in self.edits)


Progress = Callable[[str, Span], None]
"""Called with the current work: the patch name (empty if not known yet) and the place in its file."""


@record
class Outcome:
    """The result of one run on a domain. ``data`` is None if a diagnostic is an error: nothing is half-applied."""

    data: bytes | None
    diagnostics: tuple[Diagnostic, ...] = ()
    trace: tuple[DocumentTrace, ...] = ()


@record
class CloudInitOutcome:
    """The result of one run on cloud-init data.

    ``data`` is the JSON of KubeVirt's ``CloudInitData``, ``no_cloud_source`` that of the older
    ``CloudInitNoCloudSource``; both have the same content. Both are None if a diagnostic is an error.
    """

    data: bytes | None
    no_cloud_source: bytes | None
    diagnostics: tuple[Diagnostic, ...] = ()
    trace: tuple[DocumentTrace, ...] = ()
