"""Domains of libvirt's own tests, split into parts: no findings where libvirt accepts them, errors where it refuses.

The sources come from Debian with ``make .libvirt-domains``, as in .ci/run; ``make libvirt-domains`` checks them all.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import check_libvirt_domains as libvirt
import pytest
from lxml import etree

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / ".libvirt-domains"
VERSION = "11.3.0"


@pytest.fixture(scope="module")
def sample() -> list[Path]:
    """200 of the domains."""
    if not SOURCES.exists():
        pytest.skip("needs libvirt's sources: make .libvirt-domains")
    files = libvirt.domains(SOURCES)
    assert len(files) > 2000
    return Random(3).sample(files, 200)


@pytest.fixture(scope="module")
def judge(sample: list[Path]) -> etree.RelaxNG:
    return libvirt.grammar(SOURCES)


def test_nothing_is_found_in_what_libvirt_takes(sample: list[Path], judge: etree.RelaxNG) -> None:
    measured = libvirt.measure(sample, judge, VERSION)
    assert measured["false findings"] == []
    assert measured["of these libvirt's grammar takes"] > 180


def test_wrong_values_are_found(sample: list[Path], judge: etree.RelaxNG) -> None:
    measured = libvirt.measure_faults(sample, judge, VERSION, 40, 5)
    assert measured["share"] >= 0.95, measured["escaped"]


def test_parts_of_a_domain_are_all_looked_at() -> None:
    """Works without the sources: a domain of our own, correct and wrong in each of its parts."""
    root = etree.fromstring(
        "<domain type='kvm'><vcpu>2</vcpu><memory unit='KiB'>1024</memory><devices><disk type='file'>"
        "<source file='/a'/><target dev='vda'/></disk></devices></domain>"
    )
    assert libvirt.found_in(libvirt.patch_of(root), VERSION) == []
    for path, name in (("vcpu", None), ("memory", "unit"), ("devices/disk", "type"), ("devices/disk/target", "dev")):
        node = root.find(path)
        assert node is not None
        before = node.get(name) if name else node.text
        for wrong in ("two'", "$[", "no such"):
            if name:
                node.set(name, wrong)
            else:
                node.text = wrong
            assert {one.rule.id for one in libvirt.found_in(libvirt.patch_of(root), VERSION)} == {"PL903"}
        if name:
            node.set(name, str(before))
        else:
            node.text = before
