"""Build the Dockerfile, and run the image as KubeVirt runs a hook sidecar, with only what it needs."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imagebuild
import pytest
from imagebuild import ROOT, TAG, Builder, Image
from virtlauncher import VirtLauncher

from patchlang.extract import read_vmi

EXAMPLES = ROOT / "examples/patches"
LARGEST = 160
"""MB of the image on Debian with Debian's Python, as counted by buildah."""
SBOM = "usr/share/sbom/patchlang.cdx.json"
DOMAIN = b"<domain><sysinfo><baseBoard>%s</baseBoard></sysinfo></domain>"
SHELL = b"""#!/bin/sh
printf '%s' "$4" | sed 's|<baseBoard></baseBoard>|<baseBoard>sed</baseBoard>|'
"""
PYTHON = b"""#!/usr/bin/env python3
import sys
from xml.etree import ElementTree
domain = ElementTree.fromstring(sys.argv[4])
domain.find("sysinfo/baseBoard").text = "python"
sys.stdout.write(ElementTree.tostring(domain, encoding="unicode"))
"""


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    if reason := imagebuild.missing():
        pytest.skip(reason)
    builder = Builder(Path(tempfile.mkdtemp(prefix="patchlang-image-")))
    try:
        builder.make_base()
        yield builder
    finally:
        builder.remove()


@pytest.fixture(scope="module")
def image(builder: Builder) -> Image:
    return builder.build()


@pytest.fixture(scope="module")
def root(image: Image) -> Iterator[Path]:
    with image.root() as root:
        yield root


