"""Model to program: XPath, expressions, templates and fragments compiled once; every static error collected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from lxml import etree

from . import model, rules, xmlops
from .buildpath import BuildDialect, parse_build_path
from .diagnostics import Diagnostic, PatchError, did_you_mean, fail, in_order
from .fragment import FragmentProgram, compile_fragment
from .mergekeys import Key
from .qemuargs import QEMU_NAMESPACE, QemuArgsOp
from .source import Span, Text
from .template import TemplateProgram, compile_template
from .xmlensure import EnsureOp, check_build_path
from .xmlmerge import MergeOp
from .xmlops import DomainOp, Targets
from .xmltext import XML_NAMESPACE, XMLNS_NAMESPACE, escape_attribute, read_by_expat
from .xpath import Query, Selector, attribute_selector, new_name
from .xpathsyntax import NCNAME
from .xpathtree import Path

if TYPE_CHECKING:
    from .cloudops import CloudInitOp
    from .expressions import Compiled, Names

T = TypeVar("T")
Op = TypeVar("Op")

# prefixes that need no declaration: KubeVirt's and libvirt's own
BUILT_IN_NAMESPACES = {
    "qemu": QEMU_NAMESPACE,
    "lxc": "http://libvirt.org/schemas/domain/lxc/1.0",
    "xen": "http://libvirt.org/schemas/domain/xen/1.0",
    "kubevirt": "http://kubevirt.io",
}
_ONE = model.Expect(1, 1)
_AT_MOST_ONE = model.Expect(0, 1)


@dataclass(frozen=True, slots=True)
class CompiledEdit(Generic[Op]):
    """One edit: its loop and condition, and the op behind them."""

    label: str
    span: Span
    when: Compiled | None
    for_each: Compiled | None
    op: Op


@dataclass(frozen=True, slots=True)
class CompiledDocument:
    """One patch, ready to run. ``xpath_names`` are the variables that ``xpath(...)`` may use."""

    name: str
    span: Span
    priority: int
    failure_policy: model.FailurePolicy
    variables: tuple[tuple[str, Compiled], ...]
    when: Compiled | None
    namespaces: dict[str, str]
    xpath_names: frozenset[str]
    domain: tuple[CompiledEdit[DomainOp], ...]
    cloud_init: tuple[CompiledEdit[CloudInitOp], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """All patches of a set, in the order in which they run."""

    documents: tuple[CompiledDocument, ...]

    @property
    def edits_domain(self) -> bool:
        return any(d.domain for d in self.documents)

    @property
    def edits_cloud_init(self) -> bool:
        return any(d.cloud_init for d in self.documents)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.documents)


def compile_program(patches: Iterable[model.Patch]) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Compile patches, given in file order. The program is None where a diagnostic is an error."""
    found: list[Diagnostic] = []
    documents: list[CompiledDocument] = []
    first: dict[str, model.Patch] = {}
    for patch in patches:
        name = patch.metadata.name
        if name.text in first:
            place = first[name.text].metadata.name.span()
            found.append(
                Diagnostic(
                    rules.DUPLICATE_NAME,
                    f"two patches are called `{name.text}`",
                    name.span(),
                    f"the other is at {place}; names are unique in a set",
                )
            )
        first.setdefault(name.text, patch)
        compiler = DocumentCompiler(patch)
        document = compiler.compile()
        found += compiler.found
        documents.append(document)
    if found:
        return None, in_order(found)
    documents.sort(key=lambda d: d.priority)  # stable: file name and place decide ties
    return Program(tuple(documents)), ()


