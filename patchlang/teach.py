"""Messages for a path that did not match as expected: how far it matched, what is there, what is near."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from . import rules
from .diagnostics import PatchError, closest, fail
from .model import Expect
from .xpath import Match, Selector, XPathValues, match_path, node_path, string_value
from .xpathsyntax import Binary, Expr, Literal, Path, Step, VariableRef

_SHOWN = 8
_MAX_TEXT = 60


def count_error(selector: Selector, expect: Expect, found: list[Match], tree: etree._ElementTree,
                values: XPathValues) -> PatchError:
    """PL401 for a path that matched another number of nodes than ``expect`` allows."""
    span = selector.source.span()
    if found:
        nodes = "node" if len(found) == 1 else "nodes"
        places = ", ".join(_place(m) for m in found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        many = expect.high is not None and len(found) > expect.high
        advice = "narrow the path with a predicate, or say with `expect` how many may match" if many else ""
        return fail(rules.MATCH_COUNT, f"the path matches {len(found)} {nodes}, {expect} expected: {places}", span, advice or None)
    reached = "; ".join(filter(None, (_explain(path, selector, tree, values) for path in selector.paths())))
    return fail(rules.MATCH_COUNT, f"the path matches nothing, {expect} expected" + (f": {reached}" if reached else ""), span,
                'if it may be missing, say `expect: "0..1"` or `"0+"`; `ensure` makes what is missing')


def _place(match: Match) -> str:
    line = match.element.sourceline
    return f"{match_path(match)} (line {line})" if line else match_path(match)


def _explain(path: Path, selector: Selector, tree: etree._ElementTree, values: XPathValues) -> str:
    """How far the path matched and what there is where it stopped."""

    def run(text: str) -> list[Match]:
        result = selector.run(selector.prefix(text), tree, values)
        return [Match(n) for n in result if isinstance(n, etree._Element) and isinstance(n.tag, str)]

    parents: list[Match] | None
    for count in range(len(path.steps) - 1, -1, -1):
        failed = path.steps[count]
        if failed.abbreviated:
            continue
        if count == 0:
            parents = [] if not path.absolute else None
        elif path.steps[count - 1].abbreviated:
            head = selector.text[path.start : path.steps[count - 1].start] or "/"
            parents = run(f"{head.rstrip('/') or ''}//*" if head != "/" else "//*")
        else:
            parents = run(selector.text[path.start : path.steps[count - 1].end])
        if parents == []:
            continue
        prefix = selector.text[path.start : path.steps[count - 1].end] if count else "the document"
        return _at_step(selector, failed, prefix.rstrip("/") or "/", parents, run, path, values, tree)
    return ""


def _at_step(selector: Selector, step: Step, prefix: str, parents: list[Match] | None,
             run: Callable[[str], list[Match]], path: Path, values: XPathValues, tree: etree._ElementTree) -> str:
    if parents is None:
        return f"the root of the document is `{tree.getroot().tag}`"
    reached = f"`{prefix}` matches"
    if len(parents) == 1 and prefix != "/":
        line = parents[0].element.sourceline
        reached += f" (line {line})" if line else ""
    if step.axis == "attribute":
        return _missing(reached, "@" + step.test, "attribute", {f"@{_local(n)}" for m in parents for n in m.element.attrib})
    if step.axis != "child" or step.test.endswith(")"):
        return f"{reached}, but no `{selector.text[step.start : step.end]}` from there"
    if step.predicates:
        bare = run(selector.text[path.start : step.head_end])
        if bare:
            return _at_predicate(selector, step, bare, values)
    names = {_shown(c) for m in parents for c in m.element if isinstance(c.tag, str)}
    return _missing(reached, step.test, "element", names)


def _missing(reached: str, name: str, kind: str, names: set[str]) -> str:
    near = closest(name, names)
    hint = f", did you mean `{near}`?" if near and near != name else ""
    if hint or not names:
        return f"{reached}, but has no {kind} `{name}` there{hint}"
    listed = ", ".join(sorted(names)[:_SHOWN * 3])
    return f"{reached}, but has no {kind} `{name}` there; it has {listed}"


def _at_predicate(selector: Selector, step: Step, bare: list[Match], values: XPathValues) -> str:
    """Elements of that name are there, none fits the predicates: show the values that the predicates compare."""
    plural = "is 1" if len(bare) == 1 else f"are {len(bare)}"
    text = f"there {plural} `{step.test}`, but none with `{selector.text[step.head_end : step.end]}`"
    for path_text, wanted in _equalities(selector, step, values):
        found = _values(selector, path_text, bare)
        if found:
            near = closest(wanted, found) if wanted else None
            text += f"; `{path_text}` is {', '.join(found[:_SHOWN])}" + (", …" if len(found) > _SHOWN else "")
            text += f"; did you mean `{near}`?" if near and near != wanted else ""
            break
    return text


def _equalities(selector: Selector, step: Step, values: XPathValues) -> Iterator[tuple[str, str | None]]:
    pending: list[Expr] = list(step.predicates)
    while pending:
        match pending.pop(0):
            case Binary(operator="and" | "or", left=left, right=right):
                pending += [left, right]
            case Binary(operator="=", left=Path() as path, right=value) | Binary(operator="=", left=value, right=Path() as path):
                if not path.absolute and path.base is None:
                    yield selector.text[path.start : path.end], _wanted(value, values)
            case _:
                pass


def _wanted(value: Expr, values: XPathValues) -> str | None:
    match value:
        case Literal(value=text):
            return text
        case VariableRef(name=name):
            return str(values.xpath_value(name))
        case _:
            return None


def _values(selector: Selector, path: str, nodes: list[Match]) -> list[str]:
    """The values of a relative path at some nodes, each once, in document order."""
    try:
        evaluator = etree.XPath(path, namespaces=dict(selector.namespaces), regexp=False)
        results = [evaluator(m.element) for m in nodes]
        found = [v for result in results if isinstance(result, list) for v in result]
    except etree.XPathError:
        return []
    texts = (" ".join(string_value(v).split())[:_MAX_TEXT] for v in found)
    return list(dict.fromkeys(t for t in texts if t))


def _shown(element: etree._Element) -> str:
    local = _local(element.tag)
    return f"{element.prefix}:{local}" if element.prefix and element.tag.startswith("{") else local


def _local(name: object) -> str:
    return str(name).rsplit("}", 1)[-1]


def ambiguous(selector_text: str, candidates: list[etree._Element]) -> str:
    """Several elements where one is needed, with their places."""
    places = ", ".join(f"{node_path(e)} (line {e.sourceline})" if e.sourceline else node_path(e) for e in candidates[:_SHOWN])
    return f"{len(candidates)} elements `{selector_text}` are there: {places}"
