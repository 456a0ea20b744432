"""CEL and XPath: expressions from a grammar, and mutated expressions from the seeds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

from lxml import etree

from patchlang.budget import Budget
from patchlang.cel.compiled import compile_expression
from patchlang.cel.library import Names
from patchlang.compile import BUILT_IN_NAMESPACES
from patchlang.diagnostics import Diagnostic, PatchError
from patchlang.source import SourceFile, Span, Text
from patchlang.xpath.query import Query, Selector, to_cel

from .. import laws, mutate, seeds
from ..target import Parts, Target

TOKENS = re.compile(r"\$\[|[\w.-]+|::|//|\.\.|&&|\|\||[<>=!]=|'[^']*'|\"[^\"]*\"|\s+|.", re.DOTALL)
_XPATH_WORDS = (
    "/", "//", ".", "..", "@", "*", "@*", "::", "[", "]", "(", ")", "|", " and ", " or ", " div ", " mod ", " - ",
    "=", "!=", "<", "ancestor::", "descendant::", "following::", "preceding::", "following-sibling::",
    "preceding-sibling::", "self::", "parent::", "attribute::", "namespace::", "child::", "descendant-or-self::",
    "node()", "text()", "comment()", "processing-instruction('a')", "last()", "position()", "count(", "string(",
    "concat(", "contains(", "translate(", "substring(", "normalize-space(", "not(", "id('a')", "lang('a')", "sum(",
    "number(", "floor(", "document('a')", "key('a',", "name()", "local-name()", "namespace-uri()", "$name", "$index",
    "$item.a", "$x", "qemu:a", "p:a", "xml:a", "xmlns:a", "1", "-1", "0", "1e9", ".5", "99999999999999999999", "'a'",
    '"b"', "''", "domain", "devices", "disk", "target", "re:test(.,'a')",
)  # fmt: skip
_CEL_WORDS = (
    "vmi", ".metadata", ".annotations", "['a']", "[?'a']", ".?a", "[0]", "[?0]", ".orValue('')", ".hasValue()",
    "optional.none()", "optional.of(1)", "item", "index", "node.text", "variables.x", "variables.m", "variables.n",
    " + ", " - ", " * ", " / ", " % ", " == ", " != ", " < ", " && ", " || ", " ? 1 : ", " in ", "!", "(", ")", "[",
    "]", "{", "}", "{'a': 1}", "[1, 2]", ",", ":", ".map(x, x)", ".map(x, true, x)", ".filter(x, x > 0)",
    ".all(x, x == x)", ".exists(x, x)", ".exists_one(x, x)", ".size()", ".join(',')", ".split(',')",
    ".format([1, 'a'])", ".matches('^(a+)+$')", ".replace('a', 'b')", ".substring(1)", ".charAt(0)", ".indexOf('a')",
    ".trim()", ".lowerAscii()", ".reverse()", ".sort()", "math.greatest(1, 2)", "math.least([])", "math.ceil(1.5)",
    "math.bitShiftLeft(1, 99)", "string(1)", "int('a')", "double('1e400')", "uint(-1)", "bytes('a')", "b'\\xff'",
    "duration('1h')", "timestamp('2020-01-01T00:00:00Z')", "type(1)", "dyn([])", "has(vmi.spec)",
    "parseJSON('{\"a\": 1}')", "quantity('1Gi')", "capture('ab', '(a)(b)')", "xpath('//*')",
    "xpath('string(/*)', {'a': 1})", "hex(255, 4)", "range(10)", "range(1000)", "keys(vmi)", "flatten([[1], 2])",
    "cel.bind(x, 1, x)", "null", "true", "1", "-1", "1u", "1.5", "9223372036854775807", "'a'", "r'\\'", "'''a'''",
    "\"\\u00e9\"", "'\\U0001f98a'", "//c\n", "'\\ud800'", "'$['", ".value()", ".optMap(x, x)", "budget__(1)",
    ".slice(0, 1)", ".distinct()", ".first()", ".last()", ".sortBy(x, x)", "regex.extract('ab', '(b)')",
    "regex.extractAll('ab', '.')", "regex.replace('ab', '(a)', '<\\\\1>')", "annotation('a')", "label('z', 'b')",
    "flatten__([[1]])", "regex__.extract('a', 'a')", "lists.range(3)", ".flatten()",
)  # fmt: skip
WORDS = (*_XPATH_WORDS, *_CEL_WORDS, "$[ ", " ]", "$$[", "/-", "[=a]", "~1", "1+", "0..1")
_DOMAIN = etree.fromstring(
    b"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name><devices>"
    b"<disk a='1'><target dev='vda'/></disk><disk a='2'>t<!--c--><target dev='vdb'/>u</disk><b><b><b/></b></b>"
    b"</devices><qemu:a>1</qemu:a></domain>"
).getroottree()
_VALUES: dict[str, Any] = {
    "vmi": {
        "metadata": {"annotations": {"a": "1", "b": "x,y"}, "labels": {}, "name": "vm"},
        "spec": {"a": [1, 2.5, {"b": None}]},
    },
    "variables.x": "text", "variables.n": 7, "variables.m": {"a": "1", "b": ["c"]}, "item": {"a": "A"}, "index": 0,
    "node": {"name": "disk", "text": "t", "attributes": {"a": "1"}, "index": 1},
    "cloudInit": {"dataSource": "noCloud", "userData": {"format": "cloud-config", "value": {"users": [{"name": "a"}]}}},
}  # fmt: skip
_KNOWN = frozenset({"name", "index", "x", "n", "item", "item.*", "m", "m.*"})
_VARIABLES = (("x", "string"), ("n", "int"), ("m", "map"), ("d", "dyn"))


class _Bindings:
    """The values available to an expression and to a path."""

    @property
    def budget(self) -> Budget:
        return Budget()

    def cel_value(self, name: str) -> Any:
        return _VALUES[name]

    def failure(self, variable: str) -> Diagnostic | None:
        return None

    def xpath(self, query: str, values: dict[str, Any]) -> Any:
        return to_cel(Query(_text(query), BUILT_IN_NAMESPACES, _KNOWN | values.keys()).evaluate(_DOMAIN, self))

    def xpath_value(self, name: str) -> Any:
        known: dict[str, Any] = {"name": "a", "index": 1, "x": "vda", "n": 2.0, "item.a": True}
        if name not in known:
            raise LookupError(f"`${name}` is not set", None)
        return known[name]


def _text(text: str) -> Text:
    source = SourceFile("expression", text)
    return Text(text, lambda start, end: Span(source, start, len(text) if end is None else end))


# -- XPath -----------------------------------------------------------------------------------------------------------

_AXES = tuple(word for word in _XPATH_WORDS if word.endswith("::") and len(word) > 2)
_NAMES = ("domain", "devices", "disk", "target", "b", "*", "node()", "text()", "qemu:a", "comment()")
_FUNCTIONS = (
    "count({n})", "string({a})", "concat({a}, {a})", "contains({a}, {a})", "starts-with({a}, {a})",
    "substring({a}, {a}, {a})", "translate({a}, {a}, {a})", "normalize-space({a})", "not({a})", "sum({n})",
    "number({a})", "round({a})", "boolean({a})", "string-length({a})", "name({n})", "local-name({n})", "last()",
    "position()", "true()", "substring-after({a}, {a})",
)  # fmt: skip


def _xpath(random: Random, depth: int = 0) -> str:
    if depth > 4 or random.random() < 0.2:
        return random.choice(("1", "0", "-3", "1.5", "'a'", "'vda'", "$x", "$n", "$item.a", ".", "@a", "last()"))
    if random.random() < 0.5:
        return _path(random, depth)
    if random.random() < 0.5:
        call = random.choice(_FUNCTIONS)
        while "{" in call:
            call = call.replace("{n}", _path(random, depth + 1), 1).replace("{a}", _xpath(random, depth + 1), 1)
        return call
    operator = random.choice(("=", "!=", "<", ">=", "+", "-", "*", " div ", " mod ", " and ", " or ", "|"))
    return f"({_xpath(random, depth + 1)}{operator}{_xpath(random, depth + 1)})"


def _path(random: Random, depth: int) -> str:
    start = random.choice(("/", "//", "/domain/", "", "./", "../"))
    steps = []
    for _ in range(random.randrange(1, 4)):
        axis = random.choice(("", "", "", "@", random.choice(_AXES)))
        predicates = (
            "".join(f"[{_xpath(random, depth + 1)}]" for _ in range(random.choice((0, 0, 1, 2)))) if depth < 4 else ""
        )
        steps.append(axis + random.choice(_NAMES) + predicates)
    return start + random.choice(("/", "/", "//")).join(steps)


def _make_xpath(random: Random) -> Parts:
    if random.random() < 0.5:
        text = _xpath(random)
    else:
        text = mutate.of_tokens(random, random.choice(_expressions("xpath")), TOKENS, _XPATH_WORDS)
    return {"expression": text[:2000].encode(errors="surrogatepass")}


def _check_xpath(parts: Parts) -> str:
    text = parts["expression"].decode(errors="replace")
    try:
        Query(_text(text), BUILT_IN_NAMESPACES, _KNOWN).evaluate(_DOMAIN, _Bindings())
        Selector(_text(text), BUILT_IN_NAMESPACES, _KNOWN).select(_DOMAIN, _Bindings())
    except PatchError as e:
        return laws.shown([e.diagnostic], refused=True)
    return laws.RESULT


# -- CEL -------------------------------------------------------------------------------------------------------------

_LEAVES = (
    "vmi", "vmi.metadata.annotations", "vmi.metadata.annotations['a']", "vmi.metadata.name", "vmi.spec.a",
    "variables.x", "variables.n", "variables.m", "variables.d", "item", "item.a", "index", "node.text",
    "node.attributes", "cloudInit.userData.value", "x", "1", "0", "-1", "9223372036854775807", "2u", "1.5", "0.0",
    "'a'", "'a,b'", "''", "true", "false", "null", "[]", "{}", "[1, 2, 3]", "['a', 'b']", "{'a': 1, 'b': 'c'}",
    "b'a'", "duration('1s')", "optional.none()", "'\\x00'", "'é\\n'",
)  # fmt: skip
_FORMS = (
    "{e} + {e}", "{e} - {e}", "{e} * {e}", "{e} / {e}", "{e} % {e}", "{e} == {e}", "{e} < {e}", "{e} in {e}",
    "{e} && {e}", "{e} || {e}", "{e} ? {e} : {e}", "!{e}", "-{e}", "({e})", "{e}[{e}]", "{e}[?{e}]", "{e}.a",
    "{e}.?a", "[{e}, {e}]", "{'a': {e}, {e}: {e}}", "{e}.map(x, {e})", "{e}.map(x, {e}, {e})", "{e}.filter(x, {e})",
    "{e}.all(x, {e})", "{e}.exists(x, {e})", "{e}.exists_one(x, {e})", "{e}.size()", "size({e})", "{e}.join({e})",
    "{e}.join()", "{e}.split({e})", "{e}.split({e}, {e})", "{e}.format({e})",
    "'%s %d %x %.3f'.format([{e}, {e}, {e}, {e}])", "{e}.matches({e})", "{e}.contains({e})", "{e}.startsWith({e})",
    "{e}.replace({e}, {e})", "{e}.replace({e}, {e}, {e})", "{e}.substring({e})", "{e}.substring({e}, {e})",
    "{e}.charAt({e})", "{e}.indexOf({e})", "{e}.lastIndexOf({e}, {e})", "{e}.trim()", "{e}.lowerAscii()",
    "{e}.reverse()", "string({e})", "int({e})", "uint({e})", "double({e})", "bool({e})", "bytes({e})", "type({e})",
    "dyn({e})", "has({e}.a)", "timestamp({e})", "duration({e})", "math.greatest({e}, {e})", "math.least({e})",
    "math.abs({e})", "math.round({e})", "math.bitShiftLeft({e}, {e})", "math.bitAnd({e}, {e})", "math.sign({e})",
    "optional.of({e})", "optional.ofNonZeroValue({e})", "{e}.orValue({e})", "{e}.or({e})", "{e}.value()",
    "{e}.hasValue()", "{e}.optMap(x, {e})", "{e}.optFlatMap(x, {e})", "cel.bind(x, {e}, {e})", "parseJSON({e})",
    "{e}.first()", "{e}.last()", "[?{e}]", "{?'a': {e}}", "flatten([{e}, x])",
    "cel.bind(x, {e}, flatten([x].map(x, x)))",
    "quantity({e})", "capture({e}, {e})", "xpath({e})", "xpath({e}, {e})", "hex({e}, {e})", "range({e})", "keys({e})",
    "flatten({e})",
)  # fmt: skip
_TEXTS = (
    "'//disk/@a'", "'1Gi'", "'(a)(b)?'", "'{\"a\": [1, null]}'", "'[[['", "'\\\\pN+(?P<n>a*)*'", "'%s'",
    "'2020-01-01T00:00:00Z'", "'string(//target/@dev)'", "'//*[//*[//*]]'", "'$'", "'1e9'", "'a{1000}'",
)  # fmt: skip


def _cel(random: Random, depth: int = 0) -> str:
    if depth > 3 or random.random() < 0.15:
        return random.choice(_LEAVES if random.random() < 0.8 else _TEXTS)
    form = random.choice(_FORMS)
    while "{e}" in form:
        form = form.replace("{e}", _cel(random, depth + 1), 1)
    return form


def _make_cel(random: Random) -> Parts:
    if random.random() < 0.6:
        text = _cel(random)
    else:
        text = mutate.of_tokens(random, random.choice(_expressions("cel")), TOKENS, _CEL_WORDS)
    return {"expression": text[:2000].encode(errors="surrogatepass")}


_NAMES_OF_CEL = Names(variables=_VARIABLES, item=True, node=True, xpath=True, cloud_init=True)


def _check_cel(parts: Parts) -> str:
    text = parts["expression"].decode(errors="replace")
    try:
        value = compile_expression(_text(text), _NAMES_OF_CEL).evaluate(_Bindings())
    except PatchError as e:
        return laws.shown([e.diagnostic], refused=True)
    json.dumps(value, allow_nan=False)
    return laws.RESULT


@cache
def _expressions(language: str) -> list[str]:
    """The paths, or the conditions and computed values, in the seeds."""
    keys = ("path", "in", "from", "unless") if language == "xpath" else ("when", "forEach", "expression")
    found: dict[str, None] = {}
    for document in seeds.trees("domain") + ([] if language == "xpath" else seeds.trees("cloudinit")):
        for key, text in _leaves(document):
            if key in keys:
                found[text] = None
            elif language == "cel" and (inner := re.search(r"\$\[(.*)\]", text, re.DOTALL)):
                found[inner[1]] = None
    return [*found]


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, member in value.items():
                yield from _leaves(member, name)
        case list():
            for item in value:
                yield from _leaves(item, key)
        case str():
            yield key, value


TARGETS = (
    Target("xpath", 30, _make_xpath, _check_xpath),
    Target("cel", 30, _make_cel, _check_cel),
)
