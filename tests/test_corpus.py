"""Real hooks: every case of corpus/cases.yaml, with the patch of the same name in examples/corpus.

Each run is judged on the first result, on a second run over that result, and on a boot as virt-launcher does it. The
header of cases.yaml describes the format.
"""

from __future__ import annotations

import copy
import email
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from jsonpointer import JsonPointerException, resolve_pointer
from lxml import etree

from patchlang import engine
from patchlang.compile import Program
from patchlang.loading import load
from patchlang.render import render

CORPUS = Path(__file__).parent / "corpus"
PATCHES = Path(__file__).parents[1] / "examples" / "corpus"
NAMESPACES = {"qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}

# lines of all patches, without comments, before the language had `within`, optional parts of fragments and places
LINES_BEFORE = 1513
LONGEST_BEFORE = {
    "pci-topology-groups": 73,
    "hostdev-multifunction-clone": 45,
    "nic-passt-binding": 44,
    "macos-composite": 40,
    "disk-qos-json-by-position": 39,
}
MAX_LINES, MAX_COLUMNS = 30, 120
# patches that got longer, with their lines
LONGER = {"pci-topology-groups": 47}

# cases that a second run on their own result may change, each with the reason
NOT_IDEMPOTENT: dict[str, str] = {}

Assertion: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One case or variant: its input, and the assertions on its output."""

    case: str
    name: str
    domain: bool
    data: bytes
    vmi: bytes
    expect: tuple[Assertion, ...]
    unchanged: bool
    refused: bool


@cache
def cases() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.load((CORPUS / "cases.yaml").read_text(), yaml.CSafeLoader)
    return loaded


def runs() -> Iterator[Run]:
    for case in cases():
        for variant in ({}, *case.get("variants", ())):
            given = {**case, **variant}
            vmi = json.loads((CORPUS / given["vmi"]).read_text())
            for kind in ("annotations", "labels"):
                metadata = vmi.setdefault("metadata", {})
                metadata[kind] = {**(metadata.get(kind) or {}), **given.get(kind, {})}
            for pointer, value in {**case.get("vmi_set", {}), **variant.get("vmi_set", {})}.items():
                put(vmi, pointer, value)
            data = (CORPUS / given["base"]).read_bytes()
            if given.get("input_set"):
                cloud_init = json.loads(data)
                for pointer, value in given["input_set"].items():
                    put(cloud_init, pointer, value)
                data = json.dumps(cloud_init).encode()
            yield Run(
                case=case["id"],
                name=variant.get("name", "main"),
                domain=case["hook"] == "onDefineDomain",
                data=data,
                vmi=json.dumps(vmi).encode(),
                expect=tuple(given["expect"]),
                unchanged=bool(variant.get("unchanged")),
                refused=bool(variant.get("error")),
            )


def put(document: Any, pointer: str, value: Any) -> None:
    """Set a value. Maps on the way that are missing or null are created."""
    *parents, last = (token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
    for token in parents:
        if isinstance(document, dict) and document.get(token) is None:
            document[token] = {}
        document = document[int(token) if isinstance(document, list) else token]
    if isinstance(document, list) and last == "-":
        document.append(value)
    else:
        document[int(last) if isinstance(document, list) else last] = value


# -- applying ----------------------------------------------------------------------------------------------------------


@cache
def program(case: str) -> Program:
    path = PATCHES / f"{case}.yaml"
    if not path.is_file():
        pytest.skip(f"no patch in examples/corpus, see {test_every_case_has_its_patch.__name__}")
    loaded = load([path])
    assert loaded.program is not None, f"{case}: does not load\n{render(loaded.diagnostics)}"
    return loaded.program


def attempt(run: Run, data: bytes) -> tuple[bytes | None, str]:
    """The result of the run's patch on ``data``, and its messages."""
    if run.domain:
        outcome = engine.patch_domain(program(run.case), data, run.vmi)
        return outcome.data, render(outcome.diagnostics)
    patched = engine.patch_cloud_init(program(run.case), data, b"", run.vmi)
    return patched.data, render(patched.diagnostics)


def apply(run: Run, data: bytes, stage: str) -> bytes:
    """The result, which must be well-formed and as the case expects."""
    result, said = attempt(run, data)
    assert result is not None, f"{stage} fails:\n{said}"
    holds = in_domain(result) if run.domain else in_cloud_init(result)
    faults = [f"{assertion}: {fault}" for assertion in run.expect if (fault := judge(assertion, holds))]
    assert not faults, f"{stage}:\n" + "\n".join(faults) + f"\n{result.decode()}"
    return result


def second_definition(first_input: bytes, first_result: bytes) -> bytes:
    """The input of run 2 of a boot from virt-launcher: our devices, everything else as before any edit.

    Interfaces come first among the devices, and are those of the input too.
    """
    domain = etree.fromstring(first_input)
    devices, patched = domain.find("devices"), etree.fromstring(first_result).find("devices")
    if devices is not None and patched is not None:
        interfaces = [node for node in devices if node.tag == "interface"]
        devices[:] = [*interfaces, *(copy.deepcopy(node) for node in patched if node.tag != "interface")]
    return etree.tostring(domain, method="c14n")  # in which no tag closes itself, as in Go's output


# -- judging -----------------------------------------------------------------------------------------------------------

Lookup: TypeAlias = Callable[[Assertion], Any]


def in_domain(result: bytes) -> Lookup:
    root = etree.fromstring(result)
    assert root.tag == "domain"

    def look(assertion: Assertion) -> Any:
        if "raw_contains" in assertion:
            return result.decode()
        value = root.xpath(assertion["xpath"], namespaces=NAMESPACES)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return look


def in_cloud_init(result: bytes) -> Lookup:
    data = json.loads(result)

    def look(assertion: Assertion) -> Any:
        if "pointer" in assertion:
            return resolve_pointer(data, assertion["pointer"])
        text = data["NetworkData" if "networkdata" in assertion else "UserData"]
        if "part" in assertion:
            parts = [p for p in email.message_from_string(text).walk() if p.get_content_type() == assertion["part"]]
            payload = parts[assertion.get("index", 0)].get_payload(decode=True)
            assert isinstance(payload, bytes)
            text = payload.decode()
        pointer = assertion.get("userdata", assertion.get("networkdata"))
        return text if pointer is None else resolve_pointer(text_keys(yaml.safe_load(text)), pointer)

    return look


def text_keys(value: Any) -> Any:
    """YAML data with all keys as text, so that JSON pointers can name them."""
    if isinstance(value, dict):
        return {str(key): text_keys(inner) for key, inner in value.items()}
    return [text_keys(inner) for inner in value] if isinstance(value, list) else value


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda value, wanted: json.dumps(value, default=repr) == json.dumps(wanted),
    "contains": lambda value, wanted: wanted in value,
    "not_contains": lambda value, wanted: wanted not in value,
    "starts_with": lambda value, wanted: value.startswith(wanted),
    "length": lambda value, wanted: len(value) == wanted,
    "raw_contains": lambda value, wanted: wanted in value,
}
PLACES = {"xpath", "raw_contains", "pointer", "userdata", "networkdata", "part", "index"}


