"""Every regular expression in the sources, found by parsing them, with texts that may be slow to match."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from patchlang.cloudinit import libyaml
from patchlang.xpath import parser as xpath

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for wing in ("patchlang", "shim") for path in (ROOT / wing).rglob("*.py"))
_METHODS = ("compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn")
_ANYWHERE = frozenset({"findall", "finditer", "search", "split", "sub", "subn"})
_CATEGORIES = {"SPACE": " ", "DIGIT": "1", "WORD": "a"}
_LETTERS, _WORDS = 10, 3


class Expression(NamedTuple):
    """One expression: where it is, its pattern, and the methods that use it."""

    place: str
    text: Any
    flags: int
    methods: frozenset[str]

    def scan(self) -> Callable[[str], object]:
        """The slowest way in which the code applies it to a text."""
        compiled: Any = re.compile(self.text, self.flags)
        anywhere = bool(self.methods & _ANYWHERE)

        def run(text: str) -> None:
            given = text.encode("latin-1", "replace") if isinstance(self.text, bytes) else text
            if anywhere:
                for _ in compiled.finditer(given):
                    pass
            compiled.match(given)
            compiled.fullmatch(given)

        return run

    def alphabet(self) -> tuple[list[str], list[str]]:
        """The characters in the pattern, one of each class, and the words in it."""
        letters, words = _Alphabet().read(parser.parse(self.text, self.flags))
        return letters[:_LETTERS], words[:_WORDS]


class _Alphabet:
    def __init__(self) -> None:
        self.letters: list[str] = []
        self.words: list[str] = []

    def read(self, parts: Any) -> tuple[list[str], list[str]]:
        self._sequence(parts)
        return list(dict.fromkeys(self.letters)), list(dict.fromkeys(self.words))

    def _sequence(self, parts: Any) -> None:
        word = ""
        for kind, given in [*parts, (None, None)]:
            if kind is kinds.LITERAL:
                word += chr(given)
                continue
            self.letters += word
            self.words += [word] if len(word) > 1 else []
            word = ""
            self._part(kind, given)

    def _part(self, kind: Any, given: Any) -> None:
        if kind is kinds.NOT_LITERAL:
            self.letters.append(chr(given))
        elif kind is kinds.IN:
            for inner, value in given:
                self._part(kinds.NOT_LITERAL if inner is kinds.LITERAL else inner, value)
        elif kind is kinds.RANGE:
            self.letters.append(chr(given[0]))
        elif kind is kinds.CATEGORY:
            self.letters.append(_CATEGORIES[str(given).rsplit("_", 1)[-1]])
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            self._sequence(given[2])
        elif kind is kinds.BRANCH:
            for branch in given[1]:
                self._sequence(branch)
        elif kind is kinds.SUBPATTERN:
            self._sequence(given[3])
        elif kind is kinds.ATOMIC_GROUP:
            self._sequence(given)
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            self._sequence(given[1])


def expressions() -> list[Expression]:
    """All expressions. If a pattern is built from values known only at run time, :data:`SAMPLES` has examples of it."""
    trees = {path: ast.parse(path.read_text()) for path in SOURCES}
    uses: dict[str, set[str]] = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _METHODS:
                uses.setdefault(_known_as(path, node.value), set()).add(node.attr)
    return [found for path, tree in trees.items() for found in _in(path, tree, uses)]


def _known_as(path: Path, used: ast.expr | None) -> str:
    """The key that connects an expression with its uses. Names private to a module may also exist in another module."""
    name = used.id if isinstance(used, ast.Name) else ""
    if name.isupper():
        return f"{path} {name}" if name.startswith("_") else name
    return f"{path}"  # in a variable, or one of several


SAMPLES: dict[str, Sequence[Any]] = {
    r"f'\\(\\s*{path}\\s*,'": [r"\(\s*vmi\s*,"],  # cel/compiled.py
    r"f'{word}\\b'": [r"all\b"],  # cel/messages.py
    r"f'--{re.escape(boundary)}(--)?[ \\t]*'": ["--X(--)?[ \t]*"],  # cloudinit/mime.py
    r"f'(?<!\\w){re.escape(name)}(?!\\w)'": [r"(?<!\w)name(?!\w)"],  # quoting.py
    r"f'(?<![\\w.:-]){re.escape(value)}(?![\\w.:-])'": [r"(?<![\w.:-])value(?![\w.:-])"],  # rng/check.py
    "self.pattern": [],  # patterns.py: gives the text to `pattern`
    "text": [made.pattern for made in libyaml._DIFFERING],
}
"""Sample patterns for arguments whose values are known only at run time, by their source."""


def _in(path: Path, tree: ast.Module, uses: dict[str, set[str]]) -> Iterator[Expression]:
    names = {
        id(node.value): target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or (method := _maker(node.func)) is None:
            continue
        methods = frozenset({method})
        if method == "compile":
            used = uses.get(_known_as(path, names.get(id(node)))) or uses.get(str(path), set()) - {"split", "sub"}
            methods = frozenset(used)
        arguments = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        flags = sum(_flag(argument) for argument in arguments)
        place = f"{path.relative_to(ROOT)}:{node.lineno}"
        for text in _texts(path, node.args[0]):
            yield Expression(place, text, flags, methods)


def _maker(function: ast.expr) -> str | None:
    """The method that a call uses an expression with; ``compile`` if it only creates it, None for any other call."""
    match function:
        case ast.Name(id="pattern"):
            return "compile"
        case ast.Attribute(value=ast.Name(id="re"), attr=str(name)) if name in _METHODS:
            return name
        case _:
            return None


def _flag(argument: ast.expr) -> int:
    names = [node.attr for node in ast.walk(argument) if isinstance(node, ast.Attribute) and _is_re(node.value)]
    return sum(int(getattr(re, name)) for name in names if isinstance(getattr(re, name), re.RegexFlag))


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _texts(path: Path, argument: ast.expr) -> Sequence[Any]:
    if isinstance(argument, ast.Constant):
        return [argument.value]
    source = ast.unparse(argument)
    if "(?P<variable>" in source:
        return [xpath._TOKEN.pattern, xpath._TOKEN_OF_ASCII.pattern]
    if source in SAMPLES:
        return SAMPLES[source]
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return [eval(source, dict(vars(importlib.import_module(name))))]
