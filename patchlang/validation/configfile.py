"""A configuration file, in YAML or TOML, decoded with the places of all problems; and its schema."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import rules
from ..diagnostics import Diagnostic, PatchError, did_you_mean, in_order
from ..document import yamltree
from ..document.yamltree import Mapping, Node, Scalar, describe
from ..files import read_source
from ..grammar.index import named, versions
from ..kubevirt.structs import releases
from ..source import SourceFile, Span
from .configuration import NO_LIBVIRT, YAML_NAME, Configuration, not_to_ignore
from .leftout import excluding
from .selection import ALL, can_be_left_out, known_rules, meant, selectors
from .toml import read_table

KEYS = {
    "select": "rules to report, by id (PL301), id prefix (PL3) or name; what the sidecar refuses is always reported",
    "ignore": "rules to skip, as in select; the longest match for a rule wins",
    "exclude": "files and folders to skip, as .gitignore patterns relative to the folder of this file",
    "kubevirt": "the KubeVirt release to check against",
    "libvirt": "the libvirt whose grammar to check against; none: skip the check",
}
"""The meaning of each key, for people and for the schema."""


def schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) of a configuration, for editors."""
    rules = [*dict.fromkeys(id[:length] for id in known_rules() for length in range(len(ALL), len(id) + 1))]
    rules += known_rules().values()
    versioned = [".".join(one.split(".")[:parts]) for one in versions() for parts in (1, 2, 3)]
    lists = {"select": rules, "ignore": [one for one in rules if can_be_left_out(meant(one) or "")]}
    values: dict[str, Any] = {
        **{key: {"type": "array", "items": {"enum": of}} for key, of in lists.items()},
        "exclude": {"type": "array", "items": {"type": "string"}},
        "kubevirt": {"enum": _with_numbers(releases())},
        "libvirt": {"enum": _with_numbers([*dict.fromkeys(versioned), NO_LIBVIRT])},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "patchlang's configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: {"description": help, **values[key]} for key, help in KEYS.items()},
    }


def _with_numbers(texts: Iterable[str]) -> list[str | float]:
    """Text, and the numbers that YAML makes of unquoted text."""
    found: list[str | float] = [*texts]
    return found + [float(one) for one in texts if one.replace(".", "", 1).isdigit() and str(float(one)) == one]


def read_one_of(paths: Sequence[str]) -> tuple[Configuration, tuple[Diagnostic, ...]] | None:
    """The configuration of a folder, from the files that may have one; None if none does. Two are a finding."""
    written = [found for path in paths if (found := _load(os.path.relpath(path)))]
    if len(written) > 1:
        place = written[1][0].span if isinstance(written[1][0], Mapping) else None
        help = f"move this into {YAML_NAME}, or delete that file"
        message = f"{YAML_NAME} next to it is also a configuration"
        return Configuration(), (Diagnostic(rules.BAD_CONFIGURATION, message, place, help),)
    return _decoded(*written[0], os.path.dirname(os.path.abspath(paths[0]))) if written else None


def read_configuration(path: str) -> tuple[Configuration, tuple[Diagnostic, ...]]:
    """The configuration in a given file, TOML or YAML by its suffix, and its problems."""
    folder = os.path.dirname(os.path.abspath(path))
    found = _load(path)
    if found is None:
        message = f"`{path}` has no table `tool.patchlang`"
        return Configuration(), (Diagnostic(rules.BAD_CONFIGURATION, message, None, "write `[tool.patchlang]`"),)
    return _decoded(*found, folder)


_Loaded = tuple[Node | None, tuple[Diagnostic, ...]]


