"""Advice on patches that interact: two of a set that write the same place, one that no test applies."""

from __future__ import annotations

import os.path
from collections.abc import Collection, Iterable, Iterator, Sequence

from .. import rules
from ..cel.tree import Node
from ..diagnostics import Diagnostic, Severity
from ..document import model
from ..document.model import Role
from ..record import record
from ..source import Span, Text
from ..xpath.tree import Binary, Expr, Literal, Path, Step, VariableRef, walk
from .guards import variables_of
from .reading import advice, constant, locations, tree
from .roles import texts
from .truth import Steps

_WORDS = {
    Role.VALUE: "sets",
    Role.REMOVES: "removes",
    Role.REPLACES: "replaces",
    Role.RENAMES: "renames",
}


@record
class _Write:
    """One place that an edit writes: how, its normalized path, its new text if that can be compared."""

    patch: model.Patch
    role: Role
    path: Steps
    value: str | None
    span: Span
    conditions: tuple[Node, ...]


# limit of others to compare each write with: mutually exclusive conditions take time to read
_MOST = 50
# limit of patches named per file
_NAMED = 8


def same_place(patches: Sequence[model.Patch]) -> Iterator[Diagnostic]:
    """Two patches that write the same place, so that their order decides its final value.

    The same path, except for its layout, and another value; or one removes what the other changes. Patches with
    mutually exclusive conditions never conflict.
    """
    # by their paths, and by all paths above them, so that each is compared with few others
    at: dict[Steps, list[_Write]] = {}
    below: dict[Steps, list[_Write]] = {}
    for patch in sorted(patches, key=lambda patch: patch.spec.priority):
        writes = list(_writes(patch))
        for later in writes:
            above = [one for end in range(1, len(later.path)) for one in at.get(later.path[:end], ())[-_MOST:]]
            near = (*at.get(later.path, ())[-_MOST:], *above, *below.get(later.path, ())[-_MOST:])
            earlier = next((one for one in near if _clash(one, later)), None)
            if earlier is not None:
                yield _finding(earlier, later)
        for write in writes:
            at.setdefault(write.path, []).append(write)
            for end in range(1, len(write.path)):
                below.setdefault(write.path[:end], []).append(write)


def _writes(patch: model.Patch) -> Iterator[_Write]:
    variables = variables_of(patch)
    for edit in patch.spec.domain:
        found = list(_written(edit))
        if found:
            whens = [variables.condition(when.text) for when in (patch.spec.when, edit.when) if when is not None]
            conditions = tuple(when for when in whens if when is not None)
            spans = {id(path): path.span() for path in dict.fromkeys(path for _, path, _, _ in found)}
            for role, path, steps, value in found:
                yield _Write(patch, role, steps, value, spans[id(path)], conditions)


def _written(edit: model.DomainEdit) -> Iterator[tuple[Role, Text, Steps, str | None]]:
    """How an edit writes, and with which path; the normalized path; the new text, if that can be compared."""
    selected = texts(edit, model.XPath, Role.CHANGES)
    made = texts(edit, model.ConstructivePath, Role.MAKES)
    starts = [steps for path in selected for steps in _steps(path.text)] if selected else [()]
    # what is created without a value, others may also create
    for text in texts(edit, model.Template, Role.VALUE):
        for path in made or selected:
            below = _steps(path.text)
            found = [start + steps for start in starts for steps in below] if made else below
            yield from ((Role.VALUE, path, steps, _value(text)) for steps in found)
    fragment = next(iter(texts(edit, model.Fragment, Role.INSERTS)), None)
    for role in (Role.REMOVES, Role.REPLACES, Role.RENAMES):
        for path in texts(edit, model.XPath, role):
            value = _value(fragment) if role is Role.REPLACES else None
            yield from ((role, path, steps, value) for steps in _steps(path.text))


def _value(text: Text | None) -> str | None:
    """What distinguishes values: the text, unless what it computes depends on the patch or on the old value."""
    if text is None or (constant(text) is None and ("variables" in text.text or "node" in text.text)):
        return None
    return text.text


