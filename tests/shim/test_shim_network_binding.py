"""As a network binding plugin: KubeVirt starts the image without arguments, and mounts only the socket folder."""

from __future__ import annotations

import os
import subprocess

import pytest
from samples import DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

WITHIN = (
    'mount -t tmpfs none /run && mkdir /run/kubevirt-hooks && mount --bind "$0" /run/kubevirt-hooks && '
    'mount --bind "$1" /etc && shift && exec "$@"'
)


@pytest.fixture
def started(shim: Shim) -> Shim:
    """A sidecar without arguments, where the socket folder and /etc belong to the test."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces for mounts here (unshare --mount)")
    if not os.path.samefile("/var/run", "/run"):
        pytest.skip("/var/run is not /run here")
    patches = shim.folder / "etc" / "patchlang" / "patches.d"
    patches.mkdir(parents=True)
    (patches / "baseboard.yaml").write_text(PATCH)
    within = ["unshare", "--mount", "sh", "-c", WITHIN, str(shim.hooks), str(shim.folder / "etc")]
    return shim.start(version=None, default_paths=False, within=within)


def test_without_arguments_it_applies_the_images_own_patches(started: Shim) -> None:
    launcher = started.launcher()
    assert launcher.only.version == "v1alpha3"
    assert launcher.only.hook_points == ("OnDefineDomain", "Shutdown")
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
    assert "patches: baseboard (from /etc/patchlang/patches.d/baseboard.yaml)" in started.messages
    launcher.shutdown()
    assert started.end() == 0
