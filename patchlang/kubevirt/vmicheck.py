"""The expressions of patches against the VMI fields of a KubeVirt release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import rules
from ..cel.tree import Node
from ..diagnostics import Diagnostic, in_order
from ..document import model
from ..document.model import Role
from ..lint.guards import variables_of
from ..lint.nested import distinct, flat
from ..lint.reading import TEMPLATES, cel, directives, expressions, filled, leaves, template, tree
from ..lint.roles import role_of, texts
from ..patterns import pattern
from ..record import fields
from ..source import Text
from ..xpath.tree import VariableRef, walk
from .celcalls import Slip
from .celtypes import ROOTS, Scope, slips, typed
from .celwords import Typed, Way, shown
from .vmitypes import INTEGER, releases, types


def check(patches: Iterable[model.Patch], release: str | None) -> list[Diagnostic]:
    """What the VMI of a release lacks, and what may be missing; None: what no release has."""
    found = (one for patch in patches for one in _diagnostics(flat(patch, copies=True), release))
    return list(in_order(distinct(found)))


def scope_of(patch: model.Patch, release: str | None) -> Scope:
    """What the expressions of a patch know, except the entry of a loop."""
    names = {**ROOTS}
    for variable in patch.spec.variables:
        if (read := cel(variable.expression.text)) is not None:
            names[f"variables.{variable.name.text}"] = typed(read, Scope(types(release), names))
    return Scope(types(release), names)


def scope_in(scope: Scope, for_each: Text | None) -> Scope:
    """What expressions in a loop also know: its entry."""
    if for_each is None:
        return scope
    read = cel(for_each.text)
    loop = typed(read, scope) if read is not None else Typed()
    item = Typed(loop.type[1:-1], ("item",)) if loop.type.startswith("[") else Typed(way=("item",))
    there = scope.there | {("item", *way) for way in loop.known}
    return scope._replace(names={**scope.names, "item": item, "index": Typed(INTEGER)}, there=there)


def _diagnostics(patch: model.Patch, release: str | None) -> Iterator[Diagnostic]:
    elsewhere = _Elsewhere(patch, release)
    absent: set[Way] = set()
    for text, slip in _slips(patch, release):
        if slip.way:
            if slip.way in absent:
                continue
            absent.add(slip.way)
        message, help = slip.message, slip.help
        if slip.rule is rules.UNKNOWN_VMI_FIELD:
            message = f"{message} in {_kubevirt(release)}"
            known = elsewhere.release_with(text, slip)
            if known is not None:
                help = f"{_kubevirt(known)} has it: check with `--kubevirt {known}` if that is what runs the VM"
        span = text.span(slip.start, slip.end)
        yield Diagnostic(slip.rule, message, span, help, slip.severity, patch.metadata.name.text)


class _Elsewhere:
    """What a patch reads that is unknown in the other releases; each is checked on demand."""

    def __init__(self, patch: model.Patch, release: str | None) -> None:
        self._patch = patch
        self._others = _others(release)
        self._unknown: dict[str, set[tuple[str, int]]] = {}

    def release_with(self, text: Text, slip: Slip) -> str | None:
        """The nearest release without a problem at a place."""
        for release in self._others:
            if release not in self._unknown:
                self._unknown[release] = {_place(*found) for found in _slips(self._patch, release)}
            if _place(text, slip) not in self._unknown[release]:
                return release
        return None


def _others(release: str | None) -> tuple[str, ...]:
    """The releases except one: the next newer one first, then older ones."""
    if release is None:
        return ()
    at = releases().index(release)
    return (*releases()[at + 1 :], *reversed(releases()[:at]))


def _kubevirt(release: str | None) -> str:
    if release is None:
        return f"any KubeVirt since {releases()[0]}"
    return "KubeVirt's main branch" if release == "main" else f"KubeVirt {release}"


def _place(text: Text, slip: Slip) -> tuple[str, int]:
    return slip.rule.id, text.span(slip.start, slip.end).start


def _slips(patch: model.Patch, release: str | None) -> Iterator[tuple[Text, Slip]]:
    spec = patch.spec
    edits = (*spec.domain, *spec.cloud_init)
    outer = scope_of(patch, release)
    if spec.when is not None:
        yield from _of(spec.when, outer, "boolean")
    inner = _behind(patch, spec.when, outer)
    # a variable is computed where it is used, so under the conditions of the edits
    used = inner
    for edit in edits:
        used = _behind(patch, edit.when, used)
    for variable in spec.variables:
        yield from _of(variable.expression, used)
    for edit in edits:
        if edit.when is not None:
            yield from _of(edit.when, inner, "boolean")
        scope = _behind(patch, edit.when, inner)
        if edit.for_each is not None:
            yield from _of(edit.for_each, scope, "list")
        scope = scope_in(scope, edit.for_each)
        for field in fields(edit):
            for leaf in leaves(getattr(edit, field.name)) if field.name not in ("when", "for_each", "edits") else ():
                own = dict(_directives(leaf)) if isinstance(leaf, model.Fragment) else {}
                inside = scope_of_fragment(patch, leaf, scope) if own else scope
                wanted = _wanted(edit, field.name, leaf)
                yield from _of_xpath(leaf, scope)
                for expression in expressions(leaf):
                    needed = own.get(expression.text)
                    yield from _of(expression, inside if needed is None else scope, needed or wanted)
        if edit.when is None and edit.for_each is None:
            # what has been tested holds from here on
            for condition in texts(edit, model.Expression, Role.CONDITION):
                inner = _behind(patch, condition, inner)


def _directives(xml: Text) -> Iterator[tuple[str, str]]:
    """The expressions of a fragment's directives, and the required type of each."""
    for name, wanted in (("when", "boolean"), ("forEach", "list")):
        yield from ((expression.text, wanted) for expression in directives(xml, name))


