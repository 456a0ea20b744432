"""What an edit leaves behind, as far as its text tells: names that it makes, facts about the nodes it matched."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from .. import model
from ..compile import BUILT_IN_NAMESPACES
from ..diagnostics import PatchError
from ..fragment import compile_fragment
from ..mergekeys import MERGE_KEYS
from ..source import Text
from ..template import Computed
from ..xpathtree import Path, Step
from .guards import Zone, zone_of, zone_of_names
from .reading import constant, locations, names, template, tree
from .truth import Facts, State, Steps

# elements of which there are several in one place, besides those that `merge` tells apart by a key
_LISTS = frozenset({"qemu:arg", "initarg"})
_COMPUTED = "\ue000"

Known = dict[Steps, str | State]


def fragment_roots(patch: model.Patch, edit: model.DomainEdit) -> list[etree._Element]:
    """The elements of an edit's fragment, computed values as marks; none where it has no readable fragment."""
    source = getattr(edit, "xml", None)
    if not isinstance(source, Text):
        return []
    try:
        # nothing is computed: an expression stands for itself
        program = compile_fragment(source, namespaces(patch), lambda text: text)  # type: ignore[arg-type, return-value]
    except PatchError:
        return []
    return [node for node in program.root if isinstance(node.tag, str)]


def namespaces(patch: model.Patch) -> dict[str, str]:
    return {**BUILT_IN_NAMESPACES, **{prefix.text: uri.text for prefix, uri in patch.spec.namespaces}}


def prefixed(patch: model.Patch, clark: str) -> str:
    """A name of the fragment as an XPath of the patch writes it."""
    uri, _, local = clark[1:].partition("}") if clark.startswith("{") else ("", "", clark)
    prefix = next((p for p, u in namespaces(patch).items() if u == uri), None) if uri else None
    return f"{prefix}:{local}" if prefix else local


def roots(patch: model.Patch, edit: model.DomainEdit) -> list[str]:
    """The names of the elements that an edit puts somewhere."""
    if isinstance(edit, model.Copy | model.Move):
        found = tree(edit.source.text)
        return [path.steps[-1].test for path in locations(found) if path.steps] if found else []
    return list(dict.fromkeys(prefixed(patch, str(node.tag)) for node in fragment_roots(patch, edit)))


def inserted(patch: model.Patch, edit: model.DomainEdit) -> list[Steps]:
    """The paths, as names from the root, of what ``add`` and ``copy`` put into the domain."""
    if not isinstance(edit, model.Add | model.Copy | model.Move) or (read := tree(edit.path.text)) is None:
        return []
    beside = edit.position in (model.Position.BEFORE, model.Position.AFTER)
    parents = [names(path.steps[:-1] if beside else path.steps) for path in locations(read)]
    return [(*parent, root) for parent in parents if parent is not None for root in roots(patch, edit)]


def target(edit: model.DomainEdit) -> model.XPath | None:
    """The path whose nodes are counted."""
    match edit:
        case model.Ensure():
            return edit.within
        case model.Move() | model.Copy():
            return edit.source
        case _:
            path = getattr(edit, "path", None)
            return path if isinstance(path, model.XPath) else None


def zone(patch: model.Patch, edit: model.DomainEdit) -> Zone:
    """The part of the domain that an edit changes."""
    if isinstance(edit, model.QemuArgs):
        return Zone.ELSEWHERE
    if places := inserted(patch, edit):
        zones = {zone_of_names(place) for place in places}
        return zones.pop() if len(zones) == 1 else Zone.UNKNOWN
    path = edit.path if isinstance(edit, model.Ensure) and edit.within is None else target(edit)
    read = tree(path.text) if path is not None else None
    zones = {zone_of(names(found.steps) or (), found) for found in locations(read)} if read else set()
    return zones.pop() if len(zones) == 1 else Zone.UNKNOWN


