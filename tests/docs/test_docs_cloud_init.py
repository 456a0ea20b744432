"""Keep the pages about cloud-init data correct: run each patch on the data shown below it, and compare each message.

Blocks are read as in docblocks.py; here, a list in a ``yaml`` block is a list of cloud-init edits. The ``diff`` blocks
up to the next patch are the texts before and after: of the user data, or, with ``<!-- of: network-data -->`` or ``<!--
of: meta-data -->`` before the block, of that data. User data that is not shown is ``#cloud-config``. A ``text`` block
is the message for the last patch, on the user data of ``<!-- on: … -->``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import yaml
from docblocks import (
    CLOUD_INIT,
    CLOUD_INIT_DOCUMENTS,
    DOCUMENTS,
    ROOT,
    Block,
    anchors,
    blocks,
    codes,
    constant,
    first_codes,
    given,
    kind_of,
    number,
    rows,
)

from patchlang.cel.compiled import MEMBERS
from patchlang.cloudinit.pointer import parse, resolve
from patchlang.cloudinit.userformat import detect
from patchlang.cloudinit.virtlauncher import FIELDS, SOURCES
from patchlang.compile import Program
from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.engine import patch_cloud_init
from patchlang.loading import decode_source, load_sources
from patchlang.render import render
from patchlang.result import CloudInitOutcome
from patchlang.source import SourceFile

BLOCKS = (
    *(block for document in CLOUD_INIT_DOCUMENTS for block in blocks(document)),
    *(block for document in DOCUMENTS for block in blocks(document) if CLOUD_INIT in block.marks),
)
FIELD_OF = {"user-data": "UserData", "network-data": "NetworkData", "meta-data": "NoCloudMetaData"}


def of_lang(*langs: str) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in BLOCKS if block.lang in langs]


def source(block: Block) -> SourceFile:
    if kind_of(block.text) == "documents":
        return SourceFile("patch.yaml", block.text)
    body = textwrap.indent(block.text, "  ")
    if kind_of(block.text) == "edits":
        body = "  cloudInit:\n" + textwrap.indent(block.text, "    ")
    head = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: example}\nspec:\n"
    return SourceFile("patch.yaml", head + body)


def last_patch(block: Block) -> Block:
    return [b for b in BLOCKS if b.document == block.document and b.line < block.line and b.lang == "yaml"][-1]


def record(**fields: Any) -> bytes:
    meta = {"instance-id": "5d307ca9", "local-hostname": "web-01"}
    whole = {"DataSource": "noCloud", "NoCloudMetaData": meta, "UserData": "#cloud-config\n", "NetworkData": ""}
    return json.dumps({**whole, **fields}).encode()


def run(program: Program, data: bytes, patch: Block) -> CloudInitOutcome:
    return patch_cloud_init(program, data, b"", json.dumps(given(patch.text)).encode())


def sides(diff: Block) -> tuple[Any, Any]:
    """The texts before and after."""
    lines = diff.text.removesuffix("\n").split("\n")
    assert all(line[:1] in (" ", "-", "+") for line in lines), f"{diff}: a line of a diff has a mark in front"
    texts = ["".join(f"{line[1:]}\n" for line in lines if line[:1] != other) for other in "+-"]
    if diff.marks.get("of") == "meta-data":
        return yaml.safe_load(texts[0]), yaml.safe_load(texts[1])
    return texts[0], texts[1]


def patches_with_a_diff() -> list[Any]:
    found = []
    for patch, after in pairwise([b for b in BLOCKS if b.lang in ("yaml", "diff")]):
        if patch.lang == "yaml" and after.lang == "diff":
            found.append(pytest.param(patch, id=str(patch)))
    return found


@pytest.mark.parametrize("patch", patches_with_a_diff())
def test_patch_gives_what_is_shown(patch: Block) -> None:
    shown = [b for b in BLOCKS if b.lang == "diff" and last_patch(b) is patch]
    fields = {FIELD_OF[diff.marks.get("of", "user-data")]: sides(diff) for diff in shown}
    program, diagnostics = load_sources([source(patch)])
    assert program is not None, render(diagnostics)
    outcome = run(program, record(**{name: before for name, (before, _) in fields.items()}), patch)
    assert outcome.data is not None, render(outcome.diagnostics)
    assert outcome.diagnostics == ()
    result = json.loads(outcome.data)
    assert {name: result[name] for name in fields} == {name: after for name, (_, after) in fields.items()}
    again = run(program, outcome.data, patch)
    marks = {mark for diff in shown for mark in diff.marks}
    if "second run fails" in marks:
        assert again.data is None
    elif "second run changes" in marks:
        assert again.data not in (None, outcome.data)
    else:
        assert again.data == outcome.data


@pytest.mark.parametrize("block", of_lang("text"))
def test_message_is_what_is_shown(block: Block) -> None:
    patch = last_patch(block)
    program, diagnostics = load_sources([source(patch)])
    if program is not None:
        text = block.marks["on"].replace("\\n", "\n")
        diagnostics = run(program, record(UserData=text), patch).diagnostics
    said = [
        f"{d.severity.value}[{d.rule.id} {d.rule.slug}] {d.message}\n" + (f"help: {d.help}\n" if d.help else "")
        for d in diagnostics
    ]
    assert "".join(said) == block.text


@pytest.mark.parametrize("patch", of_lang("yaml"))
def test_every_patch_is_shown_at_work(patch: Block) -> None:
    assert any(block.lang in ("diff", "text") and last_patch(block) is patch for block in BLOCKS)


def test_the_record_has_all_fields() -> None:
    (shown,) = [json.loads(block.text) for block in BLOCKS if block.lang == "json"]
    assert set(shown) == set(FIELDS[""])
    assert set(shown["NoCloudMetaData"]) <= set(FIELDS["NoCloudMetaData"])


def test_every_key_of_every_op_is_shown() -> None:
    edits = []
    for block in BLOCKS:
        if block.lang == "yaml" and load_sources([source(block)])[0]:
            edits += [edit for patch in decode_source(source(block))[0] for edit in patch.spec.cloud_init]
    shown = {
        (op, key)
        for op, cls in model.CLOUD_INIT_OPS.items()
        for edit in edits
        if isinstance(edit, cls)
        for key, (field, _) in model_fields(cls).items()
        if field.is_required or getattr(edit, field.name) != field.default
    }
    common = set(model_fields(model.CloudInitBase))
    wanted = {(op, key) for op, cls in model.CLOUD_INIT_OPS.items() for key in set(model_fields(cls)) - common}
    assert wanted - shown == set()
    assert common - {key for _, key in shown} - {"name"} == set()


# -- tables ------------------------------------------------------------------------------------------------------------


def table_of_edit_keys(table: Block) -> None:
    assert set(first_codes(table)) == set(model_fields(model.CloudInitBase)) - set(model_fields(model.Edit))


def table_of_ops(table: Block) -> None:
    common = set(model_fields(model.CloudInitBase))
    shown = {codes(row[0])[0]: set(codes(row[1])) for row in rows(table)}
    assert shown == {op: set(model_fields(cls)) - common for op, cls in model.CLOUD_INIT_OPS.items()}


def table_of_tokens(table: Block) -> None:
    ours = {"packages": 1, "a/b": 2, "a~b": 3}, ["nginx", {"name": "ops"}]
    picked = [
        resolve(ours[row[1] == "a list"], parse(token))
        for row in rows(table)
        for token in codes(row[0])
        if token != "/-"
    ]
    assert picked == [1, 2, 3, "nginx", {"name": "ops"}, "nginx"]


def table_of_formats(table: Block) -> None:
    shown = {codes(row[0])[0]: codes(row[1]) for row in rows(table)}
    for name, beginnings in shown.items():
        for beginning in beginnings:
            whole = {
                "multipart": "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n",
                "ignition": f'{{"{beginning}": {{}}}}\n',
            }
            text = whole.get(name, f"{beginning} x\n")
            assert detect(text).name == name, beginning
    assert shown["empty"] == []
    assert detect("").name == "empty"
    assert shown["unknown"] == []
    assert detect("hostname x\n").name == "unknown"


def table_of_metadata(table: Block) -> None:
    assert {codes(row[0])[0]: codes(row[1]) for row in rows(table)} == {
        source: list(FIELDS[field]) for source, field in SOURCES.items()
    }


def table_of_cloud_init(table: Block) -> None:
    shown = set(first_codes(table))
    known = {f"cloudInit.{name}" for name in MEMBERS["cloudInit"]}
    deeper = {f"{path}.{name}" for path in known if path in MEMBERS for name in MEMBERS[path]}
    assert shown == {path for path in known if path not in MEMBERS} | deeper


def table_of_limits(table: Block) -> None:
    for row in rows(table):
        named = re.search(r"<!-- ([\w.]+) -->", row[1])
        assert named, f"{row[0]}: the constant is not named"
        assert number(row[1]) == constant(named[1]), row[0]


TABLES: dict[str, Callable[[Block], None]] = {
    "edit": table_of_edit_keys,
    "ops": table_of_ops,
    "tokens": table_of_tokens,
    "formats": table_of_formats,
    "metadata": table_of_metadata,
    "cloudInit": table_of_cloud_init,
    "limits": table_of_limits,
}


@pytest.mark.parametrize("name", TABLES)
def test_table_agrees_with_the_code(name: str) -> None:
    (table,) = [block for block in BLOCKS if block.lang == "table" and block.marks.get("table") == name]
    TABLES[name](table)


# -- whole documents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", CLOUD_INIT_DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        assert not anchor or file.is_dir() or anchor in anchors(file), target


@pytest.mark.parametrize("document", CLOUD_INIT_DOCUMENTS)
def test_no_line_is_too_long_for_an_editor(document: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    assert [line for line in text.split("\n") if len(line) > 135 and not line.startswith("|")] == []
