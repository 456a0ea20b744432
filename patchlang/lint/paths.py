"""Advice on XPaths that work today and break when the domain changes."""

from __future__ import annotations

from collections.abc import Iterator

from .. import rules
from ..diagnostics import Diagnostic
from ..document import model
from ..document.model import Role
from ..libvirt_lists import MERGE_KEYS
from ..patterns import pattern
from ..xpath.tree import Binary, Call, Expr, Literal, Path, Step, VariableRef, result_kind, walk
from .reading import PatchQuery, advice, locations, queries, shown
from .roles import is_beside, role_of

_NEIGHBOURS = frozenset({"following-sibling", "preceding-sibling", "following", "preceding", "ancestor"})
_DESCENDANTS = frozenset({"descendant", "descendant-or-self"})
_BESIDE = frozenset({"following", "following-sibling", "preceding", "preceding-sibling"})
_WIDE_AXES = frozenset({
    "ancestor", "ancestor-or-self", "descendant", "descendant-or-self", "following", "following-sibling", "preceding",
    "preceding-sibling",
})  # fmt: skip
_NUMBER = pattern(r"\s*-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*")
MAX_DEGREE = 2
"""Nested searches that need no warning: a domain has some hundred nodes."""
MOST_STEPS = 30_000_000
"""In one domain: a sidecar with a small share of a CPU needs some seconds for them."""
_SEARCH_ONCE = "write the path from the root without `//` in predicates, or put an inner search in a variable"
_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def positional_predicate(patch: model.Patch) -> Iterator[Diagnostic]:
    """A node selected by its position: ``disk[1]``, ``[last()]``, ``[position() = 2]``, ``[$index + 1]``.

    Not if the position is only a place: the last step of a path that something is put before or after, a
    neighbor (``following-sibling::arg[1]``); nor in ``remove``, where ``[position() > 1]`` leaves one of several.
    """
    for query in queries(patch):
        for holder, predicate in _predicates(query.tree):
            if not _is_positional(predicate) or _is_a_place(query, holder) or _leaves_some(query, predicate):
                continue
            if isinstance(holder, Step) and holder.axis in _NEIGHBOURS:
                continue
            text = query.source.text
            picked = shown(text[holder.start : holder.head_end] if isinstance(holder, Step) else "(…)")
            written = shown(text[predicate.start : predicate.end])
            message = f"`{picked}[{written}]` selects a node by its position, which changes with the devices of the VM"
            if _role(query) is Role.REMOVES and _is_last(query, holder):
                message = f"`{picked}[{written}]`: the next run removes whatever is in this position by then"
            span = query.source.span(predicate.start, predicate.end)
            yield advice(patch, rules.POSITIONAL, message, span, _how_to_name(holder))


def _predicates(expr: Expr) -> Iterator[tuple[Step | Path, Expr]]:
    for part in walk(expr):
        match part:
            case Step(predicates=predicates):
                yield from ((part, predicate) for predicate in predicates)
            case Path(filters=filters):
                yield from ((part, predicate) for predicate in filters)
            case _:
                pass


def _is_positional(predicate: Expr) -> bool:
    if result_kind(predicate) == "number":
        return True
    if isinstance(predicate, VariableRef):
        return predicate.name == "index"
    asked = [part for part in _without_inner_predicates(predicate) if isinstance(part, Call)]
    return any(call.name == "position" for call in asked)


def _without_inner_predicates(expr: Expr) -> Iterator[Expr]:
    yield expr
    if not isinstance(expr, Path):
        for child in expr.children:
            yield from _without_inner_predicates(child)


def _is_a_place(query: PatchQuery, holder: Step | Path) -> bool:
    """Whether the node only says where something goes."""
    if _role(query) is Role.AT:
        return _is_last(query, holder)
    if query.edit is None or _role(query) not in (Role.GOAL, Role.CHANGES) or not is_beside(query.edit):
        return False
    return _is_last(query, holder)


def _role(query: PatchQuery) -> Role | None:
    return role_of(query.edit, query.key) if query.edit is not None else None


def _is_last(query: PatchQuery, holder: Step | Path) -> bool:
    """Whether the step is the last one of a path, so that the path selects the node itself."""
    ends = [path.steps[-1] for path in locations(query.tree) if path.steps]
    return holder in ends if isinstance(holder, Step) else not holder.steps


def _leaves_some(query: PatchQuery, predicate: Expr) -> bool:
    """Whether ``remove`` removes all of several nodes except the first or last ones."""
    if _role(query) is not Role.REMOVES:
        return False
    match predicate:
        case Binary(operator="<" | "<=" | ">" | ">=" | "!="):
            return True
        case Call(name="not", args=(Binary(operator="="),)):
            return True
        case _:
            return False


def _how_to_name(holder: Step | Path) -> str:
    keys = MERGE_KEYS.get(f"devices/{holder.test}") or MERGE_KEYS.get(holder.test) if isinstance(holder, Step) else None
    if keys is None:
        return "identify it, such as `[@name='…']`; if there is only one, remove the position: `expect` counts"
    tests = " and ".join(f"{path}='{'ua-…' if path == 'alias/@name' else '…'}'" for path in _best(keys))
    return f"identify it: `[{tests}]`; if there is only one, remove the position: `expect` counts"


