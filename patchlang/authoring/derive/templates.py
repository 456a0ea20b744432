"""Texts with computed parts, in the form in which a patch writes them."""

from __future__ import annotations

from collections.abc import Iterator

from ...patterns import pattern

# noncharacters, which Unicode sets aside for use within a program, frame an expression: so literal text needs no
# escapes until it is written. What a sample has of them is refused.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
GAP = "\ufdd2"
"""Precedes an attribute before which a line may be broken."""
_NODE = "\ufdd3"
MARKS = frozenset({_OPEN, _CLOSE, GAP, _NODE})
COMPUTED = pattern(f"{_OPEN}[^{_OPEN}{_CLOSE}]*{_CLOSE}")


def computed(expression: str) -> str:
    """A text that is the value of an expression; it can be part of a longer text."""
    return f"{_OPEN}{expression}{_CLOSE}"


def own(path: str) -> str:
    """An expression that gives the text at a path from the node that changes."""
    return f"xpath('string({_NODE}{path})')"


def seen_from(text: str, depth: int) -> str:
    """A text in which what starts at a node starts so many levels below it."""
    return text.replace(_NODE, "../" * depth)


def is_computed(text: str) -> bool:
    return _OPEN in text


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a text, and for each, whether it is an expression."""
    end = 0
    for found in COMPUTED.finditer(text):
        if found.start() > end:
            yield text[end : found.start()], False
        yield found[0][1:-1], True
        end = found.end()
    if end < len(text):
        yield text[end:], False


def written(text: str) -> str:
    """A text in the form of a template."""
    return "".join(f"$[ {one} ]" if is_expression else one.replace("$[", "$$[") for one, is_expression in parts(text))
