"""Typos in the VMI fields that the example patches read, for ``tools/measure_typos.py --of vmi``.

A typo goes into a field that an expression names, from `vmi` on, through variables, loops and macros: a letter left
out, doubled, swapped, replaced or in the wrong case, a plural, another field's name, a step left out. The result is
wrong unless some type has both names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from mistakes import Finder, Site, Subject, Typo, Vocabulary, slipped

from patchlang.cel.syntax import tokens
from patchlang.cel.tree import Call, Ident, Literal, Macro, Node, Select
from patchlang.document import model
from patchlang.kubevirt.vmitypes import types
from patchlang.lint.reading import cel, expressions
from patchlang.record import fields
from patchlang.source import Text

FIELDS = sorted({field for fields in types(None).values() for field in fields})
SLIPS = ("left out", "doubled", "swapped", "replaced", "case", "plural", "other field", "forgotten")
KIND = "field of the VMI"


class MemberFinder(Finder):
    """Finds the VMI fields that expressions name."""

    def patch(self, patch: model.Patch) -> None:
        spec, names = patch.spec, {"vmi"}
        for variable in spec.variables:
            if _is_of_vmi(cel(variable.expression.text), names):
                names.add(f"variables.{variable.name.text}")
        for expression in expressions((spec.when, spec.variables)):
            self.expression(expression, names)
        for edit in (*spec.domain, *spec.cloud_init):
            loop = cel(edit.for_each.text) if edit.for_each is not None else None
            inside = {*names, "item"} if _is_of_vmi(loop, names) else names
            for field in fields(edit):
                for expression in expressions(getattr(edit, field.name)):
                    self.expression(expression, names if field.name == "for_each" else inside)

    def expression(self, text: Text, names: set[str]) -> None:
        read = cel(text.text)
        found = [token for token in tokens(text.text) if token.kind != "comment"]
        for owner, name in _members(read, names) if read is not None else ():
            for before, token, after in zip(found, found[1:], [*found[2:], None], strict=False):
                if token.text == name and before.text in (".", "?") and token.start > owner:
                    dot = before.start - (before.text == "?")
                    step = self.place(text, dot, token.end) if after is not None and after.text == "." else None
                    self.word(KIND, text, token.start, token.end, step=step)
                    break


def _members(node: Node, names: set[str]) -> Iterator[tuple[int, str]]:
    """The named fields, each with the position of the value it is a member of."""
    match node:
        case Select(field, children=(of,)) | Call("_?._", children=(of, Literal("string", str(field)))):
            if field in FIELDS and _is_of_vmi(of, names):
                yield of.position, field
            yield from _members(of, names)
        case Macro(_, variable, children=(of, *others)):
            yield from _members(of, names)
            inside = {*names, variable} if _is_of_vmi(of, names) else names - {variable}
            for other in others:
                yield from _members(other, inside)
        case _:
            for child in node.children:
                yield from _members(child, names)


def _is_of_vmi(node: Node | None, names: set[str]) -> bool:
    """Whether a value is part of the VMI."""
    match node:
        case Ident(name):
            return name in names
        case Select() | Call("_?._" | "_[_]" | "_[?_]" | "orValue" | "flatten") | Macro("filter"):
            return _is_of_vmi(node.children[0], names)
        case _:
            return False


def misspelt(site: Site, chance: random.Random, words: Vocabulary) -> Typo | None:
    """A typo at a site; None if the randomly chosen kind is impossible there."""
    slip = chance.choice(SLIPS)
    source = site.file.read_text(encoding="utf-8")
    if slip == "forgotten":
        if site.step is None:
            return None
        start, end = site.step
        return Typo(site, slip, source[:start] + source[end:], "(step left out)")
    made = chance.choice(FIELDS) if slip == "other field" else slipped(site, slip, chance)
    if made is None or made == site.word:
        return None
    [(start, end)] = site.places
    return Typo(site, slip, source[:start] + made + source[end:], made)


def is_field_there(one: Typo, words: Vocabulary) -> bool:
    """Whether some type has both names, so that the new name may be valid."""
    return any(one.site.word in fields and one.shown in fields for fields in types(None).values())


SUBJECT = Subject(MemberFinder, misspelt, is_field_there)
