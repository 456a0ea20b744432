"""What is known of a CEL condition without a VMI: true, false, or nothing (None).

Read are the operators between comparisons (``&&``, ``||``, ``!``, parentheses); a comparison is judged by its text and
by what kinds of value its sides can be. Variables are replaced by their expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..celsyntax import Token, tokens
from ..record import record
from ..xpathtree import result_kind
from .reading import tree

_OPEN, _CLOSE = "([{", ")]}"
# how deep variables are looked into and brackets are read, and into how many tokens a condition may unfold
_MAX_DEPTH = 30
_MAX_TOKENS = 5000

Tokens = tuple[Token, ...]


@record
class Condition:
    """``kind`` is ``and``, ``or``, ``not`` (of ``parts``) or ``atom`` (of ``tokens``)."""

    kind: str
    parts: tuple[Condition, ...]
    tokens: Tokens

    @property
    def text(self) -> str:
        return joined(self.tokens)


def read(text: str, variables: Mapping[str, str]) -> Condition:
    """A condition; ``variables`` are the expressions of the patch's variables by name."""
    found = _expanded(text, variables, 0)
    return _condition(found, 0) if len(found) <= _MAX_TOKENS else Condition("atom", (), found[:_MAX_TOKENS])


def joined(found: Iterable[Token]) -> str:
    """Tokens as text, alike for all ways to lay them out and to quote."""
    text = ""
    for token in found:
        written = repr(token.text[1:-1]) if token.kind == "string" and token.text[0] in "'\"" else token.text
        text += " " + written if text[-1:].isalnum() and written[:1].isalnum() else written
    return text


def _expanded(text: str, variables: Mapping[str, str], depth: int) -> Tokens:
    found = [token for token in tokens(text) if token.kind != "comment"]
    result: list[Token] = []
    at = 0
    while at < len(found) and len(result) <= _MAX_TOKENS:
        name = found[at + 2].text if at + 2 < len(found) else ""
        if found[at].text == "variables" and found[at + 1].text == "." and name in variables and depth < _MAX_DEPTH:
            inner = _expanded(variables[name], variables, depth + 1)
            result += inner if _is_operand(inner) else [Token("symbol", "(", 0), *inner, Token("symbol", ")", 0)]
            at += 3
        else:
            result.append(found[at])
            at += 1
    return tuple(result)


def _is_operand(found: Tokens) -> bool:
    """Whether it binds as one value does: a name, a call, members of it."""
    outside = [token for token, depth in zip(found, _depths(found), strict=True) if depth == 0]
    return not any(token.kind == "symbol" and token.text in "&|?:=!<>+-*/%" for token in outside) and not any(
        token.text == "in" for token in outside
    )


def _depths(found: Tokens) -> list[int]:
    """For each token how many brackets are open around it; brackets themselves count as inside."""
    depths, depth = [], 0
    for token in found:
        if token.kind == "symbol" and token.text in _OPEN:
            depth += 1
        depths.append(depth)
        if token.kind == "symbol" and token.text in _CLOSE:
            depth -= 1
    return depths


def _split(found: Tokens, operator: str) -> list[Tokens]:
    """The pieces between the operators (of two characters) that stand in no bracket."""
    parts: list[Tokens] = []
    start = 0
    depths = _depths(found)
    for at in range(len(found) - 1):
        if depths[at] == 0 and found[at].text + found[at + 1].text == operator and found[at].kind == "symbol":
            parts.append(found[start:at])
            start = at + 2
    return [*parts, found[start:]]


def _condition(found: Tokens, depth: int) -> Condition:
    if depth > _MAX_DEPTH:
        return Condition("atom", (), found)
    depths = _depths(found)
    ternary = any(
        t.text == "?" and d == 0 and (at == 0 or found[at - 1].text != ".")
        for at, (t, d) in enumerate(zip(found, depths, strict=True))
    )
    if not ternary:
        for operator, kind in (("||", "or"), ("&&", "and")):
            parts = _split(found, operator)
            if len(parts) > 1:
                return Condition(kind, tuple(_condition(part, depth + 1) for part in parts), found)
        if found and found[0].text == "(" and all(depth > 0 for depth in depths) and _is_one(found):
            return _condition(found[1:-1], depth + 1)
        if found and found[0].text == "!" and _is_operand(found[1:]):
            return Condition("not", (_condition(found[1:], depth + 1),), found)
    return Condition("atom", (), found)


def _is_one(found: Tokens) -> bool:
    """Whether the first bracket is closed by the last token."""
    depths = _depths(found)
    closed = [
        at for at, token in enumerate(found) if depths[at] == 1 and token.text in _CLOSE and token.kind == "symbol"
    ]
    return bool(closed) and closed[0] == len(found) - 1


def truth(condition: Condition) -> bool | None:
    """The value of a condition, where it is the same for every VMI and domain."""
    match condition.kind:
        case "not":
            inner = truth(condition.parts[0])
            return None if inner is None else not inner
        case "and":
            return _and(conjuncts(condition))
        case "or":
            inner = _and([_negated(part) for part in condition.parts])
            return None if inner is None else not inner
        case _:
            return _atom(condition)


