"""XPath as the engine uses it: checked once, evaluated by lxml, its results as matches that can be edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from lxml import etree

from .. import rules
from ..diagnostics import Diagnostic, PatchError, did_you_mean, fail
from ..markup import XML_NAMESPACE, read_by_expat, unusable_character
from ..out_of_memory import raise_if_exhausted
from ..source import Span, Text
from .match import Match, string_value
from .parser import XPathSyntaxError, is_ncname, parse
from .tree import Binary, Call, Expr, Path, Step, VariableRef, document_relative, result_kind, walk

Namespaces = Mapping[str, str]


class XPathValues(Protocol):
    """Values of ``$NAME`` in XPath."""

    def xpath_value(self, name: str) -> Any:
        """A string, number or boolean; otherwise raises LookupError with a message and its diagnostic (or None)."""


_ONLY_IN_CEL = ("cloudInit", "facts", "vmi")


def variable_help(name: str, known: list[str]) -> str:
    """What to write instead of a variable that XPath does not know."""
    short = name.removeprefix("variables.").partition(".")[0]
    if name != short and short in known:
        return f"write `${name.removeprefix('variables.')}`"
    if name.partition(".")[0] in _ONLY_IN_CEL:
        return "XPath only sees variables: compute it in `spec.variables`, and write `$NAME`"
    return did_you_mean(name, known, "variables")


class Query:
    """A checked and compiled XPath expression.

    At ``document`` a relative path starts there; otherwise it starts at the node passed to :meth:`evaluate`.
    """

    def __init__(
        self,
        source: Text,
        namespaces: Namespaces,
        known: frozenset[str],
        *,
        document: bool = True,
        text: str | None = None,
    ) -> None:
        """``known`` are the names of variables, ``NAME.*`` for any member. Raises PatchError (PL201 … PL209)."""
        self.source = source
        self.namespaces = namespaces
        self.text = source.text if text is None else text
        self.is_relative = not document
        if (at := self.text.find("$[")) >= 0:
            message = "`$[ ]` is not computed in XPath"
            help = "write a variable as `$NAME`, outside of quotes: `concat('ua-', $NAME)`"
            raise fail(rules.BAD_XPATH, message, self._span(at, at + 2), help)
        if bad := unusable_character(self.text):
            raise fail(rules.BAD_XPATH, f"the path contains {bad}, which is not allowed in XML", source.span())
        try:
            self.tree = parse(self.text)
        except XPathSyntaxError as e:
            raise fail(
                rules.BAD_XPATH, f"not XPath 1.0: {e.message}", self._span(e.offset, e.offset + 1), e.help
            ) from None
        self._check(known)
        self.variables = tuple(sorted({v.name for v in walk(self.tree) if isinstance(v, VariableRef)}))
        self._positions = frozenset(p.name for p in _predicates(self.tree) if isinstance(p, VariableRef))
        self._evaluator = self._compile(self.text, self.tree)
        if not self.variables:
            self._probe()

    def evaluate(self, tree: etree._ElementTree, values: XPathValues, context: etree._Element | None = None) -> Any:
        """lxml's result. Raises PatchError (PL403)."""
        return self.run(self._evaluator, tree, values, context)

    def run(
        self,
        evaluator: etree.XPath,
        tree: etree._ElementTree,
        values: XPathValues,
        context: etree._Element | None = None,
    ) -> Any:
        bound: dict[str, Any] = {}
        for name in self.variables:
            try:
                bound[name] = values.xpath_value(name)
            except LookupError as e:
                raise no_value(e, self._span_of(name)) from None
            if isinstance(bound[name], str) and (bad := unusable_character(bound[name])):
                message = f"`${name}` contains {bad}, which is not allowed in XML"
                raise fail(rules.UNUSABLE_TEXT, message, self._span_of(name))
            if name in self._positions and isinstance(bound[name], str):
                raise fail(
                    rules.EVALUATION,
                    f"`${name}` is text, so the predicate `[${name}]` is true for every node",
                    self._span_of(name),
                    f"write `[. = ${name}]` to compare, or compute `${name}` with `int(...)`",
                )
        try:
            return evaluator(tree if context is None else context, **bound)
        except (etree.XPathError, ValueError) as e:
            raise_if_exhausted(e)
            if str(e) == "Undefined variable":  # all are bound above: libxml2 had no memory for the value of one
                raise MemoryError from None
            raise fail(rules.EVALUATION, f"the path cannot be evaluated: {e}", self.source.span()) from None

    def prefix(self, text: str) -> etree.XPath:
        """Another path in the same dialect: a part of this one, for error messages and ``set``."""
        return self._compile(text, parse(text))

    def _compile(self, text: str, tree: Expr) -> etree.XPath:
        if not self.is_relative:
            text = document_relative(text, tree)
        try:
            return etree.XPath(text, namespaces=dict(self.namespaces), regexp=False)
        except etree.XPathSyntaxError as e:
            raise fail(rules.BAD_XPATH, f"not XPath 1.0: {e}", self.source.span()) from None

    def _probe(self) -> None:
        try:
            self._evaluator(etree.fromstring(b"<domain/>"))
        except etree.XPathError as e:
            raise fail(rules.BAD_XPATH, f"the types in the expression do not match: {e}", self.source.span()) from None

    def _check(self, known: frozenset[str]) -> None:
        for expr in walk(self.tree):
            match expr:
                case VariableRef(name=name):
                    root, dot, _ = name.partition(".")
                    if name not in known and not (dot and f"{root}.*" in known):
                        names = sorted(k for k in known if not k.endswith("*"))
                        raise fail(
                            rules.UNKNOWN_NAME,
                            f"no variable `${name}` here",
                            self._span(expr.start, expr.end),
                            variable_help(name, names),
                        )
                case Step(axis="attribute", test=test) if test == "xmlns" or test.startswith("xmlns:"):
                    raise fail(
                        rules.BAD_XPATH,
                        "a namespace declaration is not an attribute",
                        self._span(expr.start, expr.end),
                        "declare prefixes in `spec.namespaces`",
                    )
                case Step(test=test) if test.partition(".")[0] in ("variables", "item") and "." in test:
                    name = test.removeprefix("variables.")
                    message = f"`{test}` is CEL syntax; here it is the name of an element"
                    raise fail(rules.BAD_XPATH, message, self._span(expr.start, expr.end), f"write `${name}`")
                case Step(test=test) if test.partition(".")[0] in _ONLY_IN_CEL and "." in test:
                    message = f"`{test}` is CEL syntax; here it is the name of an element"
                    help = "XPath only sees variables: compute it in `spec.variables`, and write `$NAME`"
                    raise fail(rules.BAD_XPATH, message, self._span(expr.start, expr.end), help)
                case Step(test=test) if ":" in test:
                    prefix = test.split(":")[0]
                    if prefix not in self.namespaces and prefix != "xml":
                        raise fail(
                            rules.UNKNOWN_PREFIX,
                            f"the prefix `{prefix}` is not declared",
                            self._span(expr.start, expr.end),
                            did_you_mean(prefix, sorted(self.namespaces), "declare it in `spec.namespaces`; declared"),
                        )
                case Call(name="count" | "sum") if result_kind(expr.args[0]) not in ("nodes", "any"):
                    message = f"`{expr.name}()` takes nodes, not a {result_kind(expr.args[0])}"
                    raise fail(rules.BAD_XPATH, message, self._span(expr.args[0].start, expr.args[0].end))
                case Binary(operator="|") if {result_kind(expr.left), result_kind(expr.right)} - {"nodes", "any"}:
                    raise fail(rules.BAD_XPATH, "`|` joins nodes", self._span(expr.start, expr.end))
                case Call(name="id" | "lang"):
                    raise fail(
                        rules.BAD_XPATH, f"`{expr.name}()` is meaningless in a domain", self._span(expr.start, expr.end)
                    )
                case _:
                    pass

    def _span(self, start: int, end: int) -> Span:
        return self.source.span() if self.text is not self.source.text else self.source.span(start, end)

    def _span_of(self, variable: str) -> Span:
        refs = (e for e in walk(self.tree) if isinstance(e, VariableRef) and e.name == variable)
        ref = next(refs)
        return self._span(ref.start, ref.end)


