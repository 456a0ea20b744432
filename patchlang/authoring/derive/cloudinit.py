"""Turn the differences between cloud-init data before and after a hook into edits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any

from ...cloudinit.state import CloudInit, open_cloud_init
from ...diagnostics import Diagnostic
from ...patterns import pattern
from ...record import replace
from . import proof, writing
from .conditions import Source, condition, conditions
from .deriving import Derived
from .facts import Facts
from .meaning import TEXTS, said_of
from .proof import Fault
from .samples import Sample
from .telling import texts_in
from .values import text_of, texts_of

_NAMES = ("name", "path", "id", "filename", "device", "mac_address")
"""Members that distinguish the maps of a list."""
_MOST_TRIED = 40
"""How many edits are tried to be omitted."""
_ELEMENT = pattern(r"/(?:-$|\[)")
Edit = dict[str, Any]


def derive_cloud_init(samples: Sequence[Sample], name: str) -> Derived:
    """The patch for CloudInitData. Raises PatchError if a sample cannot be read (PL505 and others)."""
    lists = {found for sample in samples for edit, _ in _differences(sample) for found in _lists_in(edit)}
    derived = _derived(samples, name, lists)
    if derived.text is None and lists:
        whole = _derived(samples, name, frozenset())
        return derived if whole.text is None else whole
    return derived


def _derived(samples: Sequence[Sample], name: str, lists: Set[tuple[str, str]]) -> Derived:
    """The patch, with edits of single elements of these lists, each given by its target and path."""
    facts = Facts([sample.document for sample in samples])
    rows: dict[str, dict[int, Any]] = {}
    edits: dict[str, Edit] = {}
    order: list[str] = []
    for number, sample in enumerate(samples):
        keys = []
        for edit, value in (one for seen in _differences(sample) for one in _by_element(*seen, lists)):
            # several entries may come to the end of one list
            keys.append(json.dumps([edit, value if edit["path"].endswith("/-") else None], sort_keys=True))
            edits[keys[-1]] = edit
            rows.setdefault(keys[-1], {})[number] = value
        order = _in_order(order, keys)
    found: list[Edit] = []
    for key in order:
        found += _edits(edits[key], rows[key], facts, len(samples))
    whens = {edit.get("when") for edit in found}
    if len(samples) > 1 and (len(whens) > 1 or None in whens):
        plain = _needed([_guarded(_without_idle_condition(edit, samples), facts) for edit in found], samples)
        found = found if any(proof.differs(_text(name, plain), samples)) else plain
    text = _text(name, found)
    faults = [*proof.differs(text, samples)] or [
        Fault(None, f"{one.message} ({one.rule.id})")
        for one in proof.findings(writing.with_ignores(text, proof.findings(text)))
    ]
    faults = faults or [*proof.unstable(text, samples)]
    if faults:
        return Derived(None, tuple(faults))
    return Derived(writing.with_ignores(text, proof.findings(text)), remarks=tuple(facts.assumed(text)))


def _in_order(known: Sequence[str], keys: Sequence[str]) -> list[str]:
    """All keys in one order, in which new ones are before those that follow them."""
    found = [*known]
    at = len(found)
    for key in reversed(keys):
        if key in known:
            at = found.index(key)
        elif key not in found:
            found.insert(at, key)
    return found


def _needed(edits: Sequence[Edit], samples: Sequence[Sample]) -> list[Edit]:
    """The edits without those whose work another edit does in all samples, and without those that undo such work."""
    found = [*edits]
    for edit in edits[:_MOST_TRIED]:
        rest = [one for one in found if one is not edit]
        if rest and not any(proof.differs(_text("x", rest), samples)):
            found = rest
    return found


def _without_idle_condition(edit: Edit, samples: Sequence[Sample]) -> Edit:
    """The edit without its condition, if it changes nothing in the samples that the hook changed in another way."""
    if "when" not in edit:
        return edit
    alone = {key: value for key, value in edit.items() if key != "when"}
    program = proof.compiled(_text("x", [alone]))
    if isinstance(program, Diagnostic):
        return edit
    for sample in samples:
        later = replace(sample, before=sample.after)
        first, made = proof.outcome(program, sample), proof.outcome(program, later)
        if isinstance(first, Diagnostic) or isinstance(made, Diagnostic) or sample.differences(made):
            return edit
    return alone


def _text(name: str, edits: Sequence[Edit]) -> str:
    spec: dict[str, Any] = {}
    conditions = {edit.get("when") for edit in edits}
    if len(conditions) == 1 and None not in conditions:
        spec["when"] = conditions.pop()
        edits = [{key: value for key, value in edit.items() if key != "when"} for edit in edits]
    return writing.patch(name, {**spec, "cloudInit": [*edits]}, {})


def _edits(edit: Edit, values: Mapping[int, Any], facts: Facts, count: int) -> Iterator[Edit]:
    """The edits of one place: one with a computed value, or one for each value."""
    if edit["op"] == "remove":
        yield _when(edit, [*values], facts, count)
        return
    made = _computed(values, facts)
    if made is not _NOTHING:
        yield _guarded(_with(_when(edit, [*values], facts, count), made), facts)
        return
    apart: dict[str, list[int]] = {}
    for number, value in values.items():
        apart.setdefault(json.dumps(value, sort_keys=True), []).append(number)
    for numbers in apart.values():
        yield _with(_when(edit, numbers, facts, count), values[numbers[0]])


def _guarded(edit: Edit, facts: Facts) -> Edit:
    """The edit with the condition that the fields that it reads exist."""
    conditions = [edit.get("when"), *(one for one in facts.needed(texts_in(edit)) if one != edit.get("when"))]
    if not any(conditions):
        return edit
    made: Edit = {key: edit[key] for key in ("value", "content") if key in edit}
    start: Edit = {key: value for key, value in edit.items() if key not in made}
    return {**start, "when": " && ".join(one for one in conditions if one), **made}


def _with(edit: Edit, value: Any) -> Edit:
    if edit["op"] != "addPart":
        return {**edit, "value": value}
    return {**{key: one for key, one in edit.items() if key != "path"}, "content": value}


def _when(edit: Edit, having: Sequence[int], facts: Facts, count: int) -> Edit:
    lacking = [number for number in range(count) if number not in having]
    if not lacking:
        return dict(edit)
    found = (
        condition(facts, having, lacking, facts.used, Source.FLAGS)
        or condition(facts, having, lacking, facts.used)
        or condition(facts, having, lacking, source=Source.ALL)
        or conditions(facts, having, lacking, facts.used)
    )
    return {**edit, "when": found} if found else dict(edit)


_NOTHING = object()


def _computed(values: Mapping[int, Any], facts: Facts) -> Any:
    """One value for all samples, computed from the VMI where it differs; ``_NOTHING`` if there is none."""
    kinds = {type(value) for value in values.values()}
    first = next(iter(values.values()))
    if kinds == {str}:
        text = text_of(facts, dict(values))
        return _NOTHING if text is None else text
    if all(value == first for value in values.values()) and len(kinds) == 1 and not isinstance(first, (dict, list)):
        return first
    if kinds == {int}:
        text = text_of(facts, {number: str(value) for number, value in values.items()})
        return _NOTHING if text is None else text
    if kinds == {dict} and len({tuple(value) for value in values.values()}) == 1:
        made = {key: _computed({n: value[key] for n, value in values.items()}, facts) for key in first}
        return _NOTHING if any(one is _NOTHING for one in made.values()) else made
    if kinds == {list}:
        if all(isinstance(one, str) for value in values.values() for one in value):
            texts = texts_of(facts, dict(values))
            return _NOTHING if texts is None else texts
        if len({len(value) for value in values.values()}) == 1:
            row = [_computed({n: value[at] for n, value in values.items()}, facts) for at in range(len(first))]
            return _NOTHING if any(one is _NOTHING for one in row) else row
    return _NOTHING


# -- the differences of one sample -------------------------------------------------------------------------------------


def _lists_in(edit: Edit) -> Iterator[tuple[str, str]]:
    """The target and path of each list in which an edit changes single elements."""
    for found in _ELEMENT.finditer(edit["path"]):
        yield edit.get("target", ""), edit["path"][: found.start()]


def _by_element(edit: Edit, value: Any, lists: Set[tuple[str, str]]) -> list[tuple[Edit, Any]]:
    """An edit that makes a new list as edits of its elements, if other samples have such edits."""
    if edit["op"] != "ensure" or not isinstance(value, list) or (edit.get("target", ""), edit["path"]) not in lists:
        return [(edit, value)]
    found = _of_list([], value, edit["path"], partial(_edit, edit.get("target"), edit.get("part")))
    return [(edit, value)] if found is None else found


def _differences(sample: Sample) -> Iterator[tuple[Edit, Any]]:
    before, after = (open_cloud_init(data) for data in (sample.before, sample.after))
    old, new = before.facts(), after.facts()
    for key, name in TEXTS.items():
        one, other = old.get(name) or {}, new.get(name) or {}
        if said_of(one) == said_of(other):
            continue
        if key == "UserData" and "parts" in other and "parts" not in one:
            one = _wrapped(before)
        yield from _of_text(key, name, one, other, after.record.get(key))
    one, other = ({k: v for k, v in state.record.items() if k not in TEXTS} for state in (before, after))
    yield from _of_value(one, other, "", partial(_edit, None, None))


def _wrapped(before: CloudInit) -> dict[str, Any]:
    """The facts about user data as the message that `addPart` turns it into, without the added part."""
    message: dict[str, Any] = before.with_part("text/plain", "", "added").facts()["userData"]
    return {**message, "parts": message["parts"][:-1]}


def _of_text(
    key: str, target: str, before: Mapping[str, Any], after: Mapping[str, Any], text: object
) -> Iterator[tuple[Edit, Any]]:
    is_alike = all(before.get(name) == after.get(name) for name in ("format", "jinja"))
    is_new = not (before.get("text") or "").strip() and "value" in after
    if "value" in after and ("value" in before or is_new) and (is_alike or is_new):
        yield from _of_value(before.get("value") or {}, after["value"], "", partial(_edit, target, None))
        return
    if "parts" in before and "parts" in after and (found := _of_parts(before["parts"], after["parts"])) is not None:
        yield from found
        return
    yield {"op": "replace", "path": f"/{key}"}, text


def _of_parts(before: Sequence[Any], after: Sequence[Any]) -> list[tuple[Edit, Any]] | None:
    """Edits of parts.

    None if a part is gone, a new part has no name, another part has its place, or anything that is not read differs.
    """
    found: list[tuple[Edit, Any]] = []
    if len(after) < len(before) or not all(part.get("filename") for part in after[len(before) :]):
        return None
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        names = {key: one[key] for key in ("contentType", "filename") if key in one}
        if names != {key: other[key] for key in ("contentType", "filename") if key in other}:
            return None
        if {k: v for k, v in one.items() if k != "text" or "value" not in one} == {
            k: v for k, v in other.items() if k != "text" or "value" not in other
        }:
            continue
        alone = sum(part["contentType"] == one["contentType"] for part in before) == 1
        part = {"contentType": one["contentType"]} if alone else names
        if sum(all(p.get(k) == v for k, v in part.items()) for p in before) != 1 or number != before.index(one):
            return None
        if "value" not in one or "value" not in other:
            return None
        found += _of_value(one["value"], other["value"], "", partial(_edit, "userData", part))
    for part in after[len(before) :]:
        added = {key: part[key] for key in ("contentType", "filename")}
        found.append(({"op": "addPart", **added, "path": ""}, part.get("text", "")))
    return found


def _edit(target: str | None, part: Mapping[str, str] | None, op: str, path: str, **more: str) -> Edit:
    return {
        "op": op,
        **({"target": target} if target else {}),
        **({"part": dict(part)} if part else {}),
        "path": path,
        **more,
    }


def _of_value(before: Any, after: Any, path: str, edit: Any) -> Iterator[tuple[Edit, Any]]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [key for key in before if key not in after]:
            yield edit("remove", f"{path}/{_token(key)}", expect="0..1"), None
        for key, value in after.items():
            inner = f"{path}/{_token(key)}"
            if key in before:
                yield from _of_value(before[key], value, inner, edit)
            else:
                yield edit("ensure", inner), value
        return
    if isinstance(before, list) and isinstance(after, list):
        found = _of_list(before, after, path, edit)
        if found is not None:
            yield from found
            return
    yield edit("ensure", path) if path else edit("replace", ""), after


def _of_list(before: list[Any], after: list[Any], path: str, edit: Any) -> list[tuple[Edit, Any]] | None:
    """Edits of single elements; None if they would not lead to the new list, or not when they run again."""
    name = next((n for n in _NAMES if all(_is_named(before + after, n, one) for one in before + after)), None)
    found: list[tuple[Edit, Any]] = []
    if name is not None:
        old, new = ({one[name]: one for one in values if isinstance(one, dict)} for values in (before, after))
        left = {_said_by(one, name) for one in after}
        order = [_said_by(one, name) for one in before if _said_by(one, name) in left]
        if [_said_by(one, name) for one in after][: len(order)] != order or any("]" in key for key in (*old, *new)):
            return None
        for one in before:
            key = _said_by(one, name)
            if not any(_said_by(other, name) == key for other in after):
                step = f"[{name}={key[1:]}]" if isinstance(one, dict) else f"[={one}]"
                found.append((edit("remove", f"{path}/{step}", expect="0..1"), None))
            elif isinstance(one, dict):
                found += _of_value(one, new[one[name]], f"{path}/[{name}={one[name]}]", edit)
        for one in after[len(order) :]:
            if isinstance(one, dict):
                rest = {key: value for key, value in one.items() if key != name}
                found.append((edit("ensure", f"{path}/[{name}={one[name]}]"), rest))
            else:
                found.append((edit("ensure", f"{path}/-"), one))
        return found
    kept = [one for one in before if one in after]
    gone = [one for one in before if one not in after]
    if any(not isinstance(one, str) or "]" in one or before.count(one) > 1 for one in gone):
        return None
    new_ones = [one for one in after if one not in before]
    if len(set(map(repr, after))) != len(after):
        return None
    found += [(edit("remove", f"{path}/[={one}]", expect="0..1"), None) for one in gone]
    if after == kept + new_ones:
        return found + [(edit("ensure", f"{path}/-"), one) for one in new_ones]
    if after == new_ones + kept:
        return found + [(edit("ensure", f"{path}/-", position="prepend"), one) for one in reversed(new_ones)]
    return None


def _is_named(values: Sequence[Any], name: str, one: Any) -> bool:
    """Whether a value is a text, or a map with its own name; some are."""
    if isinstance(one, str):
        return any(isinstance(value, dict) for value in values)
    return isinstance(one, dict) and isinstance(one.get(name), str)


def _said_by(one: Any, name: str) -> str:
    return f"={one[name]}" if isinstance(one, dict) else f" {one}"


def _token(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
