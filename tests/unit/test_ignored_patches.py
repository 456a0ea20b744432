"""Patches that fail and are skipped (``failurePolicy: Ignore``) leave no trace, and many cost no more per patch."""

from __future__ import annotations

import json

import pytest

from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.loading import load_sources
from patchlang.source import SourceFile, Span

DOMAIN = b"<domain><title>t</title><devices><disk/></devices></domain>"
CLOUD_INIT = json.dumps(
    {
        "DataSource": "noCloud",
        "NoCloudMetaData": {"instance-id": "i", "local-hostname": "h"},
        "UserData": "#cloud-config\n# kept\nhostname: shop  # as it is\n",
    }
).encode()
MANY = 200
GOOD = "{op: ensure, path: /domain/metadata/p%d, value: x}"
MISSING = "{op: set, path: /domain/nothing, value: x}"
CHANGED = "{op: set, path: /domain/title, value: other}"


def patches(kind: str, *edits: list[str]) -> str:
    """Patches that are skipped if they fail."""
    return "---\n".join(
        f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: p{number}}}\nspec:\n"
        f"  failurePolicy: Ignore\n  {kind}:\n" + "".join(f"    - {edit}\n" for edit in one)
        for number, one in enumerate(edits)
    )


class Runs:
    """Counts how often the run of a patch begins."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def __call__(self, name: str, _span: Span) -> None:
        self.count += name != self.last
        self.last = name


def test_patches_that_fail_before_a_change_are_run_once_each() -> None:
    every = [[MISSING] if number % 2 else [GOOD % number] for number in range(MANY)]
    program, found = load_sources([SourceFile("p.yaml", patches("domain", *every))])
    assert program is not None, found
    runs = Runs()
    outcome = patch_domain(program, DOMAIN, b"{}", progress=runs)
    assert outcome.data is not None
    assert outcome.data.count(b"<p") == MANY / 2
    assert len(outcome.diagnostics) == MANY / 2
    assert runs.count == MANY


def test_what_has_changed_something_is_undone_by_running_the_others_again() -> None:
    program, found = load_sources([SourceFile("p.yaml", patches("domain", [GOOD % 1], [CHANGED, MISSING], [GOOD % 2]))])
    assert program is not None, found
    runs = Runs()
    outcome = patch_domain(program, DOMAIN, b"{}", progress=runs)
    assert outcome.data is not None
    assert b"<title>t</title>" in outcome.data
    assert outcome.data.count(b"<p") == 2
    assert runs.count == 4


@pytest.mark.parametrize("failing", [[MISSING], [CHANGED, MISSING]], ids=["before", "behind"])
def test_alone_it_leaves_the_very_bytes(failing: list[str]) -> None:
    text = patches("domain", failing).replace("spec:\n", "spec:\n  namespaces: {x: 'urn:x'}\n")
    program, found = load_sources([SourceFile("p.yaml", text)])
    assert program is not None, found
    assert patch_domain(program, DOMAIN, b"{}").data == DOMAIN


def test_a_prefix_of_what_is_left_out_is_not_preferred() -> None:
    failing = patches("domain", [MISSING]).replace("spec:\n", "spec:\n  namespaces: {mine: 'urn:x'}\n")
    good = patches("domain", ["{op: ensure, path: '/domain/metadata/yours:a', value: x}"])
    good = good.replace("p0", "good").replace("spec:\n", "spec:\n  namespaces: {yours: 'urn:x'}\n")
    both, alone = (load_sources([SourceFile("p.yaml", text)])[0] for text in (f"{failing}---\n{good}", good))
    assert both is not None
    assert alone is not None
    assert patch_domain(both, DOMAIN, b"{}").data == patch_domain(alone, DOMAIN, b"{}").data


def test_cloud_init_data_are_taken_back_at_once() -> None:
    changed = "{op: ensure, target: userData, path: /a%d, value: x}"
    missing = "{op: remove, target: userData, path: /nothing}"
    every = [[changed % number, *([missing] if number % 2 else [])] for number in range(MANY)]
    program, found = load_sources([SourceFile("p.yaml", patches("cloudInit", *every))])
    assert program is not None, found
    runs = Runs()
    outcome = patch_cloud_init(program, CLOUD_INIT, b"", b"{}", progress=runs)
    assert outcome.data is not None
    text = json.loads(outcome.data)["UserData"]
    assert text.startswith("#cloud-config\n# kept\nhostname: shop  # as it is\n")
    assert text.count(": x\n") == MANY / 2
    assert runs.count == MANY
