"""Build ``patchlang/kubevirt/structs.json``: the names each KubeVirt release knows in a domain.

    python tools/index_kubevirt.py FOLDER

FOLDER has one file per release, named after it (``1.9.json``; ``main.json`` is the newest), with the names that
KubeVirt's ``DomainSpec`` reads and writes::

    {"root": "DomainSpec",
     "types": {"Disk": {"attributes": ["type"], "children": {"driver": "DiskDriver", "serial": "text"}, "text": false}}}

``children`` gives the type of each element; ``text`` is the type of an element that is empty or holds only text.

Generate such a file from KubeVirt's sources, tag by tag: in a copy of them, a Go test in the package
``pkg/virt-launcher/virtwrap/api`` starts at ``reflect.TypeOf(DomainSpec{})`` and walks the fields of each struct once,
through pointers and slices. The tag ``xml:"NAME,attr"`` is an attribute, ``xml:",chardata"`` text, ``xml:"A>B"`` a
nested element, any other ``xml:"NAME"`` an element of the field's type; a field without a name embeds. A type with the
methods ``UnmarshalXML`` and ``MarshalXML`` has the names that these methods read and write: look them up in the source.
Prefixes stay as written there (``qemu:commandline``).

The file contains the first release in full, and each later one as its additions and removals.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "patchlang" / "kubevirt" / "structs.json"

# a type and a name in it: `#text`, `@attribute`, or an element and its type
Fact = tuple[str, str]


def facts(structs: dict[str, Any]) -> set[Fact]:
    """Everything that the structs of one release know."""
    found: set[Fact] = set()
    for name, type in structs["types"].items():
        found |= {(name, "#text")} if type["text"] else set()
        found |= {(name, f"@{attribute}") for attribute in type["attributes"]}
        found |= {(name, f"{child} {kind}") for child, kind in type["children"].items()}
    return found


def grouped(known: Iterable[Fact]) -> dict[str, list[str]]:
    by_type: dict[str, list[str]] = {}
    for type, name in sorted(known):
        by_type.setdefault(type, []).append(name)
    return by_type


def changes(root: str, releases: dict[str, set[Fact]]) -> str:
    """The text of a fact index; ``releases`` are ordered from oldest to newest."""
    lines = [f'{{"root": {json.dumps(root)}, "releases": {{']
    before: set[Fact] = set()
    for release, known in releases.items():
        parts = []
        for word, types in (("new", grouped(known - before)), ("gone", grouped(before - known))):
            if types:
                rows = ",\n".join(f"  {json.dumps(type)}: {json.dumps(names)}" for type, names in types.items())
                parts.append(f'"{word}": {{\n{rows}\n }}')
        end = "," if release != list(releases)[-1] else ""
        lines.append(f" {json.dumps(release)}: {{{', '.join(parts)}}}{end}")
        before = known
    return "\n".join(lines) + "\n}}\n"


def index(releases: dict[str, dict[str, Any]]) -> str:
    """The text of the file."""
    root = next(iter(releases.values()))["root"]
    return changes(root, {release: facts(structs) for release, structs in releases.items()})


def age(release: str) -> tuple[float, ...]:
    return tuple(int(part) for part in release.split(".")) if release != "main" else (float("inf"),)


def main(folder: Path) -> int:
    files = sorted(folder.glob("*.json"), key=lambda file: age(file.stem))
    if not files:
        print(f"index_kubevirt: no *.json in {folder}", file=sys.stderr)
        return 2
    TARGET.write_text(index({file.stem: json.loads(file.read_text()) for file in files}))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/index_kubevirt.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
