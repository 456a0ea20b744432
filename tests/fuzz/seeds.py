"""The sources of inputs: the cases of the tests, the examples, the corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import test_cloudinit_cases as cloud_init_cases
import yaml
from casefile import CASES, Part, cases
from casefile import case as case_named

from patchlang.diagnostics import PatchError
from patchlang.extract import read_vmi

TESTS = Path(__file__).parents[1]
EXAMPLES = TESTS.parent / "examples"
BIGGEST = 12_288
SLOW = {"limit-of-nodes"}
NO_DOMAIN = b"<domain><name>a</name><devices><disk device='disk'><target dev='vda'/></disk></devices></domain>"
NO_CLOUD_INIT = json.dumps(
    {
        "DataSource": "noCloud",
        "NoCloudMetaData": {"instance-id": "a", "local-hostname": "a"},
        "ConfigDriveMetaData": None,
        "UserData": "#cloud-config\nusers:\n- name: a\n",
        "NetworkData": "",
        "DevicesData": None,
        "VolumeName": "disk",
    }
).encode()


@dataclass(frozen=True)
class Seed:
    """Patches and the data they apply to."""

    name: str
    patch: bytes
    domain: bytes = NO_DOMAIN
    vmi: bytes = b"{}"
    cloud_init: bytes = NO_CLOUD_INIT
    legacy: bytes = b""


@cache
def for_domains() -> list[Seed]:
    """Patches, each with a domain to apply it to."""
    return [*_of_cases("apply"), *_of_cases("reject"), *_of_examples(), *_of_corpus("domain")]


@cache
def for_cloud_init() -> list[Seed]:
    """Patches, each with cloud-init data to apply it to."""
    found = []
    for file in cloud_init_cases.CASES:
        case = cloud_init_cases.Case(file)
        data, legacy = case.request()
        patch = _joined(file.named(r"patch.*\.yaml"))
        found.append(Seed(f"cloudinit/{file.name}", patch, vmi=case.vmi(), cloud_init=data, legacy=legacy))
    return [*found, *_of_corpus("cloudinit")]


@cache
def manifests() -> dict[str, bytes]:
    """YAML files of all kinds, by path: ConfigMaps, machines, tests of patches, patches."""
    parts = [(file.name, part) for file in cases("cli") for part in file.named(r"stdin|.*\.yaml")]
    contents = {CASES / "cli" / name / part.name: part.data for name, part in parts}
    contents |= {file: file.read_bytes() for file in EXAMPLES.glob("**/*.yaml") if file.is_file()}
    return {str(file): contents[file] for file in sorted(contents) if 0 < len(contents[file]) < BIGGEST}


@contextmanager
def beside(name: str) -> Iterator[str]:
    """A path to one of ``manifests`` where the files it names also exist: a case is unpacked for that."""
    path = Path(name)
    if not path.is_relative_to(CASES):
        yield name
        return
    kind, stem, *below = path.relative_to(CASES).parts
    with TemporaryDirectory() as folder:
        yield str(case_named(f"{kind}/{stem}").unpack(Path(folder)).joinpath(*below))


@cache
def trees(which: str) -> list[Any]:
    """The patch documents among the seeds as plain data, with scalars as strings."""
    seeds = for_domains() if which == "domain" else for_cloud_init()
    return [document for seed in seeds for document in documents(seed.patch)]


def documents(data: bytes) -> list[Any]:
    """The YAML documents in bytes as plain data; none if they are unreadable, or if aliases make them too big."""
    try:
        found = [document for document in yaml.load_all(data, yaml.CBaseLoader) if isinstance(document, dict)]
    except (yaml.YAMLError, UnicodeError, ValueError, TypeError):
        return []
    return found if sum(1 for _ in islice(_nodes(found), BIGGEST)) < BIGGEST else []


def _nodes(value: Any) -> Iterator[Any]:
    yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(member)


def _of_cases(kind: str) -> Iterator[Seed]:
    for file in cases(kind):
        small = {name: part for name, part in file.parts.items() if not part.generated}
        patch = _joined([small[name] for name in sorted(small) if re.fullmatch(r"patch.*\.yaml", name)])
        domain = small["domain.xml"].data if "domain.xml" in small else NO_DOMAIN
        if not patch or file.name in SLOW or len(patch) > BIGGEST or len(domain) > BIGGEST:
            continue
        vmi = next((_vmi(name, small[name].data) for name in sorted(small) if name.startswith("vmi.")), b"{}")
        yield Seed(f"{kind}/{file.name}", patch, domain, vmi)


def _of_examples() -> Iterator[Seed]:
    for folder in sorted((EXAMPLES / "patches").iterdir()):
        patch, domain = folder / "patch.yaml", folder / "domain.xml"
        if patch.exists() and domain.exists():
            vmi = _vmi("vmi.yaml", (folder / "vmi.yaml").read_bytes()) if (folder / "vmi.yaml").exists() else b"{}"
            yield Seed(f"examples/{folder.name}", patch.read_bytes(), domain.read_bytes(), vmi)


def _of_corpus(kind: str) -> Iterator[Seed]:
    """A case of the corpus with its initial data, using only the first variant."""
    corpus = TESTS / "corpus"
    for case in yaml.load((corpus / "cases.yaml").read_text(), yaml.CSafeLoader):
        if f".{kind}." not in case["base"]:
            continue
        data = (corpus / case["base"]).read_bytes()
        vmi = json.loads((corpus / case["vmi"]).read_text())
        for name in ("annotations", "labels"):
            vmi["metadata"][name] = {**(vmi["metadata"].get(name) or {}), **case.get(name, {})}
        patch = (EXAMPLES / "corpus" / f"{case['id']}.yaml").read_bytes()
        given = {"domain": data} if kind == "domain" else {"cloud_init": data}
        yield Seed(f"corpus/{case['id']}", patch, vmi=json.dumps(vmi).encode(), **given)


def _vmi(name: str, data: bytes) -> bytes:
    try:
        return data if name.endswith(".json") else read_vmi(data)
    except PatchError:
        return data


def _joined(parts: list[Part]) -> bytes:
    return b"\n---\n".join(part.data for part in parts)
