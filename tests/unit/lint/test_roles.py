"""Roles: every field of every op has one, which fits the notation of the field."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import pytest

from patchlang import lint
from patchlang.document import decode, model
from patchlang.document.keys import model_fields
from patchlang.document.model import Role
from patchlang.grammar import patches as grammar
from patchlang.kubevirt import advice as kubevirt
from patchlang.lint.roles import SELECTING, declared
from patchlang.loading import decode_source
from patchlang.record import record
from patchlang.schema import options
from patchlang.source import SourceFile

PATHS = {model.XPath, model.Pointer}
XML_OR_VALUE = {model.Fragment, *get_args(model.Value)}
NOTATIONS: dict[Role, set[Any]] = {
    **dict.fromkeys(SELECTING, PATHS),
    Role.GOAL: PATHS,
    Role.POSITION: {model.Position, model.ListPosition, model.ListStart},
    Role.AT: {model.XPath},
    Role.ONCE: {model.Unique},
    Role.EDITS: {tuple[model.DomainEdit, ...]},
    Role.MAKES: {model.ConstructivePath, model.Pointer},
    Role.INSERTS: XML_OR_VALUE,
    Role.MERGES: XML_OR_VALUE,
    Role.KEYS: {tuple[tuple[model.Name, tuple[model.XPath, ...]], ...]},
    Role.VALUE: {model.Template, *get_args(model.Value)},
    Role.NAME: {model.QName, model.Name},
    Role.ARGUMENT: {
        model.Template,
        tuple[model.Template, ...],
        tuple[tuple[model.ComputedName, model.Template], ...],
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
    @record(kw_only=True)
    class Swap(model.DomainBase):
        path: model.XPath

    with pytest.raises(TypeError, match=r"Swap\.path needs a role: `path: Annotated\[…, Role\.…\]`"):
        declared(Swap)


@record(kw_only=True)
class Unheard(model.DomainBase):
    """An op that no check knows."""

    path: Annotated[model.XPath | None, Role.CHANGES] = None
    taken: Annotated[model.XPath | None, Role.REMOVES] = None
    moved: Annotated[model.XPath | None, Role.MOVES] = None
    renamed: Annotated[model.XPath | None, Role.RENAMES] = None
    goal: Annotated[model.XPath | None, Role.GOAL] = None
    made: Annotated[model.ConstructivePath | None, Role.MAKES] = None
    xml: Annotated[model.Fragment | None, Role.INSERTS] = None
    keys: Annotated[tuple[tuple[model.Name, tuple[model.XPath, ...]], ...], Role.KEYS] = ()
    value: Annotated[model.Template | None, Role.VALUE] = None
    to: Annotated[model.QName | None, Role.NAME] = None
    text: Annotated[model.Template | None, Role.ARGUMENT] = None
    condition: Annotated[model.Expression | None, Role.CONDITION] = None
    position: Annotated[model.Position, Role.POSITION] = model.Position.APPEND


LOST = "PL322: KubeVirt 1.8 drops"
UNKNOWN = "PL901: libvirt 12.8.0 has no element"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ("path: /domain/oz", f"{UNKNOWN} `oz` in `/domain`"),
        ("taken: /domain/oz", f"{UNKNOWN} `oz` in `/domain`"),
        ("path: /domain/os, unless: biios", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("path: /domain/os, moved: /domain/oz", f"{UNKNOWN} `oz` in `/domain`"),
        ("moved: /domain/devices/tpm, goal: /domain/oz", f"{UNKNOWN} `oz` in `/domain`"),
        ("moved: /domain/devices/tpm, goal: /domain/os", f"{UNKNOWN} `tpm` in `/domain/os`"),
        ("made: /domain/os/biios", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("path: /domain/os, made: biios", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("path: /domain/os, xml: <biios/>", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("path: /domain/os/bios, xml: <biios/>, position: after", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("path: /domain/os, xml: <bios/>, keys: {bios: biios}", f"{UNKNOWN} `biios` in `/domain/os/bios`"),
        ("path: /domain/os/smbios/@mode, value: hosd", "PL903: libvirt 12.8.0 does not accept `hosd`"),
        ("made: /domain/os/smbios/@mode, value: hosd", "PL903: libvirt 12.8.0 does not accept `hosd`"),
        ("renamed: /domain/os/bios, to: biios", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("path: /domain/os, value: \"$[ xpath('biios') ]\"", f"{UNKNOWN} `biios` in `/domain/os`"),
        ("text: \"$[ xpath('/domain/oz') ]\"", f"{UNKNOWN} `oz` in `/domain`"),
        ("condition: \"xpath('/domain/oz') == []\"", f"{UNKNOWN} `oz` in `/domain`"),
        ("taken: '/domain/devices/disk[1]'", "PL301: `disk[1]`: the next run removes whatever"),
        ("path: /domain/devices, xml: <tpm/>", "PL303: each run adds `<tpm>` again"),
        ("path: '//tpm', xml: <tpm/>", "PL303: each run puts `<tpm>` into the ones"),
        ("path: /domain/os/bios, value: '$[ node.text ]x'", "PL303: each run builds on the value"),
        ("taken: /domain/devices/tpm, expect: 1", "PL304: the removed nodes are gone"),
        ("moved: /domain/devices/tpm, goal: /domain/os, expect: 1", "PL304: the moved nodes are no longer where"),
        ("renamed: /domain/os/bios, to: loader, expect: 1", "PL304: `bios` is renamed"),
        ("path: \"/domain/os/bios[. = 'a']\", value: b", "PL304: the edit changes what its own path selects"),
        ('path: /domain/os/bios, value: "a\\n"', "PL310: the value ends in a line break"),
        ("condition: 'true'", "PL306: `condition` is always true"),
        ("path: /domain/os/biios", f"{LOST} `biios` of `os`"),
        ("made: /domain/os/biios", f"{LOST} `biios` of `os`"),
        ("path: /domain/os, xml: <biios/>", f"{LOST} `biios` of `os`"),
        ("renamed: /domain/os/bios, to: biios", f"{LOST} `biios` of `os`"),
        ("moved: /domain/devices/tpm, goal: /domain/os", f"{LOST} `tpm` of `os`"),
    ],
)
def test_an_op_that_no_check_has_heard_of_is_checked(fields: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model.OPS[model.DomainEdit], "unheard", Unheard)
    monkeypatch.setattr(decode, "_check_combination", lambda edit: None)
    head = "{apiVersion: patchlang/v1, kind: Patch, metadata: {name: a}, spec: "
    text = f"{head}{{domain: [{{op: unheard, {fields}}}]}}}}\n"
    patches, found = decode_source(SourceFile("patch.yaml", text))
    assert found == []
    found = lint.advise(patches, None) + grammar.check(patches, "12.8.0")
    if wanted.startswith(LOST):
        found += kubevirt.advise(patches, "1.8", plugins=True)
    said = [f"{diagnostic.rule.id}: {diagnostic.message}" for diagnostic in found]
    assert [text for text in said if text.startswith(wanted)], said
