"""``--check-domain``: a domain that is invalid by a schema stops the start; so does an unreadable schema."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import DOMAIN, VMI
from shimprocess import Shim

SCHEMAS = Path(__file__).resolve().parents[1] / "domainschema"
# the parts of the sample that the small schema allows
SMALL = b"""<domain type='kvm'><name>web</name><memory>1</memory><os><type>hvm</type></os>
<devices><disk type='file'><target dev='vda'/><capacity>1</capacity></disk></devices></domain>"""
PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: disks}
spec:
  domain:
    - {op: ensure, path: /domain/devices/disk/driver/@NAME, value: native}
"""


def test_an_outcome_that_is_invalid_fails_the_call(shim: Shim) -> None:
    shim.patch(PATCH.replace("NAME", "ioo"))
    launcher = shim.start("--check-domain", str(SCHEMAS)).launcher()
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(SMALL, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    for said in ("6:7", "PL416", "`/domain/devices/disk/driver/@ioo` is not allowed in this form", "patch disks"):
        assert said in caught.value.details()
    assert f"libvirt's schema in {SCHEMAS}" in shim.text


def test_one_that_is_as_valid_as_before_goes_through(shim: Shim) -> None:
    shim.patch(PATCH.replace("NAME", "io"))
    launcher = shim.start(f"--check-domain={SCHEMAS}").launcher()
    assert b'<driver io="native"/>' in launcher.on_define_domain(SMALL, VMI)


def test_a_schema_that_cannot_be_read_fails_every_call(shim: Shim, tmp_path: Path) -> None:
    shim.patch(PATCH.replace("NAME", "io"))
    launcher = shim.start("--check-domain", str(tmp_path)).launcher()
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            launcher.on_define_domain(SMALL, VMI)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "PL009" in caught.value.details()
        assert str(tmp_path) in caught.value.details()


@pytest.mark.parametrize(
    ("to", "refused"),
    [("<target dev='vdb'/>", None), ("<target/>", "/domain/devices/disk is not allowed in this form")],
)
def test_what_an_executable_makes_is_checked_too(shim: Shim, to: str, refused: str | None) -> None:
    shim.executable("onDefineDomain", f'#!/bin/sh\nprintf %s "$4" | sed "s#<target dev=\'vda\'/>#{to}#"\n')
    launcher = shim.start("--check-domain", str(SCHEMAS)).launcher()
    if refused is None:
        assert to.encode() in launcher.on_define_domain(SMALL, VMI)
    else:
        with pytest.raises(grpc.RpcError) as caught:
            launcher.on_define_domain(SMALL, VMI)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert refused in caught.value.details()
        assert "onDefineDomain" in caught.value.details()


def test_the_check_of_what_an_executable_makes_has_what_time_is_left(shim: Shim) -> None:
    """The engine hangs: the call ends before its caller gives up, not after twice the time."""
    shim.executable(
        "onDefineDomain",
        '#!/bin/sh\nsleep 3\nkill -STOP $(cat pid)\nprintf %s "$4"\n'.replace("pid", f"{shim.folder}/pid"),
    )
    launcher = shim.start("--check-domain", str(SCHEMAS)).launcher()
    assert shim.process is not None
    front = shim.process.pid
    engine = Path(f"/proc/{front}/task/{front}/children").read_text().split()[0]
    (shim.folder / "pid").write_text(engine)
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.define_domain(launcher.only.path, launcher.only.version, SMALL, VMI, seconds=5)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION, caught.value.details()
    assert "PL414" in caught.value.details()


def test_without_the_flag_nothing_is_checked(shim: Shim) -> None:
    shim.patch(PATCH.replace("NAME", "ioo"))
    assert b"ioo" in shim.start().launcher().on_define_domain(DOMAIN, VMI)
