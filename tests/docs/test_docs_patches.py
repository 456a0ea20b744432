"""Every patch in a document compiles, needs no advice, and gives the result and the messages shown."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from docblocks import (
    LANGUAGE,
    Block,
    all_blocks,
    apply,
    attempt,
    base_of,
    blocks,
    boot,
    given,
    pod_of,
    program,
    source,
    vmi_of,
)
from lxml import etree

from patchlang.compile import BUILT_IN_NAMESPACES
from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.engine import patch_domain
from patchlang.lint import advise
from patchlang.loading import decode_source, load_sources
from patchlang.record import Field
from patchlang.render import render


@pytest.mark.parametrize("block", all_blocks(lambda b: b.is_patch))
def test_patch_compiles(block: Block) -> None:
    following = [b for b in blocks(block.document) if b.line > block.line]
    if following and following[0].lang == "text" and _fails_to_load(block):
        return  # the text is compared below
    program(block)


@pytest.mark.parametrize("block", all_blocks(lambda b: b.is_patch))
def test_patch_needs_no_advice(block: Block) -> None:
    """Unless ``<!-- advice: PL303 -->`` names the expected advice."""
    patches, _ = decode_source(source(block.text))
    found = {d.rule.id for d in advise(patches, None)}
    assert found == set(filter(None, block.marks.get("advice", "").split(", ")))


def _fails_to_load(block: Block) -> bool:
    return load_sources([source(block.text)])[0] is None


def before_and_after(diff: Block) -> tuple[bytes, bytes]:
    lines = diff.text.rstrip("\n").split("\n")
    assert all(line[:1] in (" ", "-", "+", "") for line in lines), "a line of a diff has a mark in front"
    before, after = ([line[1:] for line in lines if line[:1] != other] for other in "+-")
    return in_domain(before), in_domain(after)


def in_domain(lines: list[str]) -> bytes:
    """A domain; the text may omit the ``<domain>`` element itself."""
    if not lines[0].startswith("<domain"):
        lines = ["<domain>", *(f"  {line}" if line else line for line in lines), "</domain>"]
    return "\n".join(lines).encode()


def last_patch(block: Block) -> Block:
    earlier = [b for b in blocks(block.document) if b.line < block.line and b.is_patch]
    assert earlier, f"{block}: no patch precedes it"
    return earlier[-1]


@pytest.mark.parametrize("diff", all_blocks(lambda b: b.lang == "diff"))
def test_patch_gives_what_is_shown(diff: Block) -> None:
    patch = last_patch(diff)
    before, after = before_and_after(diff)
    vmi = json.dumps(given(patch.text)).encode()
    compiled = program(patch)
    pod = pod_of(patch.text)
    assert apply(compiled, before, vmi, pod).decode() == after.decode()
    again, _ = attempt(compiled, after, vmi, pod)
    if "second run fails" in diff.marks:
        assert again is None
    elif "second run changes" in diff.marks:
        assert again not in (None, after)
    else:
        assert again == after


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "text" and "flags" not in b.marks))
def test_message_is_what_is_shown(block: Block) -> None:
    patch = last_patch(block)
    compiled, diagnostics = load_sources([source(patch.text)])
    if compiled is not None:
        between = [b for b in blocks(block.document) if b.lang == "xml" and patch.line < b.line < block.line]
        domain = in_domain(between[0].text.rstrip("\n").split("\n")) if between else base_of(block).encode()
        diagnostics = patch_domain(compiled, domain, vmi_of(block, patch.text), pod=pod_of(patch.text)).diagnostics
    if block.text.startswith("patch.yaml:"):
        assert render(diagnostics) == block.text
        return
    lines = []
    for d in diagnostics:
        lines += [f"{d.severity.value}[{d.rule.id} {d.rule.slug}] {d.message}\n", f"help: {d.help}\n" if d.help else ""]
    assert "".join(lines) == block.text


@pytest.mark.parametrize("block", all_blocks(lambda b: "boot" in b.marks))
def test_patch_over_one_boot(block: Block) -> None:
    domain, vmi = base_of(block).encode(), vmi_of(block, block.text)
    sizes = [sum(1 for _ in etree.fromstring(result).iter()) for result in boot(program(block), domain, vmi)]
    if block.marks["boot"] == "stable":
        assert len(set(sizes)) == 1
    else:
        assert block.marks["boot"] == "piles up"
        assert sizes[2] > sizes[0]


@pytest.mark.parametrize("block", all_blocks(lambda b: b.lang == "xml" and not b.is_script))
def test_xml_is_well_formed(block: Block) -> None:
    names = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in BUILT_IN_NAMESPACES.items())
    etree.fromstring(block.text if block.text.startswith("<?xml") else f"<any{names}>{block.text}</any>")


def test_every_key_of_every_op_is_shown() -> None:
    shown: dict[str, set[str]] = {}
    for block in (block for document in LANGUAGE for block in blocks(document)):
        if block.is_patch and not _fails_to_load(block):
            patches, _ = decode_source(source(block.text))
            for edit in (edit for patch in patches for outer in patch.spec.domain for edit in _every(outer)):
                op = next(name for name, cls in model.DOMAIN_OPS.items() if type(edit) is cls)
                keys = {key for key, (field, _) in model_fields(type(edit)).items() if _is_set(edit, field)}
                shown.setdefault(op, set()).update(keys)
    for op, cls in model.DOMAIN_OPS.items():
        own = set(model_fields(cls)) - set(model_fields(model.DomainBase))
        assert own - shown.get(op, set()) == set(), op
    common = set().union(*shown.values())
    assert set(model_fields(model.DomainBase)) - common == {"name"}


def _every(edit: model.DomainEdit) -> Iterator[model.DomainEdit]:
    yield edit
    for inner in edit.edits if isinstance(edit, model.Within | model.Copy) else ():
        yield from _every(inner)


def _is_set(edit: model.DomainEdit, field: Field) -> bool:
    return field.is_required or getattr(edit, field.name) != field.default
