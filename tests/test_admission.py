"""The policy of ``patchlang manifest --policy``, evaluated as the API server does: by CEL, on objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cel_expr_python import cel
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from patchlang.admission.validating import PLACES, policy
from patchlang.cli import cli
from patchlang.manifests.documents import MACHINES
from patchlang.manifests.machines import ANNOTATION

ROOT = Path(__file__).parents[1]
PATCH = ROOT / "examples/patches/baseboard/patch.yaml"
DIGEST = "sha256:" + "1f" * 32
IMAGE = f"registry.example.test/patchlang@{DIGEST}"


def manifest(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["manifest", *map(str, args)])


@cache
def printed() -> str:
    result = manifest(PATCH, "--image", IMAGE, "--policy", "--namespace", "lab")
    assert result.exit_code == 0, result.output
    return result.stdout


def annotation(printed: str) -> str:
    """The annotation as the cluster gets it: the text of the comment without the comment marks."""
    comment = printed[printed.index("#   annotations:") :]
    text: str = yaml.safe_load("".join(f"{line[1:]}\n" for line in comment.splitlines()))["annotations"][ANNOTATION]
    return text


def documents(printed: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(printed)}


class Refused(Exception):  # noqa: N818 (it is what the policy says)
    """The policy does not admit the object."""


def admits(rule: Mapping[str, Any], new: Any, old: Any = None) -> bool:
    """Evaluate like the API server: variables in order, then all validations. An error refuses the object (Fail)."""
    spec = rule["spec"]
    assert spec["failurePolicy"] == "Fail"
    names = {
        "object": cel.Type.DYN,
        "oldObject": cel.Type.DYN,
        "variables": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    }
    env = cel.NewEnv(variables=names)
    variables: dict[str, Any] = {}

    def value(expression: str) -> Any:
        found = env.compile(expression).eval(data={"object": new, "oldObject": old, "variables": variables})
        if found.type().name() == "ERROR":
            raise Refused(str(found.value()))
        return found.plain_value()

    try:
        for variable in spec["variables"]:
            variables[variable["name"]] = value(variable["expression"])
        return all(value(one["expression"]) is True for one in spec["validations"])
    except Refused:
        return False


def machine(kind: str, text: Any) -> dict[str, Any]:
    """A machine of a kind, with the annotation in the place where KubeVirt reads it."""
    inner: Any = {"metadata": {"annotations": {ANNOTATION: text, "another": "x"}}, "spec": {"domain": {}}}
    for field in reversed(MACHINES[kind]):
        inner = {field: inner}
    outer = {"metadata": {"name": "web", "annotations": {"another": "x"}}} if MACHINES[kind] else {}
    return {"apiVersion": "kubevirt.io/v1", "kind": kind, **outer, **inner}


KINDS = sorted(MACHINES)
POLICY = "ValidatingAdmissionPolicy"


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_annotation_is_admitted(kind: str) -> None:
    rule = documents(printed())[POLICY]
    assert admits(rule, machine(kind, annotation(printed())))


def _bad(good: str) -> Iterator[tuple[str, Any]]:
    (sidecar,) = json.loads(good)
    yield "no line break at the end", good.removesuffix("\n")
    yield "compact JSON", json.dumps([sidecar])
    yield "a blank more", good + " "
    yield "a tag", good.replace(f"@{DIGEST}", ":latest")
    yield "another digest", good.replace("1f1f", "1f1e", 1)
    yield "another registry", good.replace("registry.example.test", "registry.example.invalid")
    yield "a second image, whose key counts for Go", good.replace('[{"image"', '[{"Image": "evil", "image"')
    yield "the last of two keys counts", good.replace('"}}]', '"}, "image": "evil"}]')
    yield "a key with an escape", good.replace('"}}]', '"}, "\\u0069mage": "evil"}]')
    yield "a separate command", good.replace('[{"image"', '[{"command": ["sh"], "image"')
    yield "a second sidecar", good.replace("}]\n", '}, {"image": "evil"}]\n')
    yield "another text's checksum", good.replace('"--sha256", "', '"--sha256", "0', 1)
    yield "audit alone", good.replace('"--version"', '"--audit", "--version"')
    yield "another ConfigMap", good.replace('"name": "patches"', '"name": "mine"')
    yield "an empty list", "[]"
    yield "no JSON", "x"
    yield "other line breaks", good.replace("\n", "\r\n")
    yield "in capitals", good.upper()
    yield "what looks equal", good.replace("patchlang", "p\u0430tchlang")
    yield "a number", 5
    yield "a list", [good]
    yield "a map", {good: good}
    yield "null", None


BAD = dict(_bad(annotation(printed())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD)
def test_no_other_annotation_is(name: str, kind: str) -> None:
    assert BAD[name] != annotation(printed())
    assert not admits(documents(printed())[POLICY], machine(kind, BAD[name]))


@pytest.mark.parametrize(
    "new",
    [
        {"kind": "VirtualMachine", "metadata": {"name": "web"}, "spec": {}},
        {"kind": "VirtualMachine", "metadata": {"name": "web"}, "spec": {"template": {"spec": {}}}},
        {"kind": "VirtualMachine", "metadata": {"name": "web"}, "spec": {"template": None}},
        {"kind": "VirtualMachine", "metadata": {"name": "web"}, "spec": {"template": {"metadata": None}}},
        {"kind": "VirtualMachine", "metadata": {}, "spec": {"template": {"metadata": {"annotations": None}}}},
        {"kind": "VirtualMachine", "metadata": {}, "spec": {"template": {"metadata": {"creationTimestamp": None}}}},
        {"kind": "VirtualMachineInstance", "metadata": {"annotations": {}}, "spec": {"domain": {}}},
        {"kind": "VirtualMachineInstance", "metadata": {"annotations": {"hooks": "x"}}},
        machine("VirtualMachineInstance", ""),
    ],
    ids=str,
)
def test_machines_without_sidecars_are_let_alone(new: Any) -> None:
    assert admits(documents(printed())[POLICY], new)


@pytest.mark.parametrize("kind", KINDS)
def test_what_ran_before_the_policy_stays_and_may_go_but_not_change(kind: str) -> None:
    """KubeVirt's controllers update running machines and remove their finalizers."""
    rule, good, other = documents(printed())[POLICY], annotation(printed()), BAD["a tag"]
    assert admits(rule, {**machine(kind, other), "status": {"phase": "Running"}}, machine(kind, other))
    assert admits(rule, machine(kind, good), machine(kind, other))
    assert admits(rule, machine(kind, ""), machine(kind, other))
    assert not admits(rule, machine(kind, other), machine(kind, good))
    assert not admits(rule, machine(kind, other), machine(kind, ""))
    assert not admits(rule, machine(kind, other + " "), machine(kind, other))


