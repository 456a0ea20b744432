"""Check with libvirt, through virsh: the test driver accepts any domain, the QEMU driver only what its QEMU can run.

If LIBVIRT_ROOT is set, this uses the libvirt of that root (newer.sh creates one), which shares our /tmp.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import machine
import pytest
from lxml import etree

ROOT = os.environ.get("LIBVIRT_ROOT", "")
VIRSH = ["chroot", ROOT, "virsh"] if ROOT else ["virsh"]
TEST_DRIVER = ("-c", "test:///default")

needs_virsh = pytest.mark.skipif(
    not ROOT and shutil.which("virsh") is None, reason="the Debian package libvirt-clients is not installed"
)


# appears in documents of the corpus, with libvirt's message for it
REFUSED = {
    "//hostdev[@ramfb='on'][preceding-sibling::hostdev/@ramfb='on']/@ramfb": "Only one vgpu device can have 'ramfb'"
}


class Answer(NamedTuple):
    """The answer of one virsh: the domain as libvirt stores it, or why libvirt rejects it."""

    domain: bytes | None
    refusal: str


class Libvirt(machine.Libvirt):
    """The libvirt QEMU driver under test."""

    @property
    def command(self) -> list[str]:
        return ["chroot", ROOT, *super().command] if ROOT else super().command


@cache
def version() -> str:
    return subprocess.run([*VIRSH, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def version_numbers() -> tuple[int, ...]:
    return tuple(map(int, version().split(".")))


def define_all(documents: Iterable[bytes], folder: Path) -> list[Answer]:
    """Define each document in a separate libvirt (the test driver's state ends with virsh), and dump it."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda pair: _define(pair[1], folder / f"{pair[0]}.xml"), enumerate(documents)))


def _define(document: bytes, file: Path) -> Answer:
    file.write_bytes(document)
    name = etree.fromstring(document).findtext("name")
    command = [*VIRSH, "-q", *TEST_DRIVER, f"define {file}; dumpxml --inactive '{name}'"]
    return answer(subprocess.run(command, capture_output=True, check=False))


def answer(done: subprocess.CompletedProcess[bytes]) -> Answer:
    """virsh continues after an error, and its status is that of the last command: only its output counts."""
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("error: ")]
    if errors or not done.stdout.strip():
        return Answer(None, " / ".join(error.removeprefix("error: ") for error in errors[1:] or errors))
    return Answer(done.stdout, "")


def acceptable(document: bytes) -> bytes:
    """The document without the parts that libvirt rejects even before any patch."""
    root = etree.fromstring(document)
    for path in REFUSED:
        for found in root.xpath(path):
            del found.getparent().attrib[found.attrname]
    return bytes(etree.tostring(root))
