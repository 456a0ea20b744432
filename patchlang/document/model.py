"""The typed model of a patch file: frozen, with every leaf's place in the file.

The decoder (:mod:`patchlang.document.decode`) and the JSON Schema both derive from these classes: a field's type says
how it is read, its YAML key is its name in camel case unless ``field(key=...)`` gives another, and a field without a
default is required.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, TypeAlias

from ..record import field, record
from ..source import Span, Text

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


class ComputedName(Text):
    """Text that is not empty; ``$[ expr ]`` in it is computed."""

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
    """How many nodes must match: ``low`` to ``high`` (None: no upper limit)."""

    low: int
    high: int | None

    def allows(self, count: int) -> bool:
        return count >= self.low and (self.high is None or count <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low} or more"
        return f"exactly {self.low}" if self.low == self.high else f"{self.low} to {self.high}"


class Position(Enum):
    """Where to insert elements: into the matched node, at its end or start, or next to it."""

    APPEND = "append"
    PREPEND = "prepend"
    BEFORE = "before"
    AFTER = "after"


class ListPosition(Enum):
    """Where ``add`` inserts into a list of cloud-init data: next to the element at the path, or at the start."""

    BEFORE = "before"
    AFTER = "after"
    PREPEND = "prepend"


class ListStart(Enum):
    """Where ``ensure`` inserts into a list of cloud-init data, if not at the end."""

    PREPEND = "prepend"


class Unique(Enum):
    """What to keep from repeating in QEMU's arguments: all of them as a sequence, or each by itself."""

    RUN = "run"
    EACH = "each"


class FailurePolicy(Enum):
    """``Fail``: an error stops the run. ``Ignore``: the document is rolled back and a warning explains why."""

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


class Role(Enum):
    """What a field means to its edit.

    The grammar, the advice, KubeVirt's checks and the laws depend on field roles (:mod:`patchlang.lint.roles`),
    never on ops: so they also check ops that are new to them.
    """

    # XPath or JSON Pointer that selects what the edit works on, and what happens to that; `expect` counts it, and
    # `unless` is evaluated at each
    ASKS = "asks"  # nothing
    CHANGES = "changes"  # it stays; something in it or next to it changes
    REMOVES = "removes"  # it is removed, and may be gone already
    REPLACES = "replaces"  # it is removed, and the inserted content takes its place
    RENAMES = "renames"  # it gets a new name, and may already have it
    MOVES = "moves"  # it moves to the goal, if any, and may be there already
    COPIES = "copies"  # it stays, and a copy goes to the goal, if any, otherwise after it
    # where the work happens
    GOAL = "goal"  # the path of the single node that something is moved or copied into or next to
    POSITION = "position"  # whether new content goes into a node or next to it
    MAKES = "makes"  # a path that is created if missing: at each selected node, or in the document
    # what is put there
    INSERTS = "inserts"  # XML or a value, inserted each time
    MERGES = "merges"  # XML or a value, merged into the existing content
    AT = "at"  # the path, from the parent of the new node, of the siblings that it goes next to
    KEYS = "keys"  # for elements of the XML, the relative paths that distinguish list entries
    VALUE = "value"  # the new text or value of what is created, or of what is selected
    NAME = "name"  # the new name of something
    ARGUMENT = "argument"  # text that is added to `/domain/qemu:commandline`
    ONCE = "once"  # which arguments must not repeat
    EDITS = "edits"  # edits made in each selected node, or in its copy
    # about the edit
    CONDITION = "condition"  # CEL that must be true
    MESSAGE = "message"  # what to tell the user


@record(kw_only=True)
class Edit:
    """What every edit may have. Each field that an op adds declares its :class:`Role`."""

    span: Span
    name: Name | None = None
    when: Expression | None = None
    for_each: Expression | None = None


@record(kw_only=True)
class DomainBase(Edit):
    """An edit of the domain XML."""

    unless: XPath | None = None
    expect: Expect | None = None
    allow_protected: bool = False


@record(kw_only=True)
class Add(DomainBase):
    """Inserts a copy of the fragment at each matched node (RFC 5261 section 4.3)."""

    path: Annotated[XPath, Role.CHANGES]
    xml: Annotated[Fragment, Role.INSERTS]
    position: Annotated[Position, Role.POSITION] = Position.APPEND