def _steps(text: str) -> list[Steps]:
    """The normalized steps of each path of a union; none for paths with variables, which belong to the patch."""
    read = tree(text)
    if read is None or any(isinstance(part, VariableRef) for part in walk(read)):
        return []
    return [tuple(_step(step, text) for step in path.steps) for path in locations(read)]


def _step(step: Step, text: str) -> str:
    predicates = sorted(_form(part, text) for predicate in step.predicates for part in _conjuncts(predicate))
    axis = "" if step.axis == "child" else "@" if step.axis == "attribute" else f"{step.axis}::"
    return axis + step.test + "".join(f"[{predicate}]" for predicate in predicates)


def _conjuncts(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, Binary) and expr.operator == "and":
        yield from _conjuncts(expr.left)
        yield from _conjuncts(expr.right)
    else:
        yield expr


def _form(expr: Expr, text: str) -> str:
    """A predicate without white space, with one kind of quotes."""
    match expr:
        case Literal(value=value):
            return repr(value)
        case Binary(operator=operator, left=left, right=right):
            return f"{_form(left, text)} {operator} {_form(right, text)}"
        case Path(base=None, steps=steps):
            return ("/" if expr.absolute else "") + "/".join(_step(step, text) for step in steps)
        case _:
            return " ".join(text[expr.start : expr.end].split())


def _clash(one: _Write, other: _Write) -> bool:
    if one.role is other.role is Role.REMOVES:
        return False
    takers = [write for write in (one, other) if write.role is not Role.VALUE]
    clash = one.path == other.path or any(
        below.path[: len(taker.path)] == taker.path for taker in takers for below in (one, other) if below is not taker
    )
    same = one.path == other.path and one.value is not None and one.value == other.value
    return clash and not (same and one.role is other.role) and _meet(one, other)


def _meet(one: _Write, other: _Write) -> bool:
    """Whether both edits may run for one VM: their conditions are not mutually exclusive."""
    from . import celtruth

    return celtruth.truth_of_all((*one.conditions, *other.conditions)) is not False


def _finding(earlier: _Write, later: _Write) -> Diagnostic:
    name, other = later.patch.metadata.name.text, earlier.patch.metadata.name.text
    verbs = _WORDS[later.role], _WORDS[earlier.role]
    first, second = earlier.patch.spec.priority, later.patch.spec.priority
    why = f"priority {first} before {second}" if first != second else "by file name and position"
    message = f"patch `{other}` {verbs[1]} what this one {verbs[0]}; it runs first ({why}), so `{name}` wins"
    help = "merge the two patches, or give them mutually exclusive conditions"
    return advice(later.patch, rules.SAME_PLACE, message, later.span, help, ((earlier.span, f"patch {other}"),))


def untested(patches: Iterable[tuple[str, Span]], tested: Collection[str]) -> Iterator[Diagnostic]:
    """Patches that no test applies, in folders where others are tested; reported once per file.

    ``patches`` are names, each with its place; ``tested`` are the files and folders that the tests name, as real paths.
    """
    folders = {*tested, *(os.path.dirname(path) for path in tested)}
    files: dict[str, list[tuple[str, Span]]] = {}
    for name, span in patches if tested else ():
        files.setdefault(span.source.name, []).append((name, span))
    for file, held in files.items():
        from pathlib import PurePath

        path = PurePath(os.path.realpath(file))
        if str(path.parent) in folders and not any(str(place) in tested for place in (path, *path.parents)):
            names = [name for name, _ in held]
            one = len(names) == 1
            help = f"write a test of {'it' if one else 'them'} (`kind: PatchTest`): it replays every run of a boot"
            listed = ", ".join(f"`{name}`" for name in names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            message = f"other patches of this folder are tested, but no test applies {listed}"
            yield Diagnostic(rules.UNTESTED, message, held[0][1], help, Severity.ADVICE, names[0] if one else None)
