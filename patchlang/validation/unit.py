"""One unit of work: the files of one folder, which a sidecar would load together, and the manifests among them."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import rules
from ..cel.messages import CONVERT
from ..compile import compile_program
from ..diagnostics import Diagnostic, PatchError, Severity, has_errors
from ..document import model
from ..document.nested_source import located, outermost
from ..files import MAX_FILE_BYTES, reason_of, source_of, unreadable
from ..grammar.patches import check as check_grammar
from ..kubevirt.advice import advise as advise_for_kubevirt
from ..lint import advise
from ..lint.reading import expressions
from ..loading import decode_source
from ..manifests import documents
from ..manifests.documents import Contents, Document, Kind
from ..manifests.given import Given, PatchFacts
from ..record import field, record, replace
from ..source import SourceFile, Span
from . import ignores
from .discovery import Input
from .ignores import Ignore
from .options import Options
from .report import Held

if TYPE_CHECKING:
    from ..admission.reading import Admitting, Plugin, Policy
    from ..manifests.configmaps import Entry
    from ..manifests.kustomize import Generated
    from ..manifests.machines import Machine

MAX_MANIFEST_BYTES = 32 * 1024 * 1024


@record(frozen=False)
class UnitOutcome:
    """The result of a unit: places are in files. ``held`` has the files with something to check.

    ``facts`` are about the folder's patch files together. ``incomplete`` are files whose findings may be incomplete,
    because of errors. ``bound`` are the policies, by name, that have a binding. ``objects`` are the places
    and names of manifests, ``templates`` the number of files that Helm must render first. ``tested`` are the
    files and folders, as real paths, whose patches a test applies.
    """

    options: Options = field(default_factory=Options)
    held: list[Held] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    ignores: list[Ignore] = field(default_factory=list)
    facts: PatchFacts = PatchFacts((), False)
    config_maps: list[Given] = field(default_factory=list)
    machines: list[tuple[str, Machine]] = field(default_factory=list)
    generated: list[Generated] = field(default_factory=list)
    plugins: list[Plugin] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    bound: list[str] = field(default_factory=list)
    admitting: list[Admitting] = field(default_factory=list)
    objects: list[tuple[Span, str]] = field(default_factory=list)
    templates: int = 0
    incomplete: set[str] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)

    def add(self, diagnostics: Iterable[Diagnostic], files: Iterable[str] = ()) -> None:
        """Findings. If one of them is an error, ``files`` may have more."""
        found = [located(diagnostic) for diagnostic in diagnostics]
        self.diagnostics += found
        if has_errors(found):
            self.incomplete |= {*files}

    def add_comments(self, source: SourceFile) -> None:
        self.ignores += ignores.collect(source)


class WorkerDied(Exception):  # noqa: N818 (it says what happened)
    """A process that checked files died; the system killed it."""


def check(inputs: Sequence[Input], options: Options, tick: Callable[[], None] = lambda: None) -> UnitOutcome:
    """Checks the files of one folder; calls ``tick`` after each."""
    outcome = UnitOutcome(options)
    patch_files: list[SourceFile] = []
    for one in inputs:
        try:
            _check_file(one, outcome, patch_files)
        except PatchError as e:
            outcome.diagnostics.append(e.diagnostic)
            outcome.held.append(Held(one.name))
        tick()
    if patch_files:
        facts, counts, found = check_patches(patch_files, options)
        outcome.facts = facts
        outcome.held += [Held(source.name, count) for source, count in zip(patch_files, counts, strict=True)]
        outcome.add(found, (source.name for source in patch_files))
        for source in patch_files:
            outcome.add_comments(source)
    return outcome


def check_patches(sources: Sequence[SourceFile], options: Options) -> tuple[PatchFacts, list[int], list[Diagnostic]]:
    """Patch files that are loaded together: their contents, how many patches each, and their problems."""
    patches: list[model.Patch] = []
    counts = [0] * len(sources)
    found: list[Diagnostic] = []
    only_tests = True
    for number, source in sorted(enumerate(sources), key=lambda one: (one[1].name.rsplit("/", 1)[-1], one[1].name)):
        decoded, wrong = decode_source(source)
        counts[number] = len(decoded)
        patches += decoded
        found += wrong
        only_tests &= not decoded and not wrong
    program, errors = compile_program(patches)
    found += errors
    found += advise(patches, None if has_errors(found) else program)
    if options.libvirt is not None:
        found += check_grammar(patches, options.libvirt)
    if not has_errors(found):
        found += advise_for_kubevirt(patches, options.kubevirt, plugins=options.plugins)
    if any(any(expressions(patch.spec)) for patch in patches):
        found = _with_those_of_the_vmi(found, patches, options.vmi)
    names = tuple((patch.metadata.name.text, patch.metadata.name.span()) for patch in patches)
    return PatchFacts(names, any(patch.spec.cloud_init for patch in patches), only_tests), counts, found


def _with_those_of_the_vmi(
    found: Sequence[Diagnostic], patches: Sequence[model.Patch], release: str | None
) -> list[Diagnostic]:
    """The findings, and what the VMI of a release says about expressions; duplicates are merged."""
    from ..kubevirt.vmicheck import check as check_vmi
    from ..lint.conditions import unexplained

    said = {_place(one) for one in found if one.is_error}
    values = [one.span for one in found if one.rule is rules.UNKNOWN_VALUE and one.span is not None]
    of_vmi = [
        one
        for one in check_vmi(patches, release)
        if _place(one) not in said and not any(_is_in(one, value) for value in values)
    ]
    found, of_vmi = _without_followers(found, of_vmi, patches)
    return [*unexplained(found, (one for one in of_vmi if one.rule is rules.VMI_TYPE), patches), *of_vmi]


def _without_followers(
    found: Sequence[Diagnostic], of_vmi: list[Diagnostic], patches: Sequence[model.Patch]
) -> tuple[Sequence[Diagnostic], list[Diagnostic]]:
    """Both, without types that do not fit in an expression that CEL refuses: one of them may lend it its help."""
    refused = [one for one in found if one.rule is rules.BAD_EXPRESSION and one.span is not None]
    if not refused or not any(one.rule is rules.VMI_TYPE for one in of_vmi):
        return found, of_vmi
    spans = [text.span() for patch in patches for text in expressions(patch.spec)]
    helped: dict[Diagnostic, str] = {}
    for error in refused:
        written = next((span for span in spans if error.span and _contains(span, error.span)), error.span)
        followers = [one for one in of_vmi if written is not None and _is_in(one, written)]
        of_vmi = [one for one in of_vmi if one not in followers]
        if error.help == CONVERT and followers and (help := followers[0].help):
            helped[error] = help
    return [replace(one, help=helped.get(one, one.help)) if one in helped else one for one in found], of_vmi


def _contains(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start < max(outer.end, outer.start + 1)


def findings(sources: Sequence[SourceFile], options: Options) -> list[Diagnostic]:
    """Problems of patch files that load together, except what their comments ignore."""
    outcome = UnitOutcome(options)
    outcome.add(check_patches(sources, options)[2])
    for source in sources:
        outcome.add_comments(source)
    return ignores.apply(outcome.diagnostics, outcome.ignores, lambda _file, _rule: False)


def _is_in(diagnostic: Diagnostic, value: Span) -> bool:
    """Whether something of a wrong type has already been reported."""
    span = diagnostic.span
    return (
        diagnostic.rule is rules.VMI_TYPE
        and span is not None
        and span.source is value.source
        and value.start <= span.start < value.end
    )


def _place(diagnostic: Diagnostic) -> tuple[str, int] | None:
    return (diagnostic.span.source.name, diagnostic.span.start) if diagnostic.span else None


# -- one file ----------------------------------------------------------------------------------------------------------


def _check_file(one: Input, outcome: UnitOutcome, patch_files: list[SourceFile]) -> None:
    """Checks the manifests of a file, or adds it to the patch files. Raises PatchError if it cannot be read."""
    data = _data(one)
    if not one.named and not documents.may_concern_us(data):
        return
    source = source_of(one.name, data, MAX_MANIFEST_BYTES)
    contents = documents.read(source)
    if _is_patch_file(one, source, contents):
        patch_files.append(source_of(one.name, data))
        if not contents.unread:
            _check_tests(contents, outcome)
    elif contents.documents or not contents.template or one.named:
        outcome.add(contents.unread, [source.name])
        _check_tests(contents, outcome)
        _check_manifests(source, contents, outcome)
    else:
        outcome.templates += 1


def _data(one: Input) -> bytes:
    if one.data is not None:
        return one.data
    try:
        with open(one.name, "rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except (OSError, ValueError) as e:
        raise PatchError(unreadable(one.name, reason_of(e))) from None


def _is_patch_file(one: Input, source: SourceFile, contents: Contents) -> bool:
    """Whether the sidecar would get the file as it is; a named file that is nothing else was meant to be."""
    kinds = {document.kind for document in contents.documents}
    if kinds & {Kind.CONFIG_MAP, Kind.MACHINE, Kind.PLUGIN, Kind.ADMISSION}:
        return False
    if Kind.PATCH in kinds or documents.starts_as_patch(source.text):
        return True
    if one.data is not None and not one.open and documents.is_manifest(source.text):
        return False  # others render it, and it contains nothing for patchlang
    return one.named and not kinds and not contents.unread


def _check_tests(contents: Contents, outcome: UnitOutcome) -> None:
    """Checks the shape of tests; ``patchlang test`` determines whether they pass."""
    for document in contents.documents:
        if document.kind is Kind.TEST:
            from pathlib import Path

            from ..patchtest.decode import tests_of
            from ..patchtest.inputs import beside

            name = document.chunk.name
            tests, wrong = tests_of(document.chunk)
            outcome.add(wrong, [name])
            for test in tests:
                files = [beside(entry) for entry in test.spec.patches] or [Path(name)]
                outcome.tested |= {os.path.realpath(file) for file in files}
            outcome.held.append(Held(name, tests=1))


def _check_manifests(source: SourceFile, contents: Contents, outcome: UnitOutcome) -> None:
    patches = sidecars = 0
    has_plugins = False
    chunks: list[SourceFile] = []
    for document in contents.documents:
        if document.kind in (Kind.CONFIG_MAP, Kind.MACHINE, Kind.PLUGIN, Kind.ADMISSION):
            outcome.objects.append((outermost(document.node.span), document.label))
        match document.kind:
            case Kind.KUSTOMIZATION:
                from ..manifests.kustomize import Generated, generated

                outcome.generated += [
                    Generated(one.name, outermost(one.span), one.hashed) for one in generated(document.node)
                ]
            case Kind.PATCH:
                chunks.append(document.chunk)
            case Kind.CONFIG_MAP:
                patches += _check_config_map(document, outcome)
            case Kind.MACHINE:
                from ..manifests import machines

                machine = machines.read(document.node)
                if machine.annotation or machine.misplaced or machine.misspelt:
                    outcome.machines.append((source.name, machine))
                    sidecars += 1
            case Kind.PLUGIN:
                has_plugins = True
                from ..admission import conditions
                from ..admission import reading as admission

                plugin = admission.plugin(document.node)
                outcome.plugins.append(plugin)
                for condition in plugin.conditions:
                    outcome.add(conditions.check(condition, outcome.options.vmi))
            case Kind.ADMISSION:
                has_plugins |= _read_policy(document, outcome)
            case Kind.TEST:
                pass
    if chunks:
        _, counts, found = check_patches(chunks, outcome.options)
        outcome.add(found, [source.name])
        patches += sum(counts)
    if patches or sidecars or has_plugins or contents.unread:
        outcome.held.append(Held(source.name, patches, sidecars))
    outcome.add_comments(source)


def _read_policy(document: Document, outcome: UnitOutcome) -> bool:
    """A policy, or the binding of one; returns whether it involves Plugins."""
    node = document.node
    if documents.word(node, "kind") == "MutatingAdmissionPolicyBinding":
        outcome.bound.append(documents.word(node, "spec", "policyName"))
        return False
    from ..admission import reading as admission

    if (admitting := admission.admitting(node)) is not None:
        outcome.admitting.append(admitting)
        return True
    policy, wrong = admission.policy(node)
    if documents.word(node, "kind") != "MutatingAdmissionPolicy" or not policy.concerns_us:
        return False
    outcome.add(wrong, [document.chunk.name])
    outcome.policies.append(policy)
    return True


def _check_config_map(document: Document, outcome: UnitOutcome) -> int:
    """Checks the patches in a ConfigMap, each key by itself, as KubeVirt mounts it; returns their number."""
    from ..manifests import configmaps

    config_map, found = configmaps.read(document.node)
    facts = {entry.key.text: check_entry(entry, outcome) for entry in config_map.entries if entry.is_patch}
    if facts or "patchlang" in document.chunk.text:
        outcome.add([*found, *_same_names(facts)])
    outcome.config_maps.append(Given(document.chunk.name, config_map, facts))
    return sum(len(one.names) for one in facts.values())


def check_entry(entry: Entry, outcome: UnitOutcome) -> PatchFacts:
    """Checks a key of a ConfigMap as a separate patch file."""
    content = entry.content
    assert content is not None, "what is not text cannot be a patch"
    size = len(content.text.encode(errors="surrogatepass"))
    if size > MAX_FILE_BYTES:
        message = f"the value has {size:,} bytes, but the sidecar reads at most {MAX_FILE_BYTES:,}"
        too_big = Diagnostic(rules.FILE_TOO_BIG, message, entry.key.span, "split it into several keys")
        outcome.add([too_big], [content.name])
        return PatchFacts((), False)
    facts, _, found = check_patches([content], outcome.options)
    outcome.add(found, [content.name])
    outcome.add_comments(content)
    return facts


def _same_names(facts: Mapping[str, PatchFacts]) -> Iterator[Diagnostic]:
    """Each key is fine by itself; together, in a folder, they would not be."""
    first: dict[str, str] = {}
    for key, one in facts.items():
        for name, span in one.names:
            if first.setdefault(name, key) != key:
                message = f"key `{first[name]}` also has a patch `{name}`: one sidecar cannot load both"
                help = "rename it if both may be mounted into one folder"
                yield Diagnostic(rules.SAME_NAME_IN_KEYS, message, span, help, Severity.WARNING)