def chroot(root: Path, *command: str, source: str = "", seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["chroot", root, *command],
        input=source,
        env={"PATH": imagebuild.BASE_PATH, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_is_one_layer_for_user_107(image: Image, said: Callable[[str, str], None]) -> None:
    config = image.about["config"]
    assert config["User"] == "107:107"
    assert config["Entrypoint"] == ["/opt/patchlang/bin/sidecar-shim"]
    assert {"MALLOC_ARENA_MAX=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(config["Env"])
    assert config["Labels"]["org.opencontainers.image.version"]
    assert len(image.about["rootfs"]["diff_ids"]) == 1
    print(f"\nthe image: {image.megabytes:.0f} MB")
    base = f"Debian's Python as {imagebuild.base_name()}"
    said("buildah", f"built {TAG} on {base}: {image.megabytes:.0f} MB, one layer, user 107")


def test_is_no_larger_than_it_need_be(image: Image) -> None:
    assert image.megabytes <= LARGEST


LOADS = """
import subprocess, sys
from pathlib import Path
from stat import S_ISREG
def content(path):
    return path.read_bytes() if S_ISREG(path.lstat().st_mode) else b""
loader = next(path for path in Path("/usr").glob("lib*/**/ld-linux*.so*"))
places = [Path(place) for place in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/lib", "/usr/local/lib", "/opt")]
for path in (path for place in places if place.is_dir() for path in place.rglob("*")):
    programs = "bin" in path.parts or "sbin" in path.parts
    if programs and path.is_symlink() and not path.exists():
        print(path, "leads nowhere")
    start = content(path)[:100]
    if start[:4] == b"\x7fELF" and (programs or ".so" in path.name):
        done = subprocess.run([loader, "--list", path], capture_output=True, text=True)
        if "not found" in done.stdout or "cannot open shared object" in done.stderr:
            print(path, done.stdout, done.stderr)
    elif programs and start[:2] == b"#!" and not Path(start[2:].split()[0].decode()).exists():
        print(path, start)
"""


def test_every_program_in_it_finds_what_it_is_linked_with(root: Path) -> None:
    done = chroot(root, "/opt/patchlang/bin/python3", "-c", LOADS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


EXTRAS = ("patchlang.authoring.lsp.", "patchlang.authoring.playground.")


def test_python_has_its_library_and_ours_all_it_imports(root: Path) -> None:
    """Hook executables may use the whole standard library; packages lack only parts that we do not use.

    The language server and the playground need extras, which the image does not have.
    """
    everything = "import asyncio, bz2, ctypes, curses, dbm.ndbm, hashlib, lzma, readline, sqlite3, ssl, zoneinfo"
    for python in ("/opt/patchlang/bin/python3", "/usr/bin/python3"):
        done = chroot(root, python, "-c", f"{everything}; zoneinfo.ZoneInfo('Europe/Berlin')")
        assert (done.returncode, done.stderr) == (0, "")
    source = f"""\
import pkgutil, importlib, patchlang, shim
for package in (patchlang, shim):
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):
        if not one.name.endswith(('__main__', '.pytest_plugin')) and not one.name.startswith({EXTRAS}):
            importlib.import_module(one.name)
"""
    done = chroot(root, "/opt/patchlang/bin/python3", "-c", source)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_in_it_checks_and_tests_the_examples(root: Path) -> None:
    shutil.copytree(EXAMPLES, root / "examples")
    try:
        for command in ("validate", "test"):
            done = chroot(root, "patchlang", command, "/examples")
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
    finally:
        shutil.rmtree(root / "examples")


def test_applies_patches_on_a_read_only_root(image: Image, root: Path, said: Callable[[str, str], None]) -> None:
    domains, cloud_init = EXAMPLES / "smbios-annotation", EXAMPLES / "cloud-init"
    patches = {
        "etc/patchlang/patches.d/smbios.yaml": (domains / "patch.yaml").read_bytes(),
        "etc/patchlang/patches.d/guest-agent.yaml": (cloud_init / "patch.yaml").read_bytes(),
    }
    with image.start(root, "--version", "v1alpha3", files=patches) as sidecar:
        launcher = VirtLauncher(sidecar.hooks).collect()
        assert launcher.only.hook_points == ("OnDefineDomain", "PreCloudInitIso", "Shutdown")

        status = sidecar.status()
        assert [set(status[key].split()) for key in ("Uid", "Gid")] == [{"107"}, {"107"}]
        assert [int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 5
        assert (status["Groups"], status["NoNewPrivs"]) == ("", "1")
        assert sidecar.writable_mounts() == {"/proc", "/run/kubevirt-hooks"}

        domain, vmi = (domains / "domain.xml").read_bytes(), read_vmi((domains / "vmi.yaml").read_bytes())
        assert launcher.on_define_domain(domain, vmi) == (domains / "expected.xml").read_bytes()
        data, vmi = (cloud_init / "cloud-init.json").read_bytes(), read_vmi((cloud_init / "vmi.yaml").read_bytes())
        assert launcher.pre_cloud_init_iso(data, vmi) == json.loads((cloud_init / "expected.json").read_bytes())

        memory = int(status["VmRSS"].split()[0]) / 1024
        assert sidecar.end() == 0
        assert list(sidecar.hooks.iterdir()) == []
        assert "sidecar-shim received signal: terminated" in sidecar.log
    said("image", f"user 107, read-only root, no capabilities: patches apply, SIGTERM ends it with 0; {memory:.0f} MiB")


@pytest.mark.parametrize(("hook", "text"), [(SHELL, b"sed"), (PYTHON, b"python")], ids=["shell", "python"])
def test_runs_hooks_that_bring_no_program_of_their_own(image: Image, root: Path, hook: bytes, text: bytes) -> None:
    with image.start(root, "--version", "v1alpha2", files={"usr/bin/onDefineDomain": hook}) as sidecar:
        launcher = VirtLauncher(sidecar.hooks).collect()
        assert launcher.on_define_domain(DOMAIN % b"", b"{}") == DOMAIN % text
        assert sidecar.end() == 0


def test_has_the_command_line(root: Path) -> None:
    for command in ("patchlang", "sidecar-shim"):
        done = chroot(root, command, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Usage: " if command == "patchlang" else "usage: ")


@pytest.mark.parametrize("python", ["/opt/patchlang/bin/python3", "/usr/bin/python3"])
@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools"])
def test_python_can_install_nothing(root: Path, python: str, module: str) -> None:
    done = chroot(root, python, "-m", module, "--version")
    assert done.returncode == 1
    assert f"No module named {module}" in done.stderr


def test_there_is_no_package_manager(root: Path) -> None:
    names = set(
        "apk apt apt-cache apt-get aptitude dnf dpkg dpkg-deb dpkg-reconfigure easy_install pip pip3 rpm".split()
    )
    programs = {path.name for folder in ("usr/bin", "usr/sbin", "usr/local/bin") for path in (root / folder).iterdir()}
    assert "python3" in programs
    assert programs & names == set()
    assert [path.name for path in (root / "opt/patchlang/bin").iterdir() if path.name.startswith("pip")] == []
    status = (root / "var/lib/dpkg/status").read_text()
    assert "Package: libc6\n" in status
    assert [name for name in ("apt", "dpkg", "python3-pip") if f"Package: {name}\n" in status] == []


def test_no_program_gives_privileges(root: Path) -> None:
    files = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
    assert [str(path) for path in files if not path.is_symlink() and path.stat().st_mode & 0o6000] == []


def test_each_module_comes_compiled(root: Path) -> None:
    (packages,) = root.glob("opt/patchlang/lib/python3*/site-packages")
    sources = [path for name in ("patchlang", "shim", "lxml", "grpc") for path in (packages / name).rglob("*.py")]
    compiled = {path: list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")) for path in sources}
    assert len(compiled) > 100
    assert [str(path) for path, files in compiled.items() if len(files) != 1] == []
    # PEP 552: the second word says that the source is never checked again.
    assert {files[0].read_bytes()[4:8] for files in compiled.values()} == {b"\x01\x00\x00\x00"}


def test_licences_are_there(root: Path) -> None:
    assert (root / "usr/share/doc/libc6/copyright").is_file()
    (ours,) = root.glob("opt/patchlang/lib/python3*/site-packages/patchlang-*.dist-info/licenses/LICENSE")
    assert "Apache License" in ours.read_text()


def test_the_bill_of_materials_is_what_is_there(root: Path, image: Image) -> None:
    text = (root / SBOM).read_text()
    components = {part["purl"]: part for part in json.loads(text)["components"] if "purl" in part}
    python = {purl.removeprefix("pkg:pypi/").split("@")[0] for purl in components if purl.startswith("pkg:pypi/")}
    folders = root.glob("opt/patchlang/lib/python3*/site-packages/*.dist-info")
    assert python == {path.name.split("-")[0].replace("_", "-").lower() for path in folders}
    debian = {part["name"] for purl, part in components.items() if purl.startswith("pkg:deb/")}
    status = (root / "var/lib/dpkg/status").read_text()
    assert debian == {line.split()[1] for line in status.splitlines() if line.startswith("Package: ")}
    assert {"libxml2", "libxslt", "libyaml"} <= {part["name"] for part in components.values()}

    source = (ROOT / "tools/sbom.py").read_text()
    version = image.about["config"]["Labels"]["org.opencontainers.image.version"]
    again = chroot(root, "/opt/patchlang/bin/python3", "-", "patchlang", version, source=source, seed="7")
    assert "".join(difflib.unified_diff(text.splitlines(True), again.stdout.splitlines(True))) == "", again.stderr


def test_building_again_gives_the_same_image(builder: Builder, image: Image, said: Callable[[str, str], None]) -> None:
    assert builder.build().id == image.id
    said("buildah", f"built again: the same {image.id}")
