"""Whatever the edits: the data is as RFC 6902 requires, and each entry that stays keeps its own lines and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonpatch
import yaml
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from patchlang.cloudinit import jsonops, yamledit, yamlread
from patchlang.cloudinit.pointer import parse
from patchlang.values import identical

SCALARS = ("word{n}", "'quoted{n}'", '"double{n}"', "yes", "0644", "'a{n}: #b'", "~")
BLOCKS = (
    "|\n  text{n}\n",
    "|-\n  text{n}\n\n  more\n",
    ">\n  fold{n}\n  ed\n",
    "|+\n  keep{n}\n\n",
    "|2\n    deep{n}\n",
)
FLOWS = (
    "[f{n}, 'g{n}']", "{{x{n}: 1, y: 'yes'}}", "[]", "{{}}", "[[a{n}], {{b: c}}]", "[\n  h{n},  # h\n  # i\n  'i'\n  ]",
)  # fmt: skip


class Entry:
    """An entry of the model: its identity in the text, its original text, and whether edits reached inside."""

    def __init__(self, number: int, key: str | None) -> None:
        self.number, self.key = number, key
        self.text: str | None = None  # for a leaf
        self.kind: type[Any] = dict
        self.below: list[Entry] = []
        self.value: Any = None
        self.lines: list[str] = []
        self.touched = self.reached = False
        self.behind = False

    def data(self) -> Any:
        if self.text is not None:
            return self.value
        if self.kind is dict:
            return {entry.key: entry.data() for entry in self.below}
        return [entry.data() for entry in self.below]

    def all(self) -> Iterator[Entry]:
        for entry in self.below:
            yield entry
            yield from entry.all()

    def marker(self) -> str:
        if self.key is not None:
            return f"{self.key}:"
        return "- "


@st.composite
def documents(draw: st.DrawFn) -> tuple[Entry, str]:
    numbers = iter(range(10_000))
    dash = draw(st.sampled_from([0, 2]))
    anchors: list[tuple[str, Any]] = []

    def lines_of(entry: Entry, depth: int, lead: str) -> list[str]:
        """The entry's lines, starting at column 0. ``lead`` is the start of its first line."""
        n = entry.number
        entry.behind = draw(st.booleans())
        behind = f"  # behind {n}." if entry.behind else ""
        shape = draw(st.sampled_from(["scalar", "scalar", "block", "flow", "map", "list", "alias"]))
        if shape in ("map", "list") and depth < 3:
            entry.kind = dict if shape == "map" else list
            inner: list[str] = []
            for _ in range(draw(st.integers(1, 3))):
                m = next(numbers)
                below = Entry(m, f"k{m}" if entry.kind is dict else None)
                entry.below.append(below)
                above = [f"# above {m}."] if draw(st.booleans()) else []
                if entry.below[:-1] and draw(st.integers(0, 4)) == 0:
                    above.insert(0, "")
                inner += [*above, *lines_of(below, depth + 1, f"{below.key}:" if below.key else "-")]
            if entry.key is None and not inner[0].startswith("#") and not entry.behind and draw(st.booleans()):
                lines = [f"- {inner[0]}", *("  " + line if line else line for line in inner[1:])]
            else:
                columns = " " * (dash if entry.key and entry.kind is list else 2)
                lines = [lead + behind, *(columns + line if line else line for line in inner)]
        else:
            entry.text = draw(st.sampled_from({"block": BLOCKS, "flow": FLOWS}.get(shape, SCALARS))).format(n=n)
            if shape == "alias" and anchors:
                name, entry.value = draw(st.sampled_from(anchors))
                entry.text = f"*{name}"
            else:
                entry.value = yaml.safe_load("k: " + entry.text)["k"]
                if shape == "alias":
                    anchors.append((f"a{n}", entry.value))
                    entry.text = f"&a{n} {entry.text}"
            first, *rest = entry.text.removesuffix("\n").split("\n")
            lines = [f"{lead} {first}{behind}", *rest]
        entry.lines = lines
        return lines

    root = Entry(-1, None)
    text = ["#cloud-config", "# about it all", ""]
    for _ in range(draw(st.integers(1, 4))):
        n = next(numbers)
        entry = Entry(n, f"k{n}")
        root.below.append(entry)
        text += [f"# above {n}."] if draw(st.booleans()) else []
        text += lines_of(entry, 0, f"{entry.key}:")
    return root, "\n".join(text) + "\n"


def path_of(root: Entry, entry: Entry) -> str:
    if entry is root:
        return ""
    parent = parent_of(root, entry)
    step = entry.key if entry.key is not None else str(parent.below.index(entry))
    return f"{path_of(root, parent)}/{step}"


def parent_of(root: Entry, entry: Entry) -> Entry:
    return next(one for one in (root, *root.all()) if entry in one.below)


VALUES = st.sampled_from([1, "new", "0644", True, None, [], {}, ["a", {"b": [1]}], {"c": "two\nlines\n"}])


def new_entry(key: str | None, value: Any) -> Entry:
    entry = Entry(-2, key)
    entry.text, entry.value, entry.touched = "", value, True
    return entry


def mark(root: Entry, entry: Entry) -> None:
    """An edit reaches into a collection and all collections around it."""
    while entry is not root:
        entry.reached = True
        entry = parent_of(root, entry)


