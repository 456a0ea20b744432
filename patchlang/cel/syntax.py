"""CEL text as tokens, as far as templates and static checks need it, and the members of what it can read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..patterns import pattern
from ..record import record

# objects whose members we know: a wrong member is found before anything runs
MEMBERS: dict[str, frozenset[str]] = {
    "vmi": frozenset({"apiVersion", "kind", "metadata", "spec", "status"}),
    "vmi.metadata": frozenset(
        "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation "
        "labels managedFields name namespace ownerReferences resourceVersion selfLink uid".split()
    ),
    "node": frozenset({"attributes", "index", "name", "text"}),
    "cloudInit": frozenset({"dataSource", "metaData", "networkData", "userData"}),
    "cloudInit.userData": frozenset({"format", "jinja", "parts", "text", "value"}),
    "cloudInit.networkData": frozenset({"text", "value", "version"}),
}


@record
class Token:
    """``kind`` is ``string``, ``name``, ``number``, ``comment`` or ``symbol``."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


_RAW = r"(?:[rR][bB]?|[bB][rR])"
_COOKED = r"[bB]?"


def _string(prefix: str, body: str) -> str:
    triple_double, triple_single, double, single = (
        rf'"""(?:{body}|(?!"""){{any}})*?"""',
        rf"'''(?:{body}|(?!'''){{any}})*?'''",
        rf'"(?:{body}|[^"\\\r\n])*"',
        rf"'(?:{body}|[^'\\\r\n])*'",
    )
    return rf"{prefix}(?:{triple_double}|{triple_single}|{double}|{single})"


