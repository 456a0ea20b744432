"""The typed model of a patch file: frozen, every leaf with its place in the file.

The decoder (:mod:`patchlang.decode`) and the JSON Schema are both made from these classes: a field's type says
how it is read, its YAML key is its name in camel case unless ``field(key=...)`` gives another, and a field without a
default is required.
"""

from __future__ import annotations

from enum import Enum

from .record import field, record
from .source import Span, Text

API_VERSION = "patchlang/v1"


class Name(Text):
    """Plain text."""

    __slots__ = ()


class Literal(Text):
    """Plain text that may be empty."""

    __slots__ = ()


class XPath(Text):
    """XPath 1.0."""

    __slots__ = ()


class Expression(Text):
    """CEL."""

    __slots__ = ()


class Template(Text):
    """Text; ``$[ expr ]`` in it is computed."""

    __slots__ = ()


class ConstructivePath(Text):
    """The path of ``ensure``: a template, then the subset of XPath that can be built."""

    __slots__ = ()


class Fragment(Text):
    """XML elements, a template in attribute values and text."""

    __slots__ = ()


class Pointer(Text):
    """JSON Pointer (RFC 6901) with the tokens ``[key=value]`` and ``[=text]``, a template."""

    __slots__ = ()


class QName(Text):
    """The name of an element or attribute, with or without a prefix."""

    __slots__ = ()


@record
class Expect:
    """How many nodes must match: ``low`` to ``high`` (None: no upper bound)."""

    low: int
    high: int | None

    def allows(self, count: int) -> bool:
        return count >= self.low and (self.high is None or count <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low} or more"
        return f"exactly {self.low}" if self.low == self.high else f"{self.low} to {self.high}"


class Position(Enum):
    """Where inserted elements go: into the matched node, at its end or start, or beside it."""

    APPEND = "append"
    PREPEND = "prepend"
    BEFORE = "before"
    AFTER = "after"


class ListPosition(Enum):
    """Where ``add`` inserts into a list of cloud-init data, seen from the element that the path names."""

    BEFORE = "before"
    AFTER = "after"


class FailurePolicy(Enum):
    """``Fail``: an error stops the run. ``Ignore``: the document is undone and a warning says why."""

    FAIL = "Fail"
    IGNORE = "Ignore"


class Target(Enum):
    """What a cloud-init edit works on."""

    CLOUD_INIT_DATA = "cloudInitData"
    USER_DATA = "userData"
    NETWORK_DATA = "networkData"
    META_DATA = "metaData"


@record
class Constant:
    """A value of cloud-init data: text without ``$[ ]``, a number, a boolean or null."""

    data: str | int | float | bool | None
    span: Span


@record
class ListValue:
    items: tuple[Value, ...]
    span: Span


@record
class MapValue:
    entries: tuple[tuple[str, Value], ...]
    span: Span


Value = Constant | Template | ListValue | MapValue


@record
class Variable:
    """A computed value that later expressions see as ``variables.NAME`` and XPath as ``$NAME``."""

    name: Name
    expression: Expression


@record(kw_only=True)
class Edit:
    """What every edit may have."""

    span: Span
    name: Name | None = None
    when: Expression | None = None
    for_each: Expression | None = None


@record(kw_only=True)
class DomainEdit(Edit):
    """An edit of the domain XML."""

    unless: XPath | None = None
    expect: Expect | None = None
    allow_protected: bool = False


@record(kw_only=True)
class Add(DomainEdit):
    """Puts a copy of the fragment at each matched node (RFC 5261 section 4.3)."""

    path: XPath
    xml: Fragment
    position: Position = Position.APPEND


@record(kw_only=True)
class Set(DomainEdit):
    """Sets the text of each matched element, or an attribute of it."""

    path: XPath
    value: Template


@record(kw_only=True)
class Ensure(DomainEdit):
    """Makes what the path names where it is missing, then sets the value."""

    path: ConstructivePath
    value: Template | None = None
    within: XPath | None = field(key="in", default=None)


@record(kw_only=True)
class Merge(DomainEdit):
    """Merges the fragment into each matched element; ``keys`` tells list entries apart."""

    path: XPath
    xml: Fragment
    keys: tuple[tuple[Name, tuple[XPath, ...]], ...] = ()


@record(kw_only=True)
class Replace(DomainEdit):
    """Puts the fragment in place of each matched element (RFC 5261 section 4.4)."""

    path: XPath
    xml: Fragment


@record(kw_only=True)
class Remove(DomainEdit):
    """Removes elements, attributes or text nodes (RFC 5261 section 4.5)."""

    path: XPath