def _best(keys: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return ("alias/@name",) if ("alias/@name",) in keys else keys[0]


def nested_search(patch: model.Patch) -> Iterator[Diagnostic]:
    """``//`` inside a predicate: searches the whole document, or everything below, again for every candidate."""
    for query in queries(patch):
        for step, absolute in _searches(query.tree, False):
            where = "searches the whole document for each candidate, and does not depend on the candidate"
            help = "compare with a path from the candidate, such as `[source/@file]`, or search once and use a variable"
            if not absolute:
                where = "searches everything below each candidate"
                help = "write the path from the candidate in full, such as `[source/address/@slot='0x00']`"
            span = query.source.span(step.start, step.end)
            yield advice(patch, rules.NESTED_SEARCH, f"`//` in a predicate {where}", span, help)


_ARITHMETIC = frozenset({"+", "-", "*", "div", "mod"})
_AS_TEXT = "compare text with text, by `=`, `starts-with` or `contains`"
_ORDER = frozenset({"<", "<=", ">", ">="})


def text_as_number(patch: model.Patch) -> Iterator[Diagnostic]:
    """``'ua-' + $item``, ``@dev > 'vda'``, ``count(disk) = 'x'``: XPath turns text that is not a number into NaN."""
    for query in queries(patch):
        for part in walk(query.tree):
            if not isinstance(part, Binary) or not _takes_numbers(part):
                continue
            texts = [side for side in (part.left, part.right) if _is_no_number(side)]
            if texts:
                source = query.source.text
                no_number = shown(source[texts[0].start : texts[0].end])
                numbers = "compares numbers here" if part.operator in ("=", "!=") else "takes numbers"
                message = f"`{part.operator}` {numbers}, and turns `{no_number}` into NaN, which equals nothing"
                sides = ", ".join(source[side.start : side.end] for side in (part.left, part.right))
                help = f"write `concat({shown(sides)})`" if part.operator == "+" else _AS_TEXT
                yield advice(patch, rules.TEXT_AS_NUMBER, message, query.source.span(part.start, part.end), help)


def _takes_numbers(part: Binary) -> bool:
    if part.operator in ("=", "!="):
        return "number" in (result_kind(part.left), result_kind(part.right))
    return part.operator in _ARITHMETIC or part.operator in _ORDER


def _is_no_number(expr: Expr) -> bool:
    match expr:
        case Literal(value=text):
            return _NUMBER.fullmatch(text) is None
        case Call(name="concat" | "name" | "local-name" | "namespace-uri"):
            return True
        case Path(base=Expr() as inner, filters=(), steps=()):
            return _is_no_number(inner)
        case _:
            return False


def costly_xpath(patch: model.Patch) -> Iterator[Diagnostic]:
    """Nested searches of the whole document: fast on a small domain, late at boot on a large one."""
    for query in queries(patch):
        nested = degree(query.tree)
        if nested > MAX_DEGREE:
            message = (
                f"searches of the whole document are nested {nested} deep: a domain of n nodes takes about "
                f"n{_POWERS[min(nested, 9)]} steps, and the sidecar stops a run that takes too long"
            )
            yield advice(patch, rules.COSTLY_XPATH, message, query.source.span(), _SEARCH_ONCE)


def costly_here(patch: model.Patch, nodes: int) -> Iterator[Diagnostic]:
    """Nested searches that are slow on a domain with that many nodes."""
    for query in queries(patch):
        nested = degree(query.tree)
        if nested > 1 and nodes**nested > MOST_STEPS:
            message = (
                f"in this domain of about {nodes} nodes, searches that are nested {nested} deep take about "
                f"{nodes}{_POWERS[min(nested, 9)]} steps, and the sidecar stops a run that takes too long"
            )
            yield advice(patch, rules.COSTLY_XPATH, message, query.source.span(), _SEARCH_ONCE)


def degree(expr: Expr) -> int:
    """How evaluation grows with the number n of nodes: about n to this power.

    A path that starts at the document or steps over a wide axis looks at n nodes, and evaluates its predicates
    for each. Two such paths side by side add up, nested ones multiply; so does a step over siblings or over what
    follows or precedes, because it starts at each node of the previous step.
    """
    match expr:
        case Path():
            here = max(int(expr.absolute), degree(expr.base) if expr.base else 0)
            highest = here + max((degree(e) for e in expr.filters), default=0)
            wide = False
            for step in expr.steps:
                if step.axis in _BESIDE:
                    # libxml2 joins the node sets of the previous steps, and looks for each node in all of them
                    here += 2 if wide and step.axis in ("following", "preceding") else 1
                elif step.axis in _WIDE_AXES:
                    here = max(here, 1)
                wide = wide or step.axis in _WIDE_AXES
                highest = max(highest, here + max((degree(p) for p in step.predicates), default=0))
            return highest
        case Binary(operator="=" | "!=" | "<" | "<=" | ">" | ">=", left=left, right=right) if (
            result_kind(left) == result_kind(right) == "nodes"
        ):
            return degree(left) + degree(right)  # each node is compared with each
        case _:
            return max((degree(c) for c in expr.children), default=0)


def _searches(expr: Expr, inside: bool) -> Iterator[tuple[Step, bool]]:
    match expr:
        case Path(base=base, filters=filters, steps=steps):
            if base is not None:
                yield from _searches(base, inside)
            for filter_ in filters:
                yield from _searches(filter_, True)
            for step in steps:
                if inside and step.axis in _DESCENDANTS:
                    yield step, expr.absolute
                for predicate in step.predicates:
                    yield from _searches(predicate, True)
        case _:
            for child in expr.children:
                yield from _searches(child, inside)
