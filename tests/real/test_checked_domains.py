"""``--check-domain`` with libvirt's own schema, compared with jing, which lists all errors in a document."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from known import exceptions
from lxml import etree
from outcomes import outcomes
from realrng import GRAMMAR, faults, needs_grammar, needs_jing
from realvirsh import needs_virsh, version, version_numbers

from patchlang.rng.faults import Comparison, Fault
from patchlang.rng.schema import DomainSchema

pytestmark = [needs_grammar]


@pytest.fixture(scope="module")
def schema() -> DomainSchema:
    return DomainSchema(GRAMMAR.parent)


@needs_virsh
def test_of_the_corpus_only_what_is_known_is_refused(schema: DomainSchema, said: Callable[[str, str], None]) -> None:
    refused = {outcome.name for outcome in outcomes() if Comparison(schema, outcome.before).new_faults(outcome.after)}
    known = {known.case for known in exceptions("grammar", version_numbers())}
    assert {name.partition("[")[0] for name in refused} == {name.partition("[")[0] for name in known}
    said(f"libvirt {version()} --check-domain", f"{len(outcomes())} patched domains: {len(refused)} refused, all known")


def mutated(document: bytes, choose: random.Random) -> tuple[str, bytes]:
    """A domain with one change, and a description of the change."""
    root = etree.fromstring(document)
    elements = [e for e in root.iterdescendants(etree.Element) if "metadata" not in root.getroottree().getpath(e)]
    element = choose.choice(elements)
    kind = choose.choice(["attribute", "value", "child", "tag", "remove", "copy", "text", "new attribute"])
    if kind in ("attribute", "value") and not element.attrib:
        kind = "child"
    match kind:
        case "attribute":
            name = choose.choice(sorted(map(str, element.attrib)))
            element.set(f"{name}x", element.attrib.pop(name))
        case "value":
            element.set(choose.choice(sorted(map(str, element.attrib))), "no such value")
        case "child":
            etree.SubElement(element, "bogus")
        case "tag":
            element.tag = f"{element.tag}x"
        case "remove":
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)
        case "copy":
            element.addnext(deepcopy(element))
        case "text":
            element.text = "no such text"
        case "new attribute":
            element.set("bogus", "1")
    return kind, etree.tostring(root)


@needs_jing
def test_it_finds_what_jing_finds(schema: DomainSchema, tmp_path: Path, said: Callable[[str, str], None]) -> None:
    choose = random.Random(20)
    changes = [(outcome.after, *mutated(outcome.after, choose)) for outcome in outcomes() for _ in range(5)]
    documents = sorted({document for before, _, after in changes for document in (before, after)})
    by_jing = dict(zip(documents, faults(documents, tmp_path), strict=True))
    found, differing = Counter[str](), []
    for before, kind, after in changes:
        theirs, ours = by_jing[after] - by_jing[before], Comparison(schema, before).new_faults(after)
        found[
            "valid" if not theirs else "found" if any(f.sure for f in ours) else "doubtful" if ours else "missed"
        ] += 1
        if _differs(kind, theirs, ours):
            differing.append((kind, theirs, ours))
    assert differing == []
    assert found["found"] > 200
    assert found["valid"] > 50
    assert found["doubtful"] <= 5
    said("--check-domain next to jing", ", ".join(f"{count} {name}" for name, count in sorted(found.items())))


def _differs(kind: str, theirs: Counter[str], ours: list[Fault]) -> bool:
    """A copy of KubeVirt's own output, errors included, is not an error of the patches; jing counts it again."""
    if not theirs:
        return any(fault.sure for fault in ours)
    return not ours and kind != "copy"
