"""What the compilers of ops see of their patch: its names, its namespaces, its expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from . import rules
from .diagnostics import Diagnostic, PatchError, fail
from .document import model
from .record import record

if TYPE_CHECKING:
    from .cel.compiled import Compiled
    from .cel.library import Names


T = TypeVar("T")


@record
class Around:
    """What surrounds an edit: a loop whose item it sees, a node where its relative paths start, which is a copy."""

    loop: bool = False
    node: bool = False
    copy: bool = False


MAX_EXPRESSIONS = 16 << 20


class Room:
    """The budget for the compiled expressions of all patches of a set: bytes of memory."""

    def __init__(self) -> None:
        self.taken = 0

    @property
    def is_full(self) -> bool:
        return self.taken > MAX_EXPRESSIONS

    def take(self, compiled: Compiled) -> None:
        """Raises PatchError (PL413) if it does not fit."""
        self.taken += compiled.size
        if self.is_full:
            message = f"the expressions up to this point take more than {MAX_EXPRESSIONS >> 20} MiB of memory"
            help = "compute repeated values once in a variable, or a list of values with one `map`"
            raise fail(rules.LIMIT, message, compiled.source.span(), help)


class Context:
    """One patch during compilation. ``namespaces`` and ``variables`` (name and type) grow as it is read.

    ``jinja`` are texts of the patch that may contain some. ``found`` collects its problems; it ends with the first
    thing for which there is no ``room``.
    """

    def __init__(self, patch: str, namespaces: Mapping[str, str], room: Room) -> None:
        self.patch = patch
        self.room = room
        self.namespaces = dict(namespaces)
        self.variables: list[tuple[str, str]] = []
        self.facts: tuple[str, ...] = ()
        self.jinja: list[str] = []
        self.found: list[Diagnostic] = []
        self._xpath_names: dict[tuple[int, bool], frozenset[str]] = {}

    def collect(self, work: Callable[[], T]) -> T | None:
        """The result of the work; None if it fails, with its error in ``found``."""
        if self.room.is_full:
            return None
        try:
            return work()
        except PatchError as e:
            self.found.append(e.diagnostic)
            return None

    def note_jinja(self, text: str) -> None:
        if "{" in text:
            self.jinja.append(text)

    def names(self, *, item: bool = False, node: bool = False, xpath: bool = False, cloud_init: bool = False) -> Names:
        """What an expression may use."""
        from .cel.library import Names

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
        """A compiled expression, of type ``want``, or an optional. Raises PatchError (PL202, PL206, PL413)."""
        from .cel.compiled import compile_expression

        self.note_jinja(source.text)
        compiled = compile_expression(source, names, want, optional=optional)
        self.room.take(compiled)
        return compiled
