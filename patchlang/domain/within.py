"""Edits inside a node: those of ``within``, and those that ``copy`` makes in each copy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from .. import rules
from ..diagnostics import PatchError, fail
from ..edits import CompiledEdit, run_edit
from ..record import record, replace
from ..result import Effect
from ..xpath.match import Match
from .guarded import LazySpan
from .ops import DomainOp, Targets, facts_of, only_elements

if TYPE_CHECKING:
    from ..run_scope import Scope
    from .tree import DomainTree

Edits = tuple[CompiledEdit[DomainOp], ...]


@record
class InsideOp:
    """An op of an edit inside a node, which must still exist each time the op runs."""

    op: DomainOp
    edit: LazySpan

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        if not tree.holds(scope.context):
            message = "an earlier edit or item removed the node that this edit works in"
            raise fail(rules.WRONG_NODE, message, self.edit(), "put it before the edit that removes the node")
        return self.op.apply(tree, scope)


@record
class WithinOp:
    """Runs the edits in each node, one node after the other."""

    targets: Targets
    edits: Edits

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, traces = Effect(), scope.inner
        nodes = only_elements(self.targets.find(tree, scope, effect), self.targets.selector.source, "within")
        for index, node in enumerate(nodes):
            if tree.holds(node):  # otherwise an edit in an earlier node has removed it
                scope.inner = traces
                run_inside(self.edits, node, index, tree, scope)
        return effect


def run_inside(edits: Edits, node: etree._Element, index: int, tree: DomainTree, scope: Scope) -> None:
    """Raises PatchError (PL4xx)."""
    traces = scope.inner
    with scope.at(node, partial(facts_of, Match(node), index)):
        for edit, trace in zip(edits, traces, strict=True):
            try:
                run_edit(edit, tree, scope, trace)
            except PatchError as e:
                trace.reason = "failed"
                raise PatchError(replace(e.diagnostic, span=e.diagnostic.span or edit.span)) from None
