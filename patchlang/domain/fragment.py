"""XML fragments: parsed once, copied and filled at each place. Values enter as nodes, never as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..cel.template import Compiler, Cut, as_text, cut, joined
from ..diagnostics import PatchError, fail
from ..markup import attributes_of, escape_attribute, read_by_expat, unusable_character
from ..out_of_memory import raise_if_exhausted
from ..patterns import pattern
from ..record import record
from ..run_scope import Bindings
from ..source import Text
from . import weights
from .read import MAX_ATTRIBUTES, is_crowded

if TYPE_CHECKING:
    from ..cel.compiled import Compiled

# a private-use character marks where a computed value goes while the XML around it is parsed
_MARK = "\ue000"
_HOLE = pattern(f"{_MARK}([0-9]+){_MARK}")
_WRITTEN_MARK = pattern(f"{_MARK}|&#(0*57344|x0*e000);", re.IGNORECASE)


@record
class _Hole:
    """The text, the tail or (with its name) an attribute of the node at ``ordinal``, put together from parts."""

    ordinal: int
    place: str
    attribute: str
    parts: tuple[str | Compiled, ...]


class FragmentProgram:
    """A compiled fragment: its elements and where values go into them."""

    def __init__(self, source: Text, root: etree._Element, holes: tuple[_Hole, ...]) -> None:
        self.source = source
        self.root = root
        self.size = weights.of_built(root)
        self._holes = holes

    def build(self, bindings: Bindings) -> list[etree._Element]:
        """New elements with the values in place. Raises PatchError (PL403, PL406, PL409, PL413)."""
        bindings.budget.hold(self.size)
        root = deepcopy(self.root)
        if self._holes:
            nodes = list(root.iter())
            for hole in self._holes:
                self._fill(nodes[hole.ordinal], hole, bindings)
        return list(root)

    def _fill(self, node: etree._Element, hole: _Hole, bindings: Bindings) -> None:
        pieces: list[str] = []
        for part in hole.parts:
            value = part if isinstance(part, str) else as_text(part.evaluate(bindings), part)
            if not isinstance(part, str) and (bad := unusable_character(value)):
                raise part.error(rules.UNUSABLE_TEXT, f"the value holds {bad}, which XML cannot carry")
            pieces.append(value)
        text = joined(pieces, bindings)
        if hole.place == "text":
            node.text = text
        elif hole.place == "tail":
            node.tail = text
        else:
            node.set(hole.attribute, text)


def compile_fragment(source: Text, namespaces: dict[str, str], compiler: Compiler) -> FragmentProgram:
    """Parse a fragment of one or more elements. Raises PatchError (PL203, PL204, PL209)."""
    if _WRITTEN_MARK.search(source.text):
        raise fail(rules.BAD_FRAGMENT, "the fragment holds the private-use character U+E000", source.span())
    pieces = cut(source, lambda number: f"{_MARK}{number}{_MARK}")
    if bad := unusable_character(pieces.text):
        raise fail(rules.BAD_FRAGMENT, f"the fragment holds {bad}, which XML cannot carry", source.span())
    root = _parse(source, pieces, namespaces)
    compiled = [compiler(e) for e in pieces.expressions]
    _check_top(source, root)
    _drop_layout(root)
    for node in root.iter():
        node.sourceline = 0  # type: ignore[assignment]  # it has no line in the input; the stubs are wrong
    return FragmentProgram(source, root, tuple(_holes(source, root, compiled)))


def _parse(source: Text, pieces: Cut, namespaces: dict[str, str]) -> etree._Element:
    declared = "".join(f' xmlns:{p}="{escape_attribute(uri).decode()}"' for p, uri in namespaces.items() if p != "xml")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    data = f"<fragment{declared}>\n{pieces.text}\n</fragment>".encode()
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as e:
        raise_if_exhausted(e)
        raise _syntax_error(source, pieces, e) from None
    if not read_by_expat(data):
        raise fail(rules.BAD_FRAGMENT, "a name in the fragment is not taken by every XML parser", source.span())
    if is_crowded(root, data):
        raise fail(rules.BAD_FRAGMENT, f"an element has more than {MAX_ATTRIBUTES} attributes", source.span())
    return root


def _syntax_error(source: Text, pieces: Cut, error: etree.XMLSyntaxError) -> PatchError:
    line, column = error.position
    lines = pieces.text.split("\n")
    offset = sum(len(part) + 1 for part in lines[: max(line - 2, 0)]) + max(column - 1, 0)
    at = pieces.places[max(0, min(offset, len(pieces.text)))]
    message = re.sub(r" line \d+", "", str(error.msg).split(", line ")[0]).strip()
    span = source.span(at, min(at + 1, len(source.text)))
    if prefix := re.match(r"Namespace prefix (\S+)", message):
        return fail(
            rules.UNKNOWN_PREFIX,
            f"the prefix `{prefix[1]}` is not declared",
            span,
            "declare it in `spec.namespaces` or on the element",
        )
    if _MARK in message or re.search(rf"<[^<>\"']*{_MARK}", pieces.text):
        return fail(rules.BAD_FRAGMENT, "`$[ ]` may stand in attribute values and in text, not in names", span)
    if "EntityRef" in message or "Entity" in message:
        return fail(
            rules.BAD_FRAGMENT, "a `&` stands alone, or names an entity that is not there", span, "write `&amp;`"
        )
    if "fragment" in message:
        message = "a tag is not closed, or closed twice"
    return fail(rules.BAD_FRAGMENT, f"not well-formed XML: {message}", span)


def _check_top(source: Text, root: etree._Element) -> None:
    texts = [root.text, *(child.tail for child in root)]
    if any((text or "").strip() for text in texts):
        raise fail(
            rules.BAD_FRAGMENT,
            "text stands beside the elements of the fragment",
            source.span(),
            "put it into an element; the text of an element is changed with `set`",
        )
    if not any(isinstance(child.tag, str) for child in root):
        raise fail(rules.BAD_FRAGMENT, "the fragment holds no element", source.span())


def _drop_layout(element: etree._Element) -> None:
    """Drop white space between elements; an element with text of its own keeps all of it."""
    for parent in element.iter():
        children = list(parent)
        texts = [parent.text, *(child.tail for child in children)]
        if children and not any((text or "").strip() for text in texts):
            parent.text = None
            for child in children:
                child.tail = None


def _holes(source: Text, root: etree._Element, compiled: list[Compiled]) -> Iterator[_Hole]:
    for ordinal, node in enumerate(root.iter()):
        named = [("text", "", node.text), ("tail", "", node.tail)]
        if isinstance(node.tag, str):
            named += [("attribute", name, value) for name, value in attributes_of(node).items()]
        for place, attribute, text in named:
            if text and _MARK in text:
                if place == "text" and not isinstance(node.tag, str):
                    raise fail(rules.BAD_FRAGMENT, "`$[ ]` in a comment is not computed", source.span())
                split = _HOLE.split(text)
                parts = [part if i % 2 == 0 else compiled[int(part)] for i, part in enumerate(split)]
                yield _Hole(ordinal, place, attribute, tuple(p for p in parts if p != ""))
