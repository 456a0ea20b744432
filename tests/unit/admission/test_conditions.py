"""The condition of a Plugin: expressions that KubeVirt's CEL refuses, and fields that the VMI does not have."""

from __future__ import annotations

import pytest

from patchlang.admission.conditions import check
from patchlang.document.yamltree import Scalar
from patchlang.source import SourceFile, Span


def found(text: str, release: str | None = None) -> list[str]:
    source = SourceFile("plugin.yaml", text)
    return [
        f"{one.rule.id} {text[one.span.start : one.span.end] if one.span else ''}: {one.message}"
        for one in check(Scalar(text, True, Span(source, 0, len(text))), release)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "'a' in vmi.metadata.annotations",
        "vmi.metadata.namespace == 'lab' && vmi.metadata.labels.exists(l, l.startsWith('x/'))",
        "has(vmi.spec.domain.cpu) && vmi.spec.domain.cpu.cores > 2u",
        "vmi.spec.domain.cpu.cores > 2",
        "vmi.spec.networks.size() == 0 || vmi.spec.networks[0].name == 'default'",
        "vmi.spec.domain.devices.gpus.map(g, g.name).distinct().size() == 1",
        "vmi.metadata.name.lowerAscii().split('-')[0] == 'web'",
        "size(vmi.spec.volumes) == 1",
    ],
)
def test_what_kubevirt_takes(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vmi.metadata.name ==", "PL719"),
        ("vmi.metadata.name", "PL719"),
        ("'text'", "PL719"),
        ("annotation('a') == 'b'", "PL719 annotation: KubeVirt's conditions have no function `annotation`"),
        ("object.metadata.name == 'a'", "PL719 object: a Plugin's condition has no `object`"),
        (
            "vmi.metadata.?annotations['a'].orValue('') == 'b'",
            "PL719 v: KubeVirt's conditions do not support optionals",
        ),
        ("optional.of(1).hasValue()", "PL719"),
        ("math.pow(1) > 2", "PL719 pow: KubeVirt's conditions have no function `pow`"),
        ("quantity('1Gi') > 5", "PL719 quantity"),
        ("vmi.spec.domian.cpu.cores > 2", "PL911 domian"),
        ("vmi.metadata.annotations.exists(a, a > 5)", "PL912"),
        ("vmi.metadata.labels['a'] == 5", "PL912"),
        ("vmi.metadata.annotations['a'] == 'b'", "PL719 'a': the condition fails for a VMI without `a`"),
    ],
)
def test_what_it_does_not(text: str, said: str) -> None:
    findings = found(text)
    assert any(one.startswith(said) for one in findings), findings


def test_the_release_counts() -> None:
    assert found("has(vmi.spec.domain.cpu)", "1.5") == []
