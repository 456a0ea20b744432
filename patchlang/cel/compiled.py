"""CEL: compiled once against the names that an expression may use, evaluated with a run's values.

Only imported if a document has an expression.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import rules
from ..diagnostics import Diagnostic, PatchError, Rule, did_you_mean, fail
from ..patterns import pattern
from ..record import replace
from ..run_scope import Bindings, without_value
from ..source import Text
from ..values import ABSENT, TooBigError, check_size
from .evaluation import evaluating
from .library import MAX_OPENED_TWICE, MAX_SOURCE, TYPES, Names, environment, evaluator, parse
from .syntax import MEMBERS, Chain, Insertion, chains, guard, multiplies, opened_twice, original_offset

if TYPE_CHECKING:
    from cel_expr_python import cel

    from .causes import Cause

EXPRESSION = 1024
"""The approximate memory of a compiled expression, and of each byte of its serialized form."""
WRITTEN = 13

# where these combine a value of unknown type with another, CEL assumes the type of the other
_GUESSED = pattern(r"\?|\boptional\b|\borValue\b")


class Compiled:
    """A compiled expression. ``kind`` is its type: one of CEL's type names, or ``dyn`` if unknown.

    ``inputs`` are the names of the values that it reads, as ``Bindings.cel_value`` takes them. ``size`` is the memory
    that it needs, ``serialized`` its form as written by the library.
    """

    def __init__(
        self, source: Text, program: cel.Expression, inputs: tuple[str, ...], kind: str, serialized: bytes
    ) -> None:
        self.source = source
        self.kind = kind
        self.inputs = inputs
        self.size = EXPRESSION + WRITTEN * len(serialized)
        self._program = program
        self._is_opened = _MAKES_OPTIONALS in serialized or multiplies(source.text)
        self._listed: Compiled | None = None
        self._names: Names | None = None
        self._inputs = {name: _members_read(source.text, name) for name in inputs}

    def evaluate(self, bindings: Bindings) -> Any:
        """The value as Python data. Raises PatchError (PL403, PL409)."""
        data: dict[str, Any] = {}
        for name, members in self._inputs.items():
            try:
                value = bindings.cel_value(name)
            except LookupError:
                continue
            data[name] = value if members is None or not isinstance(value, dict) else _only(value, members)
        with evaluating(bindings, self.source.text):
            try:
                value = self._program.eval(data=data)
                failed = value.type().name() == "ERROR"
                # CEL's opaque optional also reports itself as an error, but has no value to convert
                result = value.value() if failed else self._convert(value)
            except (TypeError, SystemError):
                if self._names is not None:
                    return next(iter(self._in_a_list(self._names).evaluate(bindings)), ABSENT)
                raise self.error(
                    rules.WRONG_RESULT,
                    "the result is an optional",
                    "add `.orValue(...)` to provide a fallback",
                ) from None
            except (RuntimeError, ValueError, OverflowError, UnicodeError) as e:
                raise self._failed(str(e), bindings) from None
            except TooBigError as e:
                raise self._too_big(e) from None
        if failed:
            raise self._failed(str(result), bindings)
        try:
            size = check_size(result)
        except TooBigError as e:
            raise self._too_big(e) from None
        bindings.budget.hold(size, self.source.span)
        return self._plain(result)

    def open_optional(self, names: Names) -> None:
        """Allow an optional as the result."""
        self._names = names
        self.size *= 2  # the expression that looks into it is compiled on demand

    def _in_a_list(self, names: Names) -> Compiled:
        """An expression that puts the value of the optional in a list: CEL can look into an optional, Python cannot."""
        if self._listed is None:
            opened = f"cel.bind(o, dyn({self.source.text}\n), o.hasValue() ? [o.value()] : [])"
            self._listed = compile_expression(Text(opened, lambda _start, _end: self.source.span()), names)
        return self._listed

    def _convert(self, value: cel.Value) -> Any:
        """Python data. The library's own conversion has no limits, and crashes the process on an optional in a map."""
        if not self._is_opened:
            return value.plain_value()
        from .opening import Opening

        return Opening().open(value)

    def error(self, rule: Rule, message: str, help: str | None = None) -> PatchError:
        return fail(rule, message, self.source.span(), help)

    def _too_big(self, e: TooBigError) -> PatchError:
        return self.error(rules.LIMIT, f"the result is too big: {e}")

    def _failed(self, raw: str, bindings: Bindings) -> PatchError:
        unbound = re.match(r'[A-Z_]+: No value with name "variables\.(\w+)"', raw)
        cause = bindings.failure(unbound[1]) if unbound else None
        if unbound and cause:
            error = self.error(rules.EVALUATION, without_value(unbound[1], cause), cause.help)
            return _related(error, cause)
        if found := self._cause(raw, bindings):
            return fail(rules.EVALUATION, found.message, self.source.span(found.start, found.end), found.help)
        from .messages import explain

        message, help = explain(raw, self.source.text)
        return self.error(rules.EVALUATION, message, help)

    def _cause(self, raw: str, bindings: Bindings) -> Cause | None:
        from .causes import missing_user_data, null_used
        from .checked_expr import UnreadableError, read
        from .messages import OF_TYPES

        text = self.source.text
        try:
            tree = read(parse(text) or b"")
        except UnreadableError:
            return None
        if "Key not found" in raw:
            return missing_user_data(tree, text, bindings)
        return null_used(tree, text, bindings) if OF_TYPES.search(raw) else None

    def _plain(self, value: Any) -> Any:
        """Only JSON types, maps with sorted keys."""
        match value:
            case float() if not math.isfinite(value):
                raise self.error(
                    rules.WRONG_RESULT,
                    "the result is NaN or infinite, which JSON cannot represent",
                    "test the divisor, or the argument of `double(...)`",
                )
            case bool() | int() | float() | str() | None:
                return value
            case list():
                return [self._plain(v) for v in value]
            case dict():
                if not all(isinstance(k, str) for k in value):
                    raise self.error(rules.WRONG_RESULT, "the keys of a map must be text", "use `string(...)`")
                return {k: self._plain(value[k]) for k in sorted(value)}
            case _:
                raise self.error(
                    rules.WRONG_RESULT,
                    f"the result is of type {type(value).__name__}, which is not allowed here",
                    "use `string(...)`",
                )