def test_it_is_not_moved_from_where_it_does_nothing_to_where_it_does() -> None:
    misplaced = {"kind": "VirtualMachine", "metadata": {"annotations": {ANNOTATION: BAD["a tag"]}}, "spec": {}}
    moved = machine("VirtualMachine", BAD["a tag"])
    assert admits(documents(printed())[POLICY], misplaced, misplaced)
    assert not admits(documents(printed())[POLICY], moved, misplaced)


# without NUL, because the Python binding of the CEL library ends a text there
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, max_size=40) | st.text(
    "'\"\\\n\r\t\u00e9\u2028\U0001f600$[]{}#: \x01\x7f\ufeff", max_size=20
)


@given(admitted=st.lists(TEXT, min_size=1, max_size=3), asked=TEXT)
@example(admitted=["a\nb"], asked="a\\nb")
@example(admitted=["'"], asked="\\'")
def test_exactly_the_listed_texts_are_admitted(admitted: list[str], asked: str) -> None:
    rule = documents(policy(admitted))[POLICY]
    for text in admitted:
        assert admits(rule, machine("VirtualMachineInstance", text))
    assert admits(rule, machine("VirtualMachineInstance", asked)) == (asked in [*admitted, ""])


def test_every_kind_and_both_writing_operations_are_matched() -> None:
    rule = documents(printed())[POLICY]["spec"]["matchConstraints"]
    matched = {(group, one) for r in rule["resourceRules"] for group in r["apiGroups"] for one in r["resources"]}
    assert matched == {
        ("pool.kubevirt.io" if kind == "VirtualMachinePool" else "kubevirt.io", f"{kind.lower()}s") for kind in MACHINES
    }
    assert all(r["operations"] == ["CREATE", "UPDATE"] and r["apiVersions"] == ["*"] for r in rule["resourceRules"])
    assert len(PLACES) == len({*MACHINES.values()})


