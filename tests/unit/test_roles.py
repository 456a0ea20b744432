"""Roles: every field of every op has one, and it goes with the notation of the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import pytest

from patchlang import model
from patchlang.decode import model_fields
from patchlang.lint.roles import SELECTING, declared
from patchlang.model import Role
from patchlang.schema import options

PATHS = {model.XPath, model.Pointer}
XML_OR_VALUE = {model.Fragment, *get_args(model.Value)}
NOTATIONS: dict[Role, set[Any]] = {
    **dict.fromkeys(SELECTING, PATHS),
    Role.GOAL: PATHS,
    Role.POSITION: {model.Position, model.ListPosition},
    Role.MAKES: {model.ConstructivePath, model.Pointer},
    Role.INSERTS: XML_OR_VALUE,
    Role.MERGES: XML_OR_VALUE,
    Role.KEYS: {tuple[tuple[model.Name, tuple[model.XPath, ...]], ...]},
    Role.VALUE: {model.Template, *get_args(model.Value)},
    Role.NAME: {model.QName, model.Name},
    Role.ARGUMENT: {
        model.Template,
        tuple[model.Template, ...],
        tuple[tuple[model.Name, model.Template], ...],
    },
    Role.CONDITION: {model.Expression},
    Role.MESSAGE: {model.Template},
}
OPS = [op for ops in model.OPS.values() for op in ops.values()]


def test_the_unions_are_the_ops() -> None:
    assert set(get_args(model.DomainEdit)) == set(model.DOMAIN_OPS.values())
    assert set(get_args(model.CloudInitEdit)) == set(model.CLOUD_INIT_OPS.values())


@pytest.mark.parametrize("op", OPS)
def test_every_field_of_an_op_has_a_role_that_fits_its_notation(op: type[model.Edit]) -> None:
    hints = {field.name: hint for field, hint in model_fields(op).values()}
    for name, _, role in declared(op):
        assert set(options(hints[name])) <= NOTATIONS[role], name


def test_every_role_is_that_of_a_field() -> None:
    assert {one.role for op in OPS for one in declared(op)} == set(Role)
    assert NOTATIONS.keys() == set(Role)


def test_a_field_without_a_role_is_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Swap(model.DomainBase):
        path: model.XPath

    with pytest.raises(TypeError, match=r"Swap\.path needs a role: `path: Annotated\[…, Role\.…\]`"):
        declared(Swap)
