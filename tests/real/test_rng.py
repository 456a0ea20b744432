"""libvirt's grammar: no patch makes a valid domain invalid.

KubeVirt's own domains are already invalid; only new errors count.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from known import check, exceptions
from outcomes import outcomes
from realrng import faults, needs_grammar, needs_jing
from realvirsh import needs_virsh, version, version_numbers

pytestmark = [needs_jing, needs_grammar, needs_virsh]

NOTHING = b"<domain type='kvm'><name>d</name><memory>1</memory><os><type>hvm</type></os>%s</domain>"


def test_no_patch_makes_a_domain_invalid(tmp_path: Path, said: Callable[[str, str], None]) -> None:
    documents = sorted({document for outcome in outcomes() for document in (outcome.before, outcome.after)})
    found = dict(zip(documents, faults(documents, tmp_path), strict=True))
    new = [
        (outcome.name, fault)
        for outcome in outcomes()
        for fault in sorted((found[outcome.after] - found[outcome.before]).elements())
    ]
    check(new, exceptions("grammar", version_numbers()))
    cured = sum((found[outcome.before] - found[outcome.after]).total() for outcome in outcomes())
    said(
        f"libvirt {version()} grammar",
        f"{len(outcomes())} patched domains: {len(new)} new faults, all known; {cured} of KubeVirt's own gone",
    )


def test_the_grammar_has_teeth(tmp_path: Path) -> None:
    valid, attribute, element, twice = faults(
        [
            NOTHING % b"<cpu mode='host-model'/>",
            NOTHING % b"<cpu mode='host-model' moode='x'/>",
            NOTHING % b"<devices>\n  <disk type='block'>\n<source dev='/d'/><target dev='vda'/><ssd/></disk></devices>",
            NOTHING % b"<cpu mode='host'/><devices><disc/></devices>",
        ],
        tmp_path,
    )
    assert list(valid) == []
    assert list(attribute) == ['/domain/cpu: attribute "moode" not allowed here']
    assert list(element) == ['/domain/devices/disk/ssd: element "ssd" not allowed here']
    assert [fault.partition(": ")[0] for fault in sorted(twice)] == ["/domain/cpu", "/domain/devices/disc"]
