"""cloud-init's NoCloud datasource boots from what `PreCloudInitIso` returns.

The test calls the sidecar over its socket, puts the answer into an ISO as KubeVirt does, and runs the stages of the
installed cloud-init on the files of that ISO, in a copy of this system (nocloud.sh).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import test_examples
import yaml
from realcloudinit import cloud_init_version
from shimprocess import Shim

PATCH = """
apiVersion: patchlang/v1
kind: Patch
metadata:
  name: everything-else
spec:
  cloudInit:
    - {op: ensure, target: metaData, path: /instance-id, value: "$[ vmi.metadata.name ]-2"}
    - {op: ensure, target: networkData, path: /version, value: 2}
    - op: ensure
      target: networkData
      path: /ethernets/eth0
      value: {dhcp4: true, mtu: 1400}
    - {op: ensure, target: userData, path: /bootcmd/-, value: [touch, /etc/booted-patched]}
    - op: addPart
      target: userData
      contentType: text/x-shellscript
      filename: namespace.sh
      content: |
        #!/bin/sh
        echo $[ vmi.metadata.namespace ] >/etc/namespace
"""
PROGRAMS = {"cloud-init": "cloud-init", "netplan": "netplan.io", "xorrisofs": "xorriso"}


@pytest.fixture(scope="module", autouse=True)
def needs() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"Debian packages are not installed: {' '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("needs root, for namespaces")


@pytest.fixture
def shim(folder: Path) -> Iterator[Shim]:
    shim = Shim(folder)
    yield shim
    shim.kill()


def make_iso(record: dict[str, object], folder: Path) -> Path:
    """Build it as KubeVirt's pkg/cloud-init does: files of a folder, and the volume name that cloud-init expects."""
    files, iso = folder / "iso", folder / "noCloud.iso"
    files.mkdir()
    (files / "meta-data").write_text(json.dumps(record["NoCloudMetaData"]))
    (files / "user-data").write_text(str(record["UserData"]))
    if record["NetworkData"]:
        (files / "network-config").write_text(str(record["NetworkData"]))
    command = ["xorrisofs", "-quiet", "-output", str(iso), "-volid", "cidata", "-joliet", "-rock"]
    subprocess.run([*command, "-partition_cyl_align", "on", str(files)], check=True, capture_output=True)
    return iso


def open_iso(iso: Path, folder: Path) -> Path:
    """The files of the ISO, since not every kernel can mount one."""
    seed = folder / "nocloud"
    command = ["xorriso", "-indev", str(iso), "-osirrox", "on", "-extract", "/", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Volume id    : 'cidata'" in done.stderr
    return seed


def run_cloud_init(seed: Path, work: Path) -> dict[str, bytes]:
    """The files that cloud-init wrote, by path."""
    work.mkdir()
    command = ["unshare", "--mount", "--uts", "--net", "--pid", "--ipc", "--fork"]
    command += ["sh", str(Path(__file__).with_name("nocloud.sh")), str(seed), str(work)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 77 or done.stderr.startswith(b"unshare: "):
        pytest.skip(f"no namespaces with an overlay of this system: {done.stderr.decode().strip()}")
    assert done.returncode == 0, done.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive if member.isfile())
        return {name: file.read() for name, file in files if file is not None}


def test_cloud_init_boots_from_our_iso(shim: Shim, folder: Path, said: Callable[[str, str], None]) -> None:
    (example,) = test_examples.CLOUD_INITS
    shim.patch((example / "patch.yaml").read_text(), "10-example.yaml")
    shim.patch(PATCH, "20-rest.yaml")
    launcher = shim.start().launcher()
    record = launcher.pre_cloud_init_iso((example / "cloud-init.json").read_bytes(), test_examples.vmi_of(example))
    written = run_cloud_init(open_iso(make_iso(record, folder), folder), folder / "work")

    result = json.loads(written["var/lib/cloud/data/result.json"])["v1"]
    assert result["errors"] == []
    assert "DataSourceNoCloud" in result["datasource"]
    assert written["var/lib/cloud/data/instance-id"].decode().strip() == "web-01-2"
    assert written["etc/vm-name"].decode() == "lab/web-01\n"
    assert written["etc/namespace"].decode() == "lab\n"
    assert "etc/booted-patched" in written
    assert "etc/motd.d/10-site" in written, "what the user's own data asks for happens, too"
    assert written["run/hostname"].decode() == "shop-frontend\n"
    assert b"\nops:" in written["etc/passwd"]
    network = yaml.safe_load(written["etc/netplan/50-cloud-init.yaml"])
    assert network["network"]["ethernets"] == {"eth0": {"dhcp4": True, "mtu": 1400}}

    said(cloud_init_version(), f"datasource {result['datasource']}, errors {result['errors']}")
