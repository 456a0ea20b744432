"""JSON Schema of a kind of document, derived from its records like the decoder (draft-07, which editors support best).

Leaves are written inline, records are ``definitions`` named after their class, and ``op`` selects an edit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from .document import model
from .document.decode import CEL_WORDS, IDENTIFIER, NAME, NOT_TAKEN, TAKEN_NAMES
from .document.field_help import field_help
from .document.keys import model_fields
from .document.scalar_values import COUNT
from .patchtest import model as testmodel
from .podfacts import KUBEVIRT, PODINFO, SECRETS
from .record import MISSING, Field, is_record
from .source import Text

Schema = dict[str, Any]

ID = "urn:patchlang:v1"
"""The ``$id`` of the schema of a file of any kinds; that of one kind has its name behind it."""

DRAFT = "http://json-schema.org/draft-07/schema#"
KINDS: dict[str, type] = {"Patch": model.Patch, "PatchTest": testmodel.PatchTest}

# empty text has a meaning in these
_MAY_BE_EMPTY = (model.Pointer, model.Fragment)
# the name of each union of ops, and what all its members have
_EDITS: dict[Any, tuple[str, type]] = {
    model.DomainEdit: ("DomainEdit", model.DomainBase),
    model.CloudInitEdit: ("CloudInitEdit", model.CloudInitBase),
}
_WORKED_ON: dict[Any, str] = {model.DomainEdit: "domain", model.CloudInitEdit: "cloudInit"}
# what the language calls what its classes are of; ops and kinds have their names
_TITLES: dict[type, str] = {
    model.Metadata: "metadata",
    model.Spec: "spec",
    model.Variable: "variable",
    model.Facts: "facts",
    model.FileFact: "file",
    model.Part: "part",
    testmodel.TestSpec: "spec",
    testmodel.Case: "case",
    testmodel.CloudInitInput: "cloudInit",
    testmodel.FactsInput: "facts",
    testmodel.XPathExpectation: "xpath",
    testmodel.PointerExpectation: "pointer",
    testmodel.Refusal: "error",
}
_USER_DATA = {"enum": [model.Target.USER_DATA.value]}
_PART: dict[str, Any] = {"dependencies": {"part": {"required": ["target"], "properties": {"target": _USER_DATA}}}}
# what a case with `error` cannot also expect
_NO_OUTCOME: dict[str, Any] = {
    "expect": {"maxItems": 0}, "unchanged": {"enum": [False]}, "idempotent": {"enum": [True]},
}  # fmt: skip


_BESIDE = {"enum": [model.Position.BEFORE.value, model.Position.AFTER.value]}
# `at` needs a position next to it
_PLACE: dict[str, Any] = {
    "if": {"required": ["at"]},
    "then": {"required": ["position"], "properties": {"position": _BESIDE}},
    "else": {"properties": {"position": {"not": _BESIDE}}},
}


def _none_of(*keys: str) -> Schema:
    return dict.fromkeys(keys, False)


def _expectation(*checks: str) -> Schema:
    """For the keys of an expectation: at least one of ``checks``, or ``absent``, which excludes them."""
    absent = {"required": ["absent"], "properties": {**_none_of(*checks), "absent": {"enum": [True]}}}
    given = {"anyOf": [{"required": [key]} for key in checks], "properties": {"absent": {"enum": [False]}}}
    return {"anyOf": [absent, given]}


_FACT: Schema = {"type": "string", "pattern": f"^{IDENTIFIER.pattern}$", "not": {"enum": sorted(CEL_WORDS)}}
_STEP = r"/(?!\.{1,2}(/|$))[^/]+"
_FILE_PATH: Schema = {
    "type": "string",
    "pattern": f"^({PODINFO}|{KUBEVIRT}[^/]*|{SECRETS})({_STEP})+$",
    "patternErrorMessage": f"a path below {PODINFO} or {KUBEVIRT}…, or below {SECRETS} with allowSecret",
}
_NO_SECRET: Schema = {"not": {"pattern": "/secrets?(/|$)"}}
_FILE = {**_FILE_PATH, **_NO_SECRET}
# what the decoder checks beyond types: for one key, and for combinations
_OF_KEYS: dict[tuple[type, str], Schema] = {
    (model.Metadata, "name"): {
        "pattern": f"^{NAME.pattern}$",
        "patternErrorMessage": "a name is 1 to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends",
    },
    (model.Variable, "name"): {
        "type": "string",
        "pattern": f"^{IDENTIFIER.pattern}$",
        "patternErrorMessage": "a variable's name must be letters, digits and `_`",
        "not": {"enum": sorted(CEL_WORDS | TAKEN_NAMES)},
    },
    (model.Facts, "env"): {"anyOf": [_FACT, {"type": "array", "items": _FACT, "uniqueItems": True}]},
    (model.Facts, "files"): {
        "propertyNames": _FACT,
        "additionalProperties": {"anyOf": [_FILE, {"$ref": "#/definitions/FileFact"}]},
    },
    (model.FileFact, "path"): _FILE_PATH,
    (model.Spec, "domain"): {"minItems": 1},
    (model.Within, "edits"): {"minItems": 1},
    (model.Copy, "edits"): {"minItems": 1},
    (model.Spec, "cloudInit"): {"minItems": 1},
}
_OF_CLASSES: dict[type, Schema] = {
    model.Spec: {"anyOf": [{"required": ["domain"]}, {"required": ["cloudInit"]}]},
    model.Ensure: {"dependencies": {"expect": ["in"], "unless": ["in"]}, **_PLACE},
    model.Merge: _PLACE,
    model.Copy: {
        "anyOf": [{"required": ["path"]}, {"properties": {"position": {"enum": [model.Position.APPEND.value]}}}]
    },
    model.FileFact: {
        "anyOf": [
            {"required": ["allowSecret"], "properties": {"allowSecret": {"enum": [True]}}},
            {"properties": {"path": _NO_SECRET}},
        ]
    },
    model.QemuArgs: {
        "anyOf": [
            {"required": ["args"], "properties": {"args": {"not": {"enum": [[]]}}}},
            {"required": ["env"], "properties": {"env": {"not": {"enum": [{}]}}}},
        ],
    },
    model.Test: {
        "oneOf": [
            {"required": ["path"]},
            {"required": ["expression"], "properties": _none_of("expect", "unless")},
        ]
    },
    model.JsonTest: {
        "oneOf": [
            {"required": ["path", "value"], "properties": _none_of("expression")},
            {"required": ["expression"], "properties": _none_of("path", "value", "expect", "unless")},
        ]
    },
    model.AddPart: {
        "properties": {"target": {"enum": [model.Target.CLOUD_INIT_DATA.value, model.Target.USER_DATA.value]}}
    },
    model.CloudInitBase: _PART,
    testmodel.TestSpec: {"properties": {"cases": {"minItems": 1}}},
    testmodel.Case: {
        "anyOf": [
            {"required": ["error"], "properties": {**_none_of("golden"), **_NO_OUTCOME}},
            {"required": ["golden"], "properties": {**_none_of("error"), "unchanged": {"enum": [False]}}},
            {"required": ["unchanged"], "properties": {**_none_of("error", "golden"), "unchanged": {"enum": [True]}}},
            {"required": ["expect"], "properties": {**_none_of("error", "golden"), "expect": {"minItems": 1}}},
        ]
    },
    testmodel.XPathExpectation: _expectation("equals", "contains", "matches", "count"),
    testmodel.PointerExpectation: {**_expectation("equals", "contains", "matches"), **_PART},
    testmodel.Refusal: {"minProperties": 1},
}


def schema_text(kind: str | None = None) -> str:
    """The schema of one kind, or of a file of any kind; as shipped, with a final line feed."""
    return _laid_out(schema_of({kind: KINDS[kind]} if kind else KINDS)) + "\n"


def _laid_out(value: Any, indent: str = "") -> str:
    """JSON with each list and map on one line if it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 120 or not isinstance(value, dict | list):
        return line
    deeper = indent + "  "
    if isinstance(value, list):
        entries = [_laid_out(entry, deeper) for entry in value]
    else:
        entries = [f"{json.dumps(key)}: {_laid_out(entry, deeper)}" for key, entry in value.items()]
    start, end = "[]" if isinstance(value, list) else "{}"
    return start + ",".join(f"\n{deeper}{entry}" for entry in entries) + f"\n{indent}{end}"