_MEMBER = pattern(r"\w+(?:\.\w+)+")


def _of_xpath(leaf: Text, scope: Scope) -> Iterator[tuple[Text, Slip]]:
    """``$item.name`` and the like in an XPath: members of variables."""
    if isinstance(leaf, model.ConstructivePath):
        # a placeholder is as long as what it stands for, so that everything else keeps its place
        read = tree(filled(leaf, lambda piece: "_" * (piece.end - piece.at)))
    else:
        read = tree(leaf.text) if isinstance(leaf, model.XPath) else None
    for part in walk(read) if read is not None else ():
        if not (isinstance(part, VariableRef) and _MEMBER.fullmatch(part.name)):
            continue
        for text, slip in _of(_as_cel(leaf, part), scope):
            guard = f"guard the edit with `when: has({shown(slip.way)})`" if slip.way else ""
            yield text, slip._replace(help=guard or slip.help)


def _as_cel(leaf: Text, part: VariableRef) -> Text:
    before = "" if part.name.startswith("item.") else "variables."
    at = part.start + 1 - len(before)  # after the `$`
    return Text(before + part.name, lambda start, end: leaf.span(at + start, None if end is None else at + end))


def _wanted(edit: model.Edit, name: str, leaf: Text) -> str:
    """The required type of the expressions in a field; empty if any will do."""
    if isinstance(leaf, model.Expression):
        return "boolean" if role_of(edit, name) is Role.CONDITION else ""
    if isinstance(edit, model.QemuArgs) and leaf in (edit.args, edit.env):
        return "list" if leaf is edit.args else "map"
    if isinstance(edit, model.QemuArgs) and isinstance(edit.args, tuple) and leaf in edit.args:
        return "argument"
    if not (isinstance(edit, model.DomainBase) and isinstance(leaf, TEMPLATES)):
        return ""
    return "part" if not isinstance(leaf, model.Fragment) and len(template(leaf)) > 1 else "text"


def scope_of_fragment(patch: model.Patch, xml: Text, scope: Scope) -> Scope:
    """What expressions in a fragment know under its directives: any of them may surround them."""
    loops = list(directives(xml, "forEach"))
    if len(loops) > 1:
        scope = scope._replace(names={**scope.names, "item": Typed(way=("item",))})
    elif loops:
        scope = scope_in(scope, loops[0])
    for condition in directives(xml, "when"):
        scope = _behind(patch, condition, scope)
    return scope


def _behind(patch: model.Patch, condition: Text | None, scope: Scope) -> Scope:
    read: Node | None = variables_of(patch).condition(condition.text) if condition is not None else None
    return scope.behind(read) if read is not None else scope


def _of(expression: Text, scope: Scope, wanted: str = "") -> Iterator[tuple[Text, Slip]]:
    read = cel(expression.text)
    reported: list[Way] = []
    for slip in slips(expression.text, read, scope, wanted) if read is not None else ():
        # if the outer one is missing, the inner one is never reached
        if not any(slip.way[: len(way)] == way for way in reported):
            yield expression, slip
        if slip.way:
            reported.append(slip.way)
