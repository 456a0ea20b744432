"""Documentation that stays correct: reads the examples in README.md and the documents below, which tests/docs runs.

The language and the first lines of a fenced block determine its kind.

``yaml``
    A list is a list of domain edits, a map with the keys of ``spec`` is a spec, and ``apiVersion: patchlang/v1`` starts
    whole patch documents: all of these must compile. Anything else is a manifest, whose ConfigMaps and hook sidecar
    annotations are checked. Comments at the start give the input: ``# annotations: {…}``, ``# labels: {…}``,
    ``# vmi: {…}``, merged into the VMI of the base domain.
``diff``
    The effect of the last patch on a domain: lines that start with a blank or ``-`` are the domain before, lines that
    start with a blank or ``+`` the domain after, byte for byte. The ``<domain>`` around them is optional. A second run
    on the result must change nothing, unless ``<!-- second run changes -->`` or ``<!-- second run fails -->`` comes
    before the block.
``text``
    The messages for the last patch: ``error[PL401 match-count] …`` and its ``help:`` line, or messages with positions
    as on the command line (then the patch is a whole document). The patch is applied to the domain in an ``xml`` block
    between the two, or to the base domain if there is none.
``sh``, ``python``, ``xml`` with ``xsl:`` elements
    A hook script. It is called as KubeVirt calls it, on the base domain or cloud-init data, and must give the same
    result as the next patch. Snippets of Python and XSLT are inserted into the frame under ``<!-- frame: … -->``, at
    its line ``…``. A snippet that starts with ``# lxml`` gets lxml. ``<!-- breaks: A; B -->`` before it names inputs
    (see ``variant`` in test_docs_scripts.py) for which the script gives another result than the patch, or things that
    it breaks. The document must mention them.
``xml``
    Must be well-formed. ``<!-- base -->`` before it makes it the base domain of the document. The pages on the language
    share the base domain and the values of docs/language/example.md.

``json``
    The log of the sidecar for one start of a VM with the last ConfigMap, except for times and positions.

``<!-- flags -->`` before a ``text`` block makes it flags of the sidecar. ``<!-- boot: stable -->`` or
``<!-- boot: piles up -->`` before a patch runs it as often as one boot does, on the base domain.
``<!-- advice: PL303 -->`` lists the advice that the patch gets; by default it must get none. ``<!-- not run -->`` skips
a block. ``<!-- cloud-init -->`` before a patch and its result means that they are about cloud-init data:
test_docs_cloud_init.py runs them.

Tables: ``<!-- table: NAME -->`` names a table that is compared with the code, see ``TABLES`` in test_docs_tables.py. A
table whose header starts with ``expression`` (CEL) or ``XPath`` has an expression and its result in JSON, or
``error: `` and a part of its message. It uses the values under ``<!-- values -->`` and the base domain.
``<!-- node: PATH -->`` before the table gives the matched node at which it is evaluated.
"""

from __future__ import annotations

import itertools
import json
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from patchlang.compile import Program
from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.engine import patch_domain
from patchlang.kubevirt.replay import second_run
from patchlang.loading import load_sources
from patchlang.podfacts import NOTHING, Given, Pod
from patchlang.render import render
from patchlang.source import SourceFile

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "tests" / "corpus" / "base"
CLOUD_INIT = "cloud-init"


def _part(name: str) -> tuple[str, ...]:
    """An index page and the pages of its folder."""
    folder = sorted((ROOT / "docs" / name).glob("*.md"))
    return (f"docs/{name}.md", *(str(path.relative_to(ROOT)) for path in folder))


LANGUAGE = _part("language")
CLOUD_INIT_DOCUMENTS = _part("cloud-init")
TOPICS = tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / "patchlang" / "topics").glob("*.md")))
DOCUMENTS = (
    "README.md",
    "docs/index.md",
    *LANGUAGE,
    *TOPICS,
    "docs/patterns.md",
    "docs/from-scripts.md",
    "docs/sidecar.md",
)
# the domain and the values that all pages of the language share
EXAMPLE = "docs/language/example.md"


@dataclass(frozen=True)
class Block:
    """A fenced block, or a table (``lang`` is ``table``). ``marks`` are the comments right before it."""

    document: str
    line: int
    lang: str
    text: str
    marks: dict[str, str]
    section: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def is_patch(self) -> bool:
        return self.lang == "yaml" and kind_of(self.text) != "manifest" and not {"not run", CLOUD_INIT} & {*self.marks}

    @property
    def is_script(self) -> bool:
        return self.lang in ("sh", "python") or (self.lang == "xml" and "<xsl:" in self.text)


@cache
def blocks(document: str) -> tuple[Block, ...]:
    path = ROOT / document
    return tuple(_blocks(document, path.read_text())) if path.exists() else ()


def _blocks(document: str, text: str) -> Iterator[Block]:
    lines = text.split("\n")
    marks: dict[str, str] = {}
    section, at = "", 0
    while at < len(lines):
        line, first = lines[at], at
        at += 1
        if fence := re.match(r"( *)```(\w*)$", line):
            while lines[at].strip() != "```":
                at += 1
            indent = len(fence[1])
            body = "".join(f"{inner[indent:]}\n" for inner in lines[first + 1 : at])
            at += 1
            yield Block(document, first + 1, fence[2], body, marks, section)
        elif mark := re.match(r" *<!-- ([^:]*?)(?:: (.*))? -->$", line):
            marks = {**marks, mark[1]: mark[2] or ""}
            continue
        elif line.startswith("|"):
            while lines[at].startswith("|"):
                at += 1
            yield Block(document, first + 1, "table", "\n".join(lines[first:at]), marks, section)
        elif heading := re.match(r"#+ (.*)", line):
            section = heading[1]
        elif not line.strip():
            continue
        marks = {}


