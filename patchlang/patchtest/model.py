"""The typed model of a test: a document of ``kind: PatchTest``, decoded as patches are (see :mod:`patchlang.document`).

A test names patches and the input they are tried on; each of its cases changes the VMI and says what must come out.
"""

from __future__ import annotations

from enum import Enum

from ..document.model import Expect, Literal, MapValue, Metadata, Name, Part, Pointer, Target, Value, XPath
from ..record import record
from ..source import Span, Text


class File(Text):
    """A path, relative to the file in which it is written."""

    __slots__ = ()


class Input(Text):
    """A path, relative to the file in which it is written, or the content where it starts with ``<`` or ``{``."""

    __slots__ = ()


class DataSource(Enum):
    """KubeVirt's names for the kinds of cloud-init volume."""

    NO_CLOUD = "noCloud"
    CONFIG_DRIVE = "configDrive"


@record
class CloudInitInput:
    """Cloud-init data written out, by the names that patches have for its parts."""

    user_data: Literal | None = None
    network_data: Literal | None = None
    meta_data: MapValue | None = None
    data_source: DataSource = DataSource.NO_CLOUD


@record
class FactsInput:
    """Facts of the pod, by the names by which patches declare them. What is not here is not there."""

    env: tuple[tuple[Name, Literal], ...] = ()
    files: tuple[tuple[Name, Literal], ...] = ()


@record
class XPathExpectation:
    """What must hold of the nodes, or of the value, that an XPath gives on the outcome.

    ``equals`` compares the texts of all nodes, in document order; the others need one text.
    """

    span: Span
    xpath: XPath
    equals: tuple[Literal, ...] | None = None
    contains: Literal | None = None
    matches: Literal | None = None
    count: Expect | None = None
    absent: bool = False


@record
class PointerExpectation:
    """What must hold of the value that a pointer names in the cloud-init data of the outcome.

    ``contains`` is a piece of a text or an element of a list.
    """

    span: Span
    pointer: Pointer
    target: Target = Target.CLOUD_INIT_DATA
    part: Part | None = None
    equals: Value | None = None
    contains: Value | None = None
    matches: Literal | None = None
    absent: bool = False


@record
class Refusal:
    """An error that must come: its rule, a piece of its message, or both."""

    rule: Name | None = None
    message: Name | None = None


@record
class Case:
    """One try. ``annotations``, ``labels`` and ``set`` (JSON Pointer → value) change the VMI."""

    span: Span
    name: Name
    domain: Input | None = None
    cloud_init: Input | CloudInitInput | None = None
    vmi: Input | MapValue | None = None
    annotations: tuple[tuple[Name, Literal], ...] = ()
    labels: tuple[tuple[Name, Literal], ...] = ()
    set: tuple[tuple[Name, Value], ...] = ()
    facts: FactsInput | None = None
    expect: tuple[XPathExpectation | PointerExpectation, ...] = ()
    golden: File | None = None
    unchanged: bool = False
    error: Name | Refusal | None = None
    idempotent: bool = True

    @property
    def refusal(self) -> Refusal | None:
        """``error``, of which a text is the rule."""
        return Refusal(rule=self.error) if isinstance(self.error, Name) else self.error


@record
class TestSpec:
    """``patches`` are files and folders; without them, the patches of the same file are tested."""

    cases: tuple[Case, ...]
    patches: tuple[File, ...] = ()
    domain: Input | None = None
    cloud_init: Input | CloudInitInput | None = None
    vmi: Input | MapValue | None = None
    facts: FactsInput | None = None


@record
class PatchTest:
    """One document of ``kind: PatchTest``."""

    metadata: Metadata
    spec: TestSpec
    span: Span
