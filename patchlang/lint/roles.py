"""An edit by the roles of its fields: how checks read it, whatever its op."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from ..document import model
from ..document.keys import yaml_key
from ..document.model import Role
from ..record import fields, is_record
from ..source import Text
from .reading import leaves

T = TypeVar("T", bound=Text)

SELECTING = (Role.ASKS, Role.CHANGES, Role.REMOVES, Role.REPLACES, Role.RENAMES, Role.MOVES, Role.COPIES)
_ASKING = (Role.ASKS, Role.CONDITION, Role.MESSAGE)


class Declared(NamedTuple):
    """A field that belongs to an op: its name, its YAML key, its role."""

    name: str
    key: str
    role: Role


class RolePart(NamedTuple):
    """The value of such a field in an edit."""

    key: str
    role: Role
    value: Any


@cache
def declared(op: type[model.Edit]) -> tuple[Declared, ...]:
    """The fields that the class of an op adds to those of every edit, in role order.

    Raises TypeError if one declares no role, since nothing could check it.
    """
    hints = get_type_hints(op, include_extras=True)
    inherited = {field.name for base in op.__mro__[1:] if is_record(base) for field in fields(base)}
    found = [
        Declared(field.name, yaml_key(field), _role(op, field.name, hints[field.name]))
        for field in fields(op)
        if field.name not in inherited
    ]
    order = list(Role)
    return tuple(sorted(found, key=lambda one: order.index(one.role)))


def _role(op: type[model.Edit], name: str, hint: Any) -> Role:
    found = [one for one in get_args(hint)[1:] if isinstance(one, Role)] if get_origin(hint) is Annotated else []
    if len(found) != 1:
        raise TypeError(f"{op.__name__}.{name} needs a role: `{name}: Annotated[…, Role.…]`")
    return found[0]


def _declared(edit: model.Edit) -> tuple[Declared, ...]:
    op: Any = type(edit)  # a class is hashable, mypy does not see it
    return declared(op)


def role_of(edit: model.Edit, name: str) -> Role | None:
    """The role of a field by name; None for those of every edit."""
    return next((one.role for one in _declared(edit) if one.name == name), None)


def parts(edit: model.Edit) -> list[RolePart]:
    """The values of an edit's op fields, in role order, except omitted ones."""
    found = (RolePart(one.key, one.role, getattr(edit, one.name)) for one in _declared(edit))
    return [part for part in found if part.value is not None]


def texts(edit: model.Edit, kind: type[T], *roles: Role) -> list[T]:
    """The texts of one notation in an edit's fields with these roles."""
    return [leaf for part in parts(edit) if part.role in roles for leaf in leaves(part.value) if isinstance(leaf, kind)]


def selecting(edit: model.Edit) -> list[model.XPath]:
    """The paths of the nodes that a domain edit works on."""
    return texts(edit, model.XPath, *SELECTING)


def anchors(edit: model.Edit) -> list[model.XPath]:
    """The paths of the nodes that a domain edit puts something into, next to, or in place of."""
    return texts(edit, model.XPath, Role.GOAL) or texts(edit, model.XPath, Role.CHANGES, Role.REPLACES, Role.COPIES)


def has(edit: model.Edit, *roles: Role) -> bool:
    """Whether an edit has a value in a field with one of these roles."""
    return any(part.role in roles for part in parts(edit))


def is_beside(edit: model.Edit) -> bool:
    """Whether inserted content becomes a sibling of the node, not its child."""
    if has(edit, Role.MAKES, Role.MERGES):
        return False
    if has(edit, Role.COPIES) and not has(edit, Role.GOAL):
        return True
    beside = (model.Position.BEFORE, model.Position.AFTER)
    return has(edit, Role.REPLACES) or any(p.role is Role.POSITION and p.value in beside for p in parts(edit))


def adds(edit: model.Edit) -> bool:
    """Whether an edit inserts something without looking for it first or replacing something."""
    return has(edit, Role.COPIES) or (has(edit, Role.INSERTS) and not has(edit, Role.REPLACES))


def only_asks(edit: model.Edit) -> bool:
    """Whether an edit changes nothing."""
    return all(part.role in _ASKING for part in parts(edit))
