"""libvirt as a judge, by virsh: the test driver takes any domain, the QEMU driver those that its QEMU can run.

Where the environment has LIBVIRT_ROOT, it is the libvirt of that root (newer.sh makes one), whose /tmp is ours.
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


# in documents of the corpus, and what libvirt says where it stays
REFUSED = {
    "//hostdev[@ramfb='on'][preceding-sibling::hostdev/@ramfb='on']/@ramfb": "Only one vgpu device can have 'ramfb'"
}


class Answer(NamedTuple):
    """Of one virsh: the domain as libvirt has it, or why it will not have it."""

    domain: bytes | None
    refusal: str


class Libvirt(machine.Libvirt):
    """The QEMU driver of the libvirt that judges."""

    @property
    def command(self) -> list[str]:
        return ["chroot", ROOT, *super().command] if ROOT else super().command


@cache
def version() -> str:
    return subprocess.run([*VIRSH, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def version_numbers() -> tuple[int, ...]:
    return tuple(map(int, version().split(".")))


def define_all(documents: Iterable[bytes], folder: Path) -> list[Answer]:
    """Each document defined in a libvirt of its own (the test driver's state ends with virsh), and dumped back."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda pair: _define(pair[1], folder / f"{pair[0]}.xml"), enumerate(documents)))


def _define(document: bytes, file: Path) -> Answer:
    file.write_bytes(document)
    name = etree.fromstring(document).findtext("name")
    command = [*VIRSH, "-q", *TEST_DRIVER, f"define {file}; dumpxml --inactive '{name}'"]
    return answer(subprocess.run(command, capture_output=True, check=False))


def answer(done: subprocess.CompletedProcess[bytes]) -> Answer:
    """virsh goes on after an error, and its status is that of the last command: what it wrote counts."""
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("error: ")]
    if errors or not done.stdout.strip():
        return Answer(None, " / ".join(error.removeprefix("error: ") for error in errors[1:] or errors))
    return Answer(done.stdout, "")


def acceptable(document: bytes) -> bytes:
    """The document without what libvirt refuses in it before any patch."""
    root = etree.fromstring(document)
    for path in REFUSED:
        for found in root.xpath(path):
            del found.getparent().attrib[found.attrname]
    return bytes(etree.tostring(root))