@record(kw_only=True)
class Move(DomainEdit):
    """Moves the elements that ``from`` selects to the one element of ``path``."""

    source: XPath = field(key="from")
    path: XPath
    position: Position = Position.APPEND


@record(kw_only=True)
class Copy(DomainEdit):
    """Copies the elements that ``from`` selects to the one element of ``path``."""

    source: XPath = field(key="from")
    path: XPath
    position: Position = Position.APPEND


@record(kw_only=True)
class Rename(DomainEdit):
    """Gives each matched element or attribute another name."""

    path: XPath
    to: QName


@record(kw_only=True)
class QemuArgs(DomainEdit):
    """Puts arguments on ``qemu:commandline``, as one run, once, and environment variables by name."""

    args: tuple[Template, ...] | Template = ()
    env: tuple[tuple[Name, Template], ...] = ()


@record(kw_only=True)
class Test(DomainEdit):
    """Fails the document unless the path matches as expected, or the expression is true."""

    path: XPath | None = None
    expression: Expression | None = None
    message: Template | None = None


DOMAIN_OPS: dict[str, type[DomainEdit]] = {
    "add": Add,
    "set": Set,
    "ensure": Ensure,
    "merge": Merge,
    "replace": Replace,
    "remove": Remove,
    "move": Move,
    "copy": Copy,
    "rename": Rename,
    "qemuArgs": QemuArgs,
    "test": Test,
}


@record
class Part:
    """Picks one part of multipart user data."""

    content_type: Name | None = None
    filename: Name | None = None


@record(kw_only=True)
class CloudInitEdit(Edit):
    """An edit of cloud-init data."""

    target: Target = Target.CLOUD_INIT_DATA
    part: Part | None = None
    unless: Pointer | None = None
    expect: Expect | None = None


@record(kw_only=True)
class JsonAdd(CloudInitEdit):
    """Adds a value, or sets one that is there (RFC 6902 section 4.1)."""

    path: Pointer
    value: Value
    position: ListPosition | None = None


@record(kw_only=True)
class JsonRemove(CloudInitEdit):
    """Removes a value (RFC 6902 section 4.2)."""

    path: Pointer


@record(kw_only=True)
class JsonReplace(CloudInitEdit):
    """Replaces a value (RFC 6902 section 4.3)."""

    path: Pointer
    value: Value


@record(kw_only=True)
class JsonMove(CloudInitEdit):
    """Moves a value (RFC 6902 section 4.4)."""

    source: Pointer = field(key="from")
    path: Pointer


@record(kw_only=True)
class JsonCopy(CloudInitEdit):
    """Copies a value (RFC 6902 section 4.5)."""

    source: Pointer = field(key="from")
    path: Pointer


@record(kw_only=True)
class JsonTest(CloudInitEdit):
    """Fails the document unless the value is as given (RFC 6902 section 4.6), or the expression is true."""

    path: Pointer | None = None
    value: Value | None = None
    expression: Expression | None = None
    message: Template | None = None


@record(kw_only=True)
class JsonMerge(CloudInitEdit):
    """Merges a value into the one that the path names (RFC 7396)."""

    path: Pointer
    value: Value


@record(kw_only=True)
class JsonEnsure(CloudInitEdit):
    """Makes what the pointer names where it is missing, and sets the value."""

    path: Pointer
    value: Value


@record(kw_only=True)
class AddPart(CloudInitEdit):
    """Gives multipart user data a part with this type, name and content."""

    content_type: Name
    filename: Name
    content: Template


CLOUD_INIT_OPS: dict[str, type[CloudInitEdit]] = {
    "add": JsonAdd,
    "remove": JsonRemove,
    "replace": JsonReplace,
    "move": JsonMove,
    "copy": JsonCopy,
    "test": JsonTest,
    "merge": JsonMerge,
    "ensure": JsonEnsure,
    "addPart": AddPart,
}


@record
class Spec:
    """What a patch does."""

    when: Expression | None = None
    variables: tuple[Variable, ...] = ()
    namespaces: tuple[tuple[Name, Name], ...] = ()
    priority: int = 50
    failure_policy: FailurePolicy = FailurePolicy.FAIL
    domain: tuple[DomainEdit, ...] = ()
    cloud_init: tuple[CloudInitEdit, ...] = ()


@record
class Metadata:
    """``name`` is unique in the set and names the patch in every message."""

    name: Name


@record
class Patch:
    """One document of ``kind: Patch``."""

    metadata: Metadata
    spec: Spec
    span: Span
