"""The inputs: real domains and VMIs from the corpus, enlarged where size matters, and numbered patches."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INPUTS = Path(__file__).parent / "inputs"
BASE = ROOT / "tests" / "corpus" / "base"

ANNOTATION = "smbios.vm.kubevirt.io/baseBoardManufacturer"
MANUFACTURER = "Radical Edward"

WITH_CEL = (INPUTS / "baseboard.yaml").read_text()
"""Three edits on the base board; the manufacturer comes from an annotation of the VMI."""
WITHOUT_CEL = (INPUTS / "baseboard-literal.yaml").read_text()
"""The same edits with the text written out."""

_DISK = """\
\t\t<disk device="disk" type="block" model="virtio-non-transitional">
\t\t\t<source dev="/dev/lun{0:05}" name="lun{0:05}"></source>
\t\t\t<target bus="scsi" dev="sd{0}"></target>
\t\t\t<driver cache="none" error_policy="stop" name="qemu" type="raw" discard="unmap"></driver>
\t\t\t<alias name="ua-lun{0:05}"></alias>
\t\t</disk>
"""


def domain(name: str = "numa-gpu") -> bytes:
    """A domain as KubeVirt writes it; ``numa-gpu`` has 9 KB, ``many-disks`` 137 KB."""
    return (BASE / f"{name}.domain.xml").read_bytes()


def vmi(name: str = "numa-gpu") -> bytes:
    """The VMI of a domain, with the annotation that the patch reads."""
    data = json.loads((BASE / f"{name}.vmi.json").read_bytes())
    data["metadata"].setdefault("annotations", {})[ANNOTATION] = MANUFACTURER
    return json.dumps(data, separators=(",", ":")).encode()


def grown_domain(size: int) -> bytes:
    """The ``numa-gpu`` domain with added disks, exactly ``size`` bytes long."""
    start, end = domain().split(b"\t</devices>")
    pieces, total = [start], len(start) + len(end) + len(b"\t</devices>")
    for number in range(1, 1_000_000):
        disk = _DISK.format(number).encode()
        if total + len(disk) > size:
            break
        pieces.append(disk)
        total += len(disk)
    return b"".join([*pieces, b"\t</devices>", end])


def named(patch: str, number: int) -> str:
    """A copy of a patch that can coexist with the others."""
    return patch.replace("\n  name: ", f"\n  name: n{number}-", 1)


def write_patches(folder: Path, patch: str, count: int) -> None:
    """Write ``count`` patch files to ``folder``, which it creates."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:03}.yaml").write_text(named(patch, number))