def step(root: Entry, draw: Any, number: int) -> dict[str, Any] | None:
    """One random edit, also applied to the model."""
    entries = list(root.all())
    containers = [one for one in (root, *entries) if one.text is None]
    op = draw(st.sampled_from(["add", "remove", "replace", "move", "move", "move", "copy", "ensure", "test"]))
    if op in ("remove", "replace", "test", "move", "copy") and not entries:
        return None
    entry = draw(st.sampled_from(entries)) if entries else root
    if op == "test":
        return {"op": "test", "path": path_of(root, entry), "value": entry.data()}
    if op == "replace":
        path, value = path_of(root, entry), draw(VALUES)
        mark(root, entry)
        entry.text, entry.value, entry.below, entry.touched = "", value, [], True
        return {"op": "replace", "path": path, "value": value}
    if op == "remove":
        path, parent = path_of(root, entry), parent_of(root, entry)
        if parent is root and len(root.below) == 1:
            return None
        mark(root, parent)
        parent.below.remove(entry)
        return {"op": "remove", "path": path}
    target = draw(st.sampled_from(containers))
    edit: dict[str, Any] = {"op": op}
    if op in ("move", "copy"):
        if op == "move" and (target is entry or target in entry.all()):
            return None
        edit["from"] = path_of(root, entry)
        value = entry.data()
        if op == "move":
            if parent_of(root, entry) is root and len(root.below) == 1 and target is not root:
                return None
            source = parent_of(root, entry)
            at = source.below.index(entry)
            source.below.remove(entry)
            if f"{path_of(root, target)}/".startswith(f"{edit['from']}/"):  # it looks like a move into itself
                source.below.insert(at, entry)
                return None
            mark(root, source)
            moved = entry
        else:
            moved = new_entry(None, value)
    else:
        value = draw(VALUES)
        edit["value"] = value
        moved = new_entry(None, value)
        at = -1
    mark(root, target)
    if target.kind is dict:
        key = f"n{number}"
        edit["path"] = f"{path_of(root, target)}/{key}"
        if op == "move" and moved.key is not None and source is target:
            target.below.insert(at, moved)
        else:
            target.below.append(moved)
        moved.key = key
        if op == "move":
            moved.reached = True
    else:
        index = len(target.below) if op == "ensure" else draw(st.integers(0, len(target.below)))
        edit["path"] = f"{path_of(root, target)}/{index if index < len(target.below) or op == 'ensure' else '-'}"
        moved.key = None
        target.below.insert(index, moved)
        moved.reached = moved.reached or op == "move"
    return edit


def applied(value: Any, edit: dict[str, Any]) -> Any:
    path = parse(edit["path"])
    match edit["op"]:
        case "test":
            jsonops.test(value, path, edit["value"])
            return value
        case "move" | "copy" as op:
            return getattr(jsonops, op)(value, parse(edit["from"]), path)
        case "remove":
            return jsonops.remove(value, path)
        case op:
            return getattr(jsonops, op)(value, path, edit["value"])


def run(text: str, edits: list[dict[str, Any]]) -> str:
    document = yamlread.read(text)
    value = document.value
    for edit in edits:
        value = applied(value, edit)
    result = yamledit.rewrite(document, value)
    assert identical(yaml.safe_load(result), value)
    return result


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(), st.integers(1, 6), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.data())
def test_entries_keep_their_text(
    made: tuple[Entry, str], count: int, break_: str, last_break: bool, data: st.DataObject
) -> None:
    root, text = made
    model = yaml.safe_load(text)
    assume(model == root.data())
    edits: list[dict[str, Any]] = []
    for number in range(count):
        edit = step(root, data.draw, number)
        if edit:
            edits.append(edit)
            if edit["op"] == "ensure":  # the target does not exist
                edit = {**edit, "op": "add"}
            model = jsonpatch.apply_patch(model, [edit])
    if not last_break:
        text = text.rstrip("\n")
        assume(identical(yaml.safe_load(text), yaml.safe_load(text + "\n")))
    note(f"{edits}\n{text}")
    result = run(text.replace("\n", break_), edits)
    note(result)
    assert yaml.safe_load(result) == model == root.data()
    assert set(re.findall(r"\r\n?|\n", result)) <= {break_}
    check(root, text, re.split(r"\r\n?|\n", result))


def check(root: Entry, text: str, lines: list[str]) -> None:
    assert lines[:2] == ["#cloud-config", "# about it all"]
    bare = [re.sub(r"^(- )+(?=# above)", "", line.strip()) for line in lines]
    aliased = "*a" in text
    for entry in root.all():
        if entry.number < 0:
            continue
        above = f"# above {entry.number}."
        if above in text:
            assert bare.count(above) == 1, above
            at = bare.index(above)
            following = next(line for line in lines[at + 1 :] if line.strip() and not line.strip().startswith("#"))
            assert (entry.key or "-") in following, (above, following)
        if entry.behind:
            (line,) = (line for line in bare if line.endswith(f"# behind {entry.number}."))
            assert entry.marker().strip() in line, line
        if not entry.touched and not entry.reached and not any(e.touched or e.reached for e in entry.all()):
            if aliased and any("*" in (e.text or "") or "&" in (e.text or "") for e in (entry, *entry.all())):
                continue
            own = [line.strip() for line in entry.lines]
            joined = "\n".join(bare)
            assert "\n".join(own) in joined, (own, bare)