def made_names(patch: model.Patch, edit: model.DomainEdit) -> set[str]:
    """Names of elements and attributes (with ``@``) that the edit makes or may make."""
    found: set[str] = set(roots(patch, edit))
    for root in fragment_roots(patch, edit):
        for node in root.iter(etree.Element):
            found.add(prefixed(patch, str(node.tag)))
            found.update(f"@{prefixed(patch, str(name))}" for name in node.attrib)
    match edit:
        case model.Set(path=path):
            found.update(last_names(path))
        case model.Ensure(path=path):
            read = tree(path.text)
            for place in locations(read) if read else ():
                found.update(names(place.steps) or ())
        case model.Rename(to=to):
            found |= {to.text, f"@{to.text}"}
        case _:
            pass
    return found


def last_names(path: Text) -> Iterator[str]:
    """The names of what a path leads to."""
    read = tree(path.text)
    for place in locations(read) if read else ():
        yield from (names(place.steps) or ())[-1:]


def facts_after(patch: model.Patch, edit: model.DomainEdit) -> Known:
    """What is known of each node that the edit matched, once it is done: relative names → text or state."""
    known: Known = {}
    match edit:
        case model.Set(value=value):
            known[()] = _text(value)
        case model.Ensure(within=model.XPath(), path=path):
            read = tree(path.text)
            for place in locations(read) if read else ():
                known |= _of_build_path(place, edit.value)
        case model.Add(position=model.Position.APPEND | model.Position.PREPEND):
            known |= {(name,): State.PRESENT for name in roots(patch, edit)}
        case model.Merge():
            for root in fragment_roots(patch, edit):
                known |= _of_element(patch, root, (), single=not edit.keys and not _is_list(patch, root, ""))
        case _:
            pass
    return known


def _text(value: Text | None) -> str | State:
    text = constant(value)
    return State.PRESENT if text is None else text


def _of_build_path(place: Path, value: Text | None) -> Known:
    steps = names(place.steps)
    if steps is None:
        return {}
    known: Known = {steps[:end]: State.PRESENT for end in range(1, len(steps) + 1)}
    if value is not None and not any(step.predicates for step in place.steps):
        known[steps] = _text(value)
    return known


def _of_element(patch: model.Patch, node: etree._Element, above: Steps, *, single: bool) -> Known:
    here = (*above, prefixed(patch, str(node.tag)))
    children = [child for child in node if isinstance(child.tag, str)]
    own = State.PRESENT if children or not single else _constant(node.text or "")
    known: Known = {here: own}
    for name, value in node.attrib.items():
        known[(*here, f"@{prefixed(patch, str(name))}")] = _constant(str(value)) if single else State.PRESENT
    for child in children:
        alone = single and not _is_list(patch, child, here[-1])
        known |= _of_element(patch, child, here, single=alone)
    return known


def _constant(text: str) -> str | State:
    return State.PRESENT if _COMPUTED in text else text


def _is_list(patch: model.Patch, node: etree._Element, parent: str) -> bool:
    name = prefixed(patch, str(node.tag))
    alike = [*node.itersiblings(node.tag), *node.itersiblings(node.tag, preceding=True)]
    return bool(alike) or is_list(name, parent)


def is_list(name: str, parent: str) -> bool:
    """Whether a domain may hold several elements of a name in one parent (``""``: whichever)."""
    if name in _LISTS or name in MERGE_KEYS:
        return True
    return f"{parent}/{name}" in MERGE_KEYS if parent else any(key.endswith(f"/{name}") for key in MERGE_KEYS)


def replacement_facts(patch: model.Patch, root: etree._Element) -> Facts:
    """All that is known of an element that a fragment brings."""
    known = _of_element(patch, root, (), single=True)
    return Facts({steps[1:]: value for steps, value in known.items()}, complete=True)


def steps_above(path: Path) -> Iterator[tuple[Step, Steps]]:
    """The steps of a path from its end, each with the names from it down to the end, as far up as those are single."""
    below: Steps = ()
    for at in range(len(path.steps) - 1, -1, -1):
        step = path.steps[at]
        yield step, below
        name = names((step,))
        if not name or (step.axis == "child" and is_list(step.test, path.steps[at - 1].test if at else "")):
            return
        below = (*name, *below)


def computed_parts(text: Text) -> list[str]:
    """The expressions in a template."""
    return [piece.expression.text for piece in template(text) if isinstance(piece, Computed)]
