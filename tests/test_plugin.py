"""``patchlang manifest --plugin``: the parts of its output fit together, and the sidecar finds its patches."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from cel_expr_python import cel
from click.testing import CliRunner, Result

from patchlang.admission import literals
from patchlang.admission.plugin import of_pod
from patchlang.cli import cli
from patchlang.document.yamltree import Mapping, Node, Scalar, Sequence
from patchlang.source import SourceFile
from shim.config import parse

ROOT = Path(__file__).parents[1]
PATCH = ROOT / "examples/patches/baseboard/patch.yaml"
IMAGE = "registry.example.test/patchlang:0.1.0"
KINDS = ["ConfigMap", "Plugin", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]


def manifest(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["manifest", "--plugin", "--image", IMAGE, *map(str, args)])


def printed(*args: str | Path) -> dict[str, Any]:
    result = manifest(PATCH, *args)
    assert result.exit_code == 0, result.output
    found = {document["kind"]: document for document in yaml.safe_load_all(result.stdout)}
    assert list(found) == KINDS
    return found


def added(found: dict[str, Any]) -> dict[str, Any]:
    """The additions of the policy to a pod, by path."""
    (mutation,) = found["MutatingAdmissionPolicy"]["spec"]["mutations"]
    operations = plain(literals.read(SourceFile("policy", mutation["jsonPatch"]["expression"])))
    assert all(operation["op"] == "add" for operation in operations)
    return {operation["path"]: operation["value"] for operation in operations}


def plain(node: Node) -> Any:
    match node:
        case Scalar(text, is_plain):
            return {"true": True, "false": False}[text] if is_plain else text
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {key.text: plain(value) for key, value in entries}


ARGUMENTS: list[list[str]] = [
    [],
    ["--name", "mine", "--namespace", "lab"],
    ["--condition", "'a' in vmi.metadata.annotations", "--sha256"],
    ["--condition", "has(vmi.spec.domain.cpu) && vmi.spec.domain.cpu.cores > 2", "--name", "1e3"],
]


@pytest.mark.parametrize("args", ARGUMENTS, ids=str)
def test_validate_takes_it_whole(args: list[str]) -> None:
    result = CliRunner().invoke(cli, ["validate", "--strict", "-"], input=manifest(PATCH, *args).stdout)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("args", ARGUMENTS, ids=str)
def test_the_parts_name_one_another(args: list[str]) -> None:
    found = printed(*args)
    name = found["ConfigMap"]["metadata"]["name"]
    volume, container = added(found)["/spec/volumes/-"], added(found)["/spec/containers/-"]
    assert found["Plugin"]["metadata"]["name"] == name
    policy = found["MutatingAdmissionPolicy"]["metadata"]["name"]
    assert found["MutatingAdmissionPolicyBinding"]["spec"]["policyName"] == policy
    assert volume == {"name": f"patchlang-{name}", "configMap": {"name": name}}
    sockets, patches = container["volumeMounts"]
    assert sockets["subPath"] == name
    assert patches == {"name": volume["name"], "mountPath": "/etc/patchlang/patches.d"}


@pytest.mark.parametrize("args", ARGUMENTS, ids=str)
def test_the_sidecar_takes_its_arguments(args: list[str]) -> None:
    found = printed(*args)
    container = added(found)["/spec/containers/-"]
    config = parse(container["args"])
    assert container["image"] == IMAGE
    assert config.version is None
    ((key, text),) = found["ConfigMap"]["data"].items()
    sockets, patches = container["volumeMounts"]
    assert config.patches == (Path(patches["mountPath"]) / key,)
    assert config.sha256 == ((sha256(text.encode()).hexdigest(),) if "--sha256" in args else ())
    (hook,) = found["Plugin"]["spec"]["domainHooks"]
    assert str(config.plugin_socket) == hook["sidecar"]["socketPath"]
    assert config.plugin_socket is not None
    assert PurePosixPath(sockets["mountPath"]) == config.plugin_socket.parent


def test_a_guaranteed_pod_stays_one() -> None:
    container = added(printed())["/spec/containers/-"]
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"cpu": "200m", "memory": "64M"}


def test_it_runs_without_privileges() -> None:
    assert added(printed())["/spec/containers/-"]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


# -- selecting VMs -----------------------------------------------------------------------------------------------------


def holds(expression: str, **names: Any) -> bool:
    env = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    value: bool = env.compile(expression).eval(data=names).plain_value()
    return value


@pytest.mark.parametrize(
    "condition",
    [
        "'a' in vmi.metadata.annotations",
        "!('a' in vmi.metadata.annotations) || vmi.metadata.labels.exists(l, l == 'x')",
        "'a' in vmi.metadata.annotations && vmi.metadata.annotations['a'] == 'vmi.metadata'",
    ],
)
@pytest.mark.parametrize("annotations", [{}, {"a": ""}, {"a": "vmi.metadata"}], ids=str)
@pytest.mark.parametrize("labels", [{}, {"x": ""}], ids=str)
def test_pods_are_chosen_as_their_vms_are(condition: str, annotations: dict[str, str], labels: dict[str, str]) -> None:
    found = printed("--condition", condition)
    assert found["Plugin"]["spec"]["condition"] == condition
    (asked,) = found["MutatingAdmissionPolicy"]["spec"]["matchConditions"]
    vmi = {"metadata": {"annotations": annotations, "labels": labels}}
    pod = {"metadata": {"annotations": {**annotations, "kubevirt.io/domain": "web"}, "labels": labels}}
    assert holds(asked["expression"], object=pod) == holds(condition, vmi=vmi)


@pytest.mark.parametrize("condition", ["vmi.metadata.name == 'web'", "size(vmi.spec.volumes) > 1", "vmi == vmi"])
def test_where_pods_do_not_show_it_each_has_the_container(condition: str) -> None:
    assert of_pod(condition) is None
    if condition != "vmi == vmi":
        result = manifest(PATCH, "--condition", condition)
        assert "matchConditions" not in result.stdout
        assert "each VM's pod gets the container" in result.stdout


def test_without_a_condition_it_is_for_every_vm() -> None:
    found = printed()
    assert "condition" not in found["Plugin"]["spec"]
    assert "matchConditions" not in found["MutatingAdmissionPolicy"]["spec"]


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--name", "a" * 54], 2, "at most 53 characters"),
        (["--condition", "annotation('a') == 'b'"], 1, "PL719"),
        (["--condition", "vmi.spec.domian.cpu.cores > 2"], 1, "PL911"),
        (["--condition", "vmi.metadata.name"], 1, "PL719"),
        (["--version", "v1alpha3"], 2, "--version is for hooks"),
    ],
    ids=str,
)
def test_what_it_refuses(args: list[str], status: int, said: str) -> None:
    result = manifest(PATCH, *args)
    assert result.exit_code == status
    assert said in " ".join(result.stderr.split())
    assert bool(result.stdout) == (status == 0)


def test_cloud_init_edits_which_no_call_would_apply(tmp_path: Path) -> None:
    (tmp_path / "zone.yaml").write_text(
        "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: zone}\nspec:\n  cloudInit:\n"
        "    - {op: ensure, target: userData, path: /timezone, value: UTC}\n"
    )
    result = manifest(tmp_path / "zone.yaml")
    assert result.exit_code == 2
    assert "the patches edit cloud-init data, which the Plugin API does not support" in " ".join(result.stderr.split())