class DocumentCompiler:
    """Compiles one patch; what is wrong with it is in ``found``."""

    def __init__(self, patch: model.Patch) -> None:
        self.patch = patch
        self.found: list[Diagnostic] = []
        self.namespaces = dict(BUILT_IN_NAMESPACES)
        self.variables: list[tuple[str, str]] = []

    def collect(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except PatchError as e:
            self.found.append(e.diagnostic)
            return None

    def compile(self) -> CompiledDocument:
        spec = self.patch.spec
        self.declare_namespaces()
        only_domain, only_cloud_init = not spec.cloud_init, not spec.domain
        variables: list[tuple[str, Compiled]] = []
        for variable in spec.variables:
            names = self.names(xpath=only_domain, cloud_init=only_cloud_init)
            compiled = self.collect(lambda v=variable, n=names: self.expression(v.expression, n))  # type: ignore[misc]
            self.variables.append((variable.name.text, compiled.kind if compiled else "dyn"))
            if compiled:
                variables.append((variable.name.text, compiled))
        when = None
        if spec.when:
            names = self.names(xpath=only_domain, cloud_init=only_cloud_init)
            when = self.collect(lambda: self.expression(spec.when, names, "bool") if spec.when else None)
        domain = [self.collect(lambda e=e, i=i: self.domain_edit(e, i)) for i, e in enumerate(spec.domain)]  # type: ignore[misc]
        cloud_init = [self.collect(lambda e=e, i=i: self.cloud_init_edit(e, i)) for i, e in enumerate(spec.cloud_init)]  # type: ignore[misc]
        return CompiledDocument(
            self.patch.metadata.name.text,
            self.patch.span,
            spec.priority,
            spec.failure_policy,
            tuple(variables),
            when,
            self.namespaces,
            self.xpath_names(loop=True),
            tuple(e for e in domain if e),
            tuple(e for e in cloud_init if e),
        )

    def declare_namespaces(self) -> None:
        """A refused one is declared all the same, so that its uses are no errors of their own."""
        for prefix, uri in self.patch.spec.namespaces:
            self.collect(partial(self.check_namespace, prefix, uri))
            if prefix.text not in (*BUILT_IN_NAMESPACES, "xml", "xmlns") and re.fullmatch(NCNAME, prefix.text):
                self.namespaces[prefix.text] = uri.text if _is_usable(uri.text) else "urn:refused"

    def check_namespace(self, prefix: model.Name, uri: model.Name) -> None:
        built_in = BUILT_IN_NAMESPACES.get(prefix.text)
        if prefix.text in ("xml", "xmlns") or (built_in and built_in != uri.text):
            raise fail(rules.BAD_VALUE, f"the prefix `{prefix.text}` is taken", prefix.span(), "choose another prefix")
        if not re.fullmatch(NCNAME, prefix.text):
            raise fail(rules.BAD_VALUE, f"`{prefix.text}` is not a prefix", prefix.span())
        if not _is_usable(uri.text):
            raise fail(rules.BAD_VALUE, "this is no URI that every XML parser takes for a namespace", uri.span())

    # -- names ---------------------------------------------------------------------------------------------------

    def names(self, *, item: bool = False, node: bool = False, xpath: bool = False, cloud_init: bool = False) -> Names:
        from .expressions import Names

        return Names(tuple(self.variables), item, node, xpath, cloud_init)

    def xpath_names(self, *, loop: bool) -> frozenset[str]:
        names = [name for name, _ in self.variables] + (["item", "index"] if loop else [])
        return frozenset([*names, *(f"{name}.*" for name in names)])

    def expression(self, source: model.Expression, names: Names, want: str = "dyn") -> Compiled:
        from .expressions import compile_expression

        return compile_expression(source, names, want)

    # -- edits ---------------------------------------------------------------------------------------------------

    def domain_edit(self, edit: model.DomainEdit, number: int) -> CompiledEdit[DomainOp]:
        return self.edit(edit, f"domain[{number}]", model.DOMAIN_OPS, _DomainOps(self, edit).compile)

    def cloud_init_edit(self, edit: model.CloudInitEdit, number: int) -> CompiledEdit[CloudInitOp]:
        from .cloudcompile import CloudInitOps

        return self.edit(edit, f"cloudInit[{number}]", model.CLOUD_INIT_OPS, CloudInitOps(self, edit).compile)

    def edit(self, edit: model.Edit, place: str, ops: dict[str, type], work: Callable[[], Op]) -> CompiledEdit[Op]:
        op_name = next(name for name, cls in ops.items() if isinstance(edit, cls))
        label = edit.name.text if edit.name else f"{place} {op_name}"
        domain = isinstance(edit, model.DomainEdit)
        for_each = when = None
        if edit.for_each:
            names = self.names(xpath=domain, cloud_init=not domain)
            for_each = self.expression(edit.for_each, names, "list")
        if edit.when:
            names = self.names(item=edit.for_each is not None, xpath=domain, cloud_init=not domain)
            when = self.expression(edit.when, names, "bool")
        return CompiledEdit(label, edit.span, when, for_each, work())


def _is_usable(uri: str) -> bool:
    """Do expat and libxml2 take it as the URI of a namespace?"""
    if uri in (XML_NAMESPACE, XMLNS_NAMESPACE) or re.search(r"[\s<>\"{}|\\^`]|[^\x21-\ufffd]", uri):
        return False
    declared = b'<probe xmlns:p="%s"/>' % escape_attribute(uri)
    try:
        etree.fromstring(declared)
    except etree.XMLSyntaxError:
        return False
    return read_by_expat(declared)


class _DomainOps:
    """Compiles the op of one domain edit."""

    def __init__(self, document: DocumentCompiler, edit: model.DomainEdit) -> None:
        self.document = document
        self.edit = edit
        self.loop = edit.for_each is not None
        self.known = document.xpath_names(loop=self.loop)

    def compile(self) -> DomainOp:
        edit, allow = self.edit, self.edit.allow_protected
        match edit:
            case model.Add():
                return xmlops.AddOp(self.targets(edit.path), self.fragment(edit.xml), edit.position, allow)
            case model.Set():
                return xmlops.SetOp(self.targets(edit.path, attribute=True), self.template(edit.value), allow)
            case model.Ensure():
                return self.ensure(edit)
            case model.Merge():
                return self.merge(edit)
            case model.Replace():
                return xmlops.ReplaceOp(self.targets(edit.path), self.fragment(edit.xml), allow)
            case model.Remove():
                return xmlops.RemoveOp(self.targets(edit.path, default=_AT_MOST_ONE), allow)
            case model.Move() | model.Copy():
                copies = isinstance(edit, model.Copy)
                destination = Targets(Selector(edit.path, self.document.namespaces, self.known), _ONE)
                return xmlops.RelocateOp(self.targets(edit.source), destination, edit.position, copies, allow)
            case model.Rename():
                return self.renaming(edit)
            case model.QemuArgs():
                return self.qemu_args(edit)
            case model.Test():
                return self.test(edit)
        raise AssertionError(f"no compiler for {type(edit).__name__}")

    def targets(self, path: model.XPath, *, default: model.Expect = _ONE, attribute: bool = False) -> Targets:
        selector = Selector(path, self.document.namespaces, self.known)
        unless = None
        if self.edit.unless:
            unless = Query(self.edit.unless, self.document.namespaces, self.known, document=False)
        return Targets(
            selector, self.edit.expect or default, unless, attribute_selector(selector) if attribute else None
        )

    def compiler(self, *, node: bool) -> Callable[[Text], Compiled]:
        names = None

        def compile_one(source: Text) -> Compiled:
            nonlocal names
            names = names or self.document.names(item=self.loop, node=node, xpath=True)
            return self.document.expression(model.Expression(source.text, source.locate), names)

        return compile_one

    def template(self, source: model.Template, *, node: bool = True) -> TemplateProgram:
        return compile_template(source, self.compiler(node=node))

    def fragment(self, source: model.Fragment) -> FragmentProgram:
        return compile_fragment(source, self.document.namespaces, self.compiler(node=True))

    def ensure(self, edit: model.Ensure) -> DomainOp:
        dialect = BuildDialect(self.document.namespaces, self.known)
        within = self.targets(edit.within) if edit.within else None
        template = compile_template(edit.path, self.compiler(node=within is not None))
        value = self.template(edit.value, node=within is not None) if edit.value else None
        constant = template.constant
        if constant is None:
            return EnsureOp(template, edit.path, dialect, within, value, edit.allow_protected)
        path = parse_build_path(edit.path, dialect, constant)
        check_build_path(edit.path, path, within is not None, value is not None)
        return EnsureOp(path, edit.path, dialect, within, value, edit.allow_protected)

    def merge(self, edit: model.Merge) -> DomainOp:
        fragment = self.fragment(edit.xml)
        tags = {str(e.tag) for e in fragment.root.iter(etree.Element)}
        keys: dict[str, tuple[Key, ...]] = {}
        for name, paths in edit.keys:
            parent, slash, own = name.text.rpartition("/")
            try:
                clark = new_name(own, self.document.namespaces, attribute=False)
            except (KeyError, ValueError):
                clark = own
            if clark not in tags:
                help = did_you_mean(own, {tag.rsplit("}", 1)[-1] for tag in tags}, "there are")
                raise fail(rules.BAD_VALUE, f"there is no element `{own}` in the fragment", name.span(), help)
            keys[f"{parent}{slash}{clark}"] = (self.merge_key(paths),)
        namespaces = tuple(self.document.namespaces.items())
        return MergeOp(self.targets(edit.path), fragment, keys, namespaces, edit.allow_protected)

    def merge_key(self, paths: tuple[model.XPath, ...]) -> Key:
        for path in paths:
            query = Query(path, self.document.namespaces, frozenset(), document=False)
            if not isinstance(query.tree, Path) or query.tree.absolute:
                raise fail(rules.BAD_XPATH, "a key is a path relative to the element, such as `@name`", path.span())
        return tuple(path.text for path in paths)

    def renaming(self, edit: model.Rename) -> DomainOp:
        """Whether it names an element or an attribute is known when the path has matched; both names must do."""
        name = edit.to
        try:
            element, attribute = (
                new_name(name.text, self.document.namespaces, attribute=is_attribute) for is_attribute in (False, True)
            )
        except ValueError as e:
            raise fail(rules.BAD_VALUE, f"`{name.text}` cannot be a name here: {e}", name.span()) from None
        except KeyError:
            message = f"the prefix of `{name.text}` is not declared"
            raise fail(rules.UNKNOWN_PREFIX, message, name.span(), "declare it in `spec.namespaces`") from None
        assert element == attribute, "only what may be made differs"
        return xmlops.RenameOp(self.targets(edit.path), element, edit.allow_protected)

    def qemu_args(self, edit: model.QemuArgs) -> DomainOp:
        args: tuple[TemplateProgram, ...] | TemplateProgram = ()
        if isinstance(edit.args, model.Template):
            args = self.template(edit.args, node=False)
            if not args.is_one_expression:
                raise fail(
                    rules.WRONG_TYPE, "`args` must be a list, or exactly one `$[ ]` that gives one", edit.args.span()
                )
        else:
            args = tuple(self.template(arg, node=False) for arg in edit.args)
        env = tuple((name.text, self.template(value, node=False)) for name, value in edit.env)
        return QemuArgsOp(args, env, edit.span, edit.allow_protected)

    def test(self, edit: model.Test) -> DomainOp:
        targets = self.targets(edit.path) if edit.path else None
        expression = None
        if edit.expression:
            names = self.document.names(item=self.loop, xpath=True)
            expression = self.document.expression(edit.expression, names, "bool")
        message = self.template(edit.message, node=False) if edit.message else None
        return xmlops.TestOp(targets, expression, message, edit.span)
