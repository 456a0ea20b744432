"""The possible values of a template, as far as the types and literals in its expressions tell."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice, product, takewhile
from operator import attrgetter

from ..cel.syntax import token_at
from ..cel.template import ComputedPiece
from ..cel.tree import Call, Ident, ListExpr, Literal, Macro, MapExpr, Node, Select, walk
from ..document import model
from ..kubevirt.celtypes import Scope, typed
from ..kubevirt.vmicheck import scope_in, scope_of_fragment
from ..kubevirt.vmitypes import BOOLEAN, INTEGER, NUMBER, TEXT
from ..lint import celtruth
from ..lint.effort import Effort
from ..lint.reading import cel, directives, template
from ..record import field, record, replace
from ..source import Text
from ..values import scalar_text
from .texts import ANYTHING, DECIMAL, HEXADECIMAL, TRUE_OR_FALSE, WHOLE_NUMBER, Pieces

_MOST = 64
_OF_A_NODE = 3

_KINDS = {INTEGER: WHOLE_NUMBER, NUMBER: DECIMAL, BOOLEAN: TRUE_OR_FALSE}


@record
class Outcome:
    """A possible text of a value, and where its deciding part is written."""

    text: Pieces
    source: Text
    start: int
    end: int


@record
class Known:
    """What is known where a template is computed.

    ``scope`` has the types; ``variables`` are the expressions of the patch's variables, except those that a condition
    tests; ``asked`` are the literals in conditions: the values they stand for may never get here. ``loop`` is the
    expression of the loop, and ``items`` are its entries if they are written out. Reading expressions uses ``effort``.
    """

    scope: Scope
    variables: Mapping[str, str]
    asked: frozenset[Literal] = frozenset()
    loop: Text | None = None
    items: tuple[Node, ...] = ()
    effort: Effort = field(default_factory=Effort, compare=False, repr=False)

    def within(self, edit: model.Edit, *conditions: Text | None) -> Known:
        """What is known in an edit, under its conditions."""
        known = replace(self._behind(conditions), scope=scope_in(self.scope, edit.for_each))
        return known._in_loop(edit.for_each) if edit.for_each is not None else known

    def in_fragment(self, patch: model.Patch, xml: Text) -> Known:
        """What is known in a fragment, under its directives."""
        known = self._behind(directives(xml, "when"))
        known = replace(known, scope=scope_of_fragment(patch, xml, known.scope))
        loops = list(directives(xml, "forEach"))
        if not loops:
            return known
        # with several loops, it is unclear whose entry an `item` is
        is_only = len(loops) == 1 and known.loop is None
        return known._in_loop(loops[0]) if is_only else replace(known, loop=None, items=())

    def _in_loop(self, loop: Text) -> Known:
        """With the entries of a loop, if they are written out."""
        read = celtruth.read(loop.text, self.variables)
        self.effort.spend(_OF_A_NODE * (sum(1 for _ in walk(read)) if read is not None else celtruth.MOST_NODES))
        items = read.children if isinstance(read, ListExpr) and not read.optional else ()
        return replace(self, loop=loop, items=items)

    def _behind(self, conditions: Iterable[Text | None]) -> Known:
        variables, asked = self.variables, self.asked
        for condition in (one for one in conditions if one is not None):
            names, literals = _asked(condition.text)
            asked |= literals
            if not names.isdisjoint(variables):
                variables = {name: text for name, text in variables.items() if name not in names}
        return replace(self, variables=variables, asked=asked)


@lru_cache(maxsize=4096)
def _asked(condition: str) -> tuple[frozenset[str], frozenset[Literal]]:
    """The variables that a condition tests, and the literals in it."""
    nodes = list(walk(read)) if (read := cel(condition)) is not None else []
    names = frozenset(node.name.removeprefix("variables.") for node in nodes if isinstance(node, Ident))
    return names, frozenset(node for node in nodes if isinstance(node, Literal))


# the possible text of an expression, and its literal
_Possible = list[tuple[Pieces, Literal | None]]


def computed_pieces(source: Text) -> list[ComputedPiece]:
    """What is computed in a template, in order."""
    return [piece for piece in template(source) if isinstance(piece, ComputedPiece)]


def outcomes(
    source: Text, pieces: list[ComputedPiece], start: int, end: int, written: str, known: Known
) -> Iterator[Outcome]:
    """The possible text of a template from ``start`` to ``end``, which include some of its ``pieces``.

    ``written`` is that part with placeholders of the same length for what is computed.
    """
    first = bisect_left(pieces, start, key=attrgetter("at"))
    computed = list(takewhile(lambda piece: piece.end <= end, islice(pieces, first, None)))
    if not (known.items and any("item" in piece.expression.text for piece in computed)):
        yield from _combined(source, computed, start, end, written, known)
        return
    # each entry of a loop on its own: what is read of it belongs together
    for item in known.items if len(known.items) <= _MOST else ():
        yield from _combined(source, computed, start, end, written, replace(known, items=(item,)))


def _combined(
    source: Text, computed: list[ComputedPiece], start: int, end: int, written: str, known: Known
) -> Iterator[Outcome]:
    parts: list[_Possible] = []
    at = start
    for piece in computed:
        parts += [[((written[at - start : piece.at - start],), None)], _of_expression(piece.expression, known)]
        at = piece.end
    parts.append([((written[at - start :],), None)])
    combined = 1
    for part in parts:
        combined *= len(part)
    if combined > _MOST:
        return
    for chosen in product(*parts):
        text = tuple(piece for pieces, _ in chosen for piece in pieces if piece != "")
        decisive = [(piece, literal) for piece, (_, literal) in zip(computed, chosen[1::2], strict=True) if literal]
        place = None
        if len(decisive) == 1:
            piece, literal = decisive[0]
            place = _place(piece.expression, literal) or (_place(known.loop, literal) if known.loop else None)
        yield Outcome(text, *(place or (source, start, end)))


def _of_expression(expression: Text, known: Known) -> _Possible:
    read = celtruth.read(expression.text, known.variables)
    known.effort.spend(_OF_A_NODE * (sum(1 for _ in walk(read)) if read is not None else celtruth.MOST_NODES))
    found = [one for one in _possible(read, known) if one[1] not in known.asked] if read is not None else []
    return found if 0 < len(found) <= _MOST else [((ANYTHING,), None)]


def _place(expression: Text, literal: Literal) -> tuple[Text, int, int] | None:
    """Where a literal is, if it is in the expression itself and not in that of a variable."""
    read = cel(expression.text)
    if read is None or not any(node.position == literal.position and node == literal for node in walk(read)):
        return None
    token = token_at(expression.text, literal.position)
    return (expression, token.start, token.end) if token is not None else None


def _possible(node: Node, known: Known) -> _Possible:
    match node:
        case Literal("bool" | "int" | "uint" | "double" | "string", value):
            return [((scalar_text(value) or "",), node)]
        case Call("_?_:_", children=(_, first, second)):
            return [*_possible(first, known), *_possible(second, known)]
        case Call("orValue", True, children=(of, other)):
            # a condition that tests for the key excludes the value for its absence, and most likely '' too
            never = other == Literal("string", "") or not known.asked.isdisjoint(walk(of))
            return [*_possible(of, known), *([] if never else _possible(other, known))]
        case Call("annotation" | "label", False, children=(key, other)):
            never = other == Literal("string", "") or key in known.asked
            return [((ANYTHING,), None), *([] if never else _possible(other, known))]
        case Call("optional.of" | "string", False, children=(of,)):
            return _possible(of, known)
        case Ident("item") if known.items:
            return [one for item in known.items for one in _possible(item, known)]
        case Select(field, False, children=(of,)):
            entries = [_entries(item, Literal("string", field)) for item in _written(of, known)]
            if entries and all(entries):
                return [one for found in entries for entry in found for one in _possible(entry, known)]
            return _of_type(node, known)
        case Call("_[_]" | "_[?_]", children=(ListExpr() | MapExpr() as holder, key)):
            found = _entries(holder, key)
            return [one for entry in found for one in _possible(entry, known)] or _of_type(node, known)
        case Macro("cel.bind", children=(_, body)):
            return _possible(body, known)
        case Call("_+_", children=(left, right)) if TEXT in (
            typed(left, known.scope).type,
            typed(right, known.scope).type,
        ):
            joined: _Possible = []
            for before, after in islice(product(_possible(left, known), _possible(right, known)), _MOST + 1):
                joined.append(((*before[0], *after[0]), None))
            return joined
        case Call("hex", False):
            return [((HEXADECIMAL,), None)]
        case _:
            return _of_type(node, known)


def _of_type(node: Node, known: Known) -> _Possible:
    return [((_KINDS.get(typed(node, known.scope).type.removeprefix("?"), ANYTHING),), None)]


def _written(node: Node, known: Known) -> tuple[Node, ...]:
    """What a value may be, if it is written out."""
    if isinstance(node, Ident) and node.name == "item":
        return known.items
    return (node,) if isinstance(node, MapExpr) else ()


def _entries(holder: Node, key: Node) -> list[Node]:
    """The entries of a list or map that is written out, which a key may select: all if the key is computed."""
    match holder:
        case ListExpr(children=entries):
            pairs: list[tuple[Node, Node]] = [(Literal("int", number), entry) for number, entry in enumerate(entries)]
        case MapExpr(children=children):
            pairs = list(zip(children[::2], children[1::2], strict=True))
        case _:
            return []
    if isinstance(key, Literal):
        return [entry for name, entry in pairs if name == key]
    return [entry for _, entry in pairs]
