"""Fidelity of user data: untouched entries keep their bytes and comments, and moved entries take them along."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import jsonpatch
import yaml

from patchlang.engine import patch_cloud_init
from patchlang.values import identical

from .. import laws, mutate, seeds
from ..target import Parts, Target
from . import cloudinit, patches

_LINE = re.compile(r"[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029])")
_TAIL = re.compile(r"(?:\r?\n[ \t]*+(?:#[^\r\n]*+)?+)*\Z")  # the next entry decides who owns those comments
_KEY = re.compile(r"[A-Za-z_]{3}[A-Za-z0-9_-]+")
_ABOUT = re.compile(r"# about \d+")
_REFERENCES = re.compile(r"[&*]\w|<<")  # an edit of a value with several references is several edits


def _make(random: Random) -> Parts:
    text = random.choice(cloudinit.user_data(False))
    if random.random() < 0.4:
        text = cloudinit.changed_yaml(random, text)
    if text.count("*") > 4 or random.random() < 0.7:  # a bomb of aliases has too many pointers
        text = _REFERENCES.sub("r", text)
    if random.random() < 0.5:
        text = _commented(random, text)
    if random.random() < 0.2:
        text = text.replace("\r", "").replace("\n", "\r\n")
    record = json.loads(seeds.NO_CLOUD_INIT) | {"UserData": text}
    found = _read(text)
    pointers = [*cloudinit.pointers(found)] if isinstance(found, dict) else [""]
    edits = [_edit(random, pointers, number) for number in range(random.randrange(1, 4))]
    return {"patch.yaml": patches.written(random, {}, "cloudInit", edits), "cloud-init.json": mutate.as_json(record)}


def _commented(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    for at in range(len(lines) - 1, 0, -1):
        if random.random() < 0.3:
            indent = re.match(r"[ ]*", lines[at])
            lines.insert(at, f"{indent[0] if indent else ''}# about {at}\n")
    changed = "".join(lines)
    return changed if identical(_read(changed), _read(text)) else text


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        return None


def _edit(random: Random, pointers: list[str], number: int) -> dict[str, Any]:
    at, target = random.choice(pointers), {"target": "userData"}
    top = random.choice(pointers).rpartition("/")[0]
    value = random.choice((1, "new", "0644", True, None, [], {}, ["a", {"b": [1]}], "two\nlines\n"))
    return random.choice((
        {"op": "move", **target, "from": at, "path": f"{at.rpartition('/')[0]}/new-{number}"},
        {"op": "move", **target, "from": at, "path": f"{top}/new-{number}"},
        {"op": "move", **target, "from": at, "path": f"{at.rpartition('/')[0]}/{random.choice('0-')}"},
        {"op": "copy", **target, "from": at, "path": f"/new-{number}"},
        {"op": "remove", **target, "path": at},
        {"op": "replace", **target, "path": at, "value": value},
        {"op": "add", **target, "path": f"{at}/{random.choice(('0', '-', f'new-{number}'))}", "value": value},
        {"op": "add", **target, "path": f"/new-{number}", "value": value},
    ))  # fmt: skip


def _check(parts: Parts) -> str:
    program = patches.loaded(parts)
    if program is None:
        return laws.REFUSED
    outcome = patch_cloud_init(program, parts["cloud-init.json"], b"", b"{}")
    laws.shown(outcome.diagnostics, refused=outcome.data is None)
    if outcome.data is None:
        return laws.REFUSED
    before: str = json.loads(parts["cloud-init.json"])["UserData"]
    after: str = json.loads(outcome.data)["UserData"]
    old = _read(before)
    doubled = Counter(_ABOUT.findall(after)) - Counter(_ABOUT.findall(before))
    laws.require(not doubled, "a comment is there once more than it was")
    if not before.startswith("#cloud-config") or not isinstance(old, dict) or _REFERENCES.search(before):
        return laws.RESULT
    edits = [
        {key: value for key, value in edit.items() if key != "target"}
        for edit in yaml.safe_load(parts["patch.yaml"])["spec"]["cloudInit"]
    ]
    try:
        wanted = jsonpatch.apply_patch(old, edits)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        wanted = None  # RFC 6902 supports less, and Python's implementation refuses in a different way
    new = _read(after)
    laws.require(wanted is None or identical(new, wanted), "the data are not as RFC 6902 says")
    _keeps(before, after, old, edits)
    return laws.RESULT


def _keeps(before: str, after: str, old: dict[Any, Any], edits: list[dict[str, Any]]) -> None:
    """Entries at the top keep their comments, in place or under their new key."""
    names: dict[str, str | None] = {str(key): str(key) for key in old}
    for edit in edits:
        places = [place for name in ("from", "path") if (place := edit.get(name)) is not None]
        if "" in places:
            return
        tops = [place.split("/")[1] for place in places]
        whole = edit["op"] == "move" and all(place.count("/") == 1 for place in places)
        if whole:
            names = {
                key: tops[1] if name == tops[0] else None if name == tops[1] else name for key, name in names.items()
            }
        elif edit["op"] != "copy":
            names = {key: None if name in tops else name for key, name in names.items()}
    for key, (comment, entry) in _entries(before):
        if (name := names.get(key)) is not None and _KEY.fullmatch(name):
            laws.require(comment + name + entry in after, "an entry that no edit reaches is not what it was")


def _entries(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """The entries of a map in block style: its plain keys, the comment right above each, and the text after the key."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, ValueError):
        return
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return
    if len({key.value for key, _ in root.value}) < len(root.value):  # only the last of several equal keys counts
        return
    for number, (key, value) in enumerate(root.value):
        start, end = key.start_mark.index, value.end_mark.index
        if key.style or not _KEY.fullmatch(key.value) or key.start_mark.column or text[start - 1 : start] != "\n":
            continue
        entry = _TAIL.sub("", text[key.end_mark.index : end]).rstrip()
        if not text.endswith("\n") and end >= len(text.rstrip()):
            continue  # a block text there gets another header, so that a line break after it means the same
        lines = _LINE.findall(text[:start])
        above = len(lines)
        while number and above and lines[above - 1].startswith("#"):
            above -= 1
        comment = "".join(lines[above:])
        yield key.value, (comment, entry)


TARGETS = (Target("fidelity", 8, _make, _check),)
