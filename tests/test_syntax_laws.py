"""Laws of the parsers: each character of a scalar has a position, XPath agrees with lxml, CEL ends where it should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from patchlang.cel import syntax as cel_syntax
from patchlang.cel.compiled import compile_expression
from patchlang.cel.library import Names
from patchlang.cel.template import ComputedPiece, pieces
from patchlang.diagnostics import PatchError
from patchlang.document import yamltree
from patchlang.run_scope import Scope
from patchlang.source import SourceFile, Span, Text
from patchlang.xpath import parser as xpath_parser
from patchlang.xpath import tree as xpath_tree

MANY = settings(max_examples=3 * settings().max_examples)  # number of examples in the profile
VERY_MANY = settings(max_examples=8 * settings().max_examples)

# -- scalars ---------------------------------------------------------------------------------------------------------


@dataclass
class Scalar:
    """A scalar as written: its text, and the position in the file of each character."""

    text: str = ""
    written: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)

    def put(self, meaning: str, written: str) -> None:
        self.places += [(len(self.written), len(self.written) + len(written))] * len(meaning)
        self.text += meaning
        self.written += written


WORDS = ("a", "bc", "é", "\U0001f600", "/domain/x", "[@a='1']", "it's", '"', "\\", "$[ 1 ]", "ß:x", "x#y", "-")
PLAIN_WORDS = ("a", "bc", "é", "\U0001f600", "/domain/x[@a='1']", "it's", 'b"c', "\\", "x#y", "a-b", "$")
ESCAPES = {
    "\n": "\\n",
    "\t": "\\t",
    '"': '\\"',
    "\\": "\\\\",
    "\0": "\\0",
    "\x07": "\\a",
    "\u0085": "\\N",
    "\u00a0": "\\_",
    "/": "\\/",
    " ": "\\ ",
}
INDENT = "    "


@st.composite
def double_quoted(draw: st.DrawFn) -> Scalar:
    scalar = Scalar(written='"')
    folded = True  # no blank may follow a fold or the quote
    for char in draw(st.lists(st.sampled_from((*"ab é'#:[]", "\U0001f600", *ESCAPES)), max_size=12)):
        ways = ["hex"]
        if char in ESCAPES:
            ways.append("escape")
        if char.isprintable() and char not in '"\\' and not (char == " " and folded):
            ways += ["raw"] * 3
        if char == " " and not folded:
            ways += ["fold", "fold"]
        if char == "\n" and not folded:
            ways.append("blank line")
        way = draw(st.sampled_from(ways))
        if way == "hex":
            code = ord(char)
            scalar.put(char, f"\\x{code:02x}" if code < 256 else f"\\u{code:04X}" if code < 65536 else f"\\U{code:08x}")
        elif way == "escape":
            scalar.put(char, ESCAPES[char])
        elif way == "raw":
            scalar.put(char, char)
        else:
            scalar.put(char, ("\n" if way == "fold" else "\n\n") + INDENT)
        folded = way in ("fold", "blank line") or (way == "raw" and char == " ")
        if not folded and draw(st.integers(0, 9)) == 0:
            scalar.written += f"\\\n{INDENT}"
            folded = True
    if folded and scalar.written != '"':
        scalar.put("z", "z")
    scalar.written += '"'
    return scalar


@st.composite
def folding(draw: st.DrawFn, words: tuple[str, ...], quote: str = "") -> Scalar:
    """Single-quoted or plain: words with blanks, folds and blank lines between them."""
    scalar = Scalar(written=quote)
    for number, word in enumerate(draw(st.lists(st.sampled_from(words), min_size=1, max_size=6))):
        if number:
            blank = draw(st.sampled_from((" ", "  ", "fold", "fold", "blank line", "two")))
            match blank:
                case "fold":
                    scalar.put(" ", draw(st.sampled_from(("", " "))) + "\n" + INDENT)
                case "blank line":
                    scalar.put("\n", f"\n\n{INDENT}")
                case "two":
                    scalar.put("\n\n", f"\n\n\n{INDENT}")
                case _:
                    for char in blank:
                        scalar.put(char, char)
        for char in word:
            scalar.put(char, "''" if char == quote == "'" else char)
    scalar.written += quote
    return scalar


@st.composite
def literal(draw: st.DrawFn) -> Scalar:
    """A block of lines, kept unchanged."""
    header = draw(st.sampled_from(("|", "|-", "|+", "|2", "|-2", "| # a comment")))
    scalar = Scalar(written=f"{header}\n")
    lines = draw(
        st.lists(st.sampled_from(("", "a", "é b", "  deeper", "'x' \"y\"", "# no comment", "a: b")), max_size=5)
    )
    lines = ["first", *lines, "last"]
    indent = "    " if "2" in header else draw(st.sampled_from(("    ", "       ")))
    for number, line in enumerate(lines):
        if line:
            scalar.written += indent
        for char in line:
            scalar.put(char, char)
        if number + 1 < len(lines) or "-" not in header:
            scalar.put("\n", "\n")
        else:
            scalar.written += "\n"
    return scalar


@st.composite
def folded(draw: st.DrawFn) -> Scalar:
    """A block whose lines are joined. A blank line is a line break, and deeper lines stay unchanged."""
    header = draw(st.sampled_from((">-", ">", "> # a comment")))
    scalar = Scalar(written=f"{header}\n")
    paragraphs = draw(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=3))
    for number, words in enumerate(paragraphs):
        if number:
            scalar.put("\n", "\n\n")
        for at, word in enumerate(words):
            if at:
                scalar.put(" ", "\n")
            scalar.written += INDENT
            for char in word:
                scalar.put(char, char)
    if draw(st.booleans()):
        scalar.put("\n", "\n")
        for line in ("  deeper", "    still"):
            scalar.written += INDENT
            for char in line:
                scalar.put(char, char)
            scalar.put("\n", "\n")
        scalar.written += INDENT
        scalar.put("z", "z")
    if "-" in header:
        scalar.written += "\n"
    else:
        scalar.put("\n", "\n")
    return scalar


def nodes_under(node: yamltree.Node) -> Iterator[yamltree.Node]:
    yield node
    match node:
        case yamltree.Sequence():
            below: list[yamltree.Node] = list(node.items)
        case yamltree.Mapping():
            below = [value for _, value in node.entries]
        case _:
            below = []
    for child in below:
        yield from nodes_under(child)


scalars = st.one_of(double_quoted(), folding(WORDS, "'"), folding(PLAIN_WORDS), literal(), folded())


@VERY_MANY
@given(scalars, st.booleans(), st.booleans())
def test_every_character_of_a_scalar_has_its_place(scalar: Scalar, windows: bool, flow: bool) -> None:
    block = scalar.written[0] in "|>"
    before, after = ("é:\n  k: [", "]\n") if flow and not block and scalar.written[0] in "'\"" else ("é:\n  k: ", "\n")
    text = before + scalar.written + ("" if block else after)
    [document] = yamltree.parse(SourceFile("file", text.replace("\n", "\r\n") if windows else text))
    found = [node for node in nodes_under(document) if isinstance(node, yamltree.Scalar)][-1]
    assert found.text == scalar.text, "the writer of this test is wrong"
    event(scalar.written[0] if scalar.written[0] in "'\"|>" else "plain")

    def place(offset: int) -> int:
        """The position in the file of an offset in the text with plain line feeds."""
        return len(before) + offset + (text[: len(before) + offset].count("\n") if windows else 0)

    nexts = [*(end for _, end in scalar.places[1:]), len(scalar.written)]
    for number, ((start, end), following) in enumerate(zip(scalar.places, nexts, strict=False)):
        span = yamltree.Inside(found)(number, number + 1)
        assert place(start) <= span.start < place(end), (number, scalar.text[number])
        assert span.start <= span.end <= place(max(following, end)), (number, scalar.text[number])
    whole = yamltree.Inside(found)(0)
    assert whole.start <= whole.end <= len(found.span.source.text)


@MANY
@given(st.text(st.sampled_from("a: '\"\n\\|>-#é[]{}&*!,\t\x00\x85\u2028\ufeff\U0001f600"), max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    source = SourceFile("file", text)
    try:
        documents = yamltree.parse(source)
    except PatchError as e:
        span = e.diagnostic.span
        assert span is not None
        assert 0 <= span.start <= len(text)
        assert source.position(span.start).line <= text.count("\n") + 1
        return
    for document in documents:
        for node in nodes_under(document):
            assert 0 <= node.span.start <= node.span.end <= len(text)
            if isinstance(node, yamltree.Scalar):
                for number in range(len(node.text) + 1):
                    span = yamltree.Inside(node)(number)
                    assert node.span.start <= span.start <= span.end <= max(node.span.end, span.start)


# -- XPath -----------------------------------------------------------------------------------------------------------

names = st.sampled_from(
    ("a", "b-c", "é", "x.y", "div", "mod", "and", "or", "text", "node", "child", "self", "count", "p:a")
)
blank = st.sampled_from(("", "", "", " ", "\n"))
tests = st.one_of(
    names,
    st.sampled_from(
        (
            "*",
            "*",
            "p:*",
            "node()",
            "text()",
            "comment()",
            "processing-instruction()",
            "processing-instruction('x')",
            "text( )",
        )
    ),
)
AXES = sorted(xpath_parser.AXES - {"namespace"})
OPERATORS = ("or", "and", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "div", "mod", "|")


@st.composite
def steps(draw: st.DrawFn, depth: int) -> str:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from((".", "..")))
    axis = ""
    if kind in (1, 2):
        axis = "@" + draw(blank)
    elif kind == 3:
        axis = draw(st.sampled_from(AXES)) + draw(blank) + "::" + draw(blank)
    predicate = ""
    if depth < 3 and draw(st.integers(0, 3)) == 0:
        predicate = f"{draw(blank)}[{draw(blank)}{draw(expressions(depth + 1))}{draw(blank)}]"
    return axis + draw(tests) + predicate


@st.composite
def paths(draw: st.DrawFn, depth: int) -> str:
    head = draw(st.sampled_from(("", "", "/", "//")))
    if head == "/" and draw(st.integers(0, 5)) == 0:
        return head
    path = draw(blank).join([head, draw(steps(depth))])
    for _ in range(draw(st.integers(0, 2))):
        path += draw(blank) + draw(st.sampled_from(("/", "//"))) + draw(blank) + draw(steps(depth))
    return path


@st.composite
def calls(draw: st.DrawFn, depth: int) -> str:
    name = draw(st.sampled_from(sorted(xpath_tree.FUNCTIONS)))
    least, most, _ = xpath_tree.FUNCTIONS[name]
    count = draw(st.integers(least, least + 1 if most is None else most))
    arguments = [draw(expressions(depth + 1)) for _ in range(count)]
    return f"{name}{draw(blank)}({draw(blank)}{', '.join(arguments)}{draw(blank)})"


@st.composite
def expressions(draw: st.DrawFn, depth: int = 0) -> str:
    kind = draw(st.integers(0, 5 if depth > 2 else 11))
    match kind:
        case 0:
            return draw(st.sampled_from(("1", "0.5", "10.", ".25")))
        case 1:
            return draw(st.sampled_from(("'a'", '"it\'s"', "''", "'] | //b['", '"é"')))
        case 2:
            return "$" + draw(st.sampled_from(("v", "item.key", "p:v", "div")))
        case 6:
            return f"({draw(expressions(depth + 1))})"
        case 7:
            return "-" + draw(blank) + draw(expressions(depth + 1))
        case 8:
            # operators that are names need space around them
            room = st.sampled_from((" ", "\n"))
            operator = draw(st.sampled_from(OPERATORS))
            left, right = draw(expressions(depth + 1)), draw(expressions(depth + 1))
            around = room if operator.isalpha() or operator == "-" else blank
            return f"{left}{draw(around)}{operator}{draw(around)}{right}"
        case 9:
            return draw(calls(depth))
        case 10:
            path = f"({draw(paths(depth + 1))}){draw(st.sampled_from(('', '[1]', '[last()]')))}"
            return path + draw(st.sampled_from(("", "", "/a", "//@x")))
        case _:
            return draw(paths(depth))


BY_DESIGN = re.compile("has no function|takes .* arguments|namespace axis|nested deeper|longer than|more than .* parts")

# accepted by libxml2, but not XPath 1.0
LIBXML2_QUIRKS = re.compile(r"/\s*/\s*/|/\s+/|\s:(?!:)|(?<!:):\s|\b(?:div|mod|and|or)[\w.-]")


def ours(text: str) -> xpath_tree.Expr | None:
    """The expression, or None if it is refused as not being XPath."""
    try:
        return xpath_parser.parse(text)
    except xpath_parser.XPathSyntaxError as e:
        error = e
    assert 0 <= error.offset <= len(text)
    assume(not BY_DESIGN.search(error.message))
    return None


def lxml_takes(text: str) -> bool:
    try:
        etree.XPath(text, namespaces={"p": "urn:p"}, regexp=False)
    except etree.XPathError:
        return False
    return True


@VERY_MANY
@given(expressions())
def test_xpath_that_is_generated_is_read_by_both(text: str) -> None:
    assume(lxml_takes(text))
    tree = ours(text)
    assert tree is not None
    assert {type(e).__name__ for e in xpath_tree.walk(tree)}


@st.composite
def broken(draw: st.DrawFn) -> str:
    """XPath with a token removed, doubled or moved."""
    text = draw(expressions())
    for _ in range(draw(st.integers(1, 2))):
        found = re.findall(r"[\w.-]+|::|//|\.\.|[!<>]=|'[^']*'|\s+|\S", text)
        at, to = (draw(st.integers(0, max(len(found) - 1, 0))) for _ in range(2))
        match draw(st.integers(0, 4)):
            case 0:
                del found[at : at + 1]
            case 1:
                found.insert(to, found[at] if found else "")
            case 2:
                found.insert(
                    to, draw(st.sampled_from((*"[]()@.,/|*+-=!<>$:'\"&#;{}1a ", "::", "//", "..", "div", "and")))
                )
            case 3:
                found = found[:at]
            case _:
                if found:
                    found[at], found[to] = found[to], found[at]
        text = "".join(found)
    return text


@VERY_MANY
@given(broken())
def test_xpath_that_is_broken_is_read_by_both_or_by_none(text: str) -> None:
    assume("\0" not in text)
    assume(not LIBXML2_QUIRKS.search(text) and text.count("(") == text.count(")"))
    tree = ours(text)
    event("read" if tree is not None else "refused")
    assert (tree is not None) == lxml_takes(text)


@MANY
@given(st.text(st.sampled_from("ab:*@./[]()'\"$|+-=<>!, \t\n1&{}#_Z9") | st.characters(max_codepoint=127), max_size=16))
def test_xpath_of_ascii_has_the_same_parts_by_the_quicker_pattern(text: str) -> None:
    quick, full = (
        [(found.lastgroup, found.span()) for found in one.finditer(text)]
        for one in (xpath_parser._TOKEN_OF_ASCII, xpath_parser._TOKEN)
    )
    assert quick == full
    if text:
        assert xpath_parser.is_ncname(text) == xpath_parser.is_ncname(text + "é")


@MANY
@given(st.text(st.sampled_from("ab:*@./[]()'\"$|+-=<>!, \t\n1é²ª\u3000\ue000\U00010000&{}#"), max_size=16))
def test_any_text_is_xpath_or_refused_with_a_place(text: str) -> None:
    tree = ours(text)
    if tree is not None:
        assert lxml_takes(text)


def shape(expr: xpath_tree.Expr) -> Any:
    """An expression without its positions."""
    match expr:
        case xpath_tree.Step():
            detail: tuple[Any, ...] = (expr.axis, expr.test, expr.abbreviated)
        case xpath_tree.Path():
            detail = (expr.absolute, len(expr.filters))
        case xpath_tree.Binary():
            detail = (expr.operator,)
        case xpath_tree.Literal() | xpath_tree.Number():
            detail = (expr.value,)
        case xpath_tree.VariableRef() | xpath_tree.Call():
            detail = (expr.name,)
        case _:
            detail = ()
    return type(expr).__name__, detail, [shape(child) for child in expr.children]


@MANY
@given(expressions())
def test_every_part_of_an_expression_is_where_it_says(text: str) -> None:
    assume(lxml_takes(text))
    tree = ours(text)
    assert tree is not None
    for part in xpath_tree.walk(tree):
        assert 0 <= part.start <= part.end <= len(text)
        if not isinstance(part, xpath_tree.Step):
            assert shape(xpath_parser.parse(text[part.start : part.end])) == shape(part)


@given(expressions())
def test_a_path_of_the_document_starts_at_the_document(text: str) -> None:
    """A relative path there selects the same nodes as lxml from the root node, the parent of `domain`."""
    # lxml cannot evaluate at the root node. Only the paths are moved there: `name()` refers to the element in it
    assume(lxml_takes(text) and not re.search(r"\$|id|lang|(name|uri)\s*\(\s*\)", text))
    tree = ours(text)
    assert tree is not None
    root = etree.fromstring(
        "<domain xmlns:p='urn:p' x='1'><a x='2'>1<b-c/></a><!-- c --><p:a/><div x=''>2</div></domain>"
    )
    # in lxml, only XSLT evaluates at the root node
    sheet = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:p="urn:p">
<xsl:output method="text"/><xsl:template match="/"><xsl:value-of select="TEXT"/>|<xsl:value-of select="count(NODES)"/>
</xsl:template></xsl:stylesheet>"""
    nodes = text if xpath_tree.result_kind(tree) == "nodes" else "/.."

    def escaped(xpath: str) -> str:
        return xpath.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\n", " ")

    transform = etree.XSLT(etree.fromstring(sheet.replace("TEXT", escaped(text)).replace("NODES", escaped(nodes))))
    namespaces = {"p": "urn:p"}
    moved = xpath_tree.document_relative(text, tree)
    count = f"count({xpath_tree.document_relative(nodes, xpath_parser.parse(nodes))})"
    try:
        ours_text = str(etree.XPath(f"string({moved})", namespaces=namespaces)(root.getroottree()))
    except etree.XPathEvalError:  # the types do not fit
        assume(False)
    ours_count = etree.XPath(count, namespaces=namespaces)(root.getroottree())
    expected = str(transform(root.getroottree())).strip("\n")
    assert isinstance(ours_count, float)
    assert f"{ours_text}|{int(ours_count)}" == expected


