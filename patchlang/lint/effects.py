"""The result of an edit, as far as its text tells: names that it creates, facts about the nodes it matched."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ..cel.template import ComputedPiece
from ..compile import BUILT_IN_NAMESPACES
from ..diagnostics import PatchError
from ..document import model
from ..document.model import Role
from ..libvirt_lists import MERGE_KEYS
from ..source import Text
from ..xpath.tree import Path, Step
from .guards import Zone, zone_of, zone_of_names
from .reading import constant, locations_of, names, template
from .roles import adds, anchors, has, is_beside, parts, selecting, texts
from .truth import NodeFacts, Presence, Steps

# elements that may repeat in one place, besides those that `merge` distinguishes by key
_LISTS = frozenset({"qemu:arg", "initarg"})
_COMPUTED = "\ue000"

Known = dict[Steps, str | Presence]


def fragment_roots(patch: model.Patch, edit: model.DomainEdit, *, certain: bool = False) -> list[etree._Element]:
    """The elements of an edit's fragments, with marks for computed values; none of an unreadable fragment."""
    fragments = texts(edit, model.Fragment, Role.INSERTS, Role.MERGES)
    return [node for xml in fragments for node in _elements(patch, xml, certain=certain)]


def _elements(patch: model.Patch, xml: model.Fragment, *, certain: bool = False) -> list[etree._Element]:
    """The elements of a fragment; those ``certain`` to exist have no directive, on themselves or around them."""
    from ..domain.written import read_fragment

    try:
        written = read_fragment(xml, namespaces(patch))
    except PatchError:
        return []
    for node in written.directives if certain else ():
        if (parent := node.getparent()) is not None:
            parent.remove(node)
    return [node for node in written.root if isinstance(node.tag, str)]


def namespaces(patch: model.Patch) -> dict[str, str]:
    return {**BUILT_IN_NAMESPACES, **{prefix.text: uri.text for prefix, uri in patch.spec.namespaces}}


def prefixed(patch: model.Patch, clark: str) -> str:
    """A name of the fragment as the patch's XPaths write it."""
    uri, _, local = clark[1:].partition("}") if clark.startswith("{") else ("", "", clark)
    prefix = next((p for p, u in namespaces(patch).items() if u == uri), None) if uri else None
    return f"{prefix}:{local}" if prefix else local


def roots(patch: model.Patch, edit: model.DomainEdit, *, certain: bool = False) -> list[str]:
    """The names of the elements that an edit inserts, or is ``certain`` to insert."""
    brought = [path for text in texts(edit, model.XPath, Role.MOVES, Role.COPIES) for path in locations_of(text)]
    built = dict.fromkeys(prefixed(patch, str(node.tag)) for node in fragment_roots(patch, edit, certain=certain))
    return [*(path.steps[-1].test for path in brought if path.steps), *built]


def inserted(patch: model.Patch, edit: model.DomainEdit) -> list[Steps]:
    """The paths, as names from the root, of new content in the domain."""
    if not adds(edit) and not has(edit, Role.GOAL):
        return []
    found = [path for text in anchors(edit) for path in locations_of(text)]
    parents = [names(path.steps[:-1] if is_beside(edit) else path.steps) for path in found]
    return [(*parent, root) for parent in parents if parent is not None for root in roots(patch, edit)]


def zone(patch: model.Patch, edit: model.DomainEdit) -> Zone:
    """The part of the domain that an edit changes."""
    if has(edit, Role.ARGUMENT):
        return zone_of_names(("domain", "qemu:commandline"))
    if found := inserted(patch, edit):
        zones = {zone_of_names(place) for place in found}
        return zones.pop() if len(zones) == 1 else Zone.UNKNOWN
    if merged := _merged(patch, edit):
        zones = {zone_of_names(place) for place in merged}
        return zones.pop() if len(zones) == 1 else Zone.UNKNOWN
    paths: list[Text] = [*selecting(edit)] or [*texts(edit, model.ConstructivePath, Role.MAKES)]
    zones = {zone_of(names(path.steps) or (), path) for text in paths for path in locations_of(text)}
    return zones.pop() if len(zones) == 1 else Zone.UNKNOWN


def _merged(patch: model.Patch, edit: model.DomainEdit) -> list[Steps]:
    """The paths of what ``merge`` writes into the domain itself, and into its devices."""
    found: list[Steps] = []
    for path in (path for text in texts(edit, model.XPath, Role.CHANGES) for path in locations_of(text)):
        if has(edit, Role.MERGES) and names(path.steps) == ("domain",):
            for root in fragment_roots(patch, edit):
                inner = [node for node in root if isinstance(node.tag, str)] if root.tag == "devices" else []
                found += [("domain", "devices", prefixed(patch, str(node.tag))) for node in inner]
                if not inner:
                    found.append(("domain", prefixed(patch, str(root.tag))))
    return found


