"""Where an example patch can be made wrong, for the tools that measure how many mistakes `patchlang validate` finds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from patchlang.document import model
from patchlang.document.model import Role
from patchlang.files import source_of
from patchlang.grammar.index import Texts, Values, load
from patchlang.grammar.patches import in_place
from patchlang.lint import fragments
from patchlang.lint.reading import constant, expressions, leaves, xpath_literals
from patchlang.lint.roles import texts
from patchlang.loading import decode_source
from patchlang.record import fields
from patchlang.source import Text
from patchlang.xpath.parser import XPathSyntaxError, parse
from patchlang.xpath.tree import Binary, Call, Expr, Literal, Path, Step, walk

ROOT = File(__file__).resolve().parent.parent
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = {"yes": "on", "no": "off", "on": "yes", "off": "no"}
OTHERS = ("enabled", "true", "none", "auto", "default", "kvm", "custom", "raw")


@dataclass(frozen=True)
class Site:
    """A word in a patch: where it is written (once, or in both tags of an element) and how it may be changed.

    ``step`` is the position of a whole step with its slash, ``sign`` tells whether an `@` may be added or removed;
    ``name`` is the name that a value belongs to.
    """

    file: File
    kind: str
    word: str
    places: tuple[tuple[int, int], ...]
    step: tuple[int, int] | None = None
    sign: bool = False
    name: str | None = None


@dataclass(frozen=True)
class Typo:
    site: Site
    slip: str
    text: str
    shown: str

    def record(self) -> dict[str, Any]:
        line = self.site.file.read_text(encoding="utf-8")[: self.site.places[0][0]].count("\n") + 1
        place = f"{self.site.file.relative_to(ROOT)}:{line}"
        return {"place": place, "kind": self.site.kind, "slip": self.slip, "word": self.site.word, "typo": self.shown}


class Vocabulary:
    """The words of the grammar, wherever they may appear."""

    def __init__(self, version: str) -> None:
        types = load(version).types
        self.names = {name for one in types for name in (*one.elements, *one.attributes)}
        self.values: dict[str, set[str]] = {}
        self.texts: dict[str, Texts] = {}
        for one in types:
            for name, values in one.attributes.items():
                self._add(f"@{name}", values)
            for name, number in one.elements.items():
                self._add(name, types[number].text)

    def _add(self, name: str, values: Values) -> None:
        if values is not None:
            self.values.setdefault(name, set()).update(values.words)
            self.texts[name] = self.texts.get(name, Texts()) | values

    def lists(self, name: str | None, value: str) -> bool:
        return name is not None and bool(value) and value in self.values.get(name, ())


@dataclass(frozen=True)
class Subject:
    """What to measure: where it can be wrong, how, and whether a change is valid after all."""

    finder: type[Finder]
    typo: Callable[[Site, random.Random, Vocabulary], Typo | None]
    is_right: Callable[[Typo, Vocabulary], bool]


# -- where a typo can be -----------------------------------------------------------------------------------------------


def sites(file: File, words: Vocabulary, kind: type[Finder]) -> Iterator[Site]:
    for patch in decode_source(source_of(str(file), file.read_bytes()))[0]:
        finder = kind(file, words)
        finder.patch(patch)
        yield from finder.found


class Finder:
    """Finds the words in a patch."""

    def __init__(self, file: File, words: Vocabulary) -> None:
        self.file = file
        self.words = words
        self.source = file.read_text(encoding="utf-8")
        self.found: list[Site] = []
        self.name: str | None = None  # the name that the current value belongs to

    def patch(self, patch: model.Patch) -> None:
        spec = patch.spec
        for edit in spec.domain:
            for field in fields(edit):
                for leaf in leaves(getattr(edit, field.name)):
                    if isinstance(leaf, model.XPath | model.ConstructivePath):
                        self.xpath(leaf)
                    elif isinstance(leaf, model.Fragment):
                        self.fragment(leaf)
            paths = (*texts(edit, model.ConstructivePath, Role.MAKES), *texts(edit, model.XPath, Role.CHANGES))
            for value in texts(edit, model.Template, Role.VALUE):
                self.value(value, _last_name(paths[0]))
            for name in texts(edit, model.QName, Role.NAME):
                self.word("name in `to`", name, 0, len(name.text))
        for expression in expressions((spec.when, spec.variables, spec.domain)):
            for literal in xpath_literals(expression):
                self.xpath(literal)

    def is_value(self, name: str | None, value: str) -> bool:
        """Whether something of this name may have this value, but not any text."""
        return self.words.lists(name, value)

    def word(self, kind: str, text: Text, start: int, end: int, **more: Any) -> None:
        place = self.place(text, start, end)
        if place is not None:
            self.found.append(Site(self.file, kind, text.text[start:end], (place,), **more))

    def place(self, text: Text, start: int, end: int) -> tuple[int, int] | None:
        """The position of the characters in the file; None if they are written differently, as with escapes."""
        span = text.span(start, end)
        return (span.start, span.end) if self.source[span.start : span.end] == text.text[start:end] else None

    def xpath(self, text: Text) -> None:
        try:
            tree = parse(in_place(text))
        except XPathSyntaxError:
            return
        for expr in walk(tree):
            match expr:
                case Path(steps=steps):
                    for number, step in enumerate(steps):
                        self._step(text, steps[:number], step, is_last=number == len(steps) - 1)
                case Binary(operator="=" | "!=", left=left, right=right):
                    self._compared(text, left, right)
                    self._compared(text, right, left)
                case Call(name="starts-with" | "contains", args=(left, right)):
                    self._compared(text, left, right)

    def _step(self, text: Text, before: Sequence[Step], step: Step, *, is_last: bool) -> None:
        if step.abbreviated or step.test.endswith(("*", ")")) or _foreign(step.test):
            return
        start, end = step.head_end - len(step.test), step.head_end
        attribute = step.axis == "attribute"
        # a step in the middle, without predicates, that can be forgotten along with the slash before it
        forgotten = None
        if before and not is_last and not before[-1].abbreviated and not step.predicates:
            forgotten = self.place(text, step.start - 1, step.end)
        plain = text.text[step.start : step.head_end] in (step.test, f"@{step.test}") and ":" not in step.test
        kind = "attribute in a path" if attribute else "element in a path"
        self.word(kind, text, start, end, step=forgotten, sign=plain)

    def _compared(self, text: Text, path: Expr, literal: Expr) -> None:
        if not isinstance(literal, Literal) or not isinstance(path, Path) or not path.steps:
            return
        self.name = _name(path.steps[-1])
        if self.is_value(self.name, literal.value):
            self.word("value in a path", text, literal.start + 1, literal.end - 1)

    def value(self, value: model.Template, name: str | None) -> None:
        if self.is_value(name, constant(value) or ""):
            self.word("value in `value`", value, 0, len(value.text))

    def fragment(self, text: Text) -> None:
        pending = fragments.read(in_place(text))
        while pending:
            node = pending.pop()
            pending += node.nodes
            if node.declared or _foreign(node.name):
                continue
            tags = [self.place(text, node.start, node.start + len(node.name)), *self._end_tag(text, node)]
            if all(tags):
                places = tuple(place for place in tags if place is not None)
                self.found.append(Site(self.file, "element in a fragment", node.name, places))
            for name, value, at, value_at in node.attributes:
                self.word("attribute in a fragment", text, at, at + len(name))
                self.name = f"@{name}"
                if self.is_value(self.name, value):
                    self.word("value in a fragment", text, value_at, value_at + len(value))
            for value, at in node.texts:
                self.name = node.name
                if self.is_value(self.name, value):
                    self.word("value in a fragment", text, at, at + len(value))

    def _end_tag(self, text: Text, node: fragments.Node) -> list[tuple[int, int] | None]:
        """The name in the end tag, if the element has one."""
        depth = 0
        for tag in re.finditer(rf"<(/?){re.escape(node.name)}(?=[\s/>])[^>]*?(/?)>", text.text[node.start - 1 :]):
            depth += -1 if tag[1] else 0 if tag[2] else 1
            if depth == 0:
                at = node.start - 1 + tag.start() + 2
                return [self.place(text, at, at + len(node.name))] if tag[1] else []
        return []


def _foreign(name: str) -> bool:
    return ":" in name and name.split(":")[0] not in ("qemu", "lxc", "xen")


def _name(step: Step) -> str | None:
    if step.test.endswith(("*", ")")):
        return None
    return f"@{step.test}" if step.axis == "attribute" else step.test


def _last_name(path: Text) -> str | None:
    try:
        tree = parse(in_place(path))
    except XPathSyntaxError:
        return None
    return _name(tree.steps[-1]) if isinstance(tree, Path) and tree.steps else None


def slipped(site: Site, slip: str, chance: random.Random) -> str | None:
    """A word with the given kind of typo; None if it is impossible in this word."""
    prefix, colon, word = site.word.rpartition(":")
    letters = [i for i, c in enumerate(word) if c.isalpha()]
    if len(word) < 2 or not letters:
        return None
    at = chance.choice(letters)
    match slip:
        case "left out":
            word = word[:at] + word[at + 1 :]
        case "doubled":
            word = word[:at] + word[at] + word[at:]
        case "swapped":
            at = min(at, len(word) - 2)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "replaced":
            word = word[:at] + chance.choice(LETTERS) + word[at + 1 :]
        case "case":
            word = word[:at] + word[at].swapcase() + word[at + 1 :]
        case "plural":
            word = word[:-1] if word.endswith("s") else f"{word}s"
        case "other" if "value" in site.kind:
            word = WORDS.get(word) or chance.choice(OTHERS)
        case _:
            return None
    return f"{prefix}{colon}{word}" if re.fullmatch(r"[A-Za-z_][\w.-]*", word) or "value" in site.kind else None
