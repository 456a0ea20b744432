"""Facts of the pod: the sidecar's reads from its environment and from files, and the values it refuses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import DOMAIN
from shimprocess import Shim

from benchmarks.sidecar import children
from patchlang.engine import patch_domain
from patchlang.files import source_of
from patchlang.loading import load_sources
from patchlang.podfacts import MAX_FACT, MAX_FACTS
from patchlang.result import Outcome
from shim.pod import ThisPod

VMI = b'{"metadata": {"name": "web-01"}}'
INFO, HOOKS, SECRET = "/etc/podinfo/info", "/var/run/kubevirt-hooks/a/b", "/var/run/secrets/x/token"
PATCH = """
apiVersion: patchlang/v1
kind: Patch
metadata: {name: facts}
spec:
  facts: {env: [POD_FACT], files: {info: FILE}}
  domain:
    - {op: set, path: /domain/title, value: "$[ facts.env.POD_FACT.orValue('-') ] $[ facts.files.info.orValue('-') ]"}
"""


def run(root: Path, file: str = INFO) -> Outcome:
    program, found = load_sources([source_of("patch.yaml", PATCH.replace("FILE", file).encode())])
    assert program is not None, found
    return patch_domain(program, b"<domain><title/></domain>", b"{}", pod=ThisPod(str(root)))


def put(root: Path, path: str, content: bytes = b"text") -> Path:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def refusal(outcome: Outcome) -> str:
    (found,) = outcome.diagnostics
    assert outcome.data is None
    assert found.rule.id == "PL419"
    assert "SECRET" not in str(found)
    return found.message


@pytest.mark.parametrize(
    "file", [INFO, HOOKS, f"{{path: {SECRET}, allowSecret: true}}", "{path: /etc/podinfo/secret/a, allowSecret: true}"]
)
def test_files_in_their_places(tmp_path: Path, file: str) -> None:
    assert run(tmp_path, file).data == b"<domain><title>- -</title></domain>"
    path = file.removeprefix("{path: ").partition(",")[0]
    put(tmp_path, path)
    assert run(tmp_path, file).data == b"<domain><title>- text</title></domain>"


def test_links_as_the_kubelet_makes_them_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "/etc/podinfo/..2026/info")
    (tmp_path / "etc/podinfo/..data").symlink_to("..2026")
    (tmp_path / "etc/podinfo/info").symlink_to("..data/info")
    assert run(tmp_path).data == b"<domain><title>- text</title></domain>"
    put(tmp_path, "/run/kubevirt-hooks/a/b")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("../run")
    assert run(tmp_path, HOOKS).data == b"<domain><title>- text</title></domain>"


@pytest.mark.parametrize("outside", ["/etc/other", "/etc/podinfo-other/x", "/var/run/secrets/x", "/etc/passwd"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, outside: str) -> None:
    target = put(tmp_path, outside, b"SECRET")
    for link in (tmp_path / "etc/podinfo/info", tmp_path / "var/run/kubevirt-hooks/a/b"):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    for file in (INFO, HOOKS):
        assert refusal(run(tmp_path, file)).endswith("a link leaves its folder")
    (tmp_path / "etc/podinfo/info").unlink()
    os.link(target, tmp_path / "etc/podinfo/info")  # a hard link is the file itself
    assert run(tmp_path).data is not None


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "/elsewhere/info", b"SECRET")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/podinfo").symlink_to("../elsewhere")
    assert refusal(run(tmp_path)).endswith("a link leaves its folder")


def test_a_link_to_secrets_within_the_folder_needs_leave(tmp_path: Path) -> None:
    target = put(tmp_path, "/var/run/kubevirt-private/secret/a", b"SECRET")
    (tmp_path / "var/run/kubevirt-private/b").symlink_to(target)
    file = "/var/run/kubevirt-private/b"
    assert "needs `allowSecret`" in refusal(run(tmp_path, file))
    assert run(tmp_path, f"{{path: {file}, allowSecret: true}}").data == b"<domain><title>- SECRET</title></domain>"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"SECRET" + b"x" * MAX_FACT, f"it has more than {MAX_FACT} bytes"),
        (b"SECRET\xff", "it is not UTF-8 (byte 6)"),
        (b"SECRET\0", "it is not text"),
    ],
)
def test_what_is_no_text_of_a_sane_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, says: str
) -> None:
    put(tmp_path, INFO, content)
    assert refusal(run(tmp_path)) == f"the fact `files.info` cannot be used: {says}"
    if b"\0" not in content:
        monkeypatch.setitem(os.environb, b"POD_FACT", content)
        assert refusal(run(tmp_path)) == f"the fact `env.POD_FACT` cannot be used: {says}"


def test_what_is_no_regular_file_is_refused_and_waited_for_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "etc/podinfo").mkdir(parents=True)
    os.mkfifo(tmp_path / "etc/podinfo/info")
    assert refusal(run(tmp_path)).endswith("it is not a regular file")
    (tmp_path / "etc/podinfo/info").unlink()
    (tmp_path / "etc/podinfo/info").mkdir()
    assert refusal(run(tmp_path)).endswith("it is not a regular file")
    (tmp_path / "etc/podinfo/info").rmdir()
    (tmp_path / "etc/podinfo/info").symlink_to("info")
    assert "level" in refusal(run(tmp_path))


def test_a_file_behind_a_file_is_not_there(tmp_path: Path) -> None:
    put(tmp_path, "/etc/podinfo/info")
    assert run(tmp_path, "/etc/podinfo/info/more").data == b"<domain><title>- -</title></domain>"


def test_facts_together_have_a_limit_and_are_read_once_a_call(tmp_path: Path) -> None:
    files = {f"f{n}": f"/etc/podinfo/f{n}" for n in range(MAX_FACTS // MAX_FACT + 1)}
    for path in files.values():
        put(tmp_path, path, b"x" * MAX_FACT)
    listed = ", ".join(f"{name}: {path}" for name, path in files.items())
    text = PATCH.replace("{info: FILE}", f"{{{listed}}}").replace("facts.files.info", "facts.files.f0")
    program, _ = load_sources([source_of("patch.yaml", text.encode())])
    assert program is not None
    (found,) = patch_domain(program, b"<domain><title/></domain>", b"{}", pod=ThisPod(str(tmp_path))).diagnostics
    assert found.rule.id == "PL413"

    class Counting(ThisPod):
        asked = 0

        def variable(self, name: str) -> bytes | None:
            Counting.asked += 1
            return super().variable(name)

    twice = PATCH.replace("FILE", INFO)
    more = twice.replace("name: facts", "name: again")
    program, _ = load_sources([source_of("patch.yaml", f"{twice}---{more}".encode())])
    assert program is not None
    assert patch_domain(program, b"<domain><title/></domain>", b"{}", pod=Counting(str(tmp_path))).data is not None
    assert Counting.asked == 1


def test_the_sidecar_knows_its_environment_also_in_a_second_engine(shim: Shim) -> None:
    shim.patch(PATCH.replace("FILE", "/etc/podinfo/no-such-file-of-a-test").replace("op: set", "op: ensure"))
    shim.start("--log-level", "debug", environment={"POD_FACT": "MARKER-7"}).launcher()
    assert shim.process is not None
    for _ in range(2):
        assert b"<title>MARKER-7 -</title>" in virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, VMI)
        (engine,) = children(shim.process.pid)
        os.kill(engine, signal.SIGKILL)
        shim.wait_for("another engine is ready")
    assert "MARKER-7" not in shim.text


def test_a_fact_that_cannot_be_used_fails_the_call_and_is_in_no_log(shim: Shim) -> None:
    shim.patch(PATCH.replace("FILE", INFO).replace("op: set", "op: ensure"))
    shim.start("--log-level", "debug", environment={"POD_FACT": "MARKER-7\udcff"}).launcher()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, VMI)
    assert (
        "error[PL419 unreadable-fact] the fact `env.POD_FACT` cannot be used: it is not UTF-8" in caught.value.details()
    )
    assert "MARKER-7" not in shim.text + caught.value.details()
