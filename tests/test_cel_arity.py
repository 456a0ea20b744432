"""Whatever function an expression calls with whatever arguments, errors are reported and nothing crashes."""

from __future__ import annotations

import itertools
import json

import pytest

from patchlang.grammar.index import versions
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.unit import check

FUNCTIONS = """
all annotation bool bytes cel.bind charAt contains distinct double duration dyn endsWith exists exists_one filter first
flatten format hasValue hex indexOf int join label last lastIndexOf lowerAscii map math.greatest math.least matches max
optFlatMap optMap optional.none optional.of optional.ofNonZeroValue or orValue parseJSON parseXML range regex.extract
regex.extractAll regex.replace replace reverse size slice sort sortBy split startsWith string substring timestamp trim
type uint unknown upperAscii value xpath
""".split()
RECEIVERS = ("", "vmi.metadata.labels.", "vmi.metadata.name.", "vmi.spec.?hostname.", "[1].", "{'a': 1}.", "1.")
ARGUMENTS = ("", "x", "'a'", "x, x", "x, 'a'", "vmi.spec.domain, 1", "x, y, x + y", "1, 2, 3, 4")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_any_number_of_arguments(function: str) -> None:
    for receiver, arguments in itertools.product(RECEIVERS, ARGUMENTS):
        call = f"{receiver}{function}({arguments})"
        edits = [
            {"op": "set", "path": "/domain/vcpu/@current", "when": f"{call} == 1", "value": f"$[ {call} ]"},
            {"op": "add", "path": "/domain/devices", "xml": f'<a patch:when="{call}" b="$[ {call} ]"/>'},
        ]
        edit = {"op": "ensure", "target": "userData", "path": f"/a/$[ {call} ]", "value": f"$[ {call} ]"}
        patch = {"apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "p"}}
        text = json.dumps({**patch, "spec": {"domain": edits, "cloudInit": [edit]}})
        check([Input("patch.yaml", named=True, data=text.encode())], Options(libvirt=versions()[-1]))