def conjuncts(condition: Condition) -> list[Condition]:
    """The conditions that must all hold."""
    if condition.kind == "and":
        return [inner for part in condition.parts for inner in conjuncts(part)]
    return [condition]


def _negated(condition: Condition) -> Condition:
    if condition.kind == "not":
        return condition.parts[0]
    if condition.kind == "atom" and (sides := comparison(condition)):
        left, operator, right = sides
        if operator in ("==", "!="):
            turned = "!=" if operator == "==" else "=="
            return Condition("atom", (), (*left, *(Token("symbol", c, 0) for c in turned), *right))
    return Condition("not", (condition,), condition.tokens)


def _and(parts: list[Condition]) -> bool | None:
    values = [truth(part) for part in parts]
    if False in values or _contradict(parts):
        return False
    return None if None in values else True


def _contradict(parts: list[Condition]) -> bool:
    """Whether a value would have to equal two literals, or equal one and not, or a condition hold and not."""
    equal: dict[str, str] = {}
    unequal: set[tuple[str, str]] = set()
    texts = {part.text for part in parts if part.kind == "atom"}
    for part in parts:
        if part.kind == "not" and part.parts[0].text in texts:
            return True
        sides = comparison(part) if part.kind == "atom" else None
        if sides is None or sides[1] not in ("==", "!="):
            continue
        value, literal = sides[0], sides[2]
        if not _is_literal(literal):
            value, literal = literal, value
        if not _is_literal(literal) or _is_literal(value):
            continue
        if sides[1] == "!=":
            unequal.add((joined(value), joined(literal)))
        elif equal.setdefault(joined(value), joined(literal)) != joined(literal):
            return True
    return any(pair in unequal for pair in equal.items())


def comparison(atom: Condition) -> tuple[Tokens, str, Tokens] | None:
    """The sides and the operator of ``a == b``, ``a != b`` and ``a in b``."""
    depths = _depths(atom.tokens)
    for operator in ("==", "!="):
        parts = _split(atom.tokens, operator)
        if len(parts) == 2:
            return parts[0], operator, parts[1]
    for at, token in enumerate(atom.tokens):
        if token.text == "in" and token.kind == "name" and depths[at] == 0:
            return atom.tokens[:at], "in", atom.tokens[at + 1 :]
    return None


def _atom(atom: Condition) -> bool | None:
    if atom.text in ("true", "false"):
        return atom.text == "true"
    sides = comparison(atom)
    if sides is None:
        return None
    left, operator, right = sides
    if operator == "in":
        return _in(left, right)
    if _is_literal(left) and _is_literal(right):
        return (joined(left) == joined(right)) is (operator == "==")
    kinds = kinds_of(left), kinds_of(right)
    if kinds[0] and kinds[1] and not kinds[0] & kinds[1]:
        return operator == "!="
    return None


def _in(left: Tokens, right: Tokens) -> bool | None:
    if joined(right) in ("[]", "{}"):
        return False
    if not _is_literal(left) or not right or right[0].text != "[" or not _is_one(right):
        return None
    entries = [entry for entry in right[1:-1] if entry.text != ","]
    if all(_is_literal((entry,)) for entry in entries):
        return joined(left) in [joined((entry,)) for entry in entries]
    return None


def _is_literal(found: Tokens) -> bool:
    return len(found) == 1 and (found[0].kind in ("string", "number") or found[0].text in ("true", "false", "null"))


_TEXTS = re.compile(r"vmi\.metadata\.((annotations|labels)(\.\w+|\[('[^']*'|\"[^\"]*\")\])|name|namespace|uid)")
_OPTIONAL = re.compile(r"vmi\.metadata\.(annotations|labels)(\.\?\w+|\[\?('[^']*'|\"[^\"]*\")\])\.orValue\((.*)\)")
_RESULTS = {
    "number": ("int", "uint", "double", "size", "quantity"),
    "text": ("string", "hex"),
    "list": ("keys", "range", "flatten", "capture"),
}
_OF_XPATH = {"nodes": "list", "text": "text", "number": "number", "boolean": "boolean"}


def kinds_of(found: Tokens) -> frozenset[str]:
    """What a value can be: ``text``, ``number``, ``boolean``, ``null``, ``list``, ``map``; empty where unknown."""
    text = joined(found)
    if len(found) == 1:
        if found[0].kind in ("string", "number"):
            return frozenset({"text" if found[0].kind == "string" else "number"})
        known = {"true": "boolean", "false": "boolean", "null": "null"}.get(text)
        return frozenset({known} if known else ())
    if found and found[0].text in "[{" and _is_one(found):
        return frozenset({"list" if found[0].text == "[" else "map"})
    if _TEXTS.fullmatch(text):
        return frozenset({"text"})
    if optional := _OPTIONAL.fullmatch(text):
        other = kinds_of(tuple(tokens(optional[4])))
        return other | {"text"} if other else other
    if len(found) > 2 and found[0].kind == "name" and found[1].text == "(" and _is_one(found[1:]):
        if found[0].text == "xpath" and found[2].kind == "string" and found[3].text in ",)":
            inner = tree(found[2].text[1:-1])
            kind = _OF_XPATH.get(result_kind(inner)) if inner else None
            return frozenset({kind} if kind else ())
        return frozenset(kind for kind, names in _RESULTS.items() if found[0].text in names)
    return frozenset()
