"""Why an expression is refused: the library's messages in our words, with what to write instead."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from .. import rules
from ..diagnostics import PatchError, did_you_mean, fail
from ..patterns import pattern
from ..source import Span, Text
from .functions import SIGNATURES
from .messages import BEHIND_NAME, LOCATED, OVER_MAP, TOO_DEEP, explain_static, quiet
from .syntax import Insertion, original_offset, tokens

if TYPE_CHECKING:
    from .library import Names

_WHERE = {
    "item": "`item` and `index` need `forEach`, which this edit does not have",
    "index": "`item` and `index` need `forEach`, which this edit does not have",
    "node": "`node` is only available in values that belong to a matched node of the domain",
    "cloudInit": "`cloudInit` is only available in cloud-init edits, and in `when` and `variables` of a patch without "
    "domain edits",
    "xpath": "`xpath` is only available in domain edits, and in `when` and `variables` of a patch without cloud-init "
    "edits",
}
_LOOP = "add `forEach` to the edit, or `patch:forEach` to the element; a macro names its entry, as in `list.map(x, …)`"


def static_error(source: Text, text: str, insertions: tuple[Insertion, ...], raw: str, names: Names) -> PatchError:
    found = sorted((int(line), int(column), message) for line, column, message in LOCATED.findall(raw))
    if not found and TOO_DEEP.search(raw):
        return too_deep(source, "deeper than 32 levels; each chained operator counts as one")
    if not found:
        return fail(rules.BAD_EXPRESSION, quiet(raw), source.span())
    over_map = [f for f in found if OVER_MAP.search(f[2])]
    undeclared = [f for f in found if f[2].startswith("undeclared reference")]
    line, column, message = (over_map or undeclared or found)[0]
    message = BEHIND_NAME.sub("", message)
    guarded = sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + column - 1
    offset = max(0, min(original_offset(guarded, insertions), len(source.text)))
    span = source.span(offset, min(offset + 1, len(source.text)))
    if unknown := re.match(r"undeclared reference to '([^']*)'", message):
        return _unknown_name(source, unknown[1], offset, names)
    if (of := _NO_MEMBERS.fullmatch(message)) and (member := _MEMBER.match(source.text, offset)):
        return _no_member(source, of[1], member)
    words, help = explain_static(message, source.text, offset)
    return fail(rules.BAD_EXPRESSION, words, span, help)


_NO_MEMBERS = pattern(r"expression of type '(.*)' cannot be the operand of a select operation")
_MEMBER = pattern(r"\s*\.\s*(\w+)")


def _no_member(source: Text, of: str, member: re.Match[str]) -> PatchError:
    from .words import member_help

    kind = of.replace("int64", "int")
    kind = next((f"a {one}" for one in ("list", "string") if kind.startswith(one)), f"a value of type {kind}")
    help = member_help(member[1]) or (
        "select an entry: `[0]`, or `.filter(x, ...)[0]`" if kind == "a list" else "use the value itself"
    )
    return fail(rules.BAD_EXPRESSION, f"{kind} has no member `{member[1]}`", source.span(*member.span(1)), help)


def too_deep(source: Text, how: str) -> PatchError:
    return fail(
        rules.BAD_EXPRESSION, f"the expression is nested {how}", source.span(), "move part of it into a variable"
    )


def _unknown_name(source: Text, name: str, offset: int, names: Names) -> PatchError:
    span = _span_of_name(source, name, offset)
    root, _, member = name.partition(".")
    if root == "variables" and member:
        known = [n for n, _ in names.variables]
        message = f"no variable `{member}` here"
        return fail(rules.UNKNOWN_NAME, message, span, did_you_mean(member, known, "variables"))
    known_function = root in SIGNATURES and (root != "xpath" or names.xpath)
    if root in _WHERE and not known_function:
        return fail(rules.UNKNOWN_NAME, _WHERE[root], span, _LOOP if root in ("item", "index") else None)
    known = [n for n, _ in names.variables]
    if root == "variables":
        listed = ", ".join(f"`variables.{n}`" for n in known) or "none"
        return fail(rules.UNKNOWN_NAME, "`variables` alone is not a value", span, f"available: {listed}")
    if root in known:
        return fail(rules.UNKNOWN_NAME, f"unknown name `{root}`", span, f"did you mean `variables.{root}`?")
    start = max(0, source.text.rfind(root, 0, offset + len(root) + 1))
    if source.text[:start].rstrip().endswith("."):
        from .words import method_help

        if not root:
            help = f"an expression begins with a name: `vmi{name}`"
            return fail(rules.UNKNOWN_NAME, f"nothing before `{name}`", span, help)
        return fail(rules.UNKNOWN_NAME, f"no method `{root}`", span, method_help(root))
    if known_function:
        end = source.text.rfind(root, 0, offset + len(root) + 1) + len(root)
        called = source.text[end:].lstrip().startswith("(")
        words = f"`{root}` does not take these arguments" if called else f"`{root}` is a function"
        return fail(rules.UNKNOWN_NAME, words, span, SIGNATURES[root])
    before = re.search(r"(?<![\w./-])[\w./-]*\Z", source.text[: offset + len(root)])
    of_map = before and re.search(r"(?:annotations|labels)\.(.*)", before[0])
    if of_map and not {"-", "/"}.isdisjoint(of_map[1]):
        help = "write a key with `.`, `/` or `-` in brackets: `annotations['kubevirt.io/foo']`"
        return fail(rules.UNKNOWN_NAME, f"unknown name `{root}`", span, help)
    roots = ["vmi", "variables", *(["item", "index"] if names.item else []), *SIGNATURES]
    from .words import NAMESPACES, function_help, namespace_help

    following = [token.text for token in islice(tokens(source.text, start), 3)]
    if root in NAMESPACES and following[:2] == [root, "."]:
        help = namespace_help(root, following[-1])
        return fail(rules.UNKNOWN_NAME, f"`{root}` has no function `{following[-1]}`", span, help)
    help = function_help(root, roots)
    if source.text[:start].rstrip().endswith(("{", ",")) and following[1:2] == [":"]:
        help = f"the key of a map is a string: `'{root}'`"
    return fail(rules.UNKNOWN_NAME, f"unknown name `{root}`", span, help)


def _span_of_name(source: Text, name: str, offset: int) -> Span:
    """CEL points at the dot or the parenthesis after a name; this is the name."""
    last = name.rsplit(".", 1)[-1] if name.startswith("variables.") else name.split(".")[0]
    start = source.text.rfind(last, 0, offset + len(last) + 1)
    return source.span(start, start + len(last)) if start >= 0 else source.span(offset, offset + 1)
