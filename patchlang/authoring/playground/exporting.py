"""Export the page as files: a PatchTest, a ConfigMap, or a shell script with the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePath

from ...diagnostics import PatchError
from ...engine import patch_cloud_init, patch_domain
from ...loading import decode_source, load_sources
from ...manifests.arguments import VERSIONS
from ...manifests.writing import (
    annotation,
    annotation_comment,
    config_map,
    in_load_order,
    joined,
    key_of,
    plain,
    scalar,
)
from ...podfacts import Given as Facts
from ...result import CloudInitOutcome, Outcome
from ...source import SourceFile
from ..starting import IMAGE, kubernetes_name
from . import inputs, trying
from .request import Given, Json, RequestError, item
from .trying import Prepared

_NO_INPUT = "give an input that the patches edit: a domain, or cloud-init data"
_ERRORS = "the patches or inputs have errors: fix what the findings say first"


def export(asked: Json, given: Given) -> Json:
    """``files`` with ``name`` and ``text``, for the ``form``: ``test``, ``configmap`` or ``command``; and a ``note``.

    Raises RequestError if the texts on the page cannot be exported.
    """
    forms = {"test": _test, "configmap": _config_map, "command": _command}
    form = item(asked, "form", str)
    if form not in forms:
        raise RequestError(f"`form` must be one of {', '.join(forms)}")
    if not given.patches:
        raise RequestError("there is no patch to export")
    try:
        note, files = forms[form](given)
    except PatchError as e:
        raise RequestError(e.diagnostic.message) from None
    return {"note": note, "files": [{"name": name, "text": text} for name, text in files]}


Files = list[tuple[str, str]]


def _patches(given: Given) -> Files:
    return [(PurePath(one.name).name, one.text) for one in given.patches]


# -- PatchTest ---------------------------------------------------------------------------------------------------------


def _test(given: Given) -> tuple[str, Files]:
    prepared, _ = trying.prepare(given)
    if prepared is None:
        raise RequestError(_ERRORS)
    patches = _patches(given)
    name = prepared.program.names[0]
    stem = PurePath(patches[0][0]).stem
    cases, golden = _cases(prepared, stem)
    if not cases:
        raise RequestError(_NO_INPUT)
    named = "".join(f"    - {plain(file)}\n" for file, _ in patches)
    text = f"apiVersion: patchlang/v1\nkind: PatchTest\nmetadata:\n  name: {plain(name)}\nspec:\n  patches:\n{named}"
    text += _entry("  vmi", json.dumps(json.loads(prepared.vmi), indent=2), 4) if given.vmi.strip() else ""
    text += _facts(prepared.pod)
    note = f"Put the files into one folder; `patchlang test {stem}.test.yaml` runs the test."
    return note, [*patches, (f"{stem}.test.yaml", f"{text}  cases:\n{''.join(cases)}"), *golden]


def _cases(prepared: Prepared, stem: str) -> tuple[list[str], Files]:
    cases: list[str] = []
    golden: Files = []
    program = prepared.program
    for of, key, data, ending in (
        ("the domain", "domain", prepared.domain if program.edits_domain else None, "xml"),
        ("the cloud-init data", "cloudInit", prepared.cloud_init if program.edits_cloud_init else None, "json"),
    ):
        if data is None:
            continue
        data = data.lstrip()  # by what it begins with, a test tells it from the name of a file
        if key == "domain":
            outcome, errors = _ended(patch_domain(program, data, prepared.vmi, pod=prepared.pod))
        else:
            outcome, errors = _ended(patch_cloud_init(program, data, b"", prepared.vmi, pod=prepared.pod))
        case = f"    - name: {of}\n" + _entry(f"      {key}", data.decode(), 8)
        if outcome is None:
            case += f"      error: {errors[0]}\n"
        elif outcome == data:
            case += "      unchanged: true\n"
        else:
            case += f"      golden: {plain(f'{stem}.expected.{ending}')}\n"
            golden.append((f"{stem}.expected.{ending}", outcome.decode()))
        cases.append(case)
    return cases, golden


def _facts(pod: Facts) -> str:
    """The facts as a test has them."""
    lines = ["  facts:\n"] if pod.facts else []
    for kind, names in groupby(sorted(pod.facts), lambda name: name.partition(".")[0]):
        lines.append(f"    {kind}:\n")
        lines += (_entry(f"      {plain(name.partition('.')[2])}", pod.facts[name].decode(), 8) for name in names)
    return "".join(lines)


def _entry(key: str, text: str, indent: int) -> str:
    entry = f"{key}: {scalar(text, indent)}"
    return entry if entry.endswith("\n") else f"{entry}\n"


def _ended(outcome: Outcome | CloudInitOutcome) -> tuple[bytes | None, list[str]]:
    """The result of a run, and the rules of its errors."""
    return outcome.data, [one.rule.id for one in outcome.diagnostics if one.is_error]


# -- ConfigMap ---------------------------------------------------------------------------------------------------------


def _config_map(given: Given) -> tuple[str, Files]:
    sources = [source for source in in_load_order(inputs.sources(given)) if decode_source(source)[0]]
    program, _ = load_sources(sources)
    if program is None:
        raise RequestError(_ERRORS)
    text, key = joined(sources), key_of([source.name for source in sources])
    again, _ = load_sources([SourceFile("<joined>", text)])
    if again is None or again.names != program.names:
        raise RequestError("the patch files cannot be joined: give each its own ConfigMap")
    name = kubernetes_name(program.names[0]) or "patches"
    made = config_map(name, None, key, text)
    made = made if made.endswith("\n") else f"{made}\n"
    note = f"Replace the image `{IMAGE}` with yours. `patchlang manifest` generates the same, and has more options."
    value = annotation(IMAGE, VERSIONS[-1], name, key)
    return note, [(f"{name}.yaml", made + annotation_comment(value))]


# -- the command line --------------------------------------------------------------------------------------------------


def _command(given: Given) -> tuple[str, Files]:
    patches = _patches(given)
    program, _ = load_sources(inputs.sources(given))
    given_inputs: Files = []
    if given.domain.strip() and (program is None or program.edits_domain):
        given_inputs.append((trying.NAMES[trying.DOMAIN], inputs.domain(given)[0].decode(errors="replace")))
    if given.cloud_init.strip() and (program is None or program.edits_cloud_init):
        given_inputs.append((trying.NAMES[trying.CLOUD_INIT], inputs.cloud_init(given).decode(errors="replace")))
    if not given_inputs:
        raise RequestError(_NO_INPUT)
    files = [*patches, *given_inputs]
    with_vmi = ""
    if given.vmi.strip():
        files.append(("vmi.yaml", given.vmi))
        with_vmi = " --vmi vmi.yaml"
    options = with_vmi
    pod = inputs.facts(given, program.facts) if program is not None else Facts()
    for name, value in pod.facts.items():
        is_file = name.startswith("files.")
        files += [(name, value.decode())] if is_file else []
        options += f" --fact {name}=" + (f"@{name}" if is_file else shlex.quote(value.decode()))
    names = [name for name, _ in files]
    if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
        raise RequestError(f"a patch file is called `{twice}`, as an input of the script: rename it")
    of_patches = "".join(f" -p {shlex.quote(file)}" for file, _ in patches)
    lines = ["#!/bin/sh", "set -eu", *(line for name, text in files for line in _written(name, text))]
    flags = {trying.NAMES[trying.DOMAIN]: "--domain", trying.NAMES[trying.CLOUD_INIT]: "--cloud-init"}
    lines += [f"patchlang apply{of_patches} {flags[name]} {name}{options} --diff" for name, _ in given_inputs]
    return "The script writes its inputs into the current folder.", [("try.sh", "".join(f"{line}\n" for line in lines))]


def _written(name: str, text: str) -> Iterator[str]:
    if not text.endswith("\n"):
        yield f"printf %s {shlex.quote(text)} >{shlex.quote(name)}"
        return
    end = "END"
    while end in text:
        end += "_"
    yield f"cat >{shlex.quote(name)} <<'{end}'"
    yield f"{text}{end}"
