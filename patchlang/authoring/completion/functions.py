"""The functions and methods of CEL as patches have them, each with what it gives, in a few words."""

from __future__ import annotations

from ...cel.words import NAMESPACES

# `docs/language.md` describes and shows them
TEXT = {
    "charAt": "charAt(index): the character there",
    "contains": "contains(text): whether it has this text in it",
    "endsWith": "endsWith(text): whether it ends with this text",
    "format": "format(list): the text with %s, %d and so on filled in",
    "indexOf": "indexOf(text): where this text begins in it, or -1",
    "lastIndexOf": "lastIndexOf(text): where this text begins in it for the last time, or -1",
    "lowerAscii": "lowerAscii(): in lower case, as far as it is ASCII",
    "matches": "matches(re): whether the regular expression (RE2) is found in it",
    "replace": "replace(old, new): with another text in place of this one",
    "reverse": "reverse(): its characters from the last to the first",
    "size": "size(): how many characters it has",
    "split": "split(text): the list of its parts",
    "startsWith": "startsWith(text): whether it begins with this text",
    "substring": "substring(from, to): a part of it; to its end without `to`",
    "trim": "trim(): without white space at its ends",
    "upperAscii": "upperAscii(): in upper case, as far as it is ASCII",
}
_MACROS = {
    "all": "all(x, condition): whether it holds for each",
    "exists": "exists(x, condition): whether it holds for one or more",
    "exists_one": "exists_one(x, condition): whether it holds for exactly one",
    "filter": "filter(x, condition): those for which it holds",
    "map": "map(x, expression): what it gives for each",
}
LIST = {
    **_MACROS,
    "distinct": "distinct(): the first of equal entries",
    "first": "first(): an optional of the first entry",
    "join": "join(text): the entries, which are texts, with this text between them",
    "last": "last(): an optional of the last entry",
    "reverse": "reverse(): from the last to the first",
    "size": "size(): how many entries it has",
    "slice": "slice(from, to): the entries from one position up to another",
    "sort": "sort(): in order; of texts, numbers, booleans or times",
    "sortBy": "sortBy(x, key): in the order of what it gives for each",
}
MAP = {**_MACROS, "size": "size(): how many keys it has"}
OPTIONAL = {
    "hasValue": "hasValue(): whether there is a value",
    "or": "or(optional): itself if it has a value, else the other one",
    "orValue": "orValue(default): its value, or the default",
    "optMap": "optMap(x, expression): what it gives for the value, as an optional",
    "optFlatMap": "optFlatMap(x, optional): the same of an expression that gives an optional",
    "value": "value(): its value, which must be there",
}
ALL = {**OPTIONAL, **TEXT, **LIST}
FUNCTIONS = {
    "bool": "bool(text): true or false of a text",
    "double": "double(x): as a number with a fraction",
    "has": "has(a.b): whether the member is there",
    "int": "int(x): as a whole number",
    "size": "size(x): how many characters, entries or keys it has",
    "string": "string(x): as a text",
    "type": "type(x): its type",
    "uint": "uint(x): as a whole number that is not negative",
}
WORDS = ("true", "false", "null")
MEMBERS = {**NAMESPACES, "cel": ["bind"], "facts": ["env", "files"]}
OVER = frozenset({*_MACROS, "sortBy", "optMap", "optFlatMap"})
"""Methods whose first argument names what the second one is about."""


def of_type(type: str) -> dict[str, str]:
    """The methods of a value of a type of :mod:`patchlang.kubevirt.vmitypes`."""
    from ...kubevirt.vmitypes import kinds

    if type.startswith("?"):
        return OPTIONAL
    found = kinds(type)
    if not found:
        return ALL
    methods: dict[str, str] = {}
    for kind, known in (("text", TEXT), ("list", LIST), ("map", MAP)):
        methods |= known if kind in found else {}
    return methods
