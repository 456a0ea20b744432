"""Run a hook and patches on the same samples, and show where their results differ: as XML or data, and as bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from lxml import etree

from .. import engine
from ..compile import Program
from ..diagnostics import Diagnostic
from ..podfacts import Pod
from ..record import record, replace
from .derive.changes import Change, Differences, Kind
from .derive.meaning import meaning
from .derive.paths import Namespaces, path_of
from .derive.samples import Sample
from .derive.trees import Element, form, without_comments
from .hookrun import HookError, run_hook


class Verdict(Enum):
    """The result of comparing a hook and patches on one sample."""

    SAME = "same"
    DIFFERENT = "different"
    HOOK_FAILS = "hook-fails"
    PATCHES_FAIL = "patches-fail"
    BOTH_FAIL = "both-fail"


@record
class Difference:
    """One difference: an XPath or a JSON Pointer, and the values of the hook and of the patches; None for nothing."""

    path: str
    hook: str | None
    patches: str | None


@record
class Compared:
    """The comparison of one sample. ``same_bytes`` says whether the results are equal byte for byte."""

    name: str
    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    same_bytes: bool = False
    hook_error: HookError | None = None
    findings: tuple[Diagnostic, ...] = ()


def compare(hook: Path, program: Program, pod: Pod, samples: Sequence[Sample], seconds: float) -> Iterator[Compared]:
    """Run both on each sample, in order. Failures are part of the result."""
    for sample in samples:
        yield _compared(hook, program, pod, sample, seconds)


def _compared(hook: Path, program: Program, pod: Pod, sample: Sample, seconds: float) -> Compared:
    seen, hook_error = None, None
    try:
        seen = run_hook(
            hook, "domain" if sample.is_domain else "cloud-init", sample.before, sample.vmi, seconds=seconds
        )
    except HookError as error:
        hook_error = error
    made, findings = _patched(program, pod, sample)
    if seen is None or made is None:
        failed = {
            (True, True): Verdict.BOTH_FAIL,
            (True, False): Verdict.HOOK_FAILS,
            (False, True): Verdict.PATCHES_FAIL,
        }
        return Compared(sample.name, failed[seen is None, made is None], (), False, hook_error, findings)
    sample = replace(sample, after=seen.outcome)
    found = (
        () if made == sample.after else tuple(_in_domain(sample, made) if sample.is_domain else _in_data(sample, made))
    )
    return Compared(sample.name, Verdict.DIFFERENT if found else Verdict.SAME, found, made == sample.after)


def _patched(program: Program, pod: Pod, sample: Sample) -> tuple[bytes | None, tuple[Diagnostic, ...]]:
    """The result of the patches on a sample, or their errors."""
    if sample.is_domain:
        outcome = engine.patch_domain(program, sample.before, sample.vmi, pod=pod)
        return outcome.data, outcome.diagnostics
    made = engine.patch_cloud_init(program, sample.before, b"", sample.vmi, pod=pod)
    return made.data, made.diagnostics


# -- domains -----------------------------------------------------------------------------------------------------------


def _in_domain(sample: Sample, made: bytes) -> Iterator[Difference]:
    by_hook, by_patches = sample.tree(sample.after), sample.tree(made)
    if form(by_hook) == form(by_patches):
        return
    in_comments = [*_in_comments(by_hook, by_patches)]
    for root in (by_hook, by_patches):
        without_comments(root)
    namespaces = Namespaces()
    changes = Differences(by_hook, by_patches, namespaces).changes()
    found = [*(_difference(by_hook, change, namespaces) for change in changes), *in_comments]
    yield from found or [Difference("/domain", "comments at other places among the elements", None)]


def _in_comments(by_hook: Element, by_patches: Element) -> Iterator[Difference]:
    """The comments and processing instructions that only one side has, by the elements that contain them."""
    here, there = Counter(_comments(by_hook)), Counter(_comments(by_patches))
    for path, text in (here - there).elements():
        yield Difference(path, text, None)
    for path, text in (there - here).elements():
        yield Difference(path, None, text)


def _comments(root: Element) -> Iterator[tuple[str, str]]:
    """The path and a description of each node."""
    tree = root.getroottree()
    for node in root.iter(etree.Comment, etree.ProcessingInstruction):
        test = "comment()" if node.tag is etree.Comment else "processing-instruction()"
        text = etree.tostring(node, with_tail=False, encoding="unicode")
        yield f"{tree.getpath(node.getparent())}/{test}", text


def _difference(by_hook: Element, change: Change, namespaces: Namespaces) -> Difference:
    path = path_of(change.steps)
    node = by_hook.xpath(path, namespaces=namespaces.all)
    before: Element | None = node[0] if node else None
    match change.kind:
        case Kind.ATTRIBUTE:
            own = before.get(namespaces.clark(change.name.removeprefix("@"))) if before is not None else None
            return Difference(f"{path}/{change.name}", own, change.value)
        case Kind.TEXT:
            return Difference(path, (before.text or "") if before is not None else None, change.value)
        case Kind.DROP:
            return Difference(path, _shown(before), None)
        case Kind.PUT:
            return Difference(f"{path}/{namespaces.name(change.value)}", None, _shown(change.value))
        case Kind.MOVE:
            where = f"{change.place.position} {change.place.at}" if change.place.at else change.place.position or "last"
            return Difference(path, "at another position", f"{where} among its siblings")
        case Kind.SWAP:
            return Difference(path, _shown(before), _shown(change.value))
        case Kind.ARGS:
            return Difference(f"{path}/qemu:arg", None, " ".join(change.value))
        case Kind.ENV:
            return Difference(f"{path}/qemu:env[@name='{change.name}']", None, change.value)


def _shown(node: Element | None) -> str | None:
    """An element on one line, without the namespace declarations that it does not use."""
    if node is None:
        return None
    copied = etree.fromstring(etree.tostring(node, with_tail=False))
    etree.cleanup_namespaces(copied)
    return etree.tostring(copied, encoding="unicode")


# -- cloud-init data ---------------------------------------------------------------------------------------------------


def _in_data(sample: Sample, made: bytes) -> Iterator[Difference]:
    yield from _values("", meaning(sample.after), meaning(made))


def _values(path: str, by_hook: Any, by_patches: Any) -> Iterator[Difference]:
    if isinstance(by_hook, dict) and isinstance(by_patches, dict):
        for key in [*by_hook, *(key for key in by_patches if key not in by_hook)]:
            yield from _member(f"{path}/{_token(key)}", by_hook, by_patches, key)
    elif isinstance(by_hook, list) and isinstance(by_patches, list):
        for index in range(max(len(by_hook), len(by_patches))):
            yield from _member(f"{path}/{index}", dict(enumerate(by_hook)), dict(enumerate(by_patches)), index)
    elif type(by_hook) is not type(by_patches) or by_hook != by_patches:
        yield Difference(path, json.dumps(by_hook, ensure_ascii=False), json.dumps(by_patches, ensure_ascii=False))


def _member(path: str, by_hook: dict[Any, Any], by_patches: dict[Any, Any], key: Any) -> Iterator[Difference]:
    if key in by_hook and key in by_patches:
        yield from _values(path, by_hook[key], by_patches[key])
        return
    here, there = (json.dumps(one[key], ensure_ascii=False) if key in one else None for one in (by_hook, by_patches))
    yield Difference(path, here, there)


def _token(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