# -- CEL -------------------------------------------------------------------------------------------------------------


@st.composite
def strings(draw: st.DrawFn) -> str:
    """A string literal in CEL, full of brackets and quotes."""
    quote = draw(st.sampled_from(("'", '"', "'''", '"""')))
    raw = draw(st.booleans())
    parts = ["]", "[", "$[", "a", "é", "//"]
    other = "'" if quote[0] == '"' else '"'
    parts += [other, f"{other}]{other}"]
    if not raw:
        parts += ["\\\\", f"\\{quote[0]}", "\\n", "\\]"[:1] + "x5d", "\\u005b"]
    else:
        parts += ["\\n", "\\[a"]
    if len(quote) == 3:
        parts += ["\n", f"{quote[0]}a"]
    body = "".join(draw(st.lists(st.sampled_from(parts), max_size=5)))
    if len(quote) == 3 and body.endswith(quote[0]):
        body += "a"
    return f"{draw(st.sampled_from(('r', 'R'))) if raw else ''}{quote}{body}{quote}"


@st.composite
def cel(draw: st.DrawFn, depth: int = 0) -> str:
    """A CEL expression whose value is a text."""
    match draw(st.integers(0, 2 if depth > 3 else 6)):
        case 3:
            return f"[{draw(cel(depth + 1))}, {draw(cel(depth + 1))}][{draw(st.integers(0, 1))}]"
        case 4:
            condition = f"{{{draw(strings())}: {draw(cel(depth + 1))}}}.size() > 0"
            return f"({condition} ? {draw(strings())} : {draw(strings())})"
        case 5:
            return f"{draw(cel(depth + 1))} + // no ] here\n {draw(strings())}"
        case 6:
            return f"({draw(cel(depth + 1))})"
        case _:
            return draw(strings())