@record(kw_only=True)
class Set(DomainBase):
    """Sets the text of each matched element, or an attribute of it."""

    path: Annotated[XPath, Role.CHANGES]
    value: Annotated[Template, Role.VALUE]


@record(kw_only=True)
class Ensure(DomainBase):
    """Creates what the path describes if it is missing, then sets the value."""

    path: Annotated[ConstructivePath, Role.MAKES]
    value: Annotated[Template | None, Role.VALUE] = None
    within: Annotated[XPath | None, Role.CHANGES] = field(key="in", default=None)
    position: Annotated[Position, Role.POSITION] = Position.APPEND
    at: Annotated[XPath | None, Role.AT] = None


@record(kw_only=True)
class Merge(DomainBase):
    """Merges the fragment into each matched element; ``keys`` distinguish list entries."""

    path: Annotated[XPath, Role.CHANGES]
    xml: Annotated[Fragment, Role.MERGES]
    keys: Annotated[tuple[tuple[Name, tuple[XPath, ...]], ...], Role.KEYS] = ()
    position: Annotated[Position, Role.POSITION] = Position.APPEND
    at: Annotated[XPath | None, Role.AT] = None


@record(kw_only=True)
class Replace(DomainBase):
    """Replaces each matched element with the fragment (RFC 5261 section 4.4)."""

    path: Annotated[XPath, Role.REPLACES]
    xml: Annotated[Fragment, Role.INSERTS]


@record(kw_only=True)
class Remove(DomainBase):
    """Removes elements, attributes or text nodes (RFC 5261 section 4.5)."""

    path: Annotated[XPath, Role.REMOVES]


@record(kw_only=True)
class Move(DomainBase):
    """Moves the elements that ``from`` selects to the single element at ``path``."""

    source: Annotated[XPath, Role.MOVES] = field(key="from")
    path: Annotated[XPath, Role.GOAL]
    position: Annotated[Position, Role.POSITION] = Position.APPEND


@record(kw_only=True)
class Copy(DomainBase):
    """Copies the elements that ``from`` selects to the single element at ``path``, or each right after its original.

    ``edits`` run in each copy before it is put in place.
    """

    source: Annotated[XPath, Role.COPIES] = field(key="from")
    path: Annotated[XPath | None, Role.GOAL] = None
    position: Annotated[Position, Role.POSITION] = Position.APPEND
    edits: Annotated[tuple[DomainEdit, ...], Role.EDITS] = ()


@record(kw_only=True)
class Rename(DomainBase):
    """Renames each matched element or attribute."""

    path: Annotated[XPath, Role.RENAMES]
    to: Annotated[QName, Role.NAME]


@record(kw_only=True)
class Within(DomainBase):
    """Runs edits in each matched element: their relative paths start there."""

    path: Annotated[XPath, Role.ASKS]
    edits: Annotated[tuple[DomainEdit, ...], Role.EDITS]


@record(kw_only=True)
class QemuArgs(DomainBase):
    """Adds arguments to ``qemu:commandline``, once, as a sequence or one by one, and environment variables by name."""

    args: Annotated[tuple[Template, ...] | Template, Role.ARGUMENT] = ()
    unique: Annotated[Unique, Role.ONCE] = Unique.RUN
    env: Annotated[tuple[tuple[ComputedName, Template], ...] | Template, Role.ARGUMENT] = ()


@record(kw_only=True)
class Test(DomainBase):
    """Fails the document unless the path matches as expected, or the expression is true."""

    path: Annotated[XPath | None, Role.ASKS] = None
    expression: Annotated[Expression | None, Role.CONDITION] = None
    message: Annotated[Template | None, Role.MESSAGE] = None


DomainEdit: TypeAlias = Add | Set | Ensure | Merge | Replace | Remove | Move | Copy | Rename | Within | QemuArgs | Test

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
    "within": Within,
    "qemuArgs": QemuArgs,
    "test": Test,
}


@record
class Part:
    """Selects one part of user data."""

    content_type: Name | None = None
    filename: Name | None = None


