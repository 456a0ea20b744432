"""Compiles the op of one domain edit. What only some ops need is imported on demand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, assert_never

from lxml import etree

from .. import rules
from ..cel.template import TemplateProgram, compile_template, cut
from ..context import Around, Context
from ..diagnostics import did_you_mean, fail
from ..document import model
from ..edits import CompiledEdit, compile_loop, label_of
from ..libvirt_lists import Key
from ..source import Text
from ..xpath.constructive import HOLE, BuildDialect, BuildProgram, CutPath
from ..xpath.match import local_name
from ..xpath.query import Query, Selector, attribute_selector, new_name
from ..xpath.tree import Path
from . import ops
from .ensure import EnsureOp, Start, check_build_path
from .ops import DomainOp, Targets
from .placement import Placement

if TYPE_CHECKING:
    from ..cel.compiled import Compiled
    from .fragment import FragmentProgram
    from .within import Edits

_TOP = Around()
_ONE = model.Expect(1, 1)
_AT_MOST_ONE = model.Expect(0, 1)
# what to do if the path of an op matches nothing
_MISSING: dict[type, str] = {
    model.Add: "create what is missing with an `ensure` before it; to skip the edit instead, set {expect}",
    model.Set: "`ensure` creates what is missing; if it may be missing, set {expect}",
    model.Ensure: "create what is missing with an `ensure` before it; to skip the edit instead, set {expect}",
    model.Merge: "create what is missing with an `ensure` before it; to skip the edit instead, set {expect}",
    model.Replace: "`merge` creates what is missing; to skip the edit instead, set {expect}",
    model.Remove: "if there may be nothing to remove, drop `expect`, or set {expect}",
    model.Move: "if there may be nothing to move, drop `expect`, or set {expect}",
    model.Copy: "if there may be nothing to copy, set {expect}",
    model.Rename: "if there may be nothing to rename, drop `expect`, or set {expect}",
    model.Within: "`ensure` creates what is missing; if there may be no such node, set {expect}",
    model.Test: 'the domain does not pass the test; to require that nothing matches, set `expect: "0"`',
}
_NO_DESTINATION = "create what is missing with an `ensure` before it; `expect` counts what `from` selects, not this"


def compile_edit(context: Context, edit: model.DomainEdit, place: str, around: Around = _TOP) -> CompiledEdit[DomainOp]:
    """Raises PatchError (PL2xx); problems of nested edits are in ``context.found``."""
    loop = compile_loop(context, edit.when, edit.for_each, around, domain=True)
    inside = Around(around.loop or edit.for_each is not None, True, around.copy or isinstance(edit, model.Copy))
    edits = edit.edits if isinstance(edit, model.Within | model.Copy) else ()
    compiled = [
        context.collect(partial(compile_edit, context, one, f"{place}.edits[{number}]", inside))
        for number, one in enumerate(edits)
    ]
    inner = tuple(one for one in compiled if one)
    label = label_of(edit, place, model.DOMAIN_OPS)
    return CompiledEdit(label, edit.span, loop, DomainOps(context, edit, around, inner).compile(), inner)


class DomainOps:
    """Compiles the op of one domain edit. Every method raises PatchError (PL2xx)."""

    def __init__(self, context: Context, edit: model.DomainEdit, around: Around, inner: Edits) -> None:
        self.context = context
        self.edit = edit
        self.inner = inner
        self.nested = around.node
        self.copy = around.copy
        self.loop = around.loop or edit.for_each is not None
        self.known = context.xpath_names(loop=self.loop)

    def compile(self) -> DomainOp:
        op = self.protecting()
        if not self.nested:
            return op
        from .within import InsideOp

        return InsideOp(op, lambda: self.edit.span)

    def protecting(self) -> DomainOp:
        edit, op = self.edit, self.op()
        if edit.allow_protected or self.copy or isinstance(edit, model.Test | model.Within):
            return op
        if isinstance(edit, model.QemuArgs):
            return ops.ProtectingOp(op, lambda: edit.span, lambda: edit.span)
        changes = (edit.path or edit.source if isinstance(edit, model.Copy) else edit.path).span
        return ops.ProtectingOp(op, changes, edit.source.span if isinstance(edit, model.Move) else changes)

    def op(self) -> DomainOp:
        edit = self.edit
        match edit:
            case model.Add():
                return ops.AddOp(self.targets(edit.path), self.fragment(edit.xml), edit.position)
            case model.Set():
                return ops.SetOp(self.targets(edit.path, attribute=True), self.value(edit.value))
            case model.Ensure():
                return self.ensure(edit)
            case model.Merge():
                return self.merge(edit)
            case model.Replace():
                return ops.ReplaceOp(self.targets(edit.path), self.fragment(edit.xml))
            case model.Remove():
                return ops.RemoveOp(self.targets(edit.path, default=_AT_MOST_ONE))
            case model.Move() | model.Copy():
                copies = isinstance(edit, model.Copy)
                destination = Targets(self.selector(edit.path), _ONE, missing=_NO_DESTINATION) if edit.path else None
                targets = self.targets(edit.source, default=_ONE if copies else _AT_MOST_ONE)
                from .relocate import RelocateOp

                return RelocateOp(targets, destination, edit.position, copies, self.inner)
            case model.Rename():
                return self.renaming(edit)
            case model.Within():
                from .within import WithinOp

                return WithinOp(self.targets(edit.path), self.inner)
            case model.QemuArgs():
                return self.qemu_args(edit)
            case model.Test():
                return self.test(edit)
            case _:
                assert_never(edit)

    def targets(self, path: model.XPath, *, default: model.Expect = _ONE, attribute: bool = False) -> Targets:
        selector = self.selector(path)
        unless = None
        if self.edit.unless:
            unless = Query(self.edit.unless, self.context.namespaces, self.known, document=False)
        set_at = attribute_selector(selector) if attribute else None
        return Targets(selector, self.edit.expect or default, unless, set_at, _MISSING.get(type(self.edit)))

    def selector(self, path: model.XPath) -> Selector:
        return Selector(path, self.context.namespaces, self.known, document=not self.nested)

    def compiler(self, *, node: bool, optional: bool = False) -> Callable[[Text], Compiled]:
        names = None

        def compile_one(source: Text) -> Compiled:
            nonlocal names
            names = names or self.context.names(item=self.loop, node=node, xpath=True)
            return self.context.expression(model.Expression(source.text, source.locate), names, optional=optional)

        return compile_one

    def template(self, source: Text, *, node: bool = True) -> TemplateProgram:
        return compile_template(source, self.compiler(node=node))

    def value(self, source: Text, *, node: bool = True) -> TemplateProgram:
        """A template that may give an optional, if it is a single `$[ ]`."""
        return compile_template(source, self.compiler(node=node), self.compiler(node=node, optional=True))

    def fragment(self, source: model.Fragment) -> FragmentProgram:
        def compile_one(source: Text, *, item: bool, want: str = "dyn", optional: bool = False) -> Compiled:
            names = self.context.names(item=self.loop or item, node=True, xpath=True)
            return self.context.expression(model.Expression(source.text, source.locate), names, want, optional=optional)

        from .fragment import compile_fragment

        return compile_fragment(source, self.context.namespaces, compile_one)

    def ensure(self, edit: model.Ensure) -> DomainOp:
        dialect = BuildDialect(self.context.namespaces, self.known)
        within = self.targets(edit.within) if edit.within else None
        pieces = cut(edit.path, lambda _number: HOLE)
        path = BuildProgram(CutPath(edit.path, pieces.text, pieces.places, pieces.marks), dialect)
        check_build_path(edit.path, path.shape, self.start_of(edit), edit.value is not None)
        node = within is not None or self.nested
        computed = tuple(map(self.compiler(node=node), pieces.expressions))
        value = self.value(edit.value, node=node) if edit.value else None
        place = self.placement(edit)
        return EnsureOp(path, computed, edit.path, dialect.namespaces, self.start_of(edit), within, value, place)

    def start_of(self, edit: model.Ensure) -> Start:
        return Start.MATCHED if edit.within else Start.NODE if self.nested else Start.DOCUMENT

    def placement(self, edit: model.Ensure | model.Merge) -> Placement:
        at = Selector(edit.at, self.context.namespaces, self.known, document=False) if edit.at else None
        return Placement(edit.position, at)

    def merge(self, edit: model.Merge) -> DomainOp:
        from .merge import MergeOp
        from .mergekeys import Keys, check_written

        fragment = self.fragment(edit.xml)
        tags = {str(e.tag) for e in fragment.root.iter(etree.Element)}
        keys: dict[str, tuple[Key, ...]] = {}
        for name, paths in edit.keys:
            parent, slash, own = name.text.rpartition("/")
            try:
                clark = new_name(own, self.context.namespaces, attribute=False)
            except (KeyError, ValueError):
                clark = own
            if clark not in tags:
                help = did_you_mean(own, {local_name(tag) for tag in tags}, "available")
                raise fail(rules.BAD_VALUE, f"the fragment has no element `{own}`", name.span(), help)
            keys[f"{parent}{slash}{clark}"] = (self.merge_key(paths),)
        table = Keys(keys, tuple(self.context.namespaces.items()))
        targets = self.targets(edit.path)
        check_written(table, _name_of(targets.selector), fragment.written)
        return MergeOp(targets, fragment, table, self.placement(edit))

    def merge_key(self, paths: tuple[model.XPath, ...]) -> Key:
        for path in paths:
            query = Query(path, self.context.namespaces, frozenset(), document=False)
            if not isinstance(query.tree, Path) or query.tree.absolute:
                raise fail(
                    rules.BAD_XPATH, "a key must be a path relative to the element, such as `@name`", path.span()
                )
        return tuple(path.text for path in paths)

    def renaming(self, edit: model.Rename) -> DomainOp:
        """Whether it names an element or an attribute is only known after the path matches; both must work."""
        name = edit.to
        try:
            element, attribute = (
                new_name(name.text, self.context.namespaces, attribute=is_attribute) for is_attribute in (False, True)
            )
        except ValueError as e:
            raise fail(rules.BAD_VALUE, f"`{name.text}` is not a valid name here: {e}", name.span()) from None
        except KeyError:
            message = f"the prefix of `{name.text}` is not declared"
            raise fail(rules.UNKNOWN_PREFIX, message, name.span(), "declare it in `spec.namespaces`") from None
        assert element == attribute, "only what may be created differs"
        return ops.RenameOp(self.targets(edit.path, default=_AT_MOST_ONE), element)

    def qemu_args(self, edit: model.QemuArgs) -> DomainOp:
        args: tuple[TemplateProgram, ...] | TemplateProgram
        env: tuple[tuple[TemplateProgram, TemplateProgram], ...] | TemplateProgram
        if isinstance(edit.args, model.Template):
            args = self.computed("args", edit.args, "list")
        else:
            args = tuple(self.template(arg, node=self.nested) for arg in edit.args)
        if isinstance(edit.env, model.Template):
            env = self.computed("env", edit.env, "map")
        else:
            env = tuple(
                (self.template(name, node=self.nested), self.template(value, node=self.nested))
                for name, value in edit.env
            )
        from .qemuargs import QemuArgsOp, check_names

        if isinstance(env, tuple):
            check_names(env)
        return QemuArgsOp(args, edit.unique, env, edit.span)

    def computed(self, key: str, value: model.Template, kind: str) -> TemplateProgram:
        """A value that is a single ``$[ ]`` in place of a list or map."""
        program = self.template(value, node=self.nested)
        if not program.is_one_expression:
            message = f"`{key}` must be a {kind}, or a single `$[ ]` that gives one"
            help = "write an entry for each: `[-device, virtio-rng-pci]`" if kind == "list" else "write `{NAME: value}`"
            raise fail(rules.WRONG_TYPE, message, value.span(), help)
        return program

    def test(self, edit: model.Test) -> DomainOp:
        targets = self.targets(edit.path) if edit.path else None
        expression = None
        if edit.expression:
            names = self.context.names(item=self.loop, node=self.nested, xpath=True)
            expression = self.context.expression(edit.expression, names, "bool")
        message = self.template(edit.message, node=self.nested) if edit.message else None
        return ops.TestOp(targets, expression, message, edit.span)


def _name_of(selector: Selector) -> str | None:
    """The local name of the elements that a path selects; None if it is not explicit."""
    names = {
        path.steps[-1].test if path.steps and path.steps[-1].axis == "child" else None for path in selector.paths()
    }
    name = names.pop() if len(names) == 1 else None
    return name.rpartition(":")[2] if name and not name.endswith(("*", ")")) else None