def rows(table: Block) -> list[list[str]]:
    """The cells of a table, without its header."""
    split = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in table.text.split("\n")]
    return [[cell.replace("\\|", "|").strip() for cell in row] for row in split[2:]]


def head(table: Block) -> list[str]:
    return [cell.strip() for cell in table.text.split("\n")[0].strip("|").split("|")]


def codes(cell: str) -> list[str]:
    """The code spans of a cell."""
    return [found[1] or found[2] for found in re.finditer(r"`` (.*?) ``|`([^`]+)`", cell)]


def all_blocks(wanted: Callable[[Block], bool]) -> list[Any]:
    found = (b for document in DOCUMENTS for b in blocks(document) if CLOUD_INIT not in b.marks)
    return [pytest.param(b, id=str(b)) for b in found if wanted(b)]


def kind_of(text: str) -> str:
    first = next(line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    if first.startswith("- "):
        return "edits"
    if first.startswith("apiVersion: patchlang/"):
        return "documents"
    top = set(re.findall(r"^([A-Za-z]+):", text, re.MULTILINE))
    return "spec" if top and top <= set(model_fields(model.Spec)) else "manifest"


def source(text: str) -> SourceFile:
    """A patch file from the content of a block."""
    kind = kind_of(text)
    if kind == "documents":
        return SourceFile("patch.yaml", text)
    body = "  domain:\n" + textwrap.indent(text, "    ") if kind == "edits" else textwrap.indent(text, "  ")
    head = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: example}\n"
    return SourceFile("patch.yaml", f"{head}spec:\n{body}")


def program(block: Block) -> Program:
    compiled, diagnostics = load_sources([source(block.text)])
    assert compiled is not None, f"{block} does not load:\n{render(diagnostics)}"
    return compiled


def given(text: str) -> dict[str, Any]:
    """The parts of the VMI in the comments at the start of a patch."""
    values: dict[str, Any] = {}
    for line in text.split("\n"):
        if not (found := re.match(r"# (annotations|labels|vmi|facts): (.*)", line)):
            break
        if found[1] == "facts":
            continue
        value = yaml.safe_load(found[2])
        merge(values, value if found[1] == "vmi" else {"metadata": {found[1]: value}})
    return values


def pod_of(text: str) -> Given:
    """The facts in the comments at the start of a patch: ``# facts: {env: {NAME: text}, files: …}``."""
    facts: dict[str, bytes] = {}
    for line in itertools.takewhile(lambda line: line.startswith("# "), text.split("\n")):
        if line.startswith("# facts: "):
            for kind, entries in yaml.safe_load(line.removeprefix("# facts: ")).items():
                facts |= {f"{kind}.{name}": value.encode() for name, value in entries.items()}
    return Given(facts)


def merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def base_of(block: Block) -> str:
    """The base domain for a block: the one that it names, or the one of its document."""
    if name := block.marks.get("domain"):
        return (BASE / f"{name}.domain.xml").read_text()
    shown = _marked(block.document, "base")
    return shown[0].text.rstrip("\n") if shown else (BASE / "linux-min.domain.xml").read_text()


def values_shown(document: str) -> str:
    """The YAML with the values for the tables of a document."""
    return _marked(document, "values")[0].text


def _marked(document: str, mark: str) -> list[Block]:
    """The blocks under a mark, in the document or in its shared page of examples."""
    shared = (EXAMPLE,) if document in LANGUAGE else ()
    return [b for name in (document, *shared) for b in blocks(name) if mark in b.marks]


def vmi_of(block: Block, shown: str) -> bytes:
    """The VMI of the base domain, with the additions in a patch's comments."""
    vmi = (
        {}
        if _marked(block.document, "base")
        else json.loads((BASE / f"{block.marks.get('domain', 'linux-min')}.vmi.json").read_text())
    )
    merge(vmi, given(shown))
    return json.dumps(vmi).encode()


def attempt(patch: Program, domain: bytes, vmi: bytes, pod: Pod = NOTHING) -> tuple[bytes | None, str]:
    outcome = patch_domain(patch, domain, vmi, pod=pod)
    return outcome.data, render(outcome.diagnostics)


def apply(patch: Program, domain: bytes, vmi: bytes, pod: Pod = NOTHING) -> bytes:
    result, said = attempt(patch, domain, vmi, pod)
    assert result is not None, said
    return result


def boot(patch: Program, domain: bytes, vmi: bytes) -> list[bytes]:
    """The results of the three runs of one boot."""
    first = apply(patch, domain, vmi)
    second = apply(patch, second_run(domain, first), vmi)
    return [first, second, apply(patch, second, vmi)]


def first_codes(table: Block, column: int = 0) -> list[str]:
    return [code for row in rows(table) for code in codes(row[column])[:1]]


def constant(name: str) -> float:
    """``package.module.CONSTANT`` or ``package.module.Class.default``."""
    holder, _, last = name.rpartition(".")
    found = pkgutil.resolve_name(holder)  # imports the modules in the name
    return float(getattr(found() if isinstance(found, type) else found, last))


def number(cell: str) -> float:
    """``256 KiB``, ``1,000``, ``4 MiB``, ``50 s`` as a number."""
    found = re.match(r"([0-9][0-9,.]*)(?: (KiB|MiB))?", cell)
    assert found, cell
    factor = {"KiB": 1 << 10, "MiB": 1 << 20}.get(found[2], 1)
    return float(found[1].replace(",", "")) * factor


def anchors(document: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        unique = slug
        while unique in found:
            unique, number = f"{slug}-{number}", number + 1
        found.add(unique)
    return found
