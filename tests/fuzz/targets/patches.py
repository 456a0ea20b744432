"""Patch files: bytes, trees, edits of one patch in another, and the effect of such a patch."""

from __future__ import annotations

from random import Random
from typing import Any

from patchlang.compile import Program
from patchlang.diagnostics import PatchError
from patchlang.files import source_of
from patchlang.loading import load_sources

from .. import laws, mutate, seeds
from ..seeds import Seed
from ..target import Parts, Target
from .expressions import TOKENS, WORDS

_YAML_WORDS = (
    b"apiVersion: patchlang/v1\n", b"kind: Patch\n", b"spec:\n  domain:\n", b"\n    - {op: ", b"path: ", b"value: ",
    b"&a ", b"*a", b"<<: ", b"? ", b"| ", b">-\n", b"!!binary ", b"$[ vmi.metadata.name ]", b"//*[", b"expect: '0+'",
    b"- ", b"# ",
)  # fmt: skip


def _make_domain(random: Random) -> Parts:
    seed = random.choice(seeds.for_domains())
    return {"patch.yaml": changed(random, seed, "domain"), "domain.xml": seed.domain, "vmi.json": seed.vmi}


def _make_cloud_init(random: Random) -> Parts:
    seed = random.choice(seeds.for_cloud_init())
    patch = changed(random, seed, "cloudInit")
    return {"patch.yaml": patch, "cloud-init.json": seed.cloud_init, "legacy.json": seed.legacy, "vmi.json": seed.vmi}


def changed(random: Random, seed: Seed, edits: str) -> bytes:
    documents = seeds.documents(seed.patch)
    if not documents or random.random() < 0.15:
        other = random.choice(seeds.for_domains()).patch
        return mutate.of_bytes(random, seed.patch, _YAML_WORDS, other)
    trees = seeds.trees("domain" if edits == "domain" else "cloudinit")
    if random.random() < 0.4:
        _splice(random, documents, trees, edits)
    if random.random() < 0.8:
        others = [random.choice(trees)]
        documents = [mutate.of_data(random, document, others, _text) for document in documents]
    text = "".join(f"--- {mutate.as_yaml(random, document)}\n" for document in documents)
    return text.encode(errors="surrogatepass")[: mutate.MOST]


def _splice(random: Random, documents: list[Any], trees: list[Any], edits: str) -> None:
    """Insert edits of other patches between those of this one."""
    for _ in range(random.randrange(1, 4)):
        spec, other = random.choice(documents).get("spec"), random.choice(trees).get("spec")
        if isinstance(spec, dict) and isinstance(other, dict):
            theirs, ours = other.get(edits), spec.setdefault(edits, [])
            if isinstance(theirs, list) and isinstance(ours, list) and theirs:
                ours.insert(random.randrange(len(ours) + 1), random.choice(theirs))
            for key in ("variables", "namespaces"):
                if isinstance(theirs := other.get(key), (list, dict)):
                    spec.setdefault(key, theirs)


def _text(random: Random, text: str) -> str:
    if random.random() < 0.3:
        return mutate.of_text(random, text)
    return mutate.of_tokens(random, text, TOKENS, WORDS)


def written(random: Random, tree: Any, kind: str, edits: list[Any], **spec: Any) -> bytes:
    """A patch with these edits, and with the variables and namespaces of another one."""
    theirs = tree.get("spec") if isinstance(tree, dict) else None
    theirs = theirs if isinstance(theirs, dict) else {}
    spec = {key: theirs[key] for key in ("variables", "namespaces") if key in theirs} | spec
    document = {
        "apiVersion": "patchlang/v1",
        "kind": "Patch",
        "metadata": {"name": "fuzz"},
        "spec": {**spec, kind: edits},
    }
    return f"--- {mutate.as_yaml(random, document)}\n".encode(errors="surrogatepass")


def loaded(parts: Parts) -> Program | None:
    """The compiled patches of an input; None if they are refused with a message that can be shown."""
    try:
        source = source_of("patch.yaml", parts["patch.yaml"])
    except PatchError as e:
        laws.shown([e.diagnostic], refused=True)
        return None
    program, diagnostics = load_sources([source])
    laws.shown(diagnostics, refused=program is None)
    return program


def check(parts: Parts) -> str:
    program = loaded(parts)
    if program is None:
        return laws.REFUSED
    if "domain.xml" in parts:
        return laws.domain(program, parts["domain.xml"], parts["vmi.json"])
    as_text = b"UserData" in parts["patch.yaml"]
    return laws.cloud_init(program, parts["cloud-init.json"], parts["legacy.json"], parts["vmi.json"], as_text=as_text)


TARGETS = (
    Target("patch-domain", 16, _make_domain, check),
    Target("patch-cloud-init", 6, _make_cloud_init, check),
)
