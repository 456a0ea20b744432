"""Dataclasses that are cheap to define: the sidecar defines a hundred before it answers its first call.

``@record`` treats a class as ``@dataclass(frozen=True, slots=True)`` does, and so do type checkers (PEP 681).
It saves import time: neither ``dataclasses`` nor ``inspect`` is loaded, and ``__init__`` is only generated for classes
with many instances; most have a few. Equality, hash, order and ``repr`` are those of the same dataclass. One thing
is left to the type checker: assigning to a field of a frozen record is not refused at run time, which makes new
instances cheaper.

There are no ``InitVar``, ``ClassVar``, ``KW_ONLY``, ``init=False`` and ``__post_init__``: a class that needs them is
not a record of values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")

FEW = 32
"""Instances created without a generated ``__init__``; generating one takes as long as fifty of them."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
"""Stands for a missing default."""


class Field:
    """A field of a record. ``key`` is its name in a patch file, if that is not the Python name in camel case."""

    __slots__ = ("compare", "default", "default_factory", "key", "kw_only", "name", "repr")

    def __init__(self, default: Any, default_factory: Any, compare: bool, repr: bool, key: str | None) -> None:
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.compare = compare
        self.repr = repr
        self.key = key
        self.kw_only = False

    @property
    def is_required(self) -> bool:
        return self.default is MISSING and self.default_factory is MISSING


def field(
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] = MISSING,
    compare: bool = True,
    repr: bool = True,
    key: str | None = None,
) -> Any:
    """Options of a field besides its type, in place of its default value; see :class:`Field`.

    ``compare``: it counts for equality, order and hash. ``repr``: it is shown.
    """
    return Field(default, default_factory, compare, repr, key)


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(
    *, frozen: bool = True, eq: bool = True, order: bool = False, kw_only: bool = False, slots: bool = True
) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(
    cls: type[T] | None = None,
    /,
    *,
    frozen: bool = True,
    eq: bool = True,
    order: bool = False,
    kw_only: bool = False,
    slots: bool = True,
) -> type[T] | Callable[[type[T]], type[T]]:
    """Turns a class with annotated fields into a record; the arguments are those of ``dataclass``.

    Methods that the class defines itself are kept. ``slots=False`` is for a class with a ``cached_property``.
    Raises ValueError for a mutable default.
    """

    def decorate(cls: type[T]) -> type[T]:
        return _made(cls, frozen, eq, order, kw_only, slots)

    return decorate if cls is None else decorate(cls)


def fields(of: Any) -> tuple[Field, ...]:
    """The fields of a record or of its class, in order. Raises TypeError for anything else."""
    try:
        found: tuple[Field, ...] = of.__record_fields__
    except AttributeError:
        raise TypeError(f"{of!r} is not a record") from None
    return found


def is_record(value: Any) -> bool:
    """Whether it is a record, or the class of one."""
    return hasattr(value, "__record_fields__")


def replace(of: T, /, **changes: Any) -> T:
    """A copy of a record with these fields changed. Raises TypeError for an unknown field."""
    for one in fields(of):
        if one.name not in changes:
            changes[one.name] = getattr(of, one.name)
    return of.__class__(**changes)


