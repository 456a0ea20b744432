"""QEMU's command line, as libvirt's QEMU driver builds it from the patched domains: qemu.yaml lists the required parts.

The domains come from the corpus, without parts that no emulated machine has (`machine.emulated`).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import machine
import pytest
import test_corpus
import yaml
from known import check, exceptions
from lxml import etree
from outcomes import Outcome, outcomes
from realvirsh import acceptable, version_numbers

from patchlang.engine import patch_domain
from patchlang.loading import load

QEMU = {"q": "http://libvirt.org/schemas/domain/qemu/1.0"}
EXPECTED = yaml.safe_load(Path(__file__).with_name("qemu.yaml").read_text())


def patched(entry: dict[str, Any]) -> Outcome:
    """The result that an entry of qemu.yaml refers to."""
    if "case" in entry:
        (outcome,) = (outcome for outcome in outcomes() if outcome.name == entry["case"])
        return outcome
    patch = {
        "apiVersion": "patchlang/v1",
        "kind": "Patch",
        "metadata": {"name": "own"},
        "spec": {"domain": entry["patch"]},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(patch, file)
        file.flush()
        loaded = load([Path(file.name)])
    assert loaded.program is not None, loaded.diagnostics
    before = (test_corpus.CORPUS / "base" / entry["domain"]).read_bytes()
    result = patch_domain(loaded.program, before, b"{}")
    assert result.data is not None, result.diagnostics
    return Outcome(entry["shows"], before, result.data)


@cache
def command_lines(libvirt: machine.Libvirt) -> dict[bytes, str]:
    """The command lines for every domain, before and after: what libvirt would start, or `error:` and the reason."""
    all_outcomes = (*outcomes(), *map(patched, EXPECTED))
    documents = sorted({document for outcome in all_outcomes for document in (outcome.before, outcome.after)})
    script = []
    for number, document in enumerate(documents):
        file = libvirt.folder / f"{number}.xml"
        file.write_bytes(etree.tostring(machine.emulated(acceptable(document))))
        script.append(f"echo '=== {number} '; domxml-to-native qemu-argv {file}")
    command = [*libvirt.command, "; ".join(script)]
    done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    _, *answers = re.split(r"=== \d+ \s*", done.stdout)
    return dict(zip(documents, (answer.strip() for answer in answers), strict=True))


@pytest.fixture
def lines(libvirt: machine.Libvirt) -> dict[bytes, str]:
    return command_lines(libvirt)


def test_no_patch_makes_a_domain_that_libvirt_does_not_start(
    lines: dict[bytes, str], libvirt: machine.Libvirt, said: Callable[[str, str], None]
) -> None:
    assert [outcome.name for outcome in outcomes() if lines[outcome.before].startswith("error:")] == []
    refused = [(o.name, lines[o.after]) for o in outcomes() if lines[o.after].startswith("error:")]
    check(refused, exceptions("qemu", version_numbers()))
    count = len(outcomes()) - len(refused)
    said(libvirt.version(), f"{count} of {len(outcomes())} patched domains become a command line of QEMU's")


def test_all_arguments_of_the_domain_are_on_the_command_line(lines: dict[bytes, str]) -> None:
    seen = 0
    for outcome in outcomes():
        if not lines[outcome.after].startswith("error:"):
            root, found = etree.fromstring(outcome.after), shlex.split(lines[outcome.after])
            arguments = root.xpath("q:commandline/q:arg/@value", namespaces=QEMU)
            assert has_run(found, arguments), f"{outcome.name}: {arguments} in {found}"
            environment = root.xpath("q:commandline/q:env", namespaces=QEMU)
            for name, value in ((entry.get("name"), entry.get("value")) for entry in environment):
                assert f"{name}={value or ''}" in found
            seen += bool(arguments)
    assert seen > 10


def has_run(found: Sequence[str], run: Sequence[str]) -> bool:
    """Whether ``run`` appears as one consecutive sequence."""
    return any(list(found[at : at + len(run)]) == list(run) for at in range(len(found)))


@pytest.mark.parametrize("entry", EXPECTED, ids=[entry.get("case", entry["shows"]) for entry in EXPECTED])
def test_the_command_line_has(entry: dict[str, Any], lines: dict[bytes, str]) -> None:
    outcome = patched(entry)
    before, after = (" ".join(shlex.split(lines[document])) for document in (outcome.before, outcome.after))
    for text in entry.get("has", []):
        assert text in after
        assert text not in before, "the patch makes the difference"
    for text in entry.get("lacks", []):
        assert text not in after
        assert text in before, "the patch makes the difference"


def test_the_data_covers_what_a_command_line_can_show() -> None:
    subjects = {entry["shows"] for entry in EXPECTED}
    assert {"qemuArgs", "cpu", "memoryBacking", "disk driver", "smbios"} <= subjects
    assert all(entry.get("has") or entry.get("lacks") for entry in EXPECTED)