def schema_of(kinds: Mapping[str, type]) -> Schema:
    """The schema of one document of any of these kinds, each with the record of its body."""
    writer = _Writer()
    version = {"enum": [model.API_VERSION], "description": "The version of the language."}
    cases = []
    for kind, root in kinds.items():
        writer.define(kind, root, {"apiVersion": version, "kind": {"enum": [kind]}})
        cases.append(_if("kind", kind, kind))
    return {
        "$schema": DRAFT,
        "$id": ID if len(kinds) > 1 else f"{ID}:{next(iter(kinds))}",
        "title": " or ".join(kinds),
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": version,
            "kind": {"enum": list(kinds), "description": "The kind of the document."},
        },
        "allOf": cases,
        "definitions": dict(sorted(writer.definitions.items())),
    }


def _title_of_op(cls: type) -> str | None:
    """The op that a class is of, and what it works on."""
    named = ((union, op) for union, ops in model.OPS.items() for op, one in ops.items() if one is cls)
    return next((f"{op} ({_WORKED_ON[union]})" for union, op in named), None)


def _if(key: str, value: str, definition: str) -> Schema:
    """If ``key`` has the value, the definition applies. Editors offer its keys once the value is there."""
    return {
        "if": {"required": [key], "properties": {key: {"enum": [value]}}},
        "then": {"$ref": f"#/definitions/{definition}"},
    }


