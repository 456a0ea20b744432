"""A YAML scalar as the value that a model field needs."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Any

from .. import rules
from ..diagnostics import did_you_mean, fail
from ..patterns import pattern
from . import model
from .yamltree import Inside, Scalar

_MAY_BE_EMPTY = (model.Template, model.Pointer, model.Literal)
_INTEGER = pattern(r"-?(0|[1-9][0-9]*)")
_NUMBER = pattern(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
COUNT = pattern(r"([0-9]{1,6})(\+|\.\.([0-9]{1,6}))?")
_AMBIGUOUS = pattern(
    r"on|off|yes|no|true|false|null|~|[-+]?0[0-7_]+|[-+]?0x[0-9a-f_]+|0o[0-7]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+"
    r"(\.[0-9_]*)?|[-+]?[0-9][0-9_]*|[-+]?[0-9][0-9_]*\.[0-9_]*(e[-+]?[0-9]+)?|[-+]?\.[0-9][0-9_]*(e[-+][0-9]+)?|[-+]?\.inf"
    r"|\.nan|=|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?",
    re.IGNORECASE,
)


def described(hint: Any) -> str:
    """What a scalar of a model type looks like, for messages."""
    if hint is bool:
        return "true or false"
    if hint is int:
        return "a whole number"
    return 'a count such as 1, "0..1" or "1+"' if hint is model.Expect else "text"


def scalar(hint: Any, node: Scalar, what: str) -> Any:
    """A value of a model type: bool, int, Expect, an enum, or a kind of Text. ``what`` names it in messages.

    Raises PatchError (PL103, PL104).
    """
    text = node.text
    if hint is bool:
        if node.plain and text in ("true", "false"):
            return text == "true"
    elif hint is int:
        if node.plain and _INTEGER.fullmatch(text) and len(text) < 10:
            return int(text)
    elif hint is model.Expect:
        return _expect(node)
    elif issubclass(hint, Enum):
        if text in (values := [member.value for member in hint]):
            return hint(text)
        raise fail(rules.BAD_VALUE, f"{what} cannot be `{text}`", node.span, did_you_mean(text, values, "allowed"))
    else:
        if text == "" and (node.plain or hint not in (*_MAY_BE_EMPTY, model.Fragment)):
            what_to_do = "write '' for empty text" if hint in _MAY_BE_EMPTY else None
            if node.span.source.text[node.span.end : node.span.end + 20].lstrip(" ").startswith("#"):
                what_to_do = "`#` begins a comment: quote the value"
            raise fail(rules.BAD_VALUE, f"{what} is empty", node.span, what_to_do)
        return hint(text, Inside(node))
    raise fail(rules.WRONG_TYPE, f"{what} must be {described(hint)}", node.span)


def _expect(node: Scalar) -> model.Expect:
    found = COUNT.fullmatch(node.text)
    if found:
        low = int(found[1])
        high = None if found[2] == "+" else int(found[3]) if found[3] else low
        if high is None or high >= low:
            return model.Expect(low, high)
    raise fail(rules.BAD_VALUE, f"`{node.text}` is not a count", node.span, 'write 3, "0..1", "1+", "0+" or "2..4"')


def is_text(plain: str) -> bool:
    """Whether all YAML parsers take an unquoted scalar for text."""
    return plain not in ("", "true", "false", "null") and not (_NUMBER.fullmatch(plain) or _AMBIGUOUS.fullmatch(plain))


def json_scalar(node: Scalar) -> model.Constant | model.Template:
    """A scalar of cloud-init data: quoted ones are text, unquoted ones have JSON's types.

    Raises PatchError (PL108) for values that YAML parsers disagree about.
    """
    text = node.text
    if "$[" in text:
        return model.Template(text, Inside(node))
    if not node.plain:
        return model.Constant(text, node.span)
    if text in ("true", "false", "null"):
        return model.Constant({"true": True, "false": False, "null": None}[text], node.span)
    if _INTEGER.fullmatch(text) and len(text) <= 300:
        return model.Constant(int(text), node.span)
    if _NUMBER.fullmatch(text) and len(text) <= 300:
        if not math.isfinite(number := float(text)):
            message = f"`{text}` does not fit in a double"
            raise fail(rules.AMBIGUOUS_SCALAR, message, node.span, f"write '{text}' for text")
        return model.Constant(number, node.span)
    if text == "":
        raise fail(rules.AMBIGUOUS_SCALAR, "the value is empty", node.span, "write null, or '' for empty text")
    if _AMBIGUOUS.fullmatch(text):
        raise fail(
            rules.AMBIGUOUS_SCALAR,
            f"YAML parsers disagree about unquoted `{text}`",
            node.span,
            f"write '{text}' for text, or true, false, null or a decimal number",
        )
    return model.Constant(text, node.span)