_TOKEN = pattern(
    r"(?P<string>"
    + _string(_RAW, r"\\").replace("{any}", r"[\s\S]")
    + "|"
    + _string(_COOKED, r"\\[\s\S]").replace("{any}", r"[^\\]")
    + r")|(?P<comment>//[^\n]*)"
    + r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[0-9][0-9A-Za-z_]*(?:\.[0-9]+)?)|(?P<symbol>\\[\s\S]|\S)"
)


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens of ``text`` from ``start`` on; an unclosed quote is a symbol.

    So is a backslash, which is not allowed outside strings, with the next character: if that were a quote, its end
    would be searched for again.
    """
    for found in _TOKEN.finditer(text, start):
        yield Token(str(found.lastgroup), found.group(), found.start())


def token_at(text: str, start: int) -> Token | None:
    """The token that begins at a position, if one does."""
    return next((token for token in tokens(text) if token.start == start), None)


def closing_bracket(text: str, start: int) -> int | None:
    """The offset of the ``]`` that balances a ``[`` just before ``start``; None if there is none.

    Brackets in strings and comments are ignored.
    """
    depth = 1
    for token in tokens(text, start):
        if token.kind == "symbol" and token.text in "[]":
            depth += 1 if token.text == "[" else -1
            if depth == 0:
                return token.start
    return None


@record
class Chain:
    """A name with the members selected from it by plain dots: ``vmi.metadata.name``."""

    names: tuple[Token, ...]

    @property
    def root(self) -> Token:
        return self.names[0]


def chains(text: str) -> Iterator[Chain]:
    """Every root name of an expression with its dotted members; a function name ends its chain and is omitted."""
    found = [t for t in tokens(text) if t.kind != "comment"]
    at = 0
    while at < len(found):
        token = found[at]
        after_dot = (
            at > 0
            and found[at - 1].text in (".", "?")
            and found[max(at - 1, 0)].kind == "symbol"
            and (found[at - 1].text == "." or (at > 1 and found[at - 2].text == "."))
        )
        if token.kind != "name" or after_dot:
            at += 1
            continue
        names = [token]
        while at + 2 < len(found) and found[at + 1].text == "." and found[at + 2].kind == "name":
            names.append(found[at + 2])
            at += 2
        at += 1
        if at < len(found) and found[at].text == "(":
            names.pop()
        if names:
            yield Chain(tuple(names))


# CEL maps have no order: these macros work on lists only
_ORDERED_MACROS = frozenset({"map", "filter", "sortBy"})
# what CEL's lists library does for each entry, and for each pair of entries
_EACH, _EACH_PAIR = frozenset({"reverse", "slice", "sort"}), frozenset({"distinct"})
# our own methods, marked with `__`
_TEXTS = frozenset({"replace", "split"})
_OURS = frozenset({"capture", "flatten"})
# namespaced functions that we replace
_RENAMED = {
    "lists": frozenset({"range"}),
    "regex": frozenset({"extract", "extractAll", "replace"}),
}
_CLOSERS = {")": "(", "]": "[", "}": "{"}


@record
class Insertion:
    """Text inserted into an expression at an offset of the original."""

    at: int
    text: str


def guard(text: str, *, open_types: bool = False) -> tuple[str, tuple[Insertion, ...]]:
    """The text with guards around what costs more than it seems, and the insertions in order.

    ``x.map(``, ``x.filter(`` and ``x.sortBy(`` are an error if ``x`` is a map, which has no order: ``x + []`` is only
    defined for lists. They and the methods of CEL's lists library report the size of the list to ``budget__`` or
    ``entries__`` before CEL copies it, and regular expressions the size of their text to ``search__``. ``flatten``,
    ``replace``, ``split`` and ``regex`` get a ``__``, which makes them our own functions with limits;
    ``regex.extract`` becomes ``[?0]`` of a list. Functions that cannot be limited get it too, and are unknown:
    ``lists.range`` and the method ``flatten``.

    ``open_types``: what ``[?k]``, ``first()`` and ``last()`` return for a value of unknown type is of unknown type as
    well. CEL's checker assumes the first type that it is compared with, even null.
    """
    found = [t for t in tokens(text) if t.kind != "comment"]
    starts, ends = _operand_starts(found), _ends_of_arguments(found)
    insertions: list[Insertion] = []
    for number in range(len(found) - 2):
        before, name, paren = found[number : number + 3]
        if before.text == "." and name.kind == "name" and paren.text == "(" and number:
            insertions += _counted(found, number, starts[number - 1])
        elif (before.text in _OURS or before.text in _RENAMED) and not (number and found[number - 1].text == "."):
            insertions += _bounded(found, number, ends)
    insertions += _facts(found)
    if open_types:
        insertions += _opened(found, ends)
    insertions.sort(key=lambda i: i.at)
    pieces, done = list[str](), 0
    for insertion in insertions:
        pieces += [text[done : insertion.at], insertion.text]
        done = insertion.at
    return "".join(pieces) + text[done:], tuple(insertions)


def _counted(found: list[Token], dot: int, operand: int) -> Iterator[Insertion]:
    """Around the operand of a method whose size counts."""
    name = found[dot + 1].text
    if name in _ORDERED_MACROS:
        guarded = " + dyn([]), budget__(size(list__)) ? list__ : list__)"
    elif name in _EACH or name in _EACH_PAIR:
        guarded = f", {'budget__' if name in _EACH_PAIR else 'entries__'}(size(list__)) ? list__ : list__)"
    elif name == "flatten" or (name in _TEXTS and not (operand == dot - 1 and found[operand].text in _RENAMED)):
        yield Insertion(found[dot + 1].end, "__")
        return
    else:
        return
    yield Insertion(found[operand].start, "cel.bind(list__, ")
    yield Insertion(found[dot].start, guarded)


def _facts(found: list[Token]) -> Iterator[Insertion]:
    """``facts.env.NAME`` is the optional ``facts.env.?NAME``."""
    for number in range(len(found) - 4):
        texts = [token.text for token in found[number : number + 4]]
        of_facts = texts in (["facts", ".", "env", "."], ["facts", ".", "files", "."])
        if of_facts and found[number + 4].kind == "name" and not (number and found[number - 1].text == "."):
            yield Insertion(found[number + 4].start, "?")


def _opened(found: list[Token], closed: dict[int, list[int]]) -> Iterator[Insertion]:
    """After what makes an optional: an alternative that never has a value, and has no type."""
    for number in range(1, len(found) - 1):
        before, token, after = found[number - 1 : number + 2]
        asks = token.text == "[" and after.text == "?" and _ends_operand(before)
        picks = token.text == "(" and before.text in ("first", "last")
        if (asks or picks) and (ends := closed.get(number)):
            yield Insertion(found[ends[-1]].end, ".or(optional.ofNonZeroValue(dyn(0)))")


def _bounded(found: list[Token], at: int, closed: dict[int, list[int]]) -> Iterator[Insertion]:
    """Into a call of one of our functions, maybe under another name."""
    root = found[at].text
    last = at if root in _OURS else at + 2
    called = [token.text for token in found[at : last + 2]]
    if len(called) < last + 2 - at or called[-1] != "(":
        return
    if last > at and (called[1] != "." or called[2] not in _RENAMED[root]):
        return
    if root != "capture":
        yield Insertion(found[at].end, "__")
    if root in ("capture", "regex"):
        ends = closed.get(last + 1, [])
        for start, end in pairwise((last + 1, *ends)):
            if end > start + 1:
                yield Insertion(found[start].end, "cel.bind(text__, ")
                yield Insertion(found[end].start, ", search__(size(string(text__))) ? text__ : text__)")
        if called[-2] == "extract" and ends:
            yield Insertion(found[ends[-1]].end, "[?0]")


def original_offset(offset: int, insertions: tuple[Insertion, ...]) -> int:
    """The original offset of an offset in the guarded text."""
    shift = 0
    for insertion in insertions:
        start = insertion.at + shift
        if offset < start:
            break
        if offset < start + len(insertion.text):
            return insertion.at
        shift += len(insertion.text)
    return offset - shift


def _operand_starts(found: list[Token]) -> list[int]:
    """For each token, the index of the token where the operand that it ends begins: ``a.b[c].d(e)`` as a whole.

    A bracket without an opening one is opened by the first token.
    """
    starts: list[int] = []
    opened: list[int] = []
    for number, token in enumerate(found):
        at = number
        if token.kind == "symbol" and token.text in _CLOSERS:
            at = opened.pop() if opened else 0
            if at and found[at].text in "([" and _ends_operand(found[at - 1]):
                starts.append(starts[at - 1])
                continue
        elif token.kind == "symbol" and token.text in "([{":
            opened.append(number)
        if at > 1 and found[at - 1].text == "?" and found[at - 2].text == ".":
            at -= 1
        starts.append(starts[at - 2] if at > 1 and found[at - 1].text == "." else at)
    return starts


def _ends_of_arguments(found: list[Token]) -> dict[int, list[int]]:
    """For each opening bracket or call: the indexes of its commas and of its closing bracket."""
    ends: dict[int, list[int]] = {}
    opened: list[tuple[int, list[int]]] = []
    for at, token in enumerate(found):
        if token.kind != "symbol":
            continue
        if token.text in "([{":
            opened.append((at, []))
        elif opened and token.text == ",":
            opened[-1][1].append(at)
        elif opened and token.text in _CLOSERS:
            opener, commas = opened.pop()
            ends[opener] = [*commas, at]
    return ends


def _ends_operand(token: Token) -> bool:
    """Can a call or an index follow this token?"""
    if token.kind == "symbol":
        return token.text in _CLOSERS
    return token.kind == "string" or (token.kind == "name" and token.text != "in")


_OPENERS = frozenset({"optMap", "optFlatMap"})


def opened_twice(text: str, limit: int) -> int | None:
    """The offset of the first ``optMap`` or ``optFlatMap`` over the limit; None if there is none.

    CEL's macro repeats its operand: a chain of them doubles with each.
    """
    found = [t for t in tokens(text) if t.kind == "name" and t.text in _OPENERS]
    return found[limit].start if len(found) > limit else None


def multiplies(text: str) -> bool:
    """Whether the value may contain part of its inputs more than once, which CEL's lists and maps share."""
    found = [t for t in tokens(text) if t.kind != "comment"]
    return any(
        token.text in "+{" if token.text != "[" else not (at and _ends_operand(found[at - 1]))
        for at, token in enumerate(found)
        if token.kind == "symbol"
    ) or any(token.kind == "name" and token.text == "map" for token in found)
