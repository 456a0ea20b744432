"""The typed model of a test: a document of ``kind: PatchTest``, decoded as patches are (see :mod:`patchlang.document`).

A test names patches and their input; each of its cases changes the VMI and states the expected result.
"""

from __future__ import annotations

from enum import Enum

from ..document.model import Expect, Literal, MapValue, Metadata, Name, Part, Pointer, Target, Value, XPath
from ..record import record
from ..source import Span, Text


class File(Text):
    """A path, relative to the file that contains it."""

    __slots__ = ()


class Input(Text):
    """A path, relative to the file that contains it, or the content if it starts with ``<`` or ``{``."""

    __slots__ = ()


class DataSource(Enum):
    """KubeVirt's names for the kinds of cloud-init volume."""

    NO_CLOUD = "noCloud"
    CONFIG_DRIVE = "configDrive"


@record
class CloudInitInput:
    """Inline cloud-init data, with the names that patches use for its parts."""

    user_data: Literal | None = None
    network_data: Literal | None = None
    meta_data: MapValue | None = None
    data_source: DataSource = DataSource.NO_CLOUD


@record
class FactsInput:
    """Facts of the pod, with the names that patches declare. What is not listed does not exist."""

    env: tuple[tuple[Name, Literal], ...] = ()
    files: tuple[tuple[Name, Literal], ...] = ()


@record
class XPathExpectation:
    """What must be true of the nodes, or of the value, that an XPath selects in the result.

    ``equals`` compares the text of all nodes, in document order; the others need a single node.
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
    """What must be true of the value that a pointer selects in the cloud-init data of the result.

    ``contains`` is part of a text or an element of a list.
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
    """An expected error: its rule, part of its message, or both."""

    rule: Name | None = None
    message: Name | None = None


@record
class Case:
    """One case. ``annotations``, ``labels`` and ``set`` (JSON Pointer → value) change the VMI."""

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
        """``error``, where text is the rule."""
        return Refusal(rule=self.error) if isinstance(self.error, Name) else self.error


@record
class TestSpec:
    """``patches`` are files and folders; without them, the test covers the patches of the same file."""

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
