"""Node tree to model, driven by the model's own field types; collects every shape error of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, assert_never, get_args, get_origin

from .. import rules
from ..diagnostics import Diagnostic, PatchError, did_you_mean, fail
from ..patterns import pattern
from ..record import fields, is_record
from ..source import Span, Text
from . import model
from .keys import model_fields
from .scalar_values import described, json_scalar, scalar
from .yamltree import Mapping, Node, Scalar, Sequence, describe

T = TypeVar("T")

NAME = pattern(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
CEL_WORDS = frozenset(
    "as break const continue else false for function if import in let loop null package namespace return true var "
    "void while".split()
)
MAX_NAMESPACES = 100
"""Limit per patch: each path is compiled with all of them."""
TAKEN_NAMES = frozenset({"_etree_or_element", "item", "index", "node", "vmi", "variables", "cloudInit", "facts"})
# keys of every edit that an op does not take
NOT_TAKEN: dict[type, frozenset[str]] = {
    model.QemuArgs: frozenset({"expect", "unless"}),
    model.Within: frozenset({"allowProtected"}),
    model.AddPart: frozenset({"part", "expect", "unless"}),
}


def decode(root: Node) -> tuple[model.Patch | None, list[Diagnostic]]:
    """One document of a patch file, with its errors.

    If it has errors, the patch holds what could be read, for further checks; it is None if that is too little.
    """
    return decode_document(root, model.Patch, _check_names)


def decode_document(
    root: Node, cls: type[T], check: Callable[[T], Iterable[Diagnostic]]
) -> tuple[T | None, list[Diagnostic]]:
    """One document of the kind that a class of the model is named after, with its errors.

    ``check`` finds problems of a document whose individual values are valid. None if it could not be read.
    """
    decoder = _Decoder()
    try:
        _check_kind(root, cls.__name__)
        document = decoder.record(cls, root, also=("apiVersion", "kind"))
        decoder.found += [*_check_name(document.metadata), *check(document)]  # type: ignore[attr-defined]
    except _InvalidError:
        return None, decoder.found
    except PatchError as e:
        return None, [*decoder.found, e.diagnostic]
    return document, decoder.found


def decode_part(root: Node, cls: type[T]) -> tuple[T | None, list[Diagnostic]]:
    """A map that belongs in a document but is alone, with its errors; None if it could not be read."""
    decoder = _Decoder()
    return decoder.collect(partial(decoder.record, cls, root)), decoder.found


_BESIDE = (model.Position.BEFORE, model.Position.AFTER)
# what can be checked further without its unreadable parts; and parts without which that would mislead
_PARTIAL = (model.Patch, model.Spec)
_ESSENTIAL = frozenset({"metadata", "spec", "facts", "variables", "namespaces"})
# records that are meaningless without one of these keys
_ONE_OF: dict[type, tuple[str, ...]] = {model.Spec: ("domain", "cloudInit")}


class _InvalidError(Exception):
    """The value is unusable and its errors are already collected."""


class _Decoder:
    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def collect(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except PatchError as e:
            self.found.append(e.diagnostic)
        except _InvalidError:
            pass
        return None

    def record(self, cls: type[T], node: Node, also: Iterable[str] = ()) -> T:
        """A record from a map; collects unknown and missing keys, and problems of the values."""
        if not isinstance(node, Mapping):
            raise fail(rules.WRONG_TYPE, f"expected a map, not {describe(node)}", node.span, _keys_help(cls))
        known = model_fields(cls)  # type: ignore[arg-type]  # a class is hashable, mypy does not see it of type[T]
        values: dict[str, Any] = {}
        before = len(self.found)
        for name, child in node.entries:
            if name.text in known:
                field, hint = known[name.text]
                values[field.name] = self.collect(partial(self.value, hint, child, f"`{name.text}`"))
            elif name.text not in also:
                from .habits import key_hint

                help = key_hint(cls, name.text, node) or did_you_mean(
                    name.text, [*also, *_own_first(cls)], "known keys"
                )
                self.found.append(Diagnostic(rules.UNKNOWN_KEY, f"unknown key `{name.text}`", name.span, help))
        self.found += _missing_keys(cls, node)
        read = {name: value for name, value in values.items() if value is not None}
        lacking = {f.name for f, _ in known.values() if f.is_required or f.name in values} - read.keys()
        unusable = lacking & _ESSENTIAL if cls in _PARTIAL else lacking or len(self.found) > before
        if unusable:
            raise _InvalidError
        if any(f.name == "span" for f in fields(cls)):
            read["span"] = node.span
        return cls(**read)

    def value(self, hint: Any, node: Node, what: str) -> Any:
        """A value of the given model type."""
        options = [o for o in get_args(hint) if o is not NoneType] if get_origin(hint) in (Union, UnionType) else [hint]
        if set(options) == set(get_args(model.Value)):
            return self.json_value(node)
        return self.single(_choose(options, node), node, what)

    def single(self, hint: Any, node: Node, what: str) -> Any:
        if get_origin(hint) is tuple:
            return self.collection(get_args(hint)[0], node, what)
        if hint in model.OPS:
            return self.edit(node, model.OPS[hint])
        if hint is model.MapValue and isinstance(node, Mapping):
            return self.json_value(node)
        if _is_record(hint):
            return self.record(hint, node)
        if not isinstance(node, Scalar):
            message = f"{what} must be {described(hint)}, not {describe(node)}"
            from .habits import unquoted_hint

            raise fail(rules.WRONG_TYPE, message, node.span, unquoted_hint(node) if _is_text(hint) else None)
        return scalar(hint, node, what)

    def collection(self, item: Any, node: Node, what: str) -> tuple[Any, ...]:
        if _is_pair(item):
            name_type, value_type = get_args(item)
            return self.pairs(name_type, value_type, node, what)
        if isinstance(node, Scalar) and _is_text(item):
            return (scalar(item, node, what),)
        if not isinstance(node, Sequence):
            raise fail(
                rules.WRONG_TYPE,
                f"{what} must be a list, not {describe(node)}",
                node.span,
                "start each entry with `- `",
            )
        if item in model.OPS:
            return self.edits(item, node, what)
        return self.all(partial(self.value, item, child, f"an entry of {what}") for child in node.items)

    def pairs(self, name_type: Any, value_type: Any, node: Node, what: str) -> tuple[Any, ...]:
        if not isinstance(node, Mapping):
            message = f"{what} must be a map, not {describe(node)}"
            raise fail(rules.WRONG_TYPE, message, node.span, "write a line `NAME: value` for each entry")

        def pair(name: Scalar, child: Node) -> tuple[Any, Any]:
            return scalar(name_type, name, "a key"), self.value(value_type, child, f"`{name.text}`")

        return self.all(partial(pair, name, child) for name, child in node.entries)

    def all(self, work: Iterable[Callable[[], Any]]) -> tuple[Any, ...]:
        errors = len(self.found)
        values = tuple(self.collect(one) for one in work)
        if len(self.found) > errors:
            raise _InvalidError
        return values

    def edits(self, item: Any, node: Sequence, what: str) -> tuple[Any, ...]:
        """The readable entries; collects errors of the others in the same pass."""
        if not node.items:
            self.found.append(
                Diagnostic(
                    rules.BAD_VALUE,
                    f"{what} is an empty list: nothing is edited",
                    node.span,
                    "write edits, each as an entry that starts with `- op:`, or remove the key",
                )
            )
        found = (self.collect(partial(self.single, item, child, f"an entry of {what}")) for child in node.items)
        return tuple(edit for edit in found if edit is not None)

    def edit(self, node: Node, ops: dict[str, Any]) -> Any:
        if not isinstance(node, Mapping):
            raise fail(rules.WRONG_TYPE, f"an edit must be a map with `op`, not {describe(node)}", node.span)
        op = node.get("op")
        if not isinstance(op, Scalar):
            message = f"`op` is {describe(op)}" if op else "`op` is missing"
            rule = rules.WRONG_TYPE if op else rules.MISSING_KEY
            from .habits import missing_op_hint

            hint = missing_op_hint((name.text for name, _ in node.entries), ops)
            raise fail(rule, message, op.span if op else _start_of(node), hint or "ops: " + ", ".join(ops))
        if op.text not in ops:
            from .habits import op_hint

            help = op_hint(op.text, ops) or did_you_mean(op.text, ops, "ops")
            raise fail(rules.UNKNOWN_OP, f"unknown op `{op.text}`", op.span, help)
        edit = self.record(ops[op.text], node, also=("op",))
        _check_combination(edit)
        return edit

    def json_value(self, node: Node) -> model.Value:
        match node:
            case Scalar():
                return json_scalar(node)
            case Sequence():
                return model.ListValue(self.all(partial(self.json_value, child) for child in node.items), node.span)
            case Mapping():
                for name, _ in node.entries:
                    if "$[" in name.text:
                        self.found.append(
                            Diagnostic(
                                rules.BAD_TEMPLATE,
                                "keys cannot be computed",
                                name.span,
                                'compute the whole map: `value: "$[ {...} ]"`, or put the key in the path',
                            )
                        )
                entries = self.all(
                    partial(lambda n, c: (n.text, self.json_value(c)), name, child) for name, child in node.entries
                )
                return model.MapValue(entries, node.span)


def _missing_keys(cls: type, node: Mapping) -> Iterable[Diagnostic]:
    known, written = model_fields(cls), {name.text for name, _ in node.entries}
    if missing := [key for key, (field, _) in known.items() if field.is_required and key not in written]:
        words = " and ".join(f"`{key}`" for key in missing)
        message = f"{words} {'is' if len(missing) == 1 else 'are'} missing"
        yield Diagnostic(rules.MISSING_KEY, message, _start_of(node), _keys_help(cls))
    needed = _ONE_OF.get(cls, ())
    if needed and written.isdisjoint(needed) and written <= known.keys():
        words = " or ".join(f"`{key}`" for key in needed)
        help = "write a list of edits under one of them, each as an entry that starts with `- op:`"
        yield Diagnostic(rules.MISSING_KEY, f"{words} is missing: nothing is edited", _start_of(node), help)


def _is_record(hint: Any) -> bool:
    return is_record(hint) and hint is not model.Expect and not issubclass(hint, Text)


def _is_text(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Text)


def _is_pair(hint: Any) -> bool:
    """A tuple of pairs is written as a map."""
    return get_origin(hint) is tuple and get_args(hint)[-1] is not Ellipsis


def _shape(hint: Any) -> type[Node]:
    if get_origin(hint) is tuple:
        return Mapping if _is_pair(get_args(hint)[0]) else Sequence
    return Mapping if _is_record(hint) else Scalar


def _choose(options: list[Any], node: Node) -> Any:
    """The member of a union that matches the node: by its shape, and among records by their first key."""
    fitting = [o for o in options if isinstance(node, _shape(o))] or options[:1]
    if len(fitting) == 1 or not isinstance(node, Mapping):
        return fitting[0]
    by_key = {next(iter(model_fields(o))): o for o in fitting}
    for key, option in by_key.items():
        if node.get(key) is not None:
            return option
    words = " or ".join(f"`{key}`" for key in by_key)
    raise fail(rules.MISSING_KEY, f"{words} is required", _start_of(node))


def _check_kind(root: Node, wanted: str) -> None:
    example = f"start a patch document with `apiVersion: {model.API_VERSION}` and `kind: {wanted}`"
    if not isinstance(root, Mapping):
        if isinstance(root, Scalar) and root.text.startswith("<"):
            message, help = (
                "a patch document must be YAML, but this is XML",
                f"{example}; pass a domain with `--domain`",
            )
            raise fail(rules.UNKNOWN_KIND, message, root.span, help)
        raise fail(rules.UNKNOWN_KIND, f"a patch document must be a map, not {describe(root)}", root.span, example)
    version, kind = root.get("apiVersion"), root.get("kind")
    if version is None and kind is None:
        raise fail(rules.UNKNOWN_KIND, "not a patch document: `apiVersion` and `kind` are missing", root.span, example)
    for name, node, text in (("kind", kind, wanted), ("apiVersion", version, model.API_VERSION)):
        if not isinstance(node, Scalar):
            message = f"`{name}` is {describe(node)}" if node else f"`{name}` is missing"
            raise fail(rules.UNKNOWN_KIND, message, node.span if node else root.span, example)
        if node.text != text:
            hint = example
            if node.text == "ConfigMap":
                hint = (
                    "pass the patch file itself, as it is mounted; "
                    "`-p FILE` and `patchlang validate` also read patches in ConfigMaps"
                )
            if node.text in ("VirtualMachine", "VirtualMachineInstance"):
                hint = f"{example}; pass a VM with `--vmi`"
            raise fail(rules.UNKNOWN_KIND, f"unknown `{name}: {node.text}`", node.span, hint)


def _check_name(metadata: model.Metadata) -> Iterable[Diagnostic]:
    if not NAME.fullmatch(metadata.name.text):
        yield Diagnostic(
            rules.BAD_VALUE,
            "the name must be 1 to 63 letters, digits, `-`, `_` or `.`, with a letter or digit at both ends",
            metadata.name.span(),
        )


def _check_names(patch: model.Patch) -> Iterable[Diagnostic]:
    _check_namespaces(patch)
    yield from _check_variables(patch)
    facts = patch.spec.facts or model.Facts()
    for names, what in ((facts.env, "variable"), ([name for name, _ in facts.files], "file")):
        seen: set[str] = set()
        for name in names:
            if not IDENTIFIER.fullmatch(name.text) or name.text in CEL_WORDS:
                message = f"the name of a {what} must be letters, digits and `_`, and not a CEL keyword"
                help = "declare each one by name; patterns are not supported" if "*" in name.text else None
                yield Diagnostic(rules.BAD_VALUE, message, name.span(), help)
            elif name.text in seen:
                yield Diagnostic(rules.DUPLICATE_NAME, f"the {what} `{name.text}` is declared twice", name.span())
            seen.add(name.text)
    if facts.files:
        from ..podfacts import check_place
    for _, entry in facts.files:
        path, allow_secret = (entry.path, entry.allow_secret) if isinstance(entry, model.FileFact) else (entry, False)
        try:
            check_place(path.text, allow_secret=allow_secret, span=path.span())
        except PatchError as e:
            yield e.diagnostic


def _check_namespaces(patch: model.Patch) -> None:
    """Raises PatchError (PL104) if there are so many namespaces that further checks would take long."""
    if len(patch.spec.namespaces) > MAX_NAMESPACES:
        prefix, _ = patch.spec.namespaces[MAX_NAMESPACES]
        message = f"a patch can declare at most {MAX_NAMESPACES} namespaces"
        raise fail(rules.BAD_VALUE, message, prefix.span(), "remove those that no path uses")


def _check_variables(patch: model.Patch) -> Iterable[Diagnostic]:
    seen: set[str] = set()
    for variable in patch.spec.variables:
        text, span = variable.name.text, variable.name.span()
        if not IDENTIFIER.fullmatch(text) or text in CEL_WORDS or text in TAKEN_NAMES:
            yield Diagnostic(
                rules.BAD_VALUE,
                "a variable's name must be letters, digits and `_`, and not a keyword of CEL or patchlang",
                span,
                "reserved: " + ", ".join(sorted(TAKEN_NAMES)),
            )
        elif text in seen:
            yield Diagnostic(rules.DUPLICATE_NAME, f"variable `{text}` is defined twice", span)
        seen.add(text)


def _check_combination(edit: model.DomainEdit | model.CloudInitEdit) -> None:
    match edit:
        case model.Test(path=None, expression=None) | model.JsonTest(path=None, expression=None):
            raise fail(rules.MISSING_KEY, "`test` needs a `path` or an `expression`", edit.span)
        case (
            model.Test(path=model.XPath(), expression=model.Expression())
            | model.JsonTest(path=model.Pointer(), expression=model.Expression())
        ):
            raise fail(
                rules.KEY_CONFLICT, "`test` takes a `path` or an `expression`, not both", edit.span, "write two tests"
            )
        case model.Test(expression=model.Expression()) if edit.expect or edit.unless:
            raise fail(rules.KEY_CONFLICT, "use `expect` and `unless` with `path`, not with `expression`", edit.span)
        case model.JsonTest(path=model.Pointer(), value=None):
            raise fail(rules.MISSING_KEY, "`test` with a `path` needs a `value`", edit.span)
        case model.JsonTest(path=None) if edit.value or edit.expect or edit.unless:
            raise fail(
                rules.KEY_CONFLICT, "use `value`, `expect` and `unless` with `path`, not with `expression`", edit.span
            )
        case model.QemuArgs(args=(), env=()):
            raise fail(rules.MISSING_KEY, "`qemuArgs` needs `args` or `env`", edit.span)
        case model.QemuArgs() if _has(edit, NOT_TAKEN[model.QemuArgs]):
            raise fail(rules.KEY_CONFLICT, "`qemuArgs` has no path, so it cannot have `expect` or `unless`", edit.span)
        case model.Within(allow_protected=True):
            message = "`within` itself changes nothing, so it cannot have `allowProtected`"
            raise fail(rules.KEY_CONFLICT, message, edit.span, "add it to the inner edit that needs it")
        case model.Ensure(within=None) if edit.expect or edit.unless:
            raise fail(
                rules.KEY_CONFLICT,
                "in `ensure`, `expect` and `unless` need `in`",
                edit.span,
                "add `in`, or use `when` with `xpath(...)`",
            )
        case model.Copy(path=None) if edit.position is not model.Position.APPEND:
            message = (
                f"`position: {edit.position.value}` needs `path`; without it each copy goes right after its original"
            )
            raise fail(rules.KEY_CONFLICT, message, edit.span, "add `path`, or remove `position`")
        case model.Ensure() | model.Merge() if (edit.at is not None) is not (edit.position in _BESIDE):
            message = f"`position: {edit.position.value}` needs `at`, the element to put it next to"
            if edit.at is not None:
                message = "`at` needs `position: before` or `position: after`"
            raise fail(rules.KEY_CONFLICT, message, edit.at.span() if edit.at is not None else edit.span)
        case model.AddPart() if _has(edit, NOT_TAKEN[model.AddPart]):
            raise fail(
                rules.KEY_CONFLICT, "`addPart` identifies its part only by `contentType` and `filename`", edit.span
            )
        case model.AddPart() if edit.target not in (model.Target.CLOUD_INIT_DATA, model.Target.USER_DATA):
            raise fail(rules.KEY_CONFLICT, "`addPart` only works on `userData`", edit.span)
        case model.CloudInitBase() if edit.part and edit.target is not model.Target.USER_DATA:
            raise fail(rules.KEY_CONFLICT, "`part` needs `target: userData`", edit.span)
        case (
            model.Add() | model.Set() | model.Ensure() | model.Merge() | model.Replace() | model.Remove()
            | model.Move() | model.Copy() | model.Rename() | model.Within() | model.QemuArgs() | model.Test()
        ):  # fmt: skip
            pass
        case (
            model.JsonAdd() | model.JsonRemove() | model.JsonReplace() | model.JsonMove() | model.JsonCopy()
            | model.JsonTest() | model.JsonMerge() | model.JsonEnsure() | model.AddPart()
        ):  # fmt: skip
            pass
        case _:
            assert_never(edit)


def _has(edit: model.Edit, keys: Iterable[str]) -> bool:
    return any(getattr(edit, key) for key in keys)


def _start_of(node: Mapping) -> Span:
    return node.entries[0][0].span if node.entries else node.span


def _own_first(cls: type) -> list[str]:
    """The keys of a class, with those of every edit last."""
    common = [
        key for base in (model.DomainBase, model.CloudInitBase) if issubclass(cls, base) for key in model_fields(base)
    ]
    return [*(k for k in model_fields(cls) if k not in common), *common]


def _keys_help(cls: type) -> str:
    return "known keys: " + ", ".join(_own_first(cls))