def no_value(error: LookupError, span: Span | None) -> PatchError:
    """The error for a ``$name`` without a value, as :meth:`XPathValues.xpath_value` raises it."""
    message, cause = error.args
    related = ((cause.span, "the variable is computed here"),) if cause and cause.span else ()
    return PatchError(Diagnostic(rules.EVALUATION, message, span, cause.help if cause else None, related=related))


def _predicates(tree: Expr) -> Iterator[Expr]:
    for expr in walk(tree):
        match expr:
            case Step(predicates=predicates):
                yield from predicates
            case Path(filters=filters):
                yield from filters
            case _:
                pass


class Selector(Query):
    """A path that selects nodes: ``path``, ``in``, ``from``."""

    def __init__(self, source: Text, namespaces: Namespaces, known: frozenset[str], *, document: bool = True) -> None:
        super().__init__(source, namespaces, known, document=document)
        kind = result_kind(self.tree)
        if kind not in ("nodes", "any"):
            help = "select elements, attributes or text; to compute a value from them, use CEL's `xpath('…')`"
            raise fail(rules.BAD_XPATH, f"a path must select nodes, but this gives a {kind}", source.span(), help)

    def select(
        self, tree: etree._ElementTree, values: XPathValues, context: etree._Element | None = None
    ) -> list[Match]:
        """The nodes in document order. Raises PatchError (PL402, PL403)."""
        return self.matches(self.evaluate(tree, values, context))

    def matches(self, result: Any) -> list[Match]:
        if not isinstance(result, list):
            raise fail(rules.WRONG_NODE, "a path must select nodes", self.source.span())
        return [self._match(node) for node in result]

    def _match(self, node: Any) -> Match:
        if isinstance(node, etree._Element) and isinstance(node.tag, str):
            return Match(node)
        if getattr(node, "is_attribute", False):
            return Match(node.getparent(), attribute=node.attrname)
        if getattr(node, "is_text", False):
            return Match(node.getparent(), text="text")
        if getattr(node, "is_tail", False):
            return Match(node.getparent(), text="tail")
        raise fail(
            rules.WRONG_NODE,
            "the path selects a comment, a processing instruction or the document itself",
            self.source.span(),
            "select elements, attributes or text",
        )

    def paths(self) -> tuple[Path, ...]:
        """The location paths whose union this is; empty if it has another form."""
        found: list[Path] = []
        pending = [self.tree]
        while pending:
            match pending.pop():
                case Binary(operator="|", left=left, right=right):
                    pending += [right, left]
                case Path(base=None) as path:
                    found.append(path)
                case _:
                    return ()
        return tuple(found)