def located(text: str) -> Text:
    source = SourceFile("expression", text)
    return Text(text, lambda start, end: Span(source, start, len(text) if end is None else end))


@MANY
@given(cel(), st.text(st.sampled_from("]['\"$a "), max_size=8))
@example("r'''a'b'''", "']")
def test_the_bracket_that_ends_an_expression_is_found(expression: str, behind: str) -> None:
    assert compile_expression(located(expression), Names()).kind in ("string", "dyn"), (
        "the writer of this test is wrong"
    )
    assert cel_syntax.closing_bracket(f"{expression}]{behind}", 0) == len(expression)
    for start, piece in enumerate(pieces(located(f"$[ {expression} ]{behind.replace('$', '')}"))):
        if start == 0:
            assert isinstance(piece, ComputedPiece)
            assert piece.expression.text == expression


@st.composite
def lists(draw: st.DrawFn, depth: int = 0) -> tuple[str, list[int]]:
    """A CEL list, with the macros that need a guard, and its value."""
    kind = draw(st.integers(0, 4 if depth > 3 else 11))
    if kind <= 2:
        values = draw(st.lists(st.integers(0, 9), max_size=4))
        return str(values), values
    if kind == 3:
        return "vmi.spec.list", [3, 1, 2]
    if kind == 4:
        return "variables.l", [7, 8]
    text, values = draw(lists(depth + 1))
    match kind:
        case 5 | 6:
            return f"{text}.map(x, x + 1)", [v + 1 for v in values]
        case 7:
            return f"{text} .filter (x, x > 2)", [v for v in values if v > 2]
        case 8:
            more, others = draw(lists(depth + 1))
            return f"({text} + {more})", values + others
        case 9:
            more, others = draw(lists(depth + 1))
            return f"flatten([{text}, {more}])", values + others
        case 10:
            inner, others = draw(lists(depth + 2))
            return f"flatten({text}.map(y, {inner}.map(z, z + y)))", [o + v for v in values for o in others]
        case _:
            return f"[[9], {text}][1]", values


