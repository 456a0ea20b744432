"""Edits inside a node: those of ``within``, and those that ``copy`` does on each copy."""

from __future__ import annotations

from functools import partial

from lxml import etree

from .. import rules
from ..diagnostics import PatchError, fail
from ..edits import CompiledEdit, run_edit
from ..record import record, replace
from ..result import Effect
from ..run_scope import Scope
from ..xpath.match import Match
from .ops import DomainOp, Targets, facts_of, only_elements
from .tree import DomainTree

Edits = tuple[CompiledEdit[DomainOp], ...]


@record
class WithinOp:
    """Does the edits in each node, one node after the other."""

    targets: Targets
    edits: Edits

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, traces = Effect(), scope.inner
        nodes = only_elements(self.targets.find(tree, scope, effect), self.targets.selector.source, "within")
        for index, node in enumerate(nodes):
            if _top(node) is tree.root:  # else an edit in a node before this one has taken it away
                scope.inner = traces
                run_inside(self.edits, node, index, tree, scope)
        return effect


def run_inside(edits: Edits, node: etree._Element, index: int, tree: DomainTree, scope: Scope) -> None:
    """Raises PatchError (PL4xx)."""
    traces = scope.inner
    with scope.at(node, partial(facts_of, Match(node), index)):
        for edit, trace in zip(edits, traces, strict=True):
            if _top(node) is not tree.root:
                message = "an edit before this one has taken away the node in which it is to be done"
                raise fail(rules.WRONG_NODE, message, edit.span, "put it before that one")
            try:
                run_edit(edit, tree, scope, trace)
            except PatchError as e:
                trace.reason = "failed"
                raise PatchError(replace(e.diagnostic, span=e.diagnostic.span or edit.span)) from None


def _top(node: etree._Element) -> etree._Element:
    return next(reversed([node, *node.iterancestors()]))
