"""Write a PatchTest with the samples from which a patch was derived."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...diagnostics import Diagnostic
from . import proof
from .reading import Files
from .samples import Sample
from .writing import scalar


def patch_test(
    name: str, text: str, samples: Sequence[Sample], files: Sequence[Files], patch: Path, test: Path
) -> dict[Path, bytes]:
    """The file of a test and its golden files, which are the patch's results.

    ``name`` is the name of the test; ``patch`` and ``test`` are where the patch ``text`` and the test are written.
    """
    program = proof.compiled(text)
    assert not isinstance(program, Diagnostic)
    folder = test.parent
    written: dict[Path, bytes] = {}
    stem = patch.stem
    lines = ["apiVersion: patchlang/v1", "kind: PatchTest", f"metadata: {{name: {scalar(name, flow=True)}}}", "spec:"]
    lines += [f"  patches: [{scalar(os.path.relpath(patch, folder), flow=True)}]", "  cases:"]
    for sample, its in zip(samples, files, strict=True):
        made = proof.outcome(program, sample)
        assert not isinstance(made, Diagnostic)
        lines.append(f"    - name: {scalar(sample.name)}")
        kind = "domain" if sample.is_domain else "cloudInit"
        lines.append(f"      {kind}: {scalar(os.path.relpath(its.before, folder))}")
        if its.vmi is not None:
            lines.append(f"      vmi: {scalar(os.path.relpath(its.vmi, folder))}")
        if made == sample.before:
            lines.append("      unchanged: true")
            continue
        ending = "xml" if sample.is_domain else "json"
        called = Path(sample.name).name
        golden = folder / f"{stem}.{called}.expected.{ending}"
        number = 2
        while golden in written:
            golden, number = folder / f"{stem}.{called}-{number}.expected.{ending}", number + 1
        lines.append(f"      golden: {scalar(golden.name)}")
        written[golden] = made if made.endswith(b"\n") else made + b"\n"
    written[test] = ("\n".join(lines) + "\n").encode()
    return written