class AttributeSelector:
    """A path of ``set`` that ends in ``@name``: counts the elements before it, so that a missing one is created."""

    def __init__(self, selector: Selector, step: Step) -> None:
        self._selector = selector
        self._elements = selector.prefix(selector.text[: step.start].rstrip().removesuffix("/") or ".")
        self._name = clark_name(step.test, selector.namespaces)

    def select(
        self, tree: etree._ElementTree, values: XPathValues, context: etree._Element | None = None
    ) -> list[Match]:
        found = self._selector.matches(self._selector.run(self._elements, tree, values, context))
        return [Match(m.element, attribute=self._name) for m in found if m.is_element]


def attribute_selector(selector: Selector) -> AttributeSelector | None:
    """For ``…/@name`` without predicates; None for any other path."""
    tree = selector.tree
    if not isinstance(tree, Path):
        return None
    starts = tree.base is not None or (selector.is_relative and not tree.absolute)
    if len(tree.steps) < (1 if starts else 2):
        return None
    last = tree.steps[-1]
    if last.axis != "attribute" or last.predicates or last.test.endswith(("*", ")")):
        return None
    if len(tree.steps) > 1 and tree.steps[-2].abbreviated:
        return None
    return AttributeSelector(selector, last)


def clark_name(name: str, namespaces: Namespaces) -> str:
    """``prefix:local`` in Clark notation; an unprefixed name has no namespace. KeyError for an unknown prefix."""
    prefix, colon, local = name.partition(":")
    if not colon:
        return name
    return f"{{{XML_NAMESPACE if prefix == 'xml' else namespaces[prefix]}}}{local}"


def new_name(name: str, namespaces: Namespaces, *, attribute: bool) -> str:
    """As :func:`clark_name`, for a name that will be created.

    KeyError for an unknown prefix, ValueError for an invalid XML name or a namespace declaration.
    """
    prefix, colon, local = name.partition(":")
    if not is_ncname(prefix) or (colon and not is_ncname(local)):
        raise ValueError("not an XML name")
    if attribute and prefix == "xmlns":
        raise ValueError("a namespace declaration is not an attribute")
    clark = clark_name(name, namespaces)
    probe = etree.Element("probe" if attribute else clark)
    if attribute:
        probe.set(clark, "")
    if not name.isascii() and not read_by_expat(etree.tostring(probe, encoding="utf-8")):
        raise ValueError("not every XML parser accepts this name")
    return clark


def to_cel(result: Any, source: Text | None = None) -> Any:
    """What CEL's ``xpath()`` returns for lxml's result. Raises PatchError (PL403) for NaN and infinities."""
    match result:
        case bool() | str():
            return result if isinstance(result, bool) else str(result)
        case float():
            if result.is_integer():
                return int(result)
            if result != result or result in (float("inf"), float("-inf")):
                raise _nan(source)
            return result
        case list():
            return [string_value(node) for node in result]
        case _:
            raise _nan(source)


def _nan(source: Text | None) -> PatchError:
    return fail(rules.EVALUATION, "the result is not a number (NaN)", source.span() if source else None)