@record(kw_only=True)
class CloudInitBase(Edit):
    """An edit of cloud-init data."""

    target: Target = Target.CLOUD_INIT_DATA
    part: Part | None = None
    unless: Pointer | None = None
    expect: Expect | None = None


@record(kw_only=True)
class JsonAdd(CloudInitBase):
    """Adds a value, or sets an existing one (RFC 6902 section 4.1)."""

    path: Annotated[Pointer, Role.CHANGES]
    value: Annotated[Value, Role.INSERTS]
    position: Annotated[ListPosition | None, Role.POSITION] = None


@record(kw_only=True)
class JsonRemove(CloudInitBase):
    """Removes a value (RFC 6902 section 4.2)."""

    path: Annotated[Pointer, Role.REMOVES]


@record(kw_only=True)
class JsonReplace(CloudInitBase):
    """Replaces a value (RFC 6902 section 4.3)."""

    path: Annotated[Pointer, Role.CHANGES]
    value: Annotated[Value, Role.VALUE]


@record(kw_only=True)
class JsonMove(CloudInitBase):
    """Moves a value (RFC 6902 section 4.4)."""

    source: Annotated[Pointer, Role.MOVES] = field(key="from")
    path: Annotated[Pointer, Role.GOAL]


@record(kw_only=True)
class JsonCopy(CloudInitBase):
    """Copies a value (RFC 6902 section 4.5)."""

    source: Annotated[Pointer, Role.COPIES] = field(key="from")
    path: Annotated[Pointer, Role.GOAL]


@record(kw_only=True)
class JsonTest(CloudInitBase):
    """Fails the document unless the value is as given (RFC 6902 section 4.6), or the expression is true."""

    path: Annotated[Pointer | None, Role.ASKS] = None
    value: Annotated[Value | None, Role.VALUE] = None
    expression: Annotated[Expression | None, Role.CONDITION] = None
    message: Annotated[Template | None, Role.MESSAGE] = None


@record(kw_only=True)
class JsonMerge(CloudInitBase):
    """Merges a value into the one at the path (RFC 7396)."""

    path: Annotated[Pointer, Role.CHANGES]
    value: Annotated[Value, Role.MERGES]


@record(kw_only=True)
class JsonEnsure(CloudInitBase):
    """Creates what the pointer describes if it is missing, and sets the value."""

    path: Annotated[Pointer, Role.MAKES]
    value: Annotated[Value, Role.VALUE]
    position: Annotated[ListStart | None, Role.POSITION] = None


@record(kw_only=True)
class AddPart(CloudInitBase):
    """Adds or updates a part of multipart user data with this type, name and content."""

    content_type: Annotated[Name, Role.NAME]
    filename: Annotated[Name, Role.NAME]
    content: Annotated[Template, Role.VALUE]


CloudInitEdit: TypeAlias = (
    JsonAdd | JsonRemove | JsonReplace | JsonMove | JsonCopy | JsonTest | JsonMerge | JsonEnsure | AddPart
)

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


# the ops of each kind of edit, by name
OPS: dict[Any, dict[str, Any]] = {DomainEdit: dict(DOMAIN_OPS), CloudInitEdit: dict(CLOUD_INIT_OPS)}


@record
class FileFact:
    """A file of the pod."""

    path: Name
    allow_secret: bool = False


@record
class Facts:
    """What the patch may read from the pod. In CEL: facts.env.NAME and facts.files.NAME, optional strings."""

    env: tuple[Name, ...] = ()
    files: tuple[tuple[Name, Name | FileFact], ...] = ()


@record
class Spec:
    """What a patch does."""

    when: Expression | None = None
    facts: Facts | None = None
    variables: tuple[Variable, ...] = ()
    namespaces: tuple[tuple[Name, Name], ...] = ()
    priority: int = 50
    failure_policy: FailurePolicy = FailurePolicy.FAIL
    domain: tuple[DomainEdit, ...] = ()
    cloud_init: tuple[CloudInitEdit, ...] = ()


@record
class Metadata:
    """``name`` is unique in the set, and every message shows it."""

    name: Name


@record
class Patch:
    """One document of ``kind: Patch``."""

    metadata: Metadata
    spec: Spec
    span: Span