class _Writer:
    """Collects the definitions that a schema refers to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def record(self, cls: type, first: Schema | None = None) -> Schema:
        """The schema of a record; ``first`` are properties that precede its own."""
        known = {key: value for key, value in model_fields(cls).items() if key not in NOT_TAKEN.get(cls, ())}
        required = [*(first or ()), *(key for key, (field, _) in known.items() if field.is_required)]
        # an op's own keys first, then those of every edit: what an editor offers comes in this order
        inherited = {key for base in cls.__mro__[1:-1] if is_record(base) for key in model_fields(base)}
        order = sorted(known, key=lambda key: (key in inherited, key not in required))
        properties = {**(first or {}), **{key: self.field(cls, key, *known[key]) for key in order}}
        title = _TITLES.get(cls) or _title_of_op(cls) or cls.__name__
        schema: Schema = {"title": title, "type": "object", "description": first_paragraph(cls)}
        schema["properties"] = properties
        schema |= {"required": required} if required else {}
        schema["additionalProperties"] = False
        more = [_OF_CLASSES[base] for base in cls.__mro__ if base in _OF_CLASSES]
        return {**schema, "allOf": more} if more else schema

    def field(self, cls: type, key: str, field: Field, hint: Any) -> Schema:
        schema = self.value(hint)
        if "$ref" in schema:
            return schema  # draft-07 allows nothing next to it
        help = field_help(cls, key)
        schema = {**schema, "description": help} if help else schema
        schema |= _OF_KEYS.get((cls, key), {})
        default = field.default.value if isinstance(field.default, Enum) else field.default
        return schema if default in (MISSING, None, ()) else {**schema, "default": default}

    def value(self, hint: Any) -> Schema:
        """The schema of what the decoder accepts for a type of the model."""
        if hint in model.OPS:
            return self.edit(hint)
        choices = options(hint)
        if set(choices) == set(get_args(model.Value)):
            return {}
        schemas = [self.single(choice) for choice in choices]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def single(self, hint: Any) -> Schema:
        if get_origin(hint) is tuple:
            return self.collection(get_args(hint)[0])
        if hint is model.MapValue:
            return {"type": "object"}
        if isinstance(hint, type) and is_record(hint) and hint is not model.Expect and not issubclass(hint, Text):
            self.define(hint.__name__, hint)
            return {"$ref": f"#/definitions/{hint.__name__}"}
        return _leaf(hint)

    def collection(self, item: Any) -> Schema:
        if get_origin(item) is tuple and get_args(item)[-1] is not Ellipsis:
            return {
                "type": "object",
                "additionalProperties": self.value(get_args(item)[1]),
                "propertyNames": {"minLength": 1},
            }
        items = {"type": "array", "items": self.value(item)}
        one_is_enough = isinstance(item, type) and issubclass(item, Text)
        return {"anyOf": [_leaf(item), items]} if one_is_enough else items

    def edit(self, union: Any) -> Schema:
        """The union of all ops, distinguished by ``op``."""
        name, base = _EDITS[union]
        if name not in self.definitions:
            self.definitions[name] = {}  # edits may contain edits
            ops = model.OPS[union]
            for op, cls in ops.items():
                self.define(cls.__name__, cls, {"op": {"enum": [op]}})
            described = {"enum": list(ops), "enumDescriptions": [first_paragraph(cls) for cls in ops.values()]}
            self.definitions[name] = {
                "title": f"edit of {_WORKED_ON[union]}",
                "type": "object",
                "description": first_paragraph(base),
                "required": ["op"],
                "properties": {"op": {**described, "description": "What the edit does."}},
                "allOf": [_if("op", op, cls.__name__) for op, cls in ops.items()],
            }
        return {"$ref": f"#/definitions/{name}"}

    def define(self, name: str, cls: type, first: Schema | None = None) -> None:
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.record(cls, first)


def options(hint: Any) -> list[Any]:
    """The types of a union, without None."""
    return [o for o in get_args(hint) if o is not NoneType] if get_origin(hint) in (Union, UnionType) else [hint]


def _leaf(hint: Any) -> Schema:
    if hint is bool:
        return {"type": "boolean"}
    if hint is int:
        return {"type": "integer"}
    if hint is model.Expect:
        count = {"type": ["integer", "string"], "minimum": 0, "maximum": 999999, "pattern": f"^{COUNT.pattern}$"}
        return {**count, "patternErrorMessage": 'a count must be 3, "0..1", "1+", "0+" or "2..4"'}
    if issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    # a scalar is its text, however it is written; a null is a forgotten value, or the text of a value
    scalars = ["string", "number", "boolean"]
    if issubclass(hint, model.Template | model.Literal):
        return {"type": [*scalars, "null"]}
    return {"type": scalars} if issubclass(hint, _MAY_BE_EMPTY) else {"type": scalars, "minLength": 1}


def first_paragraph(cls: type) -> str:
    """The docstring's first paragraph as plain text."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")
