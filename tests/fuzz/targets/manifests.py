"""Files as `patchlang validate` and `patchlang test` read them: patches, ConfigMaps, machines, tests of patches."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from lxml import etree

from patchlang.diagnostics import PatchError
from patchlang.files import source_of
from patchlang.formats import make
from patchlang.formats.testreport import as_json, as_junit, as_text
from patchlang.grammar.index import versions
from patchlang.kubevirt.structs import releases
from patchlang.patchtest.load import load_tests
from patchlang.patchtest.run import run_tests
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.run import validate_files

from .. import laws, mutate, seeds
from ..target import Parts, Target
from .expressions import TOKENS, WORDS

_LINES = re.compile(r"\n[ ]*(?:- )?|[\w./-]+|\s+|.", re.DOTALL)
_WORDS = (
    "\n  ", "\n---\n", "\n- ", "kind: ConfigMap", "kind: VirtualMachine", "apiVersion: v1",
    "apiVersion: kubevirt.io/v1", "data:", "binaryData:", "spec:", "template:", "metadata:", "annotations:",
    "hooks.kubevirt.io/hookSidecars:", "'[{\"args\": []}]'", "|\n", "items:", "kind: List",
    "# patchlang: ignore PL301", "# patchlang:", "{{ .Values.x }}", "&a ", "*a", "<<: *a", "!!binary ", "\t",
    "kind: PatchTest", "cases:", "expect:", "xpath:", "pointer:", "unchanged: true", "error: x", "domain: <domain/>",
    "vmi: {}",
)  # fmt: skip


_READERS: dict[str, Callable[[str], Any]] = {
    "text": str.encode,
    "json": json.loads,
    "github": str.encode,
    "sarif": json.loads,
    "junit": lambda text: etree.fromstring(text.encode()),
}


def _changed(random: Random, data: bytes, other: bytes) -> bytes:
    if random.random() < 0.2:
        return mutate.of_bytes(random, data, (), other)
    documents = seeds.documents(data)
    if not documents or random.random() < 0.4:
        text = mutate.of_tokens(random, data.decode(errors="replace"), _LINES, _WORDS)
        return text.encode(errors="surrogatepass")
    others = seeds.documents(other) or documents

    def change(random: Random, text: str) -> str:
        return mutate.of_tokens(random, text, TOKENS, WORDS)

    changed = [mutate.of_data(random, document, others, change) for document in documents]
    text = "".join(f"--- {mutate.as_yaml(random, document)}\n" for document in changed)
    return text.encode(errors="surrogatepass")[: mutate.MOST]


def _make_manifest(random: Random) -> Parts:
    choice = [*seeds.manifests().values()]
    return {"manifest.yaml": _changed(random, random.choice(choice), random.choice(choice))}


def _check_manifest(parts: Parts) -> str:
    report = validate_files(
        [Input("manifest.yaml", True, parts["manifest.yaml"])], options=Options(libvirt=versions()[-1])
    )
    found = [diagnostic for file in report for diagnostic in file.diagnostics]
    laws.shown(found)
    for name, read in _READERS.items():
        stream = io.StringIO()
        form = make(name, stream)
        for file in report:
            form.add(file)
        form.finish(report.totals(strict=False))
        read(stream.getvalue())
    return laws.REFUSED if any(d.is_error for d in found) else laws.RESULT


def _make_test(random: Random) -> Parts:
    choice = [(name, data) for name, data in seeds.manifests().items() if b"PatchTest" in data]
    name, data = random.choice(choice)
    return {"test.yaml": _changed(random, data, random.choice(choice)[1]), "path": name.encode()}


def _check_test(parts: Parts) -> str:
    """The files that a test names are those of the seed, which the input replaces."""
    with seeds.beside(parts["path"].decode()) as path:
        try:
            source = source_of(path, parts["test.yaml"])
        except PatchError as e:
            return laws.shown([e.diagnostic], refused=True)
        loaded = load_tests([source])
        laws.shown(loaded.diagnostics)
        report = run_tests(loaded.tests, kubevirt=releases()[0], update=False)
    for test in report.tests:
        for case in test.cases:
            laws.shown(failure.diagnostic for failure in case.failures)
    as_text(report, loaded.diagnostics, colour=False, quiet=False).encode()
    json.loads(as_json(report, loaded.diagnostics))
    etree.fromstring(as_junit(report, loaded.diagnostics, require_coverage=True).encode())
    return laws.RESULT if report.tests and not loaded.diagnostics else laws.REFUSED


TARGETS = (
    Target("manifest", 6, _make_manifest, _check_manifest),
    Target("patch-test", 4, _make_test, _check_test),
)