def made_names(patch: model.Patch, edit: model.DomainEdit) -> set[str]:
    """Names of elements and attributes (with ``@``) that the edit creates or may create."""
    found: set[str] = set(roots(patch, edit))
    for root in fragment_roots(patch, edit):
        for node in root.iter(etree.Element):
            found.add(prefixed(patch, str(node.tag)))
            found.update(f"@{prefixed(patch, str(name))}" for name in node.attrib)
    made = texts(edit, model.ConstructivePath, Role.MAKES)
    for path in made:
        found.update(name for place in locations_of(path) for name in names(place.steps) or ())
    if not made and has(edit, Role.VALUE):
        found.update(name for path in selecting(edit) for name in last_names(path))
    for to in texts(edit, model.QName, Role.NAME):
        found |= {to.text, f"@{to.text}"}
    return found


def last_names(path: Text) -> Iterator[str]:
    """The names at the end of a path."""
    for place in locations_of(path):
        yield from (names(place.steps) or ())[-1:]


def facts_after(patch: model.Patch, edit: model.DomainEdit) -> Known:
    """What is known about each matched node after the edit: relative names → text or state."""
    known: Known = {}
    if not texts(edit, model.XPath, Role.CHANGES):
        return known
    value = next(iter(texts(edit, model.Template, Role.VALUE)), None)
    made = texts(edit, model.ConstructivePath, Role.MAKES)
    for path in made:
        for place in locations_of(path):
            known |= _of_build_path(place, value)
    if value is not None and not made:
        known[()] = _text(value)
    for _, role, part in parts(edit):
        if role is Role.INSERTS and not is_beside(edit):
            known |= {(name,): Presence.PRESENT for name in roots(patch, edit, certain=True)}
        elif role is Role.MERGES:
            keys = any(part.role is Role.KEYS and part.value for part in parts(edit))
            for root in _elements(patch, part, certain=True):
                known |= _of_element(patch, root, (), single=not keys and not _is_list(patch, root, ""))
    return known


def _text(value: Text | None) -> str | Presence:
    text = constant(value)
    return Presence.PRESENT if text is None else text


def _of_build_path(place: Path, value: Text | None) -> Known:
    steps = names(place.steps)
    if steps is None:
        return {}
    known: Known = {steps[:end]: Presence.PRESENT for end in range(1, len(steps) + 1)}
    if value is not None and not any(step.predicates for step in place.steps):
        known[steps] = _text(value)
    return known


def _of_element(patch: model.Patch, node: etree._Element, above: Steps, *, single: bool) -> Known:
    here = (*above, prefixed(patch, str(node.tag)))
    children = [child for child in node if isinstance(child.tag, str)]
    own = Presence.PRESENT if children or not single else _constant(node.text or "")
    known: Known = {here: own}
    for name, value in node.attrib.items():
        known[(*here, f"@{prefixed(patch, str(name))}")] = _constant(str(value)) if single else Presence.PRESENT
    for child in children:
        alone = single and not _is_list(patch, child, here[-1])
        known |= _of_element(patch, child, here, single=alone)
    return known


def _constant(text: str) -> str | Presence:
    return Presence.PRESENT if _COMPUTED in text else text


def _is_list(patch: model.Patch, node: etree._Element, parent: str) -> bool:
    name = prefixed(patch, str(node.tag))
    alike = [*node.itersiblings(node.tag), *node.itersiblings(node.tag, preceding=True)]
    return bool(alike) or is_list(name, parent)


def is_list(name: str, parent: str) -> bool:
    """Whether a domain may have several elements of a name in one parent (``""``: any name)."""
    if name in _LISTS or name in MERGE_KEYS:
        return True
    return f"{parent}/{name}" in MERGE_KEYS if parent else any(key.endswith(f"/{name}") for key in MERGE_KEYS)


def replacement_facts(patch: model.Patch, root: etree._Element) -> NodeFacts:
    """Everything known about an element from a fragment."""
    known = _of_element(patch, root, (), single=True)
    return NodeFacts({steps[1:]: value for steps, value in known.items()}, complete=True)


def steps_above(path: Path) -> Iterator[tuple[Step, Steps]]:
    """The steps of a path from its end, each with the names from there to the end, as far up as those are unique."""
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
    return [piece.expression.text for piece in template(text) if isinstance(piece, ComputedPiece)]
