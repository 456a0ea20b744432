"""What expressions and paths see at one moment of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from . import rules
from .budget import Budget
from .diagnostics import Diagnostic, fail
from .quoting import Names
from .record import field, record, replace
from .values import kind

_SIMPLE = (str, int, float, bool)


class Witness(Protocol):
    """Receives which of the written values are computed (:mod:`patchlang.domain.origins`)."""

    def wrote(self, node: Any, attribute: str | None, written: str | None) -> None:
        """The attribute, or the text, of a node is what ``written`` gives; None: it is not computed."""


class Bindings(Protocol):
    """The values of one evaluation, and what the run may still make."""

    @property
    def budget(self) -> Budget:
        """What expressions and templates make is counted here."""

    def cel_value(self, name: str) -> Any:
        """``vmi``, ``variables.NAME``, ``item``, ``index``, ``node``, ``cloudInit``, ``facts``, or LookupError."""

    def failure(self, variable: str) -> Diagnostic | None:
        """Why the variable has no value."""

    def xpath(self, query: str, values: dict[str, Any]) -> Any:
        """The value of CEL's ``xpath(query, values)``; PatchError if it has none."""


@record(frozen=False)
class Scope:
    """The values of one document, as CEL (``Bindings``) and XPath (``XPathValues``) need them.

    ``query(scope, text, values)`` computes CEL's ``xpath(text, values)`` at ``context`` (None: the document);
    ``facts`` are ``node``, ``cloudInit`` and the pod's ``facts``, if bound; ``inner`` are the traces of
    nested edits; ``names`` are those that messages may contain; ``witness`` receives written values.
    """

    vmi: dict[str, Any]
    budget: Budget = field(default_factory=Budget)
    variables: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, Diagnostic] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Callable[[], Any]] = field(default_factory=dict)
    query: Callable[[Scope, str, dict[str, Any]], Any] | None = None
    context: Any = None
    inner: list[Any] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    witness: Witness | None = None

    def cel_value(self, name: str) -> Any:
        if name == "vmi":
            return self.vmi
        if name.startswith("variables."):
            return self.variables[name[10:]]
        if name in self.loop:
            return self.loop[name]
        return self.facts[name]()

    def failure(self, variable: str) -> Diagnostic | None:
        return self.failures.get(variable)

    def xpath(self, query: str, values: dict[str, Any]) -> Any:
        """CEL's ``xpath(query, values)``: adds the values as ``$name`` to those of the document."""
        if self.query is None:
            raise fail(rules.EVALUATION, "`xpath` has no domain here")
        return self.query(self, query, values)

    def xpath_value(self, name: str) -> Any:
        """The string, number or boolean of ``$name``.

        Raises LookupError with the reason, and the diagnostic of the variable that failed, or None.
        """
        root, _, member = name.partition(".")
        if cause := self.failures.get(name) or self.failures.get(root):
            raise LookupError(without_value(name if name in self.failures else root, cause), cause)
        values = {**self.variables, **self.loop}
        if name in values:
            value = values[name]
        elif root not in values:
            raise LookupError(f"no `${root}` here", None)
        else:
            holder = values[root]
            if not isinstance(holder, dict):
                raise LookupError(f"`${name}`: `{root}` is {kind(holder)}, not a map", None)
            if member not in holder:
                shown = ", ".join(self.names.of(sorted(holder))) or ("" if holder else "none")
                has = f"; it has: {shown}" if shown else ""
                raise LookupError(f"`{root}` has no member `{member}`{has}", None)
            value = holder[member]
        if not isinstance(value, _SIMPLE):
            members = ", ".join(f"${name}.{k}" for k in self.names.of(value)) if isinstance(value, dict) else ""
            hint = f"; use its members: {members}" if members else ""
            raise LookupError(f"`${name}` is {kind(value)}; XPath takes strings, numbers and booleans{hint}", None)
        return value

    def with_values(self, values: dict[str, Any]) -> Scope:
        """This scope with more values for XPath."""
        return replace(self, loop={**self.loop, **values}) if values else self

    def at(self, context: Any, node: Callable[[], dict[str, Any]]) -> _Within:
        """Inside it, CEL has ``node``, and ``xpath`` starts at ``context``."""
        return _Within(self, context, {**self.facts, "node": node}, self.loop)

    def looping(self, item: Any, index: int) -> _Within:
        """Inside it, these are ``item`` and ``index``."""
        return _Within(self, self.context, self.facts, {"item": item, "index": index})


class _Within:
    """Not a generator, which costs more: every matched node and every list item has one."""

    __slots__ = ("_before", "_scope", "_then")

    def __init__(self, scope: Scope, context: Any, facts: dict[str, Any], loop: dict[str, Any]) -> None:
        self._scope = scope
        self._then = context, facts, loop

    def __enter__(self) -> None:
        scope = self._scope
        self._before = scope.context, scope.facts, scope.loop
        scope.context, scope.facts, scope.loop = self._then

    def __exit__(self, *_: object) -> None:
        scope = self._scope
        scope.context, scope.facts, scope.loop = self._before


def without_value(variable: str, cause: Diagnostic) -> str:
    """Why a variable has no value; for a chain of variables, the first cause."""
    return (
        cause.message
        if cause.message.startswith("variable `")
        else f"variable `{variable}` has no value: {cause.message}"
    )
