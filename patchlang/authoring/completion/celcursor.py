"""Find out from its tokens what the cursor is on in a CEL expression that may be incomplete."""

from __future__ import annotations

from collections.abc import Sequence

from ...cel.syntax import Token, tokens
from ...record import record
from .functions import OVER

_CLOSED_BY = {")": "(", "]": "[", "}": "{"}


@record
class Bound:
    """A name that a macro binds.

    It stands for an entry of the expression at ``start`` to ``end``, or in ``cel.bind`` for that expression itself.
    """

    name: str
    start: int
    end: int
    itself: bool = False


@record
class Name:
    """A name, from ``start`` to ``end``.

    ``of`` is the expression whose member it is, if any. ``optional``: it follows ``.?``. ``bound`` has the names that
    the enclosing macros bind, the outermost first.
    """

    start: int
    end: int
    of: tuple[int, int] | None
    optional: bool
    bound: tuple[Bound, ...]


@record
class InText:
    """A text in quotes, with its content at ``start`` to ``end``; ``function`` takes it as an argument."""

    start: int
    end: int
    function: str


def at_cursor(text: str, at: int) -> Name | InText | None:
    """What the cursor is on; None in a comment, in a number, or where no member can follow."""
    found = list(tokens(text[:at]))
    quote = next((number for number, one in enumerate(found) if one.kind == "symbol" and one.text in "'\""), None)
    if quote is not None:
        return _in_text(text, at, found[:quote], found[quote])
    if found and found[-1].kind == "comment" and "\n" not in text[found[-1].end : at]:
        return None
    code = [one for one in found if one.kind != "comment"]
    start, end = at, at
    if code and code[-1].end == at and code[-1].kind in ("name", "number"):
        if code[-1].kind == "number":
            return None
        start = code.pop().start
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    dot = len(code) - 1
    optional = dot > 0 and code[dot].text == "?" and code[dot - 1].text == "."
    dot -= optional
    if dot >= 0 and code[dot].text == ".":
        first = receiver(code, dot)
        if first is None:
            return None
        return Name(start, end, (code[first].start, code[dot].start), optional, bound(code))
    if code and _is_operand(code[-1]):
        return None
    return Name(start, end, None, False, bound(code))


def _is_operand(token: Token) -> bool:
    return (
        token.kind in ("string", "number")
        or token.text in (")", "]", "}")
        or (token.kind == "name" and token.text != "in")
    )


def _in_text(text: str, at: int, before: Sequence[Token], quote: Token) -> InText:
    close = text.find(quote.text, at)
    rest = text[at:close] if close >= 0 else ""
    end = close if close >= 0 and "\n" not in rest else at
    is_call = len(before) > 1 and before[-1].text == "(" and before[-2].kind == "name"
    return InText(quote.end, end, before[-2].text if is_call else "")


def receiver(code: Sequence[Token], dot: int) -> int | None:
    """The first token of the expression that ends before a dot."""
    at = dot - 1
    while at >= 0:
        token = code[at]
        if token.text in _CLOSED_BY and token.kind == "symbol":
            at = _opening(code, at)
            if at < 0:
                return None
            follows = at > 0 and _is_operand(code[at - 1]) and code[at].text != "{"
            if follows:
                at -= 1
                if code[at].text in _CLOSED_BY and code[at].kind == "symbol":
                    continue
        elif not _is_operand(token):
            return None
        if at > 0 and code[at - 1].text == "." and code[at - 1].kind == "symbol":
            at -= 2
        elif at > 1 and code[at - 1].text == "?" and code[at - 2].text == ".":
            at -= 3
        else:
            return at
    return None


def _opening(code: Sequence[Token], at: int) -> int:
    depth = 0
    while at >= 0:
        token = code[at]
        if token.kind == "symbol":
            depth += token.text in _CLOSED_BY
            depth -= token.text in ("(", "[", "{")
            if depth == 0:
                return at
        at -= 1
    return -1


def bound(code: Sequence[Token]) -> tuple[Bound, ...]:
    """The names that macros bind whose calls are not closed yet."""
    open: list[tuple[int, list[int]]] = []
    for number, token in enumerate(code):
        if token.kind != "symbol":
            continue
        if token.text in ("(", "[", "{"):
            open.append((number, []))
        elif open and token.text == ",":
            open[-1][1].append(number)
        elif open and token.text in _CLOSED_BY:
            open.pop()
    return tuple(found for number, commas in open if commas and (found := _bound(code, number, commas)) is not None)


def _bound(code: Sequence[Token], at: int, commas: Sequence[int]) -> Bound | None:
    """What the call that opens at a token binds."""
    if code[at].text != "(" or at < 3 or commas[0] != at + 2 or code[at + 1].kind != "name" or code[at - 2].text != ".":
        return None
    name, method = code[at + 1].text, code[at - 1].text
    if method == "bind" and code[at - 3].text == "cel":
        return Bound(name, code[at + 3].start, code[commas[1]].start, itself=True) if len(commas) > 1 else None
    first = receiver(code, at - 2) if method in OVER else None
    return Bound(name, code[first].start, code[at - 2].start) if first is not None else None
