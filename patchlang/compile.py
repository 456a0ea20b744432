"""Model to program: XPath, expressions, templates and fragments compiled once; collects every static error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from . import rules
from .context import Around, Context, Room
from .diagnostics import Diagnostic, fail, in_order
from .document import model
from .domain.compile import compile_edit
from .domain.ops import DomainOp
from .edits import CompiledEdit, compile_loop, label_of
from .libvirt_lists import QEMU_NAMESPACE
from .markup import XML_NAMESPACE, XMLNS_NAMESPACE, escape_attribute, read_by_expat
from .out_of_memory import raise_if_exhausted
from .record import record
from .result import Progress
from .source import Span
from .xpath.parser import is_ncname

if TYPE_CHECKING:
    from .cel.compiled import Compiled
    from .cloudinit.ops import CloudInitOp
    from .podfacts import Wanted

# prefixes that need no declaration: KubeVirt's and libvirt's own
BUILT_IN_NAMESPACES = {
    "qemu": QEMU_NAMESPACE,
    "lxc": "http://libvirt.org/schemas/domain/lxc/1.0",
    "xen": "http://libvirt.org/schemas/domain/xen/1.0",
    "kubevirt": "http://kubevirt.io",
}


@record
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
    facts: Wanted | None
    domain: tuple[CompiledEdit[DomainOp], ...]
    cloud_init: tuple[CompiledEdit[CloudInitOp], ...]


@record
class Program:
    """All patches of a set, in the order in which they run."""

    documents: tuple[CompiledDocument, ...]

    @property
    def facts(self) -> frozenset[str]:
        """The pod facts that the patches read: ``env.NAME`` and ``files.NAME``."""
        return frozenset(name for d in self.documents if d.facts for name in d.facts.names)

    @property
    def edits_domain(self) -> bool:
        return any(d.domain for d in self.documents)

    @property
    def edits_cloud_init(self) -> bool:
        return any(d.cloud_init for d in self.documents)

    @property
    def texts(self) -> Iterator[str]:
        """The files that the patches are from."""
        return (document.span.source.text for document in self.documents)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.documents)


def compile_program(
    patches: Iterable[model.Patch], progress: Progress | None = None
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Compile patches, given in file order; ``progress`` is called for each.

    The program is None if a diagnostic is an error.
    """
    found: list[Diagnostic] = []
    documents: list[CompiledDocument] = []
    first: dict[str, model.Patch] = {}
    room = Room()
    for patch in patches:
        name = patch.metadata.name
        if name.text in first:
            place = first[name.text].metadata.name.span()
            found.append(
                Diagnostic(
                    rules.DUPLICATE_NAME,
                    f"two patches are named `{name.text}`",
                    name.span(),
                    f"the other is at {place}; names must be unique in a set",
                )
            )
        first.setdefault(name.text, patch)
        if progress is not None:
            progress(name.text, name.span())
        compiler = DocumentCompiler(patch, room)
        document = compiler.compile()
        found += compiler.context.found
        documents.append(document)
        if room.is_full:
            break
    if found:
        return None, in_order(found)
    documents.sort(key=lambda d: d.priority)  # stable: file name and place decide ties
    return Program(tuple(documents)), ()


