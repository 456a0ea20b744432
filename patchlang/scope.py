"""What expressions and paths see at a moment of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import rules
from .diagnostics import Diagnostic, fail

_SIMPLE = (str, int, float, bool)


@dataclass(slots=True)
class Scope:
    """The values of one document; implements what CEL (``Bindings``) and XPath (``XPathValues``) ask for.

    ``query`` computes CEL's ``xpath(text)`` at ``context`` (None: the document), ``facts`` are ``node`` and
    ``cloudInit`` where they are bound.
    """

    vmi: dict[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, Diagnostic] = field(default_factory=dict)
    loop: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Callable[[], Any]] = field(default_factory=dict)
    query: Callable[[str, Any], Any] | None = None
    context: Any = None

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

    def xpath(self, query: str) -> Any:
        if self.query is None:
            raise fail(rules.EVALUATION, "`xpath` has no domain to look at here")
        return self.query(query, self.context)

    def xpath_value(self, name: str) -> Any:
        """The text, number or boolean of ``$name``. LookupError with the reason where there is none."""
        if name in self.failures:
            raise LookupError(f"variable `{name}` has no value: {self.failures[name].message}")
        values = {**self.variables, **self.loop}
        if name in values:
            value = values[name]
        else:
            root, _, member = name.partition(".")
            if root not in values:
                raise LookupError(f"there is no `${root}` here")
            holder = values[root]
            if not isinstance(holder, dict):
                raise LookupError(f"`${name}`: `{root}` is {_kind(holder)}, not a map")
            if member not in holder:
                raise LookupError(f"`{root}` has no member `{member}`; it has: {', '.join(sorted(holder)) or 'none'}")
            value = holder[member]
        if not isinstance(value, _SIMPLE):
            hint = (
                f"; its members are there as {', '.join(f'${name}.{k}' for k in value)}"
                if isinstance(value, dict)
                else ""
            )
            raise LookupError(f"`${name}` is {_kind(value)}; XPath takes texts, numbers and booleans{hint}")
        return value

    @contextmanager
    def at(self, context: Any, node: Callable[[], dict[str, Any]]) -> Iterator[None]:
        """Within it, CEL's ``node`` is there and ``xpath`` starts at ``context``."""
        before, self.context = self.context, context
        self.facts["node"] = node
        try:
            yield
        finally:
            self.context = before
            del self.facts["node"]


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "a map"
        case list():
            return "a list"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case _:
            return "a number"
