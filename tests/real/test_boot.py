"""Boot a real guest from the domain that the sidecar returned over its socket; the guest reports what it sees.

This is the user guide's own check of its hook, with a patch instead of the hook: examples/end-to-end.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import boot
import pytest

from patchlang.extract import read_vmi


def test_the_guest_sees_what_the_patches_wrote(
    guests: boot.Guests, folder: Path, capsys: pytest.CaptureFixture[str], said: Callable[[str, str], None]
) -> None:
    status = boot.boot_both(guests, folder)
    version, _, rest = capsys.readouterr().out.partition(": what the guest says\n")
    before, after = ([line.strip() for line in part.splitlines()] for part in rest.split("as the sidecar patched it:"))
    assert status == 0, after
    assert boot.unseen(before) == list(boot.EXPECTED), "without the patches a guest says none of it"
    for line in boot.EXPECTED:
        said(f"guest ({version})", line)


def test_a_guest_of_another_vendor_is_told_apart(guests: boot.Guests, folder: Path) -> None:
    vmi = read_vmi(boot.VMI.read_bytes().replace(b"Radical Edward", b"Radical Edwin"))
    lines = guests.boot(boot.patched_by_the_shim(boot.DOMAIN.read_bytes(), vmi, folder))
    assert "board_vendor Radical Edwin" in lines
    assert boot.unseen(lines) == ["board_vendor Radical Edward"]
