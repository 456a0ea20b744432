"""XML fragments: copied and filled at each place. Values become nodes, never markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Protocol

from lxml import etree

from .. import rules
from ..cel.template import as_text, joined
from ..diagnostics import fail
from ..edits import Loop, uses_item
from ..markup import attributes_of, unusable_character
from ..record import record
from ..source import Text
from ..values import ABSENT
from . import weights
from .written import HOLE, MARK, WrittenFragment, read_fragment

if TYPE_CHECKING:
    from ..cel.compiled import Compiled
    from ..run_scope import Scope


@record
class _Hole:
    """The text, the tail or (with its name) an attribute of the node at ``ordinal``, composed of parts."""

    ordinal: int
    place: str
    attribute: str
    parts: tuple[str | Compiled, ...]

    @property
    def written(self) -> str:
        """The composed text, as written in the source."""
        return "".join(part if isinstance(part, str) else f"$[ {part.source.text} ]" for part in self.parts)


@record
class _Repeated:
    """The element at ``ordinal``, repeated as its directives say, and what is filled in."""

    ordinal: int
    loop: Loop
    region: _Region


@record
class _Region:
    """What is filled in an element: holes, and elements with directives, which are separate regions."""

    holes: tuple[_Hole, ...]
    repeated: tuple[_Repeated, ...]

    def fill(self, root: etree._Element, scope: Scope) -> bool:
        """Fill a copy of the element; False if all of it is omitted."""
        nodes = list(root.iter())
        out = [nodes[hole.ordinal] for hole in self.holes if not _fill(nodes[hole.ordinal], hole, scope)]
        for part in self.repeated:
            original = nodes[part.ordinal]
            size = weights.of_built(original)
            for _ in part.loop.rounds(scope):
                scope.budget.hold(size)
                instance = deepcopy(original)
                instance.tail = None
                if part.region.fill(instance, scope):
                    original.addprevious(instance)
            out.append(original)
        for node in out:
            if node is not root:
                _take_out(node)
        return root not in out


def _fill(node: etree._Element, hole: _Hole, scope: Scope) -> bool:
    """False if the value is an optional without a value, so the node is omitted."""
    if len(hole.parts) == 1 and not isinstance(origin := hole.parts[0], str):
        value = origin.evaluate(scope)
        if value is ABSENT:
            if hole.place == "text":
                return False
            node.attrib.pop(hole.attribute)
            return True
        pieces = [_usable(value, origin)]
    else:
        pieces = [part if isinstance(part, str) else _usable(part.evaluate(scope), part) for part in hole.parts]
    text = joined(pieces, scope)
    if scope.witness is not None and hole.place != "tail":
        scope.witness.wrote(node, hole.attribute or None, hole.written)
    if hole.place == "text":
        node.text = text
    elif hole.place == "tail":
        node.tail = text
    else:
        node.set(hole.attribute, text)
    return True


def _usable(value: object, origin: Compiled) -> str:
    text = as_text(value, origin)
    if bad := unusable_character(text):
        raise origin.error(rules.UNUSABLE_TEXT, f"the value holds {bad}, which is not allowed in XML")
    return text


def _take_out(node: etree._Element) -> None:
    """Without the text after it, which stays."""
    parent, previous = node.getparent(), node.getprevious()
    assert parent is not None, "the node is in the fragment"
    if node.tail:
        if previous is None:
            parent.text = (parent.text or "") + node.tail
        else:
            previous.tail = (previous.tail or "") + node.tail
    parent.remove(node)


class FragmentProgram:
    """A compiled fragment: its elements and the places for values."""

    def __init__(self, written: WrittenFragment, region: _Region) -> None:
        self.source = written.source
        self.written = written
        self.root = written.root
        self.size = weights.of_built(self.root)
        self._region = region

    def build(self, scope: Scope) -> list[etree._Element]:
        """New elements with their values filled in. Raises PatchError (PL403, PL406, PL409, PL413)."""
        scope.budget.hold(self.size)
        root = deepcopy(self.root)
        if self._region.holes or self._region.repeated:
            self._region.fill(root, scope)
        return list(root)


class FragmentCompiler(Protocol):
    """Compiles an expression of a fragment, which may use ``item``; its result is of type ``want`` or an optional."""

    def __call__(self, source: Text, *, item: bool, want: str = "dyn", optional: bool = False) -> Compiled: ...


def compile_fragment(source: Text, namespaces: dict[str, str], compiler: FragmentCompiler) -> FragmentProgram:
    """Compile a fragment of one or more elements. Raises PatchError (PL20x)."""
    written = read_fragment(source, namespaces)
    return FragmentProgram(written, _region(written, written.root, compiler, item=False))


def _region(written: WrittenFragment, top: etree._Element, compiler: FragmentCompiler, *, item: bool) -> _Region:
    holes: list[_Hole] = []
    repeated: list[_Repeated] = []
    inside: set[etree._Element] = set()
    for ordinal, node in enumerate(top.iter()):
        if node in inside:
            continue
        own = written.directives.get(node) if node is not top else None
        if own is not None:
            loop = _loop(own, compiler, item=item)
            below = _region(written, node, compiler, item=item or loop.for_each is not None)
            repeated.append(_Repeated(ordinal, loop, below))
            inside.update(node.iterdescendants())
        for place, attribute, text in _texts(node, all_of=own is None, tail=node is not top):
            if text and MARK in text:
                holes.append(_hole(written, node, ordinal, (place, attribute, text), compiler, item=item))
    return _Region(tuple(holes), tuple(repeated))


def _texts(node: etree._Element, *, all_of: bool, tail: bool) -> Iterator[tuple[str, str, str | None]]:
    """What is filled in a node. For an element with directives that excludes the text after it."""
    if all_of:
        yield "text", "", node.text
        if isinstance(node.tag, str):
            yield from (("attribute", name, value) for name, value in attributes_of(node).items())
    if tail:
        yield "tail", "", node.tail


def _hole(
    written: WrittenFragment,
    node: etree._Element,
    ordinal: int,
    found: tuple[str, str, str],
    compiler: FragmentCompiler,
    *,
    item: bool,
) -> _Hole:
    place, attribute, text = found
    if place == "text" and not isinstance(node.tag, str):
        message = "`$[ ]` is not computed in a comment"
        raise fail(rules.BAD_FRAGMENT, message, written.source.span(), "write the comment without it")
    split = HOLE.split(text)
    alone = len(split) == 3 and not split[0] and not split[2]
    optional = alone and (place == "attribute" or (place == "text" and not len(node)))
    parts = [
        part if number % 2 == 0 else compiler(written.expressions[int(part)], item=item, optional=optional)
        for number, part in enumerate(split)
    ]
    return _Hole(ordinal, place, attribute, tuple(part for part in parts if part != ""))


def _loop(own: Mapping[str, Text], compiler: FragmentCompiler, *, item: bool) -> Loop:
    for_each = compiler(own["forEach"], item=item, want="list") if "forEach" in own else None
    when = compiler(own["when"], item=item or for_each is not None, want="bool") if "when" in own else None
    return Loop(when, when is None or not uses_item(when), for_each)