def _related(error: PatchError, cause: Diagnostic) -> PatchError:
    related = ((cause.span, "the variable is computed here"),) if cause.span else ()
    return PatchError(replace(error.diagnostic, related=related))


def compile_expression(source: Text, names: Names, want: str = "dyn", *, optional: bool = False) -> Compiled:
    """Compile one expression; ``want`` is its required type (``bool``, ``list``), ``dyn`` for any.

    Its result may be an ``optional``: then the result is the optional's value, or ``ABSENT``.
    Raises PatchError (PL202, PL206) with the place inside the expression.
    """
    if len(source.text) > MAX_SOURCE:
        raise fail(rules.BAD_EXPRESSION, f"the expression is longer than {MAX_SOURCE} characters", source.span())
    if (at := opened_twice(source.text, MAX_OPENED_TWICE)) is not None:
        message = f"more than {MAX_OPENED_TWICE} `optMap` and `optFlatMap`: CEL expands the target of each twice"
        raise fail(rules.BAD_EXPRESSION, message, source.span(at), "move part of the expression into a variable")
    inputs = tuple(_inputs(source, names))
    used = {name.removeprefix("variables.") for name in inputs if name.startswith("variables.")}
    env = environment(replace(names, variables=tuple(known for known in names.variables if known[0] in used)))
    text, insertions = guard(source.text)
    try:
        program = env.compile(text)
    except (RuntimeError, UnicodeError) as e:
        from .messages import GUESSED_TYPE

        again, insertions_again = guard(source.text, open_types=True)
        opened = _compiled_or_none(env, again) if GUESSED_TYPE.search(str(e)) else None
        if opened is None:
            if (parsed := parse(source.text)) is not None:
                _check_optionals(source, parsed, source.text, optional=optional)
            from .refusals import static_error

            raise static_error(source, text, insertions, str(e), names) from None
        program, text, insertions = opened, again, insertions_again
    serialized = program.serialize()
    if _MAKES_OPTIONALS in serialized and any(use in serialized for use in _USES_OPTIONALS):
        _check_optionals(source, serialized, text, insertions, optional=optional)
    try:
        kind = str(program.return_type().name()).split("<")[0].lower()
    except RuntimeError:
        message = "the result is a map with keys of a type that CEL maps do not support"
        raise fail(rules.BAD_EXPRESSION, message, source.span(), "convert them with `string(...)`") from None
    kind = {"null": "null_type", "any": "dyn"}.get(kind, kind)
    if kind.startswith("optional") and optional:
        kind = "dyn"
    elif kind.startswith("optional"):
        raise fail(
            rules.BAD_EXPRESSION,
            "the result is an optional",
            source.span(),
            "add `.orValue(...)` to provide a fallback",
        )
    if kind not in TYPES:
        raise fail(
            rules.BAD_EXPRESSION,
            f"the result is of CEL's type `{kind}`, which is not allowed here",
            source.span(),
            "use `string(...)`",
        )
    if want not in ("dyn", kind) and kind != "dyn":
        message = f"this must be a {want}, but the expression is of type {kind}"
        help = {"bool": "compare with `==`, or test with `in`", "list": "for a map, use `keys(...)`"}.get(want)
        raise fail(rules.BAD_EXPRESSION, message, source.span(), help)
    if kind == "null_type" or _GUESSED.search(source.text):
        kind = "dyn"
    try:
        program = evaluator().deserialize(serialized)
    except RuntimeError:
        raise _too_deep(source) from None
    compiled = Compiled(source, program, inputs, kind, serialized)
    if optional and kind == "dyn" and _MAKES_OPTIONALS in serialized:
        compiled.open_optional(names)
    return compiled


def _compiled_or_none(env: cel.Env, text: str) -> cel.Expression | None:
    try:
        return env.compile(text)
    except RuntimeError:
        return None


