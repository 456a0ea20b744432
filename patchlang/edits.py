"""One edit of either kind: when and how often it runs, and running it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import rules
from .context import Around, Context
from .diagnostics import PatchError
from .document import model
from .patterns import pattern
from .record import record, replace
from .result import EditTrace
from .source import Span

if TYPE_CHECKING:
    from .cel.compiled import Compiled
    from .run_scope import Scope

Op = TypeVar("Op")

MAX_ITEMS = 10_000

_XPATH_ITEM = pattern(r"\$(?:item|index)\b")


@record
class Loop:
    """A condition and a list: when and how often something runs. ``once``: the condition is evaluated before the list.

    Methods raise PatchError (PL403, PL409, PL413).
    """

    when: Compiled | None
    once: bool
    for_each: Compiled | None

    def begins(self, scope: Scope) -> bool:
        return not self.once or self._holds(scope)

    def items(self, scope: Scope) -> list[Any] | None:
        """The items; None without a list, in which case it runs once."""
        if self.for_each is None:
            return None
        items = self.for_each.evaluate(scope)
        if not isinstance(items, list):
            raise self.for_each.error(rules.WRONG_RESULT, "`forEach` needs a list", "for a map, use `keys(...)`")
        if len(items) > MAX_ITEMS:
            raise self.for_each.error(rules.LIMIT, f"`forEach` takes at most {MAX_ITEMS} items")
        return items

    def takes(self, scope: Scope) -> bool:
        """Whether it runs for the current item."""
        return self.once or self._holds(scope)

    def rounds(self, scope: Scope) -> Iterator[None]:
        """Once for each item for which it runs, which ``scope`` then holds."""
        if not self.begins(scope):
            return
        items = self.items(scope)
        if items is None:
            if self.takes(scope):
                yield
            return
        for index, item in enumerate(items):
            with scope.looping(item, index):
                if self.takes(scope):
                    yield

    def _holds(self, scope: Scope) -> bool:
        if self.when is None:
            return True
        return condition(self.when.evaluate(scope), self.when)


@record
class CompiledEdit(Generic[Op]):
    """One edit: when and how often it runs, its op, and its nested edits."""

    label: str
    span: Span
    loop: Loop
    op: Op
    inner: tuple[CompiledEdit[Any], ...] = ()

    def trace(self) -> EditTrace:
        inner = [edit.trace() for edit in self.inner] if self.inner else []
        return EditTrace(self.label, self.span, inner=inner)

    def every(self) -> Iterator[CompiledEdit[Any]]:
        """This edit and all nested ones."""
        yield self
        for edit in self.inner:
            yield from edit.every()


def compile_loop(
    context: Context, when: model.Expression | None, for_each: model.Expression | None, around: Around, *, domain: bool
) -> Loop:
    """Raises PatchError (PL202, PL206)."""
    of_list = of_when = None
    once = True
    if for_each:
        names = context.names(item=around.loop, node=around.node, xpath=domain, cloud_init=not domain)
        of_list = context.expression(for_each, names, "list")
    if when:
        item = around.loop or for_each is not None
        names = context.names(item=item, node=around.node, xpath=domain, cloud_init=not domain)
        of_when = context.expression(when, names, "bool")
        once = not uses_item(of_when)
    return Loop(of_when, once, of_list)


def uses_item(expression: Compiled) -> bool:
    """Whether an expression uses the item of a loop, in CEL or, within ``xpath('…')``, as ``$item``."""
    return not {"item", "index"}.isdisjoint(expression.inputs) or bool(_XPATH_ITEM.search(expression.source.text))


def label_of(edit: model.Edit, place: str, ops: dict[str, type]) -> str:
    return edit.name.text if edit.name else f"{place} {next(n for n, cls in ops.items() if isinstance(edit, cls))}"


def condition(value: Any, expression: Compiled) -> bool:
    if not isinstance(value, bool):
        raise expression.error(rules.WRONG_RESULT, "`when` needs a boolean", "compare with `==`, or test with `in`")
    return value


def run_edit(edit: CompiledEdit[Any], state: Any, scope: Scope, trace: EditTrace) -> None:
    """Raises PatchError (PL4xx)."""
    loop, budget = edit.loop, scope.budget
    held = budget.held
    try:
        if loop.when is None and loop.for_each is None:  # as for most
            _run(edit, state, scope, trace)
        elif not loop.begins(scope):
            trace.skip()
        elif (items := loop.items(scope)) is None:
            _run_once(edit, state, scope, trace)
        else:
            _run_items(edit, items, state, scope, trace)
    finally:
        budget.held = held


def _run_items(edit: CompiledEdit[Any], items: list[Any], state: Any, scope: Scope, trace: EditTrace) -> None:
    if not items:
        trace.reason = "`forEach` is empty"
    for index, item in enumerate(items):
        with scope.looping(item, index), scope.budget.passing():
            try:
                _run_once(edit, state, scope, trace)
            except PatchError as e:
                message = f"item {index + 1} of {len(items)}: {e.diagnostic.message}"
                raise PatchError(replace(e.diagnostic, message=message)) from None


def _run_once(edit: CompiledEdit[Any], state: Any, scope: Scope, trace: EditTrace) -> None:
    if not edit.loop.takes(scope):
        trace.skip()
        return
    _run(edit, state, scope, trace)


def _run(edit: CompiledEdit[Any], state: Any, scope: Scope, trace: EditTrace) -> None:
    trace.ran += 1
    scope.inner = trace.inner
    trace.add(edit.op.apply(state, scope))
