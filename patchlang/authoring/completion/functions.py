"""The functions and methods that CEL has in patches, each with a short description of its result."""

from __future__ import annotations

from ...cel.words import NAMESPACES

# `docs/language.md` describes and shows them
TEXT = {
    "charAt": "charAt(index): the character at this position",
    "contains": "contains(text): whether it contains this text",
    "endsWith": "endsWith(text): whether it ends with this text",
    "format": "format(list): the text with %s, %d and so on filled in",
    "indexOf": "indexOf(text): where this text first appears in it, or -1",
    "lastIndexOf": "lastIndexOf(text): where this text last appears in it, or -1",
    "lowerAscii": "lowerAscii(): with its ASCII letters in lower case",
    "matches": "matches(re): whether the regular expression (RE2) is found in it",
    "replace": "replace(old, new): with one text replaced by another",
    "reverse": "reverse(): its characters from the last to the first",
    "size": "size(): how many characters it has",
    "split": "split(text): the list of its parts",
    "startsWith": "startsWith(text): whether it begins with this text",
    "substring": "substring(from, to): a part of it; to its end without `to`",
    "trim": "trim(): without white space at its ends",
    "upperAscii": "upperAscii(): with its ASCII letters in upper case",
}
_MACROS = {
    "all": "all(x, condition): whether the condition holds for every entry",
    "exists": "exists(x, condition): whether the condition holds for at least one entry",
    "exists_one": "exists_one(x, condition): whether the condition holds for exactly one entry",
    "filter": "filter(x, condition): the entries for which the condition holds",
    "map": "map(x, expression): the result of the expression for each entry",
}
LIST = {
    **_MACROS,
    "distinct": "distinct(): the first of equal entries",
    "first": "first(): an optional of the first entry",
    "join": "join(text): the entries, which are texts, joined with this text between them",
    "last": "last(): an optional of the last entry",
    "reverse": "reverse(): from the last to the first",
    "size": "size(): how many entries it has",
    "slice": "slice(from, to): the entries from one position up to another",
    "sort": "sort(): sorted; for texts, numbers, booleans, or times",
    "sortBy": "sortBy(x, key): sorted by the result of the key for each entry",
}
MAP = {**_MACROS, "size": "size(): how many keys it has"}
OPTIONAL = {
    "hasValue": "hasValue(): whether there is a value",
    "or": "or(optional): itself if it has a value, otherwise the other one",
    "orValue": "orValue(default): its value, or the default",
    "optMap": "optMap(x, expression): the result for the value, as an optional",
    "optFlatMap": "optFlatMap(x, optional): the same for an expression that gives an optional",
    "value": "value(): its value, which must exist",
}
ALL = {**OPTIONAL, **TEXT, **LIST}
FUNCTIONS = {
    "bool": "bool(text): the boolean that a text spells",
    "double": "double(x): as a number with a fraction",
    "has": "has(a.b): whether the member exists",
    "int": "int(x): as a whole number",
    "size": "size(x): how many characters, entries, or keys it has",
    "string": "string(x): as a text",
    "type": "type(x): its type",
    "uint": "uint(x): as a whole number that is not negative",
}
WORDS = ("true", "false", "null")
MEMBERS = {**NAMESPACES, "cel": ["bind"], "facts": ["env", "files"]}
OVER = frozenset({*_MACROS, "sortBy", "optMap", "optFlatMap"})
"""Methods whose first argument is a name that the second argument uses."""


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