def _made(cls: type[T], frozen: bool, eq: bool, order: bool, kw_only: bool, slots: bool) -> type[T]:
    own = _own_fields(cls, kw_only)
    by_name: dict[str, Field] = {}
    taken: set[str] = set()
    for base in cls.__mro__[-2:0:-1]:
        by_name |= {one.name: one for one in base.__dict__.get("__record_fields__", ())}
        taken.update(base.__dict__.get("__slots__", ()))
    by_name |= own
    known = tuple(by_name.values())

    left = FEW

    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807
        nonlocal left
        left -= 1
        if left < 0 or not _assigned(self, known, args, named):
            made.__init__ = _init(made, known)
            made.__init__(self, *args, **named)

    body: dict[str, Any] = {"__init__": __init__, "__repr__": _repr}
    if eq:
        body |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
    if order:
        body |= _ORDER
    written = dict(cls.__dict__)
    if "__eq__" in written and written.get("__hash__") is None:
        written.pop("__hash__", None)  # added by Python, not by the author
    body |= written
    for name in ("__dict__", "__weakref__", *own):
        body.pop(name, None)
    if slots:
        body["__slots__"] = tuple(name for name in own if name not in taken)
    else:
        body |= {one.name: one.default for one in own.values() if one.default is not MISSING}
    body["__record_fields__"] = known
    body["__record_values__"] = _values([one.name for one in known if one.compare])
    body["__match_args__"] = tuple([one.name for one in known if not one.kw_only])
    metaclass: Any = type(cls)
    made: Any = metaclass(cls.__name__, cls.__bases__, body)
    return made  # type: ignore[no-any-return]


def _own_fields(cls: type, kw_only: bool) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for name in cls.__annotations__:
        default = cls.__dict__.get(name, MISSING)
        one = default if isinstance(default, Field) else Field(default, MISSING, True, True, None)
        if one.default.__class__.__hash__ is None:
            raise ValueError(f"the default of `{name}` is mutable, and all records would share it")
        one.name, one.kw_only = name, kw_only
        found[name] = one
    return found


def _assigned(record: Any, known: tuple[Field, ...], args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Does the work of ``__init__``. False for arguments that do not match, and if some are keyword-only."""
    used, used_names = len(args), 0
    if used > len(known):
        return False
    for at, one in enumerate(known):
        if one.kw_only:
            return False
        if at < used:
            value = args[at]
        elif one.name in named:
            value = named[one.name]
            used_names += 1
        elif one.default is not MISSING:
            value = one.default
        elif one.default_factory is not MISSING:
            value = one.default_factory()
        else:
            return False
        setattr(record, one.name, value)
    return len(named) == used_names


def _init(cls: type, known: tuple[Field, ...]) -> Callable[..., None]:
    """``__init__``, as one would write it by hand."""
    names: dict[str, Any] = {"MISSING": MISSING}
    parameters, by_name, lines = ["self"], list[str](), list[str]()
    for one in known:
        parameter, value = one.name, one.name
        if one.default_factory is not MISSING:
            names[f"make_{one.name}"] = one.default_factory
            parameter, value = f"{one.name}=MISSING", f"make_{one.name}() if {one.name} is MISSING else {one.name}"
        elif one.default is not MISSING:
            names[f"default_{one.name}"] = one.default
            parameter = f"{one.name}=default_{one.name}"
        (by_name if one.kw_only else parameters).append(parameter)
        lines.append(f" self.{one.name} = {value}\n")
    if by_name:
        parameters += ["*", *by_name]
    text = f"def __init__({', '.join(parameters)}):\n{''.join(lines) or ' pass'}"
    exec(compile(text, f"<record {cls.__qualname__}>", "exec"), names)  # noqa: S102
    made: Callable[..., None] = names["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return made


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that returns the values of these fields of a record."""
    if len(names) > 1:
        return attrgetter(*names)
    return staticmethod(lambda record: tuple([getattr(record, name) for name in names]))


# all records share the methods, except `__init__`
def _repr(self: Any) -> str:
    shown = ", ".join([f"{one.name}={getattr(self, one.name)!r}" for one in self.__record_fields__ if one.repr])
    return f"{self.__class__.__qualname__}({shown})"


def _hash(self: Any) -> int:
    return hash(self.__record_values__(self))


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = self.__record_values__
    return values(self) == values(other)


def _ordered_by(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def ordered(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        values = self.__record_values__
        return compare(values(self), values(other))

    return ordered


_ORDER = {f"__{name}__": _ordered_by(getattr(operator, name)) for name in ("lt", "le", "gt", "ge")}
