"""Wrong values in all example patches, for ``tools/measure_typos.py --of values``.

A wrong value goes where the grammar lists or describes the values for a name: in ``value``, fragments, predicates, and
in the texts that ``? :`` chooses between. It becomes a word instead of a number, a number with a unit, out of range, or
with a point or a letter in it, ``true`` for ``yes``, one part too many or too few, or another separator. It counts as
wrong only if nothing of that name may have it anywhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from mistakes import LETTERS, OTHERS, Finder, Site, Subject, Typo, Vocabulary

from patchlang.cel.syntax import tokens
from patchlang.cel.template import ComputedPiece
from patchlang.cel.tree import Call, Literal, Node
from patchlang.document import model
from patchlang.grammar.index import Texts
from patchlang.grammar.patches import in_place
from patchlang.grammar.texts import fits
from patchlang.lint import fragments
from patchlang.lint.reading import cel, template
from patchlang.source import Text

SLIPS = (
    "word", "unit", "negative", "huge", "point", "letter", "boolean", "part more", "part less", "separator", "other",
    "left out", "doubled", "case", "path",
)  # fmt: skip
BOOLEANS = {"yes": "true", "no": "false", "on": "true", "off": "false"}


class ValueFinder(Finder):
    """Finds the values in a patch whose names restrict them."""

    def is_value(self, name: str | None, value: str) -> bool:
        allowed = self.words.texts.get(name or "")
        return allowed is not None and bool(value) and allowed != Texts() and fits(allowed, (value,))

    def word(self, kind: str, text: Text, start: int, end: int, **more: object) -> None:
        if kind.startswith("value"):
            super().word(kind, text, start, end, name=self.name)

    def value(self, value: model.Template, name: str | None) -> None:
        self.name = name
        super().value(value, name)
        self.computed(value, 0, len(value.text), name)

    def fragment(self, text: Text) -> None:
        super().fragment(text)
        self.found = [site for site in self.found if site.name is not None]
        pending = fragments.read(in_place(text))
        while pending:
            node = pending.pop()
            pending += node.nodes
            for name, value, _, at in node.attributes:
                self.computed(text, at, at + len(value), f"@{name}")
            for value, at in node.texts:
                self.computed(text, at, at + len(value), node.name)

    def computed(self, text: Text, start: int, end: int, name: str | None) -> None:
        """The literals that an entirely computed value may evaluate to."""
        for piece in template(text):
            if isinstance(piece, ComputedPiece) and (piece.at, piece.end) == (start, end):
                written = {token.start: token for token in tokens(piece.expression.text)}
                read = cel(piece.expression.text)
                for literal in _chosen(read) if read is not None else ():
                    token = written.get(literal.position)
                    if token is not None and self.is_value(name, token.text[1:-1]):
                        self.name = name
                        self.word("value in CEL", piece.expression, token.start + 1, token.end - 1)


def _chosen(node: Node) -> Iterator[Literal]:
    match node:
        case Literal("string"):
            yield node
        case Call("_?_:_", children=(_, first, second)) | Call("orValue", True, children=(first, second)):
            yield from _chosen(first)
            yield from _chosen(second)


def wrong_value(site: Site, chance: random.Random, words: Vocabulary) -> Typo | None:
    """A value at a site that nothing of its name may have; None if the randomly chosen one is valid."""
    slip = chance.choice(SLIPS)
    made = made_wrong(site.word, slip, chance)
    if made is None or made == site.word or fits(words.texts[site.name or ""], (made,)):
        return None
    [(start, end)] = site.places
    source = site.file.read_text(encoding="utf-8")
    if made.endswith(",") and source[end:].lstrip(" ")[:1] in (",", "}", "]"):
        return None  # here the comma belongs to YAML, and the value stays as it is
    return Typo(site, slip, source[:start] + made + source[end:], made)


def made_wrong(value: str, slip: str, chance: random.Random) -> str | None:
    """A similar wrong value; None if none can be made from it."""
    at = chance.randrange(len(value))
    number = re.fullmatch(r"\d+", value) is not None
    match slip:
        case "word" if number:
            return chance.choice(("two", "many", "auto", "none", "unlimited"))
        case "unit" if number:
            return value + chance.choice(("Gi", "MiB", "k", "s", "ms", "%", " bytes"))
        case "negative" if number:
            return f"-{value}"
        case "huge" if number:
            return value + "9" * 20
        case "point" if number:
            return f"{value}.5"
        case "letter":
            return value[:at] + chance.choice(LETTERS) + value[at + 1 :]
        case "boolean":
            return BOOLEANS.get(value)
        case "part more":
            return value + chance.choice((":00", ".1", ",", "-1", "/"))
        case "part less" if cut := re.search(r"[:.,-][0-9a-fA-F]+$", value):
            return value[: cut.start()]
        case "separator" if found := re.search(r"[:.,/-]", value):
            other = chance.choice([one for one in ":.,-_ " if one != found[0]])
            return value.replace(found[0], other)
        case "other":
            return chance.choice(OTHERS)
        case "left out":
            return value[:at] + value[at + 1 :] or None
        case "doubled":
            return value[:at] + value[at] + value[at:]
        case "case":
            return value[:at] + value[at].swapcase() + value[at + 1 :]
        case "path" if value.startswith("/"):
            return value[1:]
        case _:
            return None


# a wrong value is wrong everywhere
SUBJECT = Subject(ValueFinder, wrong_value, lambda one, words: False)
