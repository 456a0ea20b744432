"""XPath 1.0 text to a tree with places: what static checks and error messages need and lxml does not provide.

The grammar is that of the W3C recommendation of 1999, sections 2 and 3; lxml evaluates, this module only parses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..diagnostics import did_you_mean
from ..patterns import pattern
from ..record import field, record, replace
from .tree import FUNCTIONS, Binary, Call, Expr, Literal, Negation, Number, Path, Step, VariableRef

MAX_LENGTH = 4096
MAX_NESTING = 30
MAX_TOKENS = 600

AXES = frozenset(
    "ancestor ancestor-or-self attribute child descendant descendant-or-self following following-sibling namespace "
    "parent preceding preceding-sibling self".split()
)
NODE_TYPES = frozenset({"comment", "text", "processing-instruction", "node"})
# XML 1.0 (fifth edition) productions 4 and 4a, without the colon
# … as far as libxml2 accepts them in a path: only the basic plane
_NAME_START = (
    r"A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    r"\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
)
_NAME = rf"[{_NAME_START}][{_NAME_START}.0-9\u00b7\u0300-\u036f\u203f\u2040-]*"
# the same for ASCII: classes that span the basic plane take 10 ms to compile, which few texts need
_ASCII_NAME = r"[A-Z_a-z][A-Z_a-z.0-9-]*"


def _tokens_with(name: str) -> re.Pattern[str]:
    return pattern(
        rf"(?P<space>[ \t\r\n]+)|(?P<literal>\"[^\"]*\"|'[^']*')|(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
        rf"|(?P<variable>\${name}(?::{name})?)|(?P<symbol>::|//|\.\.|!=|<=|>=|[()\[\].@,/|+\-=<>*$])"
        rf"|(?P<name>{name}(?::(?!:)(?:{name}|\*))?)"
    )


_TOKEN, _TOKEN_OF_ASCII = _tokens_with(_NAME), _tokens_with(_ASCII_NAME)
_NCNAME, _NCNAME_OF_ASCII = pattern(_NAME), pattern(_ASCII_NAME)


def is_ncname(text: str) -> bool:
    """Whether it is an XML name without a colon."""
    return bool((_NCNAME_OF_ASCII if text.isascii() else _NCNAME).fullmatch(text))


class XPathSyntaxError(Exception):
    """Not XPath 1.0. ``offset`` is the place of the fault in the text."""

    def __init__(self, message: str, offset: int, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.help = help


def parse(text: str) -> Expr:
    """Read XPath 1.0. Raises XPathSyntaxError."""
    if len(text) > MAX_LENGTH:
        raise XPathSyntaxError(f"the expression is longer than {MAX_LENGTH} characters", MAX_LENGTH)
    try:
        return _Parser(text).parse()
    except XPathSyntaxError as e:
        from .habits import help_for

        e.help = e.help or help_for(text, e.offset)
        raise


@record
class _Token:
    kind: str
    text: str
    start: int
    end: int


_OPERATOR_NAMES = frozenset({"and", "or", "mod", "div"})
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("or",), ("and",), ("=", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "div", "mod"),
)  # fmt: skip


@record(frozen=False)
class _Parser:
    text: str
    at: int = 0
    tokens: list[_Token] = field(default_factory=list)
    depth: int = 0

    def parse(self) -> Expr:
        self.tokens = list(self._tokenize())
        if len(self.tokens) > MAX_TOKENS:
            raise XPathSyntaxError(f"the expression has more than {MAX_TOKENS} parts", self.tokens[MAX_TOKENS].start)
        expr = self._level(0)
        if self._peek().kind != "end":
            raise self._unexpected()
        return expr

    def _tokenize(self) -> Iterator[_Token]:
        at = 0
        match = (_TOKEN_OF_ASCII if self.text.isascii() else _TOKEN).match
        previous: _Token | None = None
        while at < len(self.text):
            found = match(self.text, at)
            if not found:
                char = self.text[at]
                help = "the quote is not closed" if char in "'\"" else None
                raise XPathSyntaxError(f"`{char}` is not allowed here", at, help)
            kind = str(found.lastgroup)
            if kind != "space":
                token = _Token(kind, found.group(), at, found.end())
                # section 3.7: after an operand, `*` and the operator names are operators
                opening = (
                    previous is not None and previous.kind == "symbol" and previous.text in ("@", "::", "(", "[", ",")
                )
                operand_before = previous is not None and previous.kind != "operator" and not opening
                operators = ("/", "//", "|", "+", "-", "=", "!=", "<", "<=", ">", ">=")
                starred = token.text == "*" and kind == "symbol" and operand_before
                named = kind == "name" and token.text in _OPERATOR_NAMES and operand_before
                if (kind == "symbol" and token.text in operators) or starred or named:
                    token = _Token("operator", token.text, at, found.end())
                yield token
                previous = token
            at = found.end()
        yield _Token("end", "", len(self.text), len(self.text))

    def _peek(self, ahead: int = 0) -> _Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def _next(self) -> _Token:
        token = self._peek()
        self.at += 1
        return token

    def _is(self, *texts: str, kind: str | None = None) -> bool:
        token = self._peek()
        return token.text in texts and token.kind in ((kind,) if kind else ("symbol", "operator"))

    def _take(self, text: str) -> _Token:
        if not self._is(text):
            raise self._unexpected(f"`{text}` is missing before")
        return self._next()

    def _unexpected(self, what: str = "unexpected") -> XPathSyntaxError:
        token = self._peek()
        if token.kind == "end":
            return XPathSyntaxError("the expression ends too early", token.start)
        return XPathSyntaxError(f"{what} `{token.text}`", token.start)

    def _level(self, level: int) -> Expr:
        if level == len(_LEVELS):
            return self._unary()
        if level == 0:
            self.depth += 1
            if self.depth > MAX_NESTING:
                raise XPathSyntaxError(f"nested deeper than {MAX_NESTING}", self._peek().start)
        left = self._level(level + 1)
        while self._is(*_LEVELS[level], kind="operator"):
            operator = self._next().text
            right = self._level(level + 1)
            left = Binary(left.start, right.end, operator, left, right)
        if level == 0:
            self.depth -= 1
        return left

    def _unary(self) -> Expr:
        signs = []
        while self._is("-", kind="operator"):
            signs.append(self._next())
            if len(signs) > MAX_NESTING:
                raise XPathSyntaxError(f"nested deeper than {MAX_NESTING}", signs[-1].start)
        expr = self._union()
        for sign in reversed(signs):
            expr = Negation(sign.start, expr.end, expr)
        return expr

    def _union(self) -> Expr:
        left = self._path()
        while self._is("|", kind="operator"):
            self._next()
            right = self._path()
            left = Binary(left.start, right.end, "|", left, right)
        return left

    def _path(self) -> Expr:
        start = self._peek()
        if self._starts_filter():
            base = self._primary()
            filters = self._predicates()
            steps = self._steps_behind()
            if not steps and not filters:
                return base
            return Path(start.start, self._end(), False, steps, base, filters)
        absolute = self._is("/", "//", kind="operator")
        if absolute and self._is("/"):
            self._next()
            if not self._starts_step():
                return Path(start.start, self._end(), True, ())
            first: tuple[Step, ...] = (self._step(),)
        elif absolute:
            first = ()
        else:
            if not self._starts_step():
                raise self._unexpected()
            first = (self._step(),)
        steps = first + self._steps_behind()
        return Path(start.start, self._end(), absolute, steps)

    def _end(self) -> int:
        return self.tokens[self.at - 1].end

    def _steps_behind(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        while self._is("/", "//", kind="operator"):
            slash = self._next()
            if slash.text == "//":
                steps.append(Step(slash.start, slash.end, "descendant-or-self", "node()", (), True, slash.end))
            steps.append(self._step())
        return tuple(steps)

    def _starts_filter(self) -> bool:
        token, following = self._peek(), self._peek(1)
        if token.kind in ("literal", "number", "variable") or (token.text == "(" and token.kind == "symbol"):
            return True
        return token.kind == "name" and following.text == "(" and token.text not in NODE_TYPES

    def _starts_step(self) -> bool:
        return self._peek().kind == "name" or self._is(".", "..", "@", "*", kind="symbol")

    def _primary(self) -> Expr:
        token = self._next()
        match token.kind:
            case "literal":
                return Literal(token.start, token.end, token.text[1:-1])
            case "number":
                return Number(token.start, token.end, float(token.text))
            case "variable":
                return VariableRef(token.start, token.end, token.text[1:])
            case "symbol":
                inner = self._level(0)
                self._take(")")
                if isinstance(inner, Path):
                    return Path(token.start, self._end(), False, (), inner)
                return replace(inner, start=token.start, end=self._end())
            case _:
                return self._call(token)

    def _call(self, name: _Token) -> Call:
        if name.text not in FUNCTIONS:
            from .habits import function_help

            help = function_help(name.text) or did_you_mean(name.text, FUNCTIONS, "functions")
            raise XPathSyntaxError(f"XPath 1.0 has no function `{name.text}`", name.start, help)
        self._take("(")
        args: list[Expr] = []
        if not self._is(")"):
            args.append(self._level(0))
            while self._is(","):
                self._next()
                args.append(self._level(0))
        self._take(")")
        least, most, _ = FUNCTIONS[name.text]
        if len(args) < least or (most is not None and len(args) > most):
            wanted = str(least) if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            raise XPathSyntaxError(f"`{name.text}()` takes {wanted} arguments, not {len(args)}", name.start)
        return Call(name.start, self._end(), name.text, tuple(args))

    def _predicates(self) -> tuple[Expr, ...]:
        predicates: list[Expr] = []
        while self._is("[", kind="symbol"):
            self._next()
            predicates.append(self._level(0))
            self._take("]")
        return tuple(predicates)

    def _step(self) -> Step:
        start = self._peek()
        if self._is(".", "..", kind="symbol"):
            self._next()
            axis = "self" if start.text == "." else "parent"
            return Step(start.start, start.end, axis, "node()", (), False, start.end)
        axis = "child"
        if self._is("@", kind="symbol"):
            self._next()
            axis = "attribute"
        elif start.kind == "name" and self._peek(1).text == "::":
            if start.text not in AXES:
                raise XPathSyntaxError(f"no axis `{start.text}`", start.start, did_you_mean(start.text, AXES, "axes"))
            axis = start.text
            self._next()
            self._next()
        if axis == "namespace":
            raise XPathSyntaxError("the namespace axis selects nothing that can be edited", start.start)
        test = self._node_test()
        head_end = self._end()
        predicates = self._predicates()
        return Step(start.start, self._end(), axis, test, predicates, False, head_end)

    def _node_test(self) -> str:
        token = self._peek()
        if token.kind != "name" and not self._is("*", kind="symbol"):
            raise self._unexpected("a name is missing before")
        self._next()
        if token.text in NODE_TYPES and self._is("("):
            self._next()
            if token.text == "processing-instruction" and self._peek().kind == "literal":
                self._next()
            self._take(")")
            return f"{token.text}()"
        return token.text
