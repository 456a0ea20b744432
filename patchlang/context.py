"""What the compilers of ops see of the patch they compile for: its names, its namespaces, its expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .document import model

if TYPE_CHECKING:
    from .cel.compiled import Compiled, Names


class Context:
    """One patch while it is compiled. ``namespaces`` and ``variables`` (name and type) grow as it is read."""

    def __init__(self, patch: str, namespaces: Mapping[str, str]) -> None:
        self.patch = patch
        self.namespaces = dict(namespaces)
        self.variables: list[tuple[str, str]] = []

    def names(self, *, item: bool = False, node: bool = False, xpath: bool = False, cloud_init: bool = False) -> Names:
        """What an expression may use."""
        from .cel.compiled import Names

        return Names(tuple(self.variables), item, node, xpath, cloud_init)

    def xpath_names(self, *, loop: bool) -> frozenset[str]:
        """The variables that XPath may use."""
        names = [name for name, _ in self.variables] + (["item", "index"] if loop else [])
        return frozenset([*names, *(f"{name}.*" for name in names)])

    def expression(self, source: model.Expression, names: Names, want: str = "dyn") -> Compiled:
        """A compiled expression, of type ``want``. Raises PatchError (PL202, PL206)."""
        from .cel.compiled import compile_expression

        return compile_expression(source, names, want)
