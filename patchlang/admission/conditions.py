"""The condition of a Plugin: what KubeVirt's CEL would refuse in it, and which missing VMI fields it reads.

KubeVirt compiles it against its own VMI types, with CEL's extensions for strings, numbers and lists, and expects a
boolean (pkg/plugins/cel). It has no optionals and none of the functions of a patch. A missing field of a VMI reads as
empty; a missing key of a map is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from .. import rules
from ..cel.tree import Call, Literal, Node, Select, walk
from ..cel.unparse import write
from ..diagnostics import Diagnostic, Severity, did_you_mean
from ..document.nested_source import text_of
from ..document.yamltree import Scalar
from ..kubevirt.celtypes import ROOTS, Scope, slips, typed
from ..kubevirt.vmitypes import kinds, types
from ..lint.reading import cel as tree_of
from ..source import SourceFile, Span

if TYPE_CHECKING:
    from cel_expr_python import cel

_RELEASE = "1.9"
"""The first release with Plugins."""


def check(condition: Scalar, release: str | None) -> Iterator[Diagnostic]:
    """Problems of a condition (PL719, PL911, PL912), for the VMI of a release; None for any release with Plugins."""
    source = text_of(condition)
    text = source.text
    if not text.strip():
        return
    wrong = _compiled(text)
    if wrong is not None:
        message, start, end, help = wrong
        yield Diagnostic(rules.PLUGIN_CONDITION, message, Span(source, start, end), help)
        return
    tree = tree_of(text)
    if tree is None:
        return
    scope = Scope(types(release or _RELEASE), ROOTS)
    for slip in slips(text, tree, scope):
        if slip.severity is Severity.ERROR:  # a missing field reads as empty
            yield Diagnostic(slip.rule, slip.message, Span(source, slip.start, slip.end), slip.help)
    yield from _absent_keys(source, tree)
    given = kinds(typed(tree, scope).type)
    if given and "boolean" not in given:
        message = f"a condition must be a boolean, not {' or '.join(sorted(given))}"
        yield Diagnostic(rules.PLUGIN_CONDITION, message, Span(source, 0, len(text)), "compare it with `==`")


def _compiled(text: str) -> tuple[str, int, int, str | None] | None:
    """CEL's complaint about it, its place, and what to do."""
    from ..cel.library import MAX_SOURCE
    from ..cel.messages import LOCATED, explain_static

    if len(text) > MAX_SOURCE:
        return None  # nobody writes such a condition
    try:
        kind = str(environment().compile(text).return_type().name()).lower()
    except (RuntimeError, UnicodeError) as e:
        found = sorted((int(line), int(column), message) for line, column, message in LOCATED.findall(str(e)))
        if not found:
            return "CEL cannot read the condition", 0, len(text), None
        line, column, message = ([one for one in found if "undeclared reference" in one[2]] or found)[-1]
        at = sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + column - 1
        at = max(0, min(at, len(text)))
        if unknown := re.match(r"undeclared reference to '([^']*)'", message):
            return _unknown(text, unknown[1], at)
        if "optional" in message or "unsupported syntax" in message:
            how = "test with `has(…)`, or with `in` for a key"
            return "KubeVirt's conditions do not support optionals", at, min(at + 1, len(text)), how
        words, help = explain_static(message, text, at)
        return words, at, min(at + 1, len(text)), help
    if kind not in ("bool", "dyn", "any"):
        return f"a condition must be a boolean, not CEL's type `{kind}`", 0, len(text), "compare it with `==`"
    return None


def _unknown(text: str, name: str, at: int) -> tuple[str, int, int, str | None]:
    """CEL points at the dot or the parenthesis after a name."""
    word = name.split(".")[0]
    start = max(0, text.rfind(word, 0, at + len(word) + 1))
    end = start + len(word)
    if text[end:].lstrip()[:1] == "(":
        message = f"KubeVirt's conditions have no function `{word}`"
        return message, start, end, "available are CEL's own, with its extensions for strings, numbers and lists"
    message = f"a Plugin's condition has no `{word}`"
    return message, start, end, did_you_mean(word, ["vmi"], "available")


def _absent_keys(source: SourceFile, tree: Node) -> Iterator[Diagnostic]:
    """Map keys that are read without a test: the condition fails for a VMI without one."""
    asked = {
        (_written(of), key)
        for node in walk(tree)
        if isinstance(node, Call) and node.function == "@in" and isinstance(key := node.children[0], Literal)
        for of in node.children[1:]
    }
    for node in walk(tree):
        match node:
            case Call("_[_]", children=(Select("annotations" | "labels") as read, Literal("string", str(name)) as at)):
                of = _written(read)
                if not any(one == of and wanted.value == name for one, wanted in asked):
                    literal = source.text[at.position :].split("]")[0]
                    message = f"the condition fails for a VMI without `{name}`, which then does not start"
                    help = f"test for it first: `{literal} in {of} && …`"
                    span = Span(source, at.position, at.position + len(literal))
                    yield Diagnostic(rules.PLUGIN_CONDITION, message, span, help, Severity.WARNING)


def _written(node: Node) -> str:
    try:
        return write(node)
    except ValueError:
        return "…"


@cache
def environment() -> cel.Env:
    """CEL as KubeVirt configures it for conditions."""
    from ..cel.library import plain_environment

    return plain_environment("strings", "math", "lists")
