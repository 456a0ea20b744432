"""`derive`: what it writes for each kind of change, as the cases in derivations.yaml say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from patchlang.authoring.derive import Sample, derive
from patchlang.authoring.derive.proof import differs, findings, unstable
from patchlang.record import replace

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "derivations.yaml").read_text())
_RECORD = {
    "DataSource": "noCloud",
    "NoCloudMetaData": {"instance-id": "i"},
    "ConfigDriveMetaData": None,
    "UserData": "",
    "NetworkData": "",
    "DevicesData": None,
    "VolumeName": "v",
}


def _data(value: str | dict[str, Any], *, is_domain: bool) -> bytes:
    if is_domain:
        return f"<domain><name>x</name>{value}</domain>".encode()
    return json.dumps({**_RECORD, **(value if isinstance(value, dict) else {"UserData": value})}).encode()


def _samples(case: dict[str, Any]) -> list[Sample]:
    is_domain = case.get("kind") != "cloud-init"
    return [
        Sample(
            f"sample {number}",
            _data(one["before"], is_domain=is_domain),
            _data(one["after"], is_domain=is_domain),
            json.dumps({"metadata": {"name": "x"}, **one.get("vmi", {})}).encode(),
            is_domain,
        )
        for number, one in enumerate(case["samples"])
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_kind_of_change_is_written_so(case: dict[str, Any]) -> None:
    samples = _samples(case)
    derived = derive(samples, "x")
    assert derived.text is not None, derived.faults
    body = derived.text.split("spec:\n", 1)[1]
    assert "".join(line[2:] + "\n" for line in body.splitlines()) == case["patch"]
    assert list(derived.remarks) == case.get("remarks", [])
    any_order = any("order" in remark for remark in derived.remarks)
    samples = [replace(sample, any_order=any_order) for sample in samples]
    assert [*differs(derived.text, samples), *unstable(derived.text, samples)] == []
    assert findings(derived.text) == []


@pytest.mark.parametrize("where", ["before", "after", "vmi"])
@pytest.mark.parametrize("kind", ["domain", "cloud-init"])
def test_noncharacters_are_refused_wherever_they_are(kind: str, where: str) -> None:
    texts = {name: "a\ufdd1" if name == where else "a" for name in ("before", "after", "vmi")}
    texts["after"] += " b"
    frame = "<title>{}</title>" if kind == "domain" else "#cloud-config\nfqdn: {}\n"
    case = {"kind": kind, "samples": [{name: frame.format(texts[name]) for name in ("before", "after")}]}
    case["samples"][0]["vmi"] = {"metadata": {"name": "x", "labels": {"a": texts["vmi"]}}}
    derived = derive(_samples(case), "x")
    assert derived.text is None
    assert "a text has the noncharacter U+FDD1" in derived.faults[0].message
