"""Make typos in all example patches, one at a time, and count how many `patchlang validate` finds.

    python tools/measure_typos.py > benchmarks/typos.json
    python tools/measure_typos.py --of values > benchmarks/values.json
    python tools/measure_typos.py --of vmi > benchmarks/vmi.json

A typo goes where the grammar has a word: in the name of an element or attribute in a path, a fragment, a key of
``merge`` or ``rename``, and in a value that the grammar lists for an attribute or element of that name. Free text (an
annotation's key, a file name, QEMU's arguments) gets no typos, and neither do YAML keys and CEL, which other rules
check. Typos are the mistakes that fingers and memory make: a letter left out, doubled, swapped, replaced or in the
wrong case, a plural, an attribute for an element and vice versa, a step left out, `on` for `yes` or another word from
some list.

A typo counts as found if it causes an error that the patch did not have before. Any other is either another word that
the grammar allows in this place, which no grammar check could find, or it is missed: the report lists both.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from patchlang.diagnostics import Severity
from patchlang.document import model
from patchlang.document.model import Role
from patchlang.files import source_of
from patchlang.grammar.index import Texts, Values, load, versions
from patchlang.grammar.patches import in_place
from patchlang.lint import fragments
from patchlang.lint.reading import constant, expressions, leaves, xpath_literals
from patchlang.lint.roles import texts
from patchlang.loading import decode_source
from patchlang.record import fields
from patchlang.source import Text
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.run import validate_files
from patchlang.xpath.parser import XPathSyntaxError, parse
from patchlang.xpath.tree import Binary, Call, Expr, Literal, Path, Step, walk

ROOT = File(__file__).resolve().parent.parent
PATCHES = ("examples/corpus/*.yaml", "examples/patches/*/patch.yaml")
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


# -- typos -------------------------------------------------------------------------------------------------------------


def typo(site: Site, chance: random.Random, words: Vocabulary) -> Typo | None:
    """A typo at a site; None if the randomly chosen kind is impossible there."""
    slip = chance.choice(["left out", "doubled", "swapped", "replaced", "case", "plural", "sign", "forgotten", "other"])
    source = site.file.read_text(encoding="utf-8")
    if slip == "forgotten" and site.step:
        start, end = site.step
        return Typo(site, slip, source[:start] + source[end:], "(step left out)")
    if slip == "sign" and site.sign:
        start, end = site.places[0]
        if "attribute" in site.kind:
            return Typo(site, slip, source[: start - 1] + source[start:], site.word)
        return Typo(site, slip, f"{source[:start]}@{source[start:]}", f"@{site.word}")
    word = slipped(site, slip, chance)
    if word is None or word == site.word:
        return None
    text = source
    for start, end in sorted(site.places, reverse=True):
        text = text[:start] + word + text[end:]
    return Typo(site, slip, text, word)


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


# -- the measure -------------------------------------------------------------------------------------------------------


def errors(file: File, text: str, options: Options) -> set[tuple[str, str]]:
    [*checked] = validate_files([Input(file.name, True, text.encode())], options=options)
    return {(d.rule.id, d.message) for one in checked for d in one.diagnostics if d.severity is Severity.ERROR}


def measure(count: int, seed: int, version: str, subject: Subject | None = None) -> dict[str, Any]:
    """Make ``count`` typos and report the results."""
    subject = subject or Subject(Finder, typo, is_word_there)
    files = sorted(file for pattern in PATCHES for file in ROOT.glob(pattern))
    words, options, chance = Vocabulary(version), Options(libvirt=version), random.Random(seed)  # noqa: S311
    everywhere = [site for file in files for site in sites(file, words, subject.finder)]
    before = {file: errors(file, file.read_text(encoding="utf-8"), options) for file in files}
    made: dict[Typo, None] = {}  # without duplicates
    while len(made) < count:
        one = subject.typo(chance.choice(everywhere), chance, words)
        if one is not None:
            made[one] = None
    said = {one: errors(one.site.file, one.text, options) - before[one.site.file] for one in made}
    missed = [one for one in made if not said[one]]
    valid = [one for one in missed if subject.is_right(one, words)]
    escaped = [one for one in missed if one not in valid]
    typos = len(made) - len(valid)
    found_by = Counter(min(rule for rule, _ in found) for found in said.values() if found)
    return {
        "libvirt": version,
        "seed": seed,
        "patches": len(files),
        "patches with false alarms": sum(bool(found) for found in before.values()),
        "sites": dict(sorted(Counter(site.kind for site in everywhere).items())),
        "made": len(made),
        "other words of the grammar": len(valid),
        "typos": typos,
        "found": typos - len(escaped),
        "share": round((typos - len(escaped)) / typos, 4),
        "found by": dict(sorted(found_by.items())),
        "by kind": _table(made, valid, escaped, lambda one: one.site.kind),
        "by slip": _table(made, valid, escaped, lambda one: one.slip),
        "escaped": [one.record() for one in escaped],
        "other words": [one.record() for one in valid],
    }


def is_word_there(one: Typo, words: Vocabulary) -> bool:
    """Whether the result is a word that the grammar has for this kind of thing."""
    if "value" in one.site.kind:
        return any(one.shown in values for values in words.values.values())
    return one.shown.lstrip("@") in words.names


def _table(made: Iterable[Typo], valid: Sequence[Typo], escaped: Sequence[Typo], key: Any) -> dict[str, list[int]]:
    """Typos made and found, by kind."""
    all_of = Counter(key(one) for one in made if one not in valid)
    lost = Counter(key(one) for one in escaped)
    return {name: [number, number - lost[name]] for name, number in sorted(all_of.items())}


def main() -> None:
    # the modules that measure the other subjects build on this one
    import measure_values
    import measure_vmi

    subjects: dict[str, Subject | None] = {"names": None, "values": measure_values.SUBJECT, "vmi": measure_vmi.SUBJECT}
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--of", choices=subjects, default="names")
    parser.add_argument("--typos", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    measured = measure(args.typos, args.seed, versions()[-1], subjects[args.of])
    json.dump(measured, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