def _load(path: str) -> _Loaded | None:
    """The tree of a configuration, and why it cannot be read; None if a TOML file has none."""
    try:
        source = read_source(Path(path))
        if path.endswith(".toml"):
            table = read_table(source, "tool", "patchlang")
            return (table, ()) if table is not None else None
        documents = yamltree.parse(source)
        if len(documents) > 1:
            message = "a configuration must be one document"
            return None, (Diagnostic(rules.BAD_CONFIGURATION, message, documents[1].span, "remove the others"),)
        return documents[0] if documents else Mapping((), _start(source)), ()
    except PatchError as e:
        return None, (e.diagnostic,)


def _start(source: SourceFile) -> Span:
    return Span(source, 0, 0)


def _decoded(
    tree: Node | None, unread: tuple[Diagnostic, ...], folder: str
) -> tuple[Configuration, tuple[Diagnostic, ...]]:
    if tree is None:
        return Configuration(), unread
    if not isinstance(tree, Mapping):
        return Configuration(), (_wrong(f"a configuration must be a map, not {describe(tree)}", tree.span, _keys()),)
    reader = _Reader()
    given = {key.text: value for key, value in tree.entries}
    for key, _ in tree.entries:
        if key.text not in KEYS:
            reader.found.append(_wrong(f"unknown key `{key.text}`", key.span, did_you_mean(key.text, list(KEYS))))
    exclude = reader.texts(given.get("exclude"))
    configuration = Configuration(
        tuple(reader.rules(given["select"], to_ignore=False)) if "select" in given else None,
        tuple(reader.rules(given.get("ignore"), to_ignore=True)),
        excluding(folder, [text for text, _ in exclude]) if exclude else None,
        reader.kubevirt(given.get("kubevirt")),
        reader.libvirt(given.get("libvirt")),
    )
    return configuration, in_order(reader.found)


class _Reader:
    """Values of keys; ``found`` has their problems."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def texts(self, node: Node | None) -> list[tuple[str, Span]]:
        if node is None:
            return []
        if not isinstance(node, yamltree.Sequence):
            self.found.append(_wrong(f"expected a list, not {describe(node)}", node.span, "write it in `[ ]`"))
            return []
        return [found for item in node.items if (found := self._text(item))]

    def rules(self, node: Node | None, *, to_ignore: bool) -> Iterator[str]:
        for text, span in self.texts(node):
            id = meant(text)
            if id is None:
                self.found.append(_wrong(f"no rule `{text}`", span, _like_a_rule(text)))
            elif to_ignore and not can_be_left_out(id):
                message, help = not_to_ignore(text)
                self.found.append(_wrong(message, span, help))
            else:
                yield id

    def kubevirt(self, node: Node | None) -> str | None:
        written = self._text(node)
        if written is None or written[0] in releases():
            return written[0] if written else None
        self.found.append(_wrong(f"unknown KubeVirt `{written[0]}`", written[1], _known(releases())))
        return None

    def libvirt(self, node: Node | None) -> str | None:
        written = self._text(node)
        if written is None:
            return None
        version = NO_LIBVIRT if written[0] == NO_LIBVIRT else named(written[0])
        if version is None:
            help = _known([*versions(), NO_LIBVIRT])
            self.found.append(_wrong(f"unknown libvirt `{written[0]}`", written[1], help))
        return version

    def _text(self, node: Node | None) -> tuple[str, Span] | None:
        if node is None or isinstance(node, Scalar):
            return (node.text, node.span) if node is not None else None
        self.found.append(_wrong(f"expected text, not {describe(node)}", node.span, None))
        return None


def _like_a_rule(text: str) -> str:
    id = text.upper().replace("O", "0").replace("I", "1")
    help = did_you_mean(id if id.startswith("PL") else text, selectors())
    return help if help.startswith("did you mean") else "run `patchlang explain` for a list"


def _known(names: tuple[str, ...] | list[str]) -> str:
    return f"known: {', '.join(names)}"


def _keys() -> str:
    return f"keys: {', '.join(KEYS)}"


def _wrong(message: str, span: Span | None = None, help: str | None = None) -> Diagnostic:
    return Diagnostic(rules.BAD_CONFIGURATION, message, span, help)
