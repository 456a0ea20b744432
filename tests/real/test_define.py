"""A real libvirt defines the patched domains, and the changes are read back: define drops unknown elements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from facts import lost, returned
from known import check, exceptions
from lxml import etree
from outcomes import outcomes
from realvirsh import REFUSED, acceptable, define_all, needs_virsh, version, version_numbers

pytestmark = needs_virsh

QEMU = "/domain/qemu:commandline"  # the test driver does not know it; test_qemu.py reads it back

NOTHING = b"<domain type='test'><name>d</name><memory>1024</memory><os><type>hvm</type></os>%s</domain>"


def test_what_patches_write_is_read_back(tmp_path: Path, said: Callable[[str, str], None]) -> None:
    changes = [(name, acceptable(before), acceptable(after)) for name, before, after in outcomes()]
    answers = define_all([after for _, _, after in changes], tmp_path)
    found = []
    for (name, before, after), (read, refusal) in zip(changes, answers, strict=True):
        if read is None:
            found.append((name, refusal))
        else:
            faults = (*lost(before, after, read), *returned(before, after, read))
            found += [(name, fault) for fault in faults if QEMU not in fault]
    check(found, exceptions("define", version_numbers()))
    taken = sum(answer.domain is not None for answer in answers)
    said(f"libvirt {version()} define", f"{taken} of {len(answers)} patched domains defined and read back")


def test_reading_back_has_teeth(tmp_path: Path) -> None:
    """libvirt drops a misspelled element silently."""
    plain = NOTHING % b"<devices/>"
    misspelt = NOTHING % b"<devices/><featuers><acpi/></featuers>"
    ((read, refusal), (_, refused)) = define_all([misspelt, NOTHING % b"<cpu mode='x'/>"], tmp_path)
    assert read is not None, refusal
    assert list(lost(plain, misspelt, read)) == ["lost /domain/featuers/acpi"]
    assert "Invalid mode attribute 'x'" in refused


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_left_out_of_the_corpus_is_refused(path: str, tmp_path: Path) -> None:
    documents = {outcome.before for outcome in outcomes() if etree.fromstring(outcome.before).xpath(path)}
    assert documents
    for answer in define_all(documents, tmp_path):
        assert REFUSED[path] in answer.refusal
