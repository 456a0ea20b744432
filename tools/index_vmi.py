"""Build ``patchlang/kubevirt/vmi.json``: the fields of a VMI in each KubeVirt release, and their types.

    python tools/index_vmi.py FOLDER

FOLDER has one file per release, named after it (``1.9.json``; ``main.json`` is the newest), with facts from the
release's OpenAPI description (``api/openapi-spec/swagger.json`` in KubeVirt) about ``v1.VirtualMachineInstance`` and
everything below it::

    {"root": "v1.VirtualMachineInstance",
     "types": {"v1.CPU": {"fields": {"cores": "integer", "features": ["v1.CPUFeature"]}, "required": []},
               "k8s.io.apimachinery.pkg.api.resource.Quantity": {"kind": ["string", "integer", "number"]}}}

A type is ``string``, ``integer``, ``number``, ``boolean``, ``object`` or ``any``, another type by its name, ``[T]`` a
list, ``{"*": T}`` a map; several types in brackets are alternatives.

The output has one word per field: ``cores integer``, ``name! string`` where it is required, ``[Disk]`` for a list,
``{string}`` for a map, ``scalar`` for a text or a number, ``quantity`` for a Kubernetes quantity. The file contains the
first release in full, and each later one as its additions and removals.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from index_kubevirt import Fact, age, changes

TARGET = Path(__file__).resolve().parents[1] / "patchlang" / "kubevirt" / "vmi.json"
PLAIN = ("string", "integer", "number", "boolean", "object", "any")


class Names:
    """Short names of types, and what replaces types without fields."""

    def __init__(self, types: dict[str, Any]) -> None:
        self.types = types
        last = Counter(name.rpartition(".")[2] for name in types)
        self.short = {
            name: name.rpartition(".")[2] if last[name.rpartition(".")[2]] == 1 else ".".join(name.split(".")[-2:])
            for name in types
        }

    def of(self, type: Any) -> str:
        match type:
            case str() if type in PLAIN:
                return type
            case str() if type.endswith(".Quantity"):
                return "quantity"
            case str() if "kind" in self.types[type]:
                return self.of(self.types[type]["kind"])
            case str():
                return self.short[type]
            case {"*": inner}:
                return f"{{{self.of(inner)}}}"
            case [one]:
                return f"[{self.of(one)}]"
            case [*several]:
                kinds = {self.of(one) for one in several} - {"null"} if "null" not in several else {several[0]}
                return kinds.pop() if len(kinds) == 1 else "scalar" if kinds <= {*PLAIN[:3]} else "any"
            case _:
                raise ValueError(f"{type} is not supported")


def facts(release: dict[str, Any]) -> set[Fact]:
    """All fields of one release."""
    names = Names(release["types"])
    return {
        (names.short[name], f"{field}{'!' if field in type['required'] else ''} {names.of(of)}")
        for name, type in release["types"].items()
        for field, of in type.get("fields", {}).items()
    }


def main(folder: Path) -> int:
    files = sorted(folder.glob("*.json"), key=lambda file: age(file.stem))
    if not files:
        print(f"index_vmi: no *.json in {folder}", file=sys.stderr)
        return 2
    read = {file.stem: json.loads(file.read_text()) for file in files}
    TARGET.write_text(changes("VirtualMachineInstance", {release: facts(one) for release, one in read.items()}))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/index_vmi.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