def judge(assertion: Assertion, look: Lookup) -> str | None:
    """The error, or None if the assertion holds."""
    assert set(assertion) <= {*PLACES, *OPERATORS, "absent"}, f"unknown key in {assertion}"
    try:
        value = look(assertion)
    except (JsonPointerException, IndexError, KeyError, TypeError, yaml.YAMLError) as e:
        return None if assertion.get("absent") else f"{type(e).__name__}: {e}"
    if assertion.get("absent"):
        return f"is there: {value!r}"
    operators = [name for name in OPERATORS if name in assertion]
    assert operators, f"{assertion} asserts nothing"
    failed = [name for name in operators if not OPERATORS[name](value, assertion[name])]
    return f"is {value!r}" if failed else None


# -- tests -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [pytest.param(run, id=f"{run.case}[{run.name}]") for run in runs()])
def test_case(run: Run) -> None:
    program(run.case)
    if run.refused:
        result, said = attempt(run, run.data)
        assert result is None, "must be refused"
        assert "error[PL" in said
    elif run.unchanged:
        result, said = attempt(run, run.data)
        assert result is not None, said
        if run.domain:
            assert result == run.data, "must stay as it is, byte for byte"
        else:
            assert json.loads(result) == json.loads(run.data)
    else:
        first = apply(run, run.data, "the first run")
        second = apply(run, first, "a second run on the result")
        if run.case not in NOT_IDEMPOTENT:
            assert second == first
        if run.domain:
            again = apply(run, second_definition(run.data, first), "run 2 of a boot")
            last = apply(run, again, "run 3 of a boot")
            if run.case not in NOT_IDEMPOTENT:
                assert last == again


def test_every_case_has_its_patch() -> None:
    wanted = {case["id"] for case in cases() if not case.get("stretch")}
    assert wanted - {path.stem for path in PATCHES.glob("*.yaml")} == set()


def fingerprint() -> str:
    """A digest of all results and all messages."""
    digest = hashlib.sha256()
    for run in runs():
        if (PATCHES / f"{run.case}.yaml").is_file():
            result, said = attempt(run, run.data)
            digest.update((result or b"") + said.encode())
    return digest.hexdigest()


def test_every_process_gives_the_same_bytes() -> None:
    """Independent of the order of maps and sets: in Python it depends on a seed, in CEL on memory addresses."""
    code = f"import test_corpus; print(test_corpus.{fingerprint.__name__}())"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed)},
        )
        for seed in range(10)
    ]
    said = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * len(processes)
    assert len(said) == 1


@cache
def lengths() -> dict[str, int]:
    """The lines of each patch, without comments and empty lines."""
    return {
        path.stem: sum(line.strip()[:1] not in ("", "#") for line in path.read_text().splitlines())
        for path in PATCHES.glob("*.yaml")
    }


def test_patches_are_short() -> None:
    assert sum(lengths()[case["id"]] for case in cases() if case["id"] in lengths()) <= 0.75 * LINES_BEFORE
    assert {name: lines for name, lines in lengths().items() if lines > LONGER.get(name, MAX_LINES)} == {}
    assert sum(lengths()[name] for name in LONGEST_BEFORE) <= 0.57 * sum(LONGEST_BEFORE.values())


@pytest.mark.parametrize("path", sorted(PATCHES.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_line_of_a_patch_is_long(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line) > MAX_COLUMNS] == []