# every function that returns an optional says so in the name of its overload or of its type
_MAKES_OPTIONALS = b"optional"
_USES_OPTIONALS = (b"_==_", b"_!=_", b"flatten", b"keys", b"xpath")


def _check_optionals(
    source: Text, serialized: bytes, text: str, insertions: tuple[Insertion, ...] = (), *, optional: bool
) -> None:
    """Raises PatchError (PL202) for misplaced optionals; ``text`` is what CEL read."""
    from .checked_expr import UnreadableError, read
    from .optionals import astray

    try:
        found = astray(read(serialized), text, optional=optional)
    except UnreadableError:
        raise _too_deep(source) from None
    for at, message in (
        (found.compared, "an optional is compared with a value: they are never equal"),
        (found.handed_over, "an optional may reach `flatten`, `keys` or `xpath`, which take plain values"),
    ):
        if at is not None:
            span = source.span(original_offset(at, insertions))
            raise fail(rules.BAD_EXPRESSION, message, span, "end it with `.orValue(...)`")


def _inputs(source: Text, names: Names) -> Iterator[str]:
    """The values that the expression reads; unknown members of a known object are errors."""
    seen: set[str] = set()
    for chain in chains(source.text):
        path = chain.root.text
        name = path
        if path == "variables" and len(chain.names) > 1:
            name = f"variables.{chain.names[1].text}"
        elif path == "facts":
            _check_fact(source, chain, names.facts)
        elif path not in ("vmi", "item", "index", "node", "cloudInit"):
            continue
        elif not re.search(rf"\(\s*{path}\s*,", source.text):
            _check_members(source, chain)
        if name not in seen:
            seen.add(name)
            yield name


def _members_read(text: str, name: str) -> frozenset[tuple[str, ...]] | None:
    """The members of a value that an expression reads, as paths; None if it reads the whole value."""
    root = tuple(name.split("."))
    paths = (tuple(part.text for part in chain.names) for chain in chains(text))
    read = {path[len(root) :] for path in paths if path[: len(root)] == root}
    if () in read:
        return None
    return frozenset(path for path in read if not any(path[:end] in read for end in range(1, len(path))))


def _only(whole: dict[str, Any], members: frozenset[tuple[str, ...]]) -> dict[str, Any]:
    """Only these members of an object, none of which is part of another: CEL copies everything that it is given."""
    part: dict[str, Any] = {}
    for path in members:
        source, target = whole, part
        for at, name in enumerate(path, 1):
            if name not in source:
                break
            value = source[name]
            if at == len(path) or not isinstance(value, dict):
                target[name] = value
                break
            source, target = value, target.setdefault(name, {})
    return part


def _too_deep(source: Text) -> PatchError:
    from .refusals import too_deep

    return too_deep(source, "too deeply: CEL expands a macro such as `map` into several levels")


def _check_fact(source: Text, chain: Chain, declared: tuple[str, ...]) -> None:
    """Raises PatchError (PL206) for a fact that the patch does not declare."""
    name = ".".join(token.text for token in chain.names[1:3])
    start, end = chain.root.start, chain.names[:3][-1].end
    if name in declared and len(chain.names) == 3:
        if re.search(r"\bhas\(\s*$", source.text[:start]):
            help = f"write `facts.{name}.hasValue()`"
            raise fail(
                rules.BAD_EXPRESSION,
                "a fact is an optional, so `has()` does not apply to it",
                source.span(start, end),
                help,
            )
        return
    if name in declared:
        message, help = f"`facts.{name}` is an optional string", "end it with `.orValue('...')`"
    elif declared and name in ("", "env", "files"):
        message = f"`{'.'.join(filter(None, ('facts', name)))}` alone is not a value"
        help = f"each fact is read by its name: {', '.join(f'`facts.{one}`' for one in declared)}"
    elif not declared:
        message, help = (
            "`facts` holds what `spec.facts` declares, and this patch declares nothing",
            "declare `env` or `files`",
        )
    else:
        message = f"`spec.facts` declares no `{name}`"
        help = did_you_mean(f"facts.{name}", [f"facts.{one}" for one in declared], "declared")
    raise fail(rules.UNKNOWN_NAME, message, source.span(start, end), help)


def _check_members(source: Text, chain: Chain) -> None:
    path = chain.root.text
    for member in chain.names[1:]:
        known = MEMBERS.get(path)
        if known is None:
            return
        if member.text not in known:
            raise fail(
                rules.UNKNOWN_NAME,
                f"`{path}` has no `{member.text}`",
                source.span(member.start, member.end),
                _elsewhere(path, member.text) or did_you_mean(member.text, known, "available"),
            )
        path = f"{path}.{member.text}"


_OF_SPEC = frozenset({"architecture", "domain", "hostname", "networks", "nodeSelector", "subdomain", "volumes"})


def _elsewhere(path: str, member: str) -> str | None:
    """Where a member of the VMI is that was looked for at its root."""
    if path != "vmi":
        return None
    holder = "spec" if member in _OF_SPEC else "metadata" if member in MEMBERS["vmi.metadata"] else None
    return f"write `vmi.{holder}.{member}`" if holder else None
