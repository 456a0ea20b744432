"""What the compilers of ops see of the patch they compile for: its names, its namespaces, its expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from . import rules
from .diagnostics import Diagnostic, PatchError, fail
from .document import model
from .record import record

if TYPE_CHECKING:
    from .cel.compiled import Compiled, Names


T = TypeVar("T")


@record
class Around:
    """What an edit stands in: a loop whose item it sees, a node at which its relative paths start, which is a copy."""

    loop: bool = False
    node: bool = False
    copy: bool = False


MAX_WRITTEN_OUT = 4 * 1024 * 1024


class WrittenOut:
    """Bytes that CEL writes out for macros in the expressions of a set: an ``optMap`` doubles what it opens."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, size: int) -> None:
        self._bytes += size

    def check(self, source: model.Expression) -> None:
        """Raises PatchError (PL202) where there is no room for another expression."""
        if self._bytes > MAX_WRITTEN_OUT:
            message = "what CEL writes out for `optMap` and other macros in the expressions before this is too much"
            raise fail(rules.BAD_EXPRESSION, message, source.span(), "compute once in a variable what several ask for")


class Context:
    """One patch while it is compiled. ``namespaces`` and ``variables`` (name and type) grow as it is read.

    What is wrong with it is in ``found``.
    """

    def __init__(self, patch: str, namespaces: Mapping[str, str], written_out: WrittenOut | None = None) -> None:
        self.patch = patch
        self.namespaces = dict(namespaces)
        self.variables: list[tuple[str, str]] = []
        self.facts: tuple[str, ...] = ()
        self.found: list[Diagnostic] = []
        self.written_out = written_out or WrittenOut()
        self._xpath_names: dict[tuple[int, bool], frozenset[str]] = {}

    def collect(self, work: Callable[[], T]) -> T | None:
        """What the work gives; None where it fails, and its error in ``found``."""
        try:
            return work()
        except PatchError as e:
            self.found.append(e.diagnostic)
            return None

    def names(self, *, item: bool = False, node: bool = False, xpath: bool = False, cloud_init: bool = False) -> Names:
        """What an expression may use."""
        from .cel.compiled import Names

        return Names(tuple(self.variables), item, node, xpath, cloud_init, self.facts)

    def xpath_names(self, *, loop: bool) -> frozenset[str]:
        """The variables that XPath may use."""
        key = len(self.variables), loop
        if key not in self._xpath_names:
            names = [name for name, _ in self.variables] + (["item", "index"] if loop else [])
            self._xpath_names[key] = frozenset([*names, *(f"{name}.*" for name in names)])
        return self._xpath_names[key]

    def expression(
        self, source: model.Expression, names: Names, want: str = "dyn", *, optional: bool = False
    ) -> Compiled:
        """A compiled expression, of type ``want``, or an optional. Raises PatchError (PL202, PL206)."""
        from .cel.compiled import compile_expression

        self.written_out.check(source)
        compiled = compile_expression(source, names, want, optional=optional)
        self.written_out.add(compiled.written_out)
        return compiled
