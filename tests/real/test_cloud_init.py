"""The real consumers: cloud-init and netplan accept the patched results of all cloud-init data in the tests.

The data comes from the corpus, the examples and the cases, before and after.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import test_corpus
from realcloudinit import (
    CLOUD_INIT,
    Part,
    cloud_init_version,
    faults_of_network_data,
    needs_cloud_init,
    needs_netplan,
    read_user_data,
)
from test_cloudinit_cases import CASES, Case

from patchlang.cloudinit import userdata, userformat
from patchlang.diagnostics import PatchError
from patchlang.engine import patch_cloud_init
from patchlang.loading import load_sources

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "patches"


class Change(NamedTuple):
    """The two texts, decoded, before and after."""

    name: str
    user_data: tuple[str, str]
    network_data: tuple[str, str]


@cache
def changes() -> tuple[Change, ...]:
    return (*_changes_of_the_corpus(), *_changes_of_the_cases())


def _changes_of_the_corpus() -> Iterator[Change]:
    for run in test_corpus.runs():
        if not run.domain and not run.refused:
            result, said = test_corpus.attempt(run, run.data)
            assert result is not None, said
            yield _change(f"{run.case}[{run.name}]", run.data, result)
    for file in EXAMPLES.glob("*/cloud-init.json"):
        yield _change(file.parent.name, file.read_bytes(), (file.parent / "expected.json").read_bytes())


def _changes_of_the_cases() -> Iterator[Change]:
    for case in map(Case, CASES):
        program, (data, legacy) = load_sources(case.patches())[0], case.request()
        outcome = patch_cloud_init(program, data, legacy, case.vmi()) if program else None
        if outcome and outcome.data and data not in (b"", b"null"):
            yield _change(case.file.name, data, outcome.data)


def _change(name: str, before: bytes, after: bytes) -> Change:
    old, new = json.loads(before), json.loads(after)
    unwrapped = [userdata.unwrapped(record["UserData"] or "").text for record in (old, new)]
    return Change(name, (unwrapped[0], unwrapped[1]), (old["NetworkData"] or "", new["NetworkData"] or ""))


@cache
def parts() -> dict[str, list[Part]]:
    """All parts of the user data as cloud-init reads it, without include lists, which it would fetch."""
    texts = {text for change in changes() for text in change.user_data if not text.lstrip().startswith("#include")}
    return dict(zip(sorted(texts), read_user_data(sorted(texts)), strict=True))


def test_there_is_something_to_judge() -> None:
    assert sum(change.user_data[0] != change.user_data[1] for change in changes()) > 80
    assert sum(change.network_data[0] != change.network_data[1] for change in changes()) >= 12
    assert sum(userformat.detect(change.user_data[1]).name == "multipart" for change in changes()) >= 15


@needs_cloud_init
def test_no_patch_makes_valid_user_data_invalid(said: Callable[[str, str], None]) -> None:
    bad = {
        change.name: fault
        for change in changes()
        for before, after in [change.user_data]
        if before != after and before in parts() and not any(part.faults for part in parts()[before])
        if (fault := [part.faults for part in parts()[after] if part.faults])
    }
    assert bad == {}
    changed = [change.user_data[1] for change in changes() if change.user_data[0] != change.user_data[1]]
    multipart = sum(userformat.detect(text).name == "multipart" for text in changed)
    said(cloud_init_version(), f"{len(changed)} changed user data, {multipart} of them multipart: no new fault")


@needs_cloud_init
def test_the_schema_has_teeth(tmp_path: Path) -> None:
    """The in-process check gives the same results as `cloud-init schema`, for valid and invalid user data."""
    assert CLOUD_INIT
    for text, valid in (("#cloud-config\npackages: [vim]\n", True), ("#cloud-config\npackages: vim\n", False)):
        ((part,),) = read_user_data([text])
        assert (part.faults == []) == valid
        file = tmp_path / "user-data"
        file.write_text(text)
        done = subprocess.run([CLOUD_INIT, "schema", "-c", str(file)], capture_output=True, check=False)
        assert (done.returncode == 0) == valid


@needs_cloud_init
def test_cloud_init_reads_parts_as_we_do() -> None:
    seen = set()
    for text in {text for change in changes() for text in change.user_data}:
        found = userformat.detect(text)
        with suppress(PatchError):
            holder = userdata.read_parts(text, found)
            if holder is None:
                continue
            seen.add(found.name)
            for ours, theirs in zip(holder.parts, parts()[text], strict=True):
                assert (theirs.content_type, theirs.content) == (ours.content_type, ours.text())
                assert theirs.filename == ours.filename or (
                    ours.filename is None and theirs.filename.startswith("part-")
                )
    assert seen == {"multipart", "cloud-config-archive"}


@needs_cloud_init
def test_parts_that_no_edit_names_are_read_as_before() -> None:
    for change in changes():
        before, after = (parts().get(text, []) for text in change.user_data)
        if len(before) > 1 and change.user_data[0] != change.user_data[1]:
            assert len([part for part in before if part in after]) >= len(before) - 2, change.name
            assert sum(part not in after for part in before) <= sum(part not in before for part in after)


@needs_cloud_init
def test_cloud_init_reads_yaml_as_we_do() -> None:
    for text, (part, *_) in ((text, found) for text, found in parts().items() if len(found) == 1):
        if userformat.detect(text).name == "cloud-config" and not userformat.detect(text).jinja:
            try:
                ours = userdata.open_user_data(text).value
            except PatchError:
                ours = None
            # it arrives as JSON, with values that JSON cannot represent as text
            assert (json.loads(json.dumps(ours, default=str)) or None) == (part.value or None), text


@needs_netplan
def test_no_patch_makes_valid_network_data_invalid(said: Callable[[str, str], None]) -> None:
    changed = [change for change in changes() if change.network_data[0] != change.network_data[1]]
    faults = faults_of_network_data([change.network_data[1] for change in changed])
    bad = [(change, fault) for change, fault in zip(changed, faults, strict=True) if fault]
    before = faults_of_network_data([change.network_data[0] or "version: 2\n" for change, _ in bad])
    assert [(change.name, fault) for (change, fault), known in zip(bad, before, strict=True) if not known] == []
    said(f"{cloud_init_version()} and netplan", f"{len(changed)} changed network data: no new fault")


@needs_netplan
@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("version: 2\nethernets: {eth0: {dhcp4: true}}\n", True),
        ("version: 2\nethernets: {eth0: {addresses: [nowhere]}}\n", False),
        ("version: 1\nconfig: [{type: physical, name: eth0, subnets: [{type: dhcp4}]}]\n", True),
        ("version: 1\nconfig: [{type: physical}]\n", False),
        ("network: {version: 1, config: [{type: physical, name: eth0}]}\n", True),
        ("ethernets: {eth0: {dhcp4: true}}\n", False),
    ],
)
def test_the_judge_of_networks_has_teeth(text: str, valid: bool) -> None:
    (fault,) = faults_of_network_data([text])
    assert (fault is None) == valid, fault
