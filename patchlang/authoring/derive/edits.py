"""Turn changes into edits, the most readable ones first."""

from __future__ import annotations

from .changes import Kind
from .facts import Facts
from .groups import DEVICES, Edit, Group
from .merging import Merging
from .paths import Namespaces, path_of
from .singles import Singles, marked
from .telling import lines, texts_in


class Editing:
    """Creates the ways of groups."""

    def __init__(self, namespaces: Namespaces, facts: Facts) -> None:
        self._namespaces = namespaces
        self._facts = facts

    def ways(self, group: Group) -> list[list[Edit]]:
        """Lists of edits that make the changes of a group, each complete, the most readable first."""
        if (edit := self._qemu_args(group)) is not None:
            return [[self._finished(edit, group)]]
        singles = Singles(self._namespaces, loose=group.loose)
        ways = [singles.edits(group.changes)]
        if not any(change.kind in (Kind.SWAP, Kind.MOVE) for change in group.changes):
            ways.insert(0, Merging(self._namespaces, singles).edits(group.changes))
        found = [way for way in ways if way is not None]
        if group.whole is not None and len(group.root) > 1 and path_of(group.root) != path_of(DEVICES):
            replaced = [marked({"op": "replace", "path": path_of(group.root), "xml": [group.whole]}, group.root)]
            short = bool(found) and min((lines(way) for way in found), default=1000) > lines(replaced) + 1
            found.insert(0 if short else len(found), replaced)
        return [[self._finished(edit, group) for edit in self._inside(way, group)] for way in found if way]

    # -- the finish ----------------------------------------------------------------------------------------------------

    def _finished(self, edit: Edit, group: Group) -> Edit:
        if edit.pop("several", False):
            edit["expect"] = "0+" if group.loose or edit["op"] == "remove" else "1+"
        elif group.loose and (edit["op"] in ("set", "merge", "add", "replace", "within") or "in" in edit):
            edit["expect"] = "0..1"
        self._guard(edit, group.when)
        order = ["op", "in", "from", "path", "expect", "when", "unless", "keys", "position", "at", "value", "xml"]
        return {key: edit[key] for key in sorted(edit, key=lambda key: order.index(key) if key in order else 99)}

    def _guard(self, edit: Edit, when: str | None) -> None:
        """Give an edit its condition: the condition of its group, and that the fields that it reads exist."""
        needed = self._facts.needed(texts_in(edit))
        inner = edit.get("edits", [])
        if any(self._facts.needed(texts_in(one)) != needed for one in inner):
            needed = []
            for one in inner:
                self._guard(one, None)
        conditions = [when, *(one for one in needed if one != when), edit.get("when")]
        if any(conditions):
            edit["when"] = " && ".join(one for one in conditions if one)

    def _inside(self, edits: list[Edit], group: Group) -> list[Edit]:
        """Edits of one node below its path, if that is shorter."""
        base = path_of(group.root)
        if len(edits) < 3 or len(group.root) < 2 or base == path_of(DEVICES):
            return edits
        inner = []
        several = any(step.several for step in group.root)
        for edit in edits:
            key = "in" if "in" in edit else "from" if "from" in edit else "path"
            path = edit[key]
            if edit["op"] == "qemuArgs" or not (path == base or path.startswith(base + "/")):
                return edits
            inner.append({**edit, key: path[len(base) + 1 :] or "."})
            if inner[-1].get("in") == ".":
                del inner[-1]["in"]
            if several:
                inner[-1].pop("several", None)
        return [{"op": "within", "path": base, "edits": inner, **({"several": True} if several else {})}]

    # -- qemuArgs ------------------------------------------------------------------------------------------------------

    def _qemu_args(self, group: Group) -> Edit | None:
        if not all(change.kind in (Kind.ARGS, Kind.ENV) for change in group.changes):
            return None
        args = next((change.value for change in group.changes if change.kind is Kind.ARGS), None)
        env = {change.name: change.value for change in group.changes if change.kind is Kind.ENV}
        return {"op": "qemuArgs", **({"args": args} if args else {}), **({"env": env} if env else {})}