def test_the_binding_denies() -> None:
    found = documents(printed())
    binding = found["ValidatingAdmissionPolicyBinding"]["spec"]
    assert binding == {"policyName": found[POLICY]["metadata"]["name"], "validationActions": ["Deny"]}


def test_the_policy_asks_for_the_checksum_too() -> None:
    (sidecar,) = json.loads(annotation(printed()))
    assert sidecar["args"][-2] == "--sha256"
    assert annotation(printed()) == annotation(
        manifest(PATCH, "--image", IMAGE, "--sha256", "--namespace", "lab").stdout
    )


def test_what_is_printed_is_taken_by_validate() -> None:
    checked = CliRunner().invoke(cli, ["validate", "-"], input=printed())
    assert checked.exit_code == 0, checked.output


# -- several -----------------------------------------------------------------------------------------------------------


def test_several_annotations_are_admitted_by_one_policy(tmp_path: Path) -> None:
    """From a policy printed earlier, and from a machine that has an annotation."""
    (tmp_path / "policy.yaml").write_text(printed())
    other = f'[{{"image": "registry.example.test/other@{DIGEST}", "args": ["it\'s"]}}]'
    (tmp_path / "vm.yaml").write_text(yaml.safe_dump(machine("VirtualMachine", other)))
    both = ["--admit", tmp_path / "policy.yaml", "--admit", tmp_path / "vm.yaml"]
    result = manifest(PATCH, "--image", IMAGE, "--policy", "--name", "second", *both)
    assert result.exit_code == 0, result.output
    rule = documents(result.stdout)[POLICY]
    for text in (annotation(result.stdout), annotation(printed()), other):
        assert admits(rule, machine("VirtualMachine", text))
    assert not admits(rule, machine("VirtualMachine", BAD["a tag"]))
    (tmp_path / "third.yaml").write_text(result.stdout)
    third = manifest(PATCH, "--image", IMAGE, "--policy", "--name", "second", "--admit", tmp_path / "third.yaml")
    assert documents(third.stdout)[POLICY] == rule


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b\n", "it has neither a hook sidecar annotation"),
        (yaml.safe_dump(machine("VirtualMachine", '[{"image": "a:latest"}]')), "names an image without a digest"),
        (yaml.safe_dump(machine("VirtualMachine", "[{}]")), "names an image without a digest"),
        (yaml.safe_dump(machine("VirtualMachine", "[")), "PL702"),
        ("kind: VirtualMachine\na: [\n", "PL003"),
    ],
    ids=["nothing", "a tag", "no image", "no JSON", "no YAML"],
)
def test_what_cannot_be_admitted(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    result = manifest(PATCH, "--image", IMAGE, "--policy", "--admit", tmp_path / "file.yaml")
    assert result.exit_code != 0
    assert said in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--image", "a:latest", "--policy"], "an image with a digest"),
        (["--image", f"a@{DIGEST[:-1]}", "--policy"], "an image with a digest"),
        (["--image", IMAGE, "--admit", "x"], "--admit needs --policy"),
        (["--image", IMAGE, "--policy", "--admit", "x"], "--admit x: "),
        (["--image", IMAGE, "--policy", "--plugin"], "either --policy or --plugin"),
        (["--image", IMAGE, "--condition", "true"], "--condition needs --plugin"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together(args: list[str], said: str) -> None:
    result = manifest(PATCH, *args)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
