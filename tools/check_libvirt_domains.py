"""Check `validate` against the domains in libvirt's own tests: it must find nothing in the ones libvirt accepts.

    python tools/check_libvirt_domains.py .libvirt-domains        # all of them; `make libvirt-domains` fetches them
    python tools/check_libvirt_domains.py --sample 200 --seed 1 .libvirt-domains

The folder holds libvirt's sources as `tools/fetch_libvirt.sh` unpacks them. Each domain becomes a patch of its parts:
each element as a fragment, each attribute and text as the value of an `ensure` and in the predicate of a path. The
grammar that comes with the sources decides which domains libvirt accepts. `validate` should find errors in many of the
others; the script counts them. With ``--faults N`` it breaks one value in each of N domains so that the same grammar
rejects them, and counts how many of those `validate` finds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from lxml import etree
from measure_values import SLIPS, made_wrong

from patchlang.diagnostics import Diagnostic, Severity
from patchlang.grammar.index import versions
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.run import validate_files

Element = Any
LONGEST = 1000  # for texts in paths, since a path has a length limit
PREFIXES = {f"http://libvirt.org/schemas/domain/{name}/1.0": name for name in ("qemu", "lxc", "xen", "bhyve")}
NAMESPACES = {name: uri for uri, name in PREFIXES.items() if name not in ("qemu", "lxc", "xen")}


def domains(folder: Path) -> list[Path]:
    """The domains among libvirt's tests, without duplicates."""
    found = (file for file in sorted(folder.glob("**/tests/**/*.xml")) if not file.is_symlink())
    return [file for file in found if (root := _root(file)) is not None and root.tag == "domain"]


def grammar(folder: Path) -> etree.RelaxNG:
    """The grammar that comes with the sources."""
    return etree.RelaxNG(etree.parse(next(folder.glob("**/schemas/domain.rng"))))


def _root(file: Path) -> Element | None:
    try:
        return etree.parse(file, etree.XMLParser(remove_comments=True, resolve_entities=False)).getroot()
    except etree.XMLSyntaxError:
        return None


def patch_of(root: Element) -> str:
    """A patch that contains every part of a domain."""
    edits: list[dict[str, Any]] = []
    for parent in (root, *root.findall("devices")):
        for child in parent.iterchildren(etree.Element):
            if child.tag != "devices":
                xml = etree.tostring(child, encoding="unicode", with_tail=False).replace("$[", "$$[")
                path = "/domain" if parent is root else "/domain/devices"
                edits.append({"op": "add", "path": path, "xml": xml})
    written: set[tuple[str, str]] = set()
    for path, value in _values(root):
        if (path, value) not in written and "$[" not in value:
            written.add((path, value))
            edits.append({"op": "ensure", "path": path, "value": value})
            if "'" not in value and len(value) < LONGEST:
                edits.append({"op": "test", "path": f"{path}[. = '{value}']"})
    spec: dict[str, Any] = {"namespaces": NAMESPACES, "domain": edits}
    head = {"apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "parts"}, "spec": spec}
    return yaml.safe_dump(head, allow_unicode=True, width=1000)


def _values(root: Element) -> Iterator[tuple[str, str]]:
    """The attributes and texts of a domain by path of names, without metadata and foreign elements."""
    pending = [(root, "/domain")]
    while pending:
        node, path = pending.pop()
        for name, value in node.attrib.items():
            if not name.startswith("{"):
                yield f"{path}/@{name}", value
        text = node.text or ""
        if text.strip() and len(node) == 0:
            yield path, text.strip()
        for child in node.iterchildren(etree.Element):
            uri, _, local = child.tag.rpartition("}")
            prefix = PREFIXES.get(uri[1:])
            if local != "metadata" and (prefix or not uri):
                pending.append((child, f"{path}/{prefix}:{local}" if prefix else f"{path}/{local}"))


def found_in(text: str, version: str) -> list[Diagnostic]:
    """The errors that `validate` reports."""
    [*checked] = validate_files([Input("parts.yaml", True, text.encode())], options=Options(libvirt=version))
    return [d for one in checked for d in one.diagnostics if d.severity is Severity.ERROR]


def measure(files: Iterable[Path], judge: etree.RelaxNG, version: str) -> dict[str, Any]:
    taken = refused = found_in_refused = 0
    false: set[str] = set()
    for file in files:
        root = _root(file)
        assert root is not None
        found = found_in(patch_of(root), version)
        if judge.validate(root):
            taken += 1
            false.update({f"{one.rule.id} {one.message} ({file.name})" for one in found})
        else:
            refused += 1
            found_in_refused += bool(found)
    return {
        "libvirt": version,
        "domains": taken + refused,
        "of these libvirt's grammar takes": taken,
        "false findings": sorted(false),
        "of these it refuses": refused,
        "refused ones with findings": found_in_refused,
    }


def measure_faults(files: Sequence[Path], judge: etree.RelaxNG, version: str, count: int, seed: int) -> dict[str, Any]:
    """Break one value in each of several domains and count how many `validate` finds."""
    chance = random.Random(seed)  # noqa: S311
    made = found = 0
    escaped: list[str] = []
    while made < count:
        file = chance.choice(files)
        root = _root(file)
        if root is None or not judge.validate(root):
            continue
        element = chance.choice([one for one in root.iter(etree.Element) if not _is_metadata(one)])
        names = [name for name in element.attrib if not name.startswith("{")]
        text = [""] if len(element) == 0 and (element.text or "").strip() else []
        if not (names or text):
            continue
        name = chance.choice([*names, *text])
        value = element.get(name) if name else element.text.strip()
        wrong = made_wrong(value, chance.choice(SLIPS), chance) if value else None
        if wrong is None:
            continue
        if name:
            element.set(name, wrong)
        else:
            element.text = wrong
        if judge.validate(root):
            continue
        made += 1
        if any(one.rule.id.startswith("PL9") for one in found_in(patch_of(root), version)):
            found += 1
        else:
            way = "/".join(str(one.tag) for one in (*reversed(list(element.iterancestors())), element))
            escaped.append(f"/{way}{'/@' + name if name else ''}: {value} -> {wrong} ({file.name})")
    return {"made": made, "found": found, "share": round(found / made, 4), "escaped": escaped}


def _is_metadata(node: Element) -> bool:
    return any(one.tag == "metadata" or str(one.tag).startswith("{") for one in (node, *node.iterancestors()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--libvirt", default=versions()[-1], choices=versions())
    parser.add_argument("--sample", type=int, metavar="N", help="only a random sample of N")
    parser.add_argument("--faults", type=int, default=0, metavar="N", help="make N values wrong")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    files = domains(args.folder)
    if args.sample is not None:
        files = random.Random(args.seed).sample(files, args.sample)  # noqa: S311
    judge = grammar(args.folder)
    measured = measure(files, judge, args.libvirt)
    if args.faults:
        measured["faults"] = measure_faults(files, judge, args.libvirt, args.faults, args.seed)
    json.dump(measured, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.exit(1 if measured["false findings"] else 0)


if __name__ == "__main__":
    main()
