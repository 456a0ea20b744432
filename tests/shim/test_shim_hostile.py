"""Input designed to cost time, at the sidecar: the deadline stops whatever gets past the bounds."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from samples import DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

SLOWRUN = Path(__file__).with_name("slowrun.py")
COSTLY = """\
---
apiVersion: patchlang/v1
kind: Patch
metadata: {name: costly}
spec:
  domain:
    - {op: test, path: "//a[count(//a[. = 'x']) > 0]", expect: "0+"}
"""


def test_a_path_within_the_bound_that_takes_too_long(shim: Shim) -> None:
    """Two nested searches of all nodes are allowed: they are fast on real domains, but not on this one."""
    shim.patch(PATCH + COSTLY)
    launcher = shim.start(program=SLOWRUN).launcher()
    domain = DOMAIN.replace(b"</domain>", b"<a>y</a>" * 100_000 + b"</domain>")
    with pytest.raises(grpc.RpcError) as caught:
        launcher.on_define_domain(domain, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "PL414" in caught.value.details()
    assert "costly" in caught.value.details()
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)
