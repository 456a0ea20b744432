"""Distinguish new elements, and estimate the length of edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...libvirt_lists import Key
from .facts import literal
from .fragments import WHEN
from .paths import Namespaces, Steps, quoted
from .templates import is_computed, parts
from .trees import Element, is_element, values_at

_TEXTS = ("annotation(", "label(", "vmi.metadata.")
"""Expressions that begin with these give a text."""


def common(paths: Sequence[Steps]) -> Steps:
    found = paths[0]
    for steps in paths[1:]:
        length = next(
            (n for n, (a, b) in enumerate(zip(found, steps, strict=False)) if a != b), min(len(found), len(steps))
        )
        found = found[:length]
    return found


def families(nodes: Iterable[Element], parent: str) -> Iterator[tuple[list[Element], str]]:
    """The elements of a fragment, siblings together, with the name of their parent."""
    siblings = [node for node in nodes if is_element(node)]
    yield siblings, parent
    for node in siblings:
        yield from families(node, node.tag)


def texts_in(value: Any) -> str:
    """All texts in an edit or in a part of it, one by one."""
    if isinstance(value, (dict, list)):
        return "".join(map(texts_in, value.values() if isinstance(value, dict) else value))
    if value is None or isinstance(value, (str, int, float)):
        return value if isinstance(value, str) else ""
    nodes = list(value.iter())
    return "".join(text for node in nodes for text in (*node.attrib.values(), node.text or "", node.tail or ""))


def key_texts(node: Element, known: Sequence[Key]) -> list[str]:
    return [text for key in known[:1] for path in key for text in values_at(node, path)]


def telling(nodes: Sequence[Element]) -> str | None:
    """The attribute that all elements have, each with a different value."""
    for name in nodes[0].attrib:
        if len({node.get(name) for node in nodes}) == len(nodes) and all(node.get(name) is not None for node in nodes):
            return f"@{name}"
    return None


def guard(node: Element, namespaces: Namespaces) -> tuple[str, str | None] | None:
    """What distinguishes a new element from others with its name: an alias, a name, or its longest text.

    A step of XPath; if the text is computed, with the path and the CEL of the text separately.
    """
    name = namespaces.name(node)
    found: list[tuple[int, str, str]] = []
    for inner in node.iter("*"):
        steps: list[str] = []
        one = inner
        while one is not node:
            steps.insert(0, namespaces.name(one))
            one = one.getparent()
        texts = [(f"@{namespaces.of(key, None)}", text) for key, text in inner.attrib.items() if key != WHEN]
        if not len(inner) and inner.text:
            texts.append((".", inner.text))
        for key, text in texts:
            path = "/".join([*steps, *([key] if key != "." or not steps else [])])
            rank = -1000 if path in ("alias/@name", "target/@dev", "@name") else -len(text)
            found.append((rank, path, text))
    if not found:
        return (name, None) if not len(node) and not node.attrib else None
    _, path, text = min(found)
    if is_computed(text):
        return f"{name}/{path}", as_cel(text)
    return f"{name}[{path}={quoted(text)}]", None


def as_cel(text: str) -> str:
    """A text with computed parts as one expression."""
    return " + ".join(
        (one if one.startswith(_TEXTS) else f"string({one})") if is_expression else literal(one)
        for one, is_expression in parts(text)
    )


def lines(edits: Iterable[Mapping[str, Any]]) -> int:
    """About how many lines edits take."""
    total = 0
    for edit in edits:
        fragments = edit.get("xml", [])
        inner = sum(
            max(1, len(list(node.iter("*"))) + sum(len(one) > 0 for one in node.iter("*"))) for node in fragments
        )
        total += inner + len(edit) if fragments else 1
        total += sum(1 for _ in edit.get("args", ()))
    return total
