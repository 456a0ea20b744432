"""RFC 6902 from the user's side: the engine applies the cases of cases/rfc6902 to cloud-init data, as patch documents.

Each runs on a cloud-config and on network data in JSON, below the key ``doc``. If its document is a map, it also runs
at the root of the network data. An error must name the operation that failed, and its position in the patch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from patchlang.engine import patch_cloud_init
from patchlang.loading import load_sources
from patchlang.render import render
from patchlang.result import CloudInitOutcome, State
from patchlang.source import SourceFile
from patchlang.values import identical

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted((Path(__file__).parents[2] / "cases" / "rfc6902").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


class Place(NamedTuple):
    """The location of a case's document in the cloud-init data."""

    target: str
    below: str

    def record(self, document: Any) -> dict[str, Any]:
        text = json.dumps({"doc": document} if self.below else document)
        return {
            "DataSource": "noCloud",
            "NoCloudMetaData": {"instance-id": "i"},
            "UserData": f"#cloud-config\n{text}\n" if self.target == "userData" else "#cloud-config\n",
            "NetworkData": text if self.target == "networkData" else "",
        }

    def document(self, outcome: CloudInitOutcome) -> Any:
        assert outcome.data is not None, render(outcome.diagnostics)
        record = json.loads(outcome.data)
        value = yaml.safe_load(record["UserData"]) if self.target == "userData" else json.loads(record["NetworkData"])
        return value["doc"] if self.below else value

    def pointer(self, pointer: str) -> str:
        """Text that is not a pointer stays unchanged."""
        return self.below + pointer if pointer[:1] in ("", "/") else pointer

    def patch(self, operations: list[dict[str, Any]]) -> str:
        """A document with one operation per line, starting in line 7."""
        moved = [{**op, **{k: self.pointer(op[k]) for k in ("path", "from") if k in op}} for op in operations]
        lines = [f"- {json.dumps({**op, 'target': self.target})}" for op in moved]
        head = ["apiVersion: patchlang/v1", "kind: Patch", "metadata:", "  name: rfc", "spec:", "  cloudInit:"]
        return "\n".join([*head, *(f"    {line}" for line in lines)]) + "\n"

    def words(self, error: str) -> str:
        """A part of a message, with its pointers as they are in this location."""
        if not self.below:
            return error
        return error.replace("at `/", f"at `{self.below}/").replace("the root", f"`{self.below}`")


USER_DATA, NETWORK_DATA, ROOT = Place("userData", "/doc"), Place("networkData", "/doc"), Place("networkData", "")


def apply(place: Place, document: Any, operations: list[dict[str, Any]]) -> CloudInitOutcome:
    program, diagnostics = load_sources([SourceFile("rfc.yaml", place.patch(operations))], [])
    if program is None:
        return CloudInitOutcome(None, None, diagnostics)
    return patch_cloud_init(program, json.dumps(place.record(document)).encode(), b"", b"{}")


def judged_at(place: Place, case: dict[str, Any]) -> bool:
    """Whether a case makes sense here: a document has an edit, and the root of network data is a map and stays one."""
    if place.below:
        return bool(case["patch"]) and "the root cannot be removed" not in case.get("error", "")
    return bool(case["patch"]) and isinstance(case["doc"], dict) and isinstance(case.get("result", {}), dict)


@pytest.mark.parametrize(
    ("place", "case"),
    [
        pytest.param(place, case.values[0], id=f"{name}: {case.id}")
        for name, place in (("user data", USER_DATA), ("network data", NETWORK_DATA), ("root", ROOT))
        for case in CASES
        if judged_at(place, case.values[0])
    ],
)
def test_rfc6902(case: dict[str, Any], place: Place) -> None:
    outcome = apply(place, case["doc"], case["patch"])
    if "error" not in case:
        assert identical(place.document(outcome), case.get("result", case["doc"]))
        return
    assert outcome.data is None
    failing = case.get("failing", 0)
    (found,) = outcome.diagnostics
    assert place.words(case["error"]) in found.message
    assert found.span is not None
    assert found.span.begin.line == 7 + failing
    assert found.span.begin.column > len("    - {")
    assert found.edit == f"cloudInit[{failing}] {case['patch'][failing]['op']}"
    assert f"(patch rfc, {found.edit})" in render([found])
    if outcome.trace:  # it failed while running
        (document,) = outcome.trace
        last = document.edits[-1]
        assert document.state is State.FAILED
        assert (last.label, last.reason) == (found.edit, "failed")


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case.values[0]])
def test_a_failing_patch_that_may_be_ignored_leaves_no_trace(case: dict[str, Any]) -> None:
    place = ROOT if judged_at(ROOT, case) else NETWORK_DATA
    text = place.patch(case["patch"]).replace("spec:\n", "spec:\n  failurePolicy: Ignore\n")
    program, diagnostics = load_sources([SourceFile("rfc.yaml", text)], [])
    if program is None:
        assert [d.is_error for d in diagnostics] == [True], "refused before it runs"
        return
    data = json.dumps(place.record(case["doc"])).encode()
    outcome = patch_cloud_init(program, data, b"", b"{}")
    assert outcome.data == data
    assert [d.is_error for d in outcome.diagnostics] == [False]