class DocumentCompiler:
    """Compiles one patch; its problems are in the ``found`` of its context."""

    def __init__(self, patch: model.Patch, room: Room) -> None:
        self.patch = patch
        self.context = Context(patch.metadata.name.text, BUILT_IN_NAMESPACES, room)

    def compile(self) -> CompiledDocument:
        spec = self.patch.spec
        self.declare_namespaces()
        facts = self.declare_facts()
        only_domain, only_cloud_init = not spec.cloud_init, not spec.domain
        variables: list[tuple[str, Compiled]] = []
        for variable in spec.variables:
            names = self.context.names(xpath=only_domain, cloud_init=only_cloud_init)
            compiled = self.context.collect(partial(self.context.expression, variable.expression, names))
            self.context.variables.append((variable.name.text, compiled.kind if compiled else "dyn"))
            if compiled:
                variables.append((variable.name.text, compiled))
        when = None
        if spec.when:
            names = self.context.names(xpath=only_domain, cloud_init=only_cloud_init)
            when = self.context.collect(partial(self.context.expression, spec.when, names, "bool"))
        collect = self.context.collect
        domain = [collect(partial(self.domain_edit, edit, i)) for i, edit in enumerate(spec.domain)]
        cloud_init = [collect(partial(self.cloud_init_edit, edit, i)) for i, edit in enumerate(spec.cloud_init)]
        return CompiledDocument(
            self.patch.metadata.name.text,
            self.patch.span,
            spec.priority,
            spec.failure_policy,
            tuple(variables),
            when,
            self.context.namespaces,
            self.context.xpath_names(loop=True),
            facts,
            tuple(e for e in domain if e),
            tuple(e for e in cloud_init if e),
        )

    def declare_facts(self) -> Wanted | None:
        """What the patch may read."""
        facts = self.patch.spec.facts
        if facts is None:
            return None
        from .podfacts import Wanted, WantedFile

        env = tuple((name.text, name.span()) for name in facts.env)
        files: list[tuple[str, WantedFile]] = []
        for name, entry in facts.files:
            path, allow = (entry.path, entry.allow_secret) if isinstance(entry, model.FileFact) else (entry, False)
            files.append((name.text, WantedFile(path.text, allow, path.span())))
        wanted = Wanted(env, tuple(files))
        self.context.facts = wanted.names
        return wanted

    def declare_namespaces(self) -> None:
        """A refused prefix still counts as declared, so that its uses are not additional errors."""
        for prefix, uri in self.patch.spec.namespaces:
            self.context.collect(partial(self.check_namespace, prefix, uri))
            if prefix.text not in (*BUILT_IN_NAMESPACES, "xml", "xmlns", "patch") and is_ncname(prefix.text):
                self.context.namespaces[prefix.text] = uri.text if _is_usable(uri.text) else "urn:refused"

    def check_namespace(self, prefix: model.Name, uri: model.Name) -> None:
        built_in = BUILT_IN_NAMESPACES.get(prefix.text)
        if prefix.text in ("xml", "xmlns", "patch") or (built_in and built_in != uri.text):
            raise fail(rules.BAD_VALUE, f"the prefix `{prefix.text}` is taken", prefix.span(), "choose another prefix")
        if not is_ncname(prefix.text):
            raise fail(rules.BAD_VALUE, f"`{prefix.text}` is not a prefix", prefix.span())
        if not _is_usable(uri.text):
            raise fail(rules.BAD_VALUE, "not every XML parser accepts this URI as a namespace", uri.span())

    # -- edits ---------------------------------------------------------------------------------------------------

    def domain_edit(self, edit: model.DomainEdit, number: int) -> CompiledEdit[DomainOp]:
        return compile_edit(self.context, edit, f"domain[{number}]")

    def cloud_init_edit(self, edit: model.CloudInitEdit, number: int) -> CompiledEdit[CloudInitOp]:
        from .cloudinit.compile import CloudInitOps

        label = label_of(edit, f"cloudInit[{number}]", model.CLOUD_INIT_OPS)
        loop = compile_loop(self.context, edit.when, edit.for_each, Around(), domain=False)
        return CompiledEdit(label, edit.span, loop, CloudInitOps(self.context, edit, label).compile())


def _is_usable(uri: str) -> bool:
    """Whether expat and libxml2 accept it as a namespace URI."""
    if uri in (XML_NAMESPACE, XMLNS_NAMESPACE) or re.search(r"[\s<>\"{}|\\^`]|[^\x21-\ufffd]", uri):
        return False
    declared = b'<probe xmlns:p="%s"/>' % escape_attribute(uri)
    try:
        etree.fromstring(declared)
    except etree.XMLSyntaxError as e:
        raise_if_exhausted(e)
        return False
    return read_by_expat(declared)