@MANY
@given(lists())
@example(("vmi.spec.list.map(x, x + 1).map(x, x + 1).filter(x, x > 2)", [5, 3, 4]))
@example(("1 > 2 ? [1].map(x, x) : [2].map(x, x)", [2]))
def test_guards_change_no_value(written: tuple[str, list[int]]) -> None:
    text, expected = written
    names = Names(variables=(("l", "list"),))
    scope = Scope({"spec": {"list": [3, 1, 2]}}, variables={"l": [7, 8]})
    assert compile_expression(located(text), names).evaluate(scope) == expected


@MANY
@given(st.text(st.sampled_from("ab.[](){}'\"\\r /\n,?:+$1"), max_size=20))
def test_any_text_is_cel_or_refused_with_a_place(text: str) -> None:
    source = located(text)
    try:
        compile_expression(source, Names())
    except PatchError as e:
        span = e.diagnostic.span
        assert span is not None
        assert 0 <= span.start <= span.end <= len(text)
    for token in cel_syntax.tokens(text):
        assert text[token.start : token.end] == token.text


def children(expr: xpath_tree.Expr) -> Iterator[xpath_tree.Expr]:
    yield from expr.children


@pytest.mark.parametrize(
    "text", ["1", "/", ".", "//a", "-1", "(//a)[1]", "a|b", "a[b[c]]", "* * *", "div div div", "$a/b"]
)
def test_xpath_that_is_easily_misread(text: str) -> None:
    tree = xpath_parser.parse(text)
    assert (tree.start, tree.end) == (0, len(text))
    assert lxml_takes(text)
    assert all(tree.start <= child.start <= child.end <= tree.end for child in children(tree))
