"""Hook executables: the same files as with KubeVirt's own sidecar-shim, run unchanged; and everything that may fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_VALUE, DOMAIN, ENTRY, PATCH, VMI, patched
from shimprocess import CONTAINER, Shim

from shim.stubs import v1alpha2_pb2, v1alpha2_pb2_grpc

SLOWRUN = Path(__file__).with_name("slowrun.py")

HANGING = "#!/bin/sh\necho started >&2\nsleep 300\n"

SED = f"""\
#!/bin/sh
# onDefineDomain --vmi JSON --domain XML
domain=$4
entry='{ENTRY}'
printf '%s' "$domain" | sed "s|<baseBoard></baseBoard>|<baseBoard>$entry</baseBoard>|"
"""

PYTHON = """\
#!/usr/bin/env python3
import argparse, json, sys
import xml.etree.ElementTree as ET

options = argparse.ArgumentParser()
options.add_argument("--vmi")
options.add_argument("--domain")
given = options.parse_args()
json.loads(given.vmi)
root = ET.fromstring(given.domain)
board = root.find("sysinfo/baseBoard")
entry = ET.SubElement(board, "entry", name="manufacturer")
entry.text = "Radical Edward"
print("done", file=sys.stderr)
sys.stdout.write(ET.tostring(root, encoding="unicode"))
"""

COMPILED = r"""
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *domain = 0, *empty = "<baseBoard></baseBoard>", *at;
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--domain")) domain = argv[i + 1];
    if (!domain || !(at = strstr(domain, empty))) return 1;
    printf("%.*s<baseBoard>%s</baseBoard>%s", (int)(at - domain), domain,
           "<entry name=\"manufacturer\">Radical Edward</entry>", at + strlen(empty));
    return 0;
}
"""

CLOUD_INIT_SCRIPT = """\
#!/usr/bin/env python3
import json, sys
data = json.loads(sys.argv[sys.argv.index("--cloud-init") + 1])
vmi = json.loads(sys.argv[sys.argv.index("--vmi") + 1])
data["UserData"] += "fqdn: " + vmi["metadata"]["name"] + "\\n"
data["NetworkData"] = "version: 2\\n"
print(json.dumps(data))
"""


REFUSED = "is refused: virt-launcher cannot use the result: "


def refused(shim: Shim, domain: bytes = DOMAIN, vmi: bytes = VMI) -> grpc.RpcError:
    """The error of OnDefineDomain; the sidecar must keep running."""
    path = shim.launcher().only.path
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.define_domain(path, "v1alpha2", domain, vmi)
    assert virtlauncher.ask_info(path).name == "shim"
    assert len(caught.value.details().encode()) < 1024
    assert caught.value.details().isprintable()
    return caught.value


def failed(shim: Shim, domain: bytes = DOMAIN, vmi: bytes = VMI) -> str:
    """The message of OnDefineDomain's FAILED_PRECONDITION."""
    error = refused(shim, domain, vmi)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    return str(error.details())


def test_a_shell_script(shim: Shim) -> None:
    shim.executable("onDefineDomain", SED)
    launcher = shim.start().launcher()
    assert launcher.only.hook_points == ("OnDefineDomain",)
    assert launcher.on_define_domain(DOMAIN, VMI) == patched(DOMAIN)
    assert all(ENTRY.encode() in result for result in launcher.boot(DOMAIN, VMI))
    assert "Executing onDefineDomain" in shim.messages


def test_a_python_script(shim: Shim) -> None:
    shim.executable("onDefineDomain", PYTHON)
    assert ENTRY.encode() in shim.start().launcher().on_define_domain(DOMAIN, VMI)
    assert "onDefineDomain: done" in shim.messages


def test_a_compiled_program(shim: Shim) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = shim.folder / "hook.c"
    source.write_text(COMPILED)
    subprocess.run([compiler, "-o", str(shim.bin / "onDefineDomain"), str(source)], check=True)
    assert shim.start().launcher().on_define_domain(DOMAIN, VMI) == patched(DOMAIN)


@pytest.mark.parametrize("version", ["v1alpha2", "v1alpha3"])
def test_cloud_init(shim: Shim, version: str) -> None:
    shim.executable("preCloudInitIso", CLOUD_INIT_SCRIPT)
    launcher = shim.start(version=version).launcher()
    assert launcher.only.hook_points[0] == "PreCloudInitIso"
    data = launcher.pre_cloud_init_iso(CLOUD_INIT, VMI)
    expected = {"UserData": CLOUD_INIT_VALUE["UserData"] + "fqdn: web-01\n", "NetworkData": "version: 2\n"}
    assert data == {**CLOUD_INIT_VALUE, **expected}
    result = virtlauncher.pre_cloud_init(launcher.only.path, version, CLOUD_INIT, VMI)
    assert json.loads(result.cloudInitNoCloudSource) == {
        "userData": expected["UserData"],
        "networkData": expected["NetworkData"],
    }


def test_v1alpha1_has_no_call_for_cloud_init(shim: Shim) -> None:
    shim.executable("preCloudInitIso", CLOUD_INIT_SCRIPT)
    assert shim.start(version="v1alpha1").launcher().only.hook_points == ()
    assert any("cloud-init data will not change" in m for m in shim.messages)


def test_the_plugin_api_has_no_call_for_cloud_init(shim: Shim) -> None:
    """A hook would do nothing, silently."""
    shim.executable("preCloudInitIso", CLOUD_INIT_SCRIPT)
    path = shim.start("--plugin-socket", str(shim.plugin), version=None).wait_for_plugin()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.mutate_domain(path, DOMAIN, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "--plugin-socket alone does not support cloud-init data" in caught.value.details()


def test_the_arguments_are_the_originals(shim: Shim) -> None:
    dump = shim.folder / "arguments"
    shim.executable("onDefineDomain", f'#!/bin/sh\nprintf "%s\\n" "$#" "$1" "$2" "$3" > {dump}\nprintf %s "$4"\n')
    assert shim.start().launcher().on_define_domain(DOMAIN, VMI) == DOMAIN
    assert dump.read_text() == f"4\n--vmi\n{VMI.decode()}\n--domain\n"


def test_it_gets_no_input_and_the_sidecars_environment(shim: Shim) -> None:
    script = '#!/bin/sh\ncat >&2\necho "<domain>$MARK ${GRPC_VERBOSITY-unset}</domain>"\n'
    shim.executable("onDefineDomain", script)
    launcher = shim.start(environment={"MARK": "seen"}).launcher()
    assert launcher.on_define_domain(DOMAIN, VMI) == b"<domain>seen unset</domain>\n"


@pytest.mark.parametrize("more", [{}, {"LANG": "C.UTF-8", "LC_ALL": ""}, {"X": "a=b\nc", "é": "ö"}, {"LC_CTYPE": "C"}])
def test_the_environment_is_exactly_the_containers(shim: Shim, more: dict[str, str]) -> None:
    """Python adds LC_CTYPE to its own environment in the C locale: then `sed` would count characters, not bytes."""
    program = "import os, sys; open(sys.argv[0] + '.env', 'wb').write(open('/proc/self/environ', 'rb').read())"
    shim.executable("onDefineDomain", f"#!{sys.executable} -IS\n{program}\nsys.stdout.write(sys.argv[4])\n")
    given = {"PATH": f"{shim.bin}:/usr/bin:/bin", "CONTAINER_NAME": CONTAINER, "PYTHONPATH": os.pathsep.join(sys.path)}
    given |= more
    shim.start(within=["env", "-i", *(f"{name}={value}" for name, value in given.items())])
    assert shim.launcher().on_define_domain(DOMAIN, VMI) == DOMAIN
    shown = shim.bin / "onDefineDomain.env"
    entries = [entry.decode() for entry in shown.read_bytes().rstrip(b"\0").split(b"\0")]
    assert sorted(entries) == sorted(f"{name}={value}" for name, value in given.items())


def test_sed_counts_bytes_where_the_container_says_no_locale(shim: Shim) -> None:
    shim.executable("onDefineDomain", "#!/bin/sh\nprintf %s \"$4\" | sed 's/<name>../<name>/'\n")
    path = f"PATH={shim.bin}:/usr/bin:/bin"
    shim.start(within=["env", "-i", path, f"CONTAINER_NAME={CONTAINER}", f"PYTHONPATH={os.pathsep.join(sys.path)}"])
    domain = DOMAIN.replace(b"<name>lab_web-01", "<name>éweb".encode())
    assert b"<name>web</name>" in shim.launcher().on_define_domain(domain, VMI)


def test_non_zero_exit(shim: Shim) -> None:
    script = "#!/bin/sh\nfor i in $(seq 1000); do echo line $i >&2; done\necho disk vdz is missing >&2\nexit 3\n"
    shim.executable("onDefineDomain", script)
    shim.start()
    text = failed(shim)
    assert "ended with exit status 3" in text
    assert text.endswith("line 999 | line 1000 | disk vdz is missing")
    assert "onDefineDomain: line 1" in shim.messages
    assert "onDefineDomain: disk vdz is missing" in shim.messages


def test_end_by_signal(shim: Shim) -> None:
    shim.executable("onDefineDomain", "#!/bin/sh\nkill -SEGV $$\n")
    shim.start()
    assert "was ended by signal 11; it wrote nothing to standard error" in failed(shim)


def test_a_program_that_hangs(shim: Shim) -> None:
    children = shim.folder / "children"
    shim.executable("onDefineDomain", f"#!/bin/sh\necho waiting >&2\nsleep 300 & echo $! > {children}\nwait\n")
    shim.start(program=SLOWRUN)
    for _ in range(2):
        assert "did not finish within 3 s and was killed; its standard error ends: waiting" in failed(shim)
        assert is_gone(int(children.read_text()))


def test_a_caller_with_less_patience(shim: Shim) -> None:
    """The run is stopped before the caller gives up, so that the caller learns why; a queued run has less time left."""
    shim.executable("onDefineDomain", HANGING)
    shim.start().launcher()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, VMI, seconds=2)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert re.search(r"did not finish within [123](\.\d)? s and was killed", caught.value.details())


def test_a_caller_that_is_gone(shim: Shim) -> None:
    shim.executable("onDefineDomain", HANGING)
    shim.start(program=SLOWRUN).launcher()
    with virtlauncher.dial(shim.socket) as channel:
        stub = v1alpha2_pb2_grpc.CallbacksStub(channel)
        pending = stub.OnDefineDomain.future(v1alpha2_pb2.OnDefineDomainParams(domainXML=DOMAIN, vmi=VMI))  # type: ignore[attr-defined]
        shim.wait_for("onDefineDomain: started")
        pending.cancel()
    shim.executable("onDefineDomain", SED)
    assert virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, VMI) == patched(DOMAIN)


def test_a_child_that_prints_the_result(shim: Shim) -> None:
    """As in the original, the output ends when no process can write to it any more."""
    shim.executable("onDefineDomain", '#!/bin/sh\nprintf "%s" "$4" > "$0.in"\n(sleep 1; cat "$0.in") &\nexit 0\n')
    assert shim.start().launcher().on_define_domain(DOMAIN, VMI) == DOMAIN


def test_a_child_that_prints_the_rest_of_the_result(shim: Shim) -> None:
    shim.executable("onDefineDomain", "#!/bin/sh\nprintf '<domain>'\nsetsid sh -c 'sleep 1; printf \"</domain>\"' &\n")
    assert shim.start().launcher().on_define_domain(DOMAIN, VMI) == b"<domain></domain>"


@pytest.mark.parametrize("how", ["", "setsid ", "setsid nohup setsid "], ids=["plain", "setsid", "setsid-twice"])
def test_a_child_that_keeps_the_output_open(shim: Shim, how: str) -> None:
    """The sidecar waits until the deadline, then kills everything, including processes in their own session."""
    children = shim.folder / "children"
    script = f"#!/bin/sh\n{how}sh -c 'echo $$ > {children}; exec sleep 300' &\necho said >&2\nprintf %s \"$4\"\n"
    shim.executable("onDefineDomain", script)
    shim.start(program=SLOWRUN)
    for _ in range(2):
        assert "did not finish within 3 s and was killed; its standard error ends: said" in failed(shim)
        assert is_gone(int(children.read_text()))
    shim.executable("onDefineDomain", SED)
    assert virtlauncher.define_domain(shim.socket, "v1alpha2", DOMAIN, VMI) == patched(DOMAIN)


@pytest.mark.parametrize("how", ["", "setsid "], ids=["plain", "setsid"])
@pytest.mark.parametrize("end", ["SIGTERM", "Shutdown"])
def test_a_child_that_keeps_standard_error_open_delays_nothing(shim: Shim, how: str, end: str) -> None:
    """The child stays alive, its messages are logged, and it ends with the sidecar."""
    children = shim.folder / "children"
    background = f"echo $$ > {children}; while :; do sleep 0.2; echo still here >&2; done"
    shim.executable("onDefineDomain", f"#!/bin/sh\n{how}sh -c '{background}' >/dev/null &\nprintf %s \"$4\"\n")
    launcher = shim.start(version="v1alpha3").launcher()
    assert launcher.on_define_domain(DOMAIN, VMI) == DOMAIN
    shim.wait_for("onDefineDomain: still here")
    pid = int(children.read_text())
    os.kill(pid, 0)
    before = shim.text.count("still here")
    assert launcher.on_define_domain(DOMAIN, VMI) == DOMAIN
    os.kill(pid, 0)
    while_it_lives = time.monotonic() + 20
    while shim.text.count("still here") <= before and time.monotonic() < while_it_lives:
        time.sleep(0.02)
    assert shim.text.count("still here") > before
    if end == "Shutdown":
        launcher.shutdown()
        assert shim.end() == 0
    else:
        assert shim.signal(signal.SIGTERM) == 0
    assert is_gone(pid)
    assert is_gone(int(children.read_text()))


def test_a_later_hook_that_is_late_ends_no_child_of_an_earlier_one(shim: Shim) -> None:
    """Only processes that the late hook started are killed."""
    children = shim.folder / "children"
    shim.executable("onDefineDomain", f'#!/bin/sh\nsleep 300 >/dev/null 2>&1 & echo $! > {children}\nprintf %s "$4"\n')
    shim.start(program=SLOWRUN)
    assert shim.launcher().on_define_domain(DOMAIN, VMI) == DOMAIN
    shim.executable("onDefineDomain", HANGING)
    assert "did not finish within 3 s" in failed(shim)
    pid = int(children.read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00300\x00"
    assert shim.signal(signal.SIGTERM) == 0
    assert is_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_the_sidecars_end_is_that_of_its_group(shim: Shim, number: signal.Signals) -> None:
    import threading

    children = shim.folder / "children"
    script = f"#!/bin/sh\ntrap '' TERM HUP\nsleep 300 & echo $$ $! > {children}\necho up >&2\nwait\nwait\n"
    shim.executable("onDefineDomain", script)
    launcher = shim.start().launcher()
    errors: list[grpc.RpcError] = []

    def call() -> None:
        with pytest.raises(grpc.RpcError) as caught:
            launcher.on_define_domain(DOMAIN, VMI)
        errors.append(caught.value)

    thread = threading.Thread(target=call)
    thread.start()
    shim.wait_for("onDefineDomain: up")
    assert shim.signal(number) == 0
    thread.join()
    assert errors[0].code() is grpc.StatusCode.UNAVAILABLE
    assert "the sidecar is shutting down" in errors[0].details()
    assert all(is_gone(int(pid)) for pid in children.read_text().split())


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("", "is not well-formed at line 1, column 1: no element found"),
        ("hello", "is not well-formed at line 1, column 1: syntax error"),
        ("<domain>", "is not well-formed at line 1, column 9: no element found"),
        (r"<domain>\n<a>\n</domain>", "is not well-formed at line 3, column 3: mismatched tag"),
        ("<domain><q:a></q:a></domain>", "is not well-formed at line 1, column 9: unbound prefix"),
        ("<network></network>", "has the root `network`, not `domain`"),
        ('<domain xmlns="urn:x"></domain>', "has the root `urn:x domain`, not `domain`"),
        ("note: <domain></domain>", "is not well-formed at line 1, column 1: syntax error"),
        ("<domain></domain> done", "is not well-formed at line 1, column 19: junk after document element"),
        ("<domain></domain><domain></domain>", "is not well-formed at line 1, column 18: junk after document element"),
        ("<!DOCTYPE domain><domain></domain>", "has a DOCTYPE; entities and DTDs are not allowed"),
        ('<?xml version="1.0" encoding="UTF-16"?><domain></domain>', "declares encoding UTF-16"),
        ("<domain>" + "<a>" * 256 + "</a>" * 256 + "</domain>", "is nested deeper than 256 elements"),
        (r"<domain>\377</domain>", "is not UTF-8 (byte 8)"),
    ],
)
def test_garbage(shim: Shim, printed: str, said: str) -> None:
    shim.executable("onDefineDomain", f"#!/bin/sh\nprintf '{printed}'\n")
    shim.start()
    text = failed(shim)
    assert f"the output of onDefineDomain ({shim.bin}/onDefineDomain)" in text
    assert said in text


def test_output_without_end(shim: Shim) -> None:
    shim.executable("onDefineDomain", "#!/bin/sh\nexec cat /dev/zero\n")
    shim.start()
    assert "printed more than 4194304 bytes and was killed" in failed(shim)


@pytest.mark.parametrize("too_many", [False, True])
def test_an_output_that_just_fits_the_answer(shim: Shim, too_many: bool) -> None:
    """A few bytes of gRPC's 4 MiB message limit are not available for the data."""
    size = 4 * 1024 * 1024 - 64 + too_many
    shim.executable("onDefineDomain", f"#!/bin/sh\nprintf '<domain>'\nyes | head -c {size - 17}\nprintf '</domain>'\n")
    shim.start()
    if too_many:
        assert "makes a response of 4194241 bytes, more than one gRPC message can hold (4194240 bytes)" in failed(shim)
    else:
        assert len(shim.launcher().on_define_domain(DOMAIN, VMI)) == size


def test_standard_error_without_end(shim: Shim) -> None:
    """A long line, many lines, no line end: all of it is read, bounded in the log, and blocks nothing."""
    script = (
        "#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x >&2\necho >&2\n"
        "head -c 10000000 /dev/zero | tr '\\0' '\\n' >&2\nyes noise | head -c 3000000 >&2\n"
        'printf %s "last words" >&2\nprintf %s "$4"\n'
    )
    shim.executable("onDefineDomain", script)
    assert shim.start().launcher().on_define_domain(DOMAIN, VMI) == DOMAIN
    assert len(shim.text) < 20_000_000
    assert any("the rest of its standard error is not logged" in m for m in shim.messages)
    assert any(m.endswith("(line cut)") for m in shim.messages)


def test_odd_standard_error(shim: Shim) -> None:
    shim.executable(
        "onDefineDomain",
        r"""#!/bin/sh
printf 'red \033[31m\000 \377\rand\n\n\tend' >&2
exit 1
""",
    )
    shim.start()
    assert failed(shim).endswith(r"its standard error ends: red \x1b[31m\x00 � | and | end")
    assert "onDefineDomain: \tend" in shim.messages


@pytest.mark.parametrize("what", ["domain", "vmi"])
def test_an_argument_that_is_too_long(shim: Shim, what: str) -> None:
    shim.executable("onDefineDomain", SED)
    shim.start()
    domain, vmi = DOMAIN, VMI
    if what == "domain":
        domain = DOMAIN.replace(b"</domain>", b" " * (131_072 - len(DOMAIN)) + b"</domain>")
    else:
        vmi = VMI + b" " * (131_072 - len(VMI))
    error = refused(shim, domain, vmi)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"--{what} would be 131072 bytes long" in error.details()
    assert "131071" in error.details()
    longest = DOMAIN.replace(b"</domain>", b" " * (131_071 - len(DOMAIN)) + b"</domain>")
    assert virtlauncher.define_domain(shim.socket, "v1alpha2", longest, VMI) == patched(longest)


def test_a_nul_in_an_argument(shim: Shim) -> None:
    shim.executable("onDefineDomain", SED)
    shim.start()
    error = refused(shim, b"<domain>\0</domain>")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("vmi", [b"", b"no", b"[]", b"\xff"])
def test_the_vmi_is_checked(shim: Shim, vmi: bytes) -> None:
    shim.executable("onDefineDomain", SED)
    shim.executable("preCloudInitIso", CLOUD_INIT_SCRIPT)
    shim.start()
    assert refused(shim, vmi=vmi).code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.pre_cloud_init(shim.socket, "v1alpha2", CLOUD_INIT, vmi)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Executing" not in shim.text


def test_cloud_init_data_is_checked(shim: Shim) -> None:
    shim.executable("preCloudInitIso", CLOUD_INIT_SCRIPT)
    shim.start().launcher()
    for data in (b"", b"no", b"[]", b"null"):
        with pytest.raises(grpc.RpcError) as caught:
            virtlauncher.pre_cloud_init(shim.socket, "v1alpha2", data, VMI)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "PL505" in caught.value.details()


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("", "is not JSON (it is empty)"),
        ("null", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ("{} {}", "is not JSON (line 1, column 4)"),
        ("{'a': 1}", "is not JSON"),
        ('{"UserData": NaN}', "is not JSON"),
        ("{}", f"{REFUSED}DataSource must be `noCloud` or `configDrive`"),
        ('{"DataSource":"noCloud"}', f"{REFUSED}UserData and NetworkData are both empty"),
        ('{"DataSource":"noCloud","UserData":"","NoCloudMetaData":{}}', f"{REFUSED}UserData and NetworkData are both"),
        (
            '{"DataSource":"noCloud","UserData":"","NetworkData":"version: 2","NoCloudMetaData":{}}',
            f"{REFUSED}UserData is empty: virt-launcher then uses only user data and network data",
        ),
        ('{"DataSource":"noCloud","UserData":5,"NoCloudMetaData":{}}', f"{REFUSED}`UserData` is a number"),
        ('{"DataSource":"noCloud","UserData":"x"}', f"{REFUSED}NoCloudMetaData and ConfigDriveMetaData are both null"),
        (
            '{"DataSource":"noCloud","UserData":"x","NoCloudMetaData":null}',
            f"{REFUSED}NoCloudMetaData and ConfigDriveMetaData are both null",
        ),
        ('{"DataSource":"noCloud","UserData":"x","NoCloudMetaData":"y"}', f"{REFUSED}`NoCloudMetaData` is text"),
        (
            '{"DataSource":"noCloud","UserData":"x","NoCloudMetaData":{"instance-id":7}}',
            f"{REFUSED}`NoCloudMetaData.instance-id` is a number",
        ),
        (
            '{"DataSource":"noCloud","UserData":"x","NoCloudMetaData":{},"DevicesData":{}}',
            f"{REFUSED}`DevicesData` is a map, but virt-launcher expects a list",
        ),
        ('{"DataSource":[],"UserData":"x","NoCloudMetaData":{}}', f"{REFUSED}`DataSource` is a list"),
        ('{"DataSource":"floppy","UserData":"x","NoCloudMetaData":{}}', f"{REFUSED}DataSource must be"),
        ('{"userData":"x","networkData":"y"}', f"{REFUSED}DataSource must be"),
    ],
)
def test_a_cloud_init_result_that_virt_launcher_cannot_use(shim: Shim, printed: str, said: str) -> None:
    (shim.folder / "printed").write_text(printed)
    shim.executable("preCloudInitIso", f"#!/bin/sh\ncat {shim.folder}/printed\n")
    shim.start().launcher()
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.pre_cloud_init(shim.socket, "v1alpha2", CLOUD_INIT, VMI)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert f"the output of preCloudInitIso ({shim.bin}/preCloudInitIso) {said}" in caught.value.details()


def test_names_in_any_case_are_taken_as_go_takes_them(shim: Shim) -> None:
    printed = '{"datasource":"configDrive","USERDATA":"x","UserData":null,"ConfigDriveMetadata":{"uuid":"1"}}'
    (shim.folder / "printed").write_text(printed)
    shim.executable("preCloudInitIso", f"#!/bin/sh\ncat {shim.folder}/printed\n")
    shim.start().launcher()
    result = virtlauncher.pre_cloud_init(shim.socket, "v1alpha2", CLOUD_INIT, VMI)
    assert result.cloudInitData == printed.encode()
    assert result.cloudInitNoCloudSource == b'{"userData":"x"}'


def test_what_virt_launcher_drops_of_a_cloud_init_result_is_warned_of(shim: Shim) -> None:
    value = {**CLOUD_INIT_VALUE, **{f"Own{number}": number for number in range(500)}}
    shim.executable("preCloudInitIso", f"#!/bin/sh\ncat <<'END'\n{json.dumps(value)}\nEND\n")
    launcher = shim.start().launcher()
    assert launcher.pre_cloud_init_iso(CLOUD_INIT, VMI) == value
    warnings = [line["msg"] for line in shim.lines if line["level"] == "warning"]
    assert len(warnings) == 21
    assert "output of preCloudInitIso: " in warnings[0]
    assert "virt-launcher does not know field `Own0` and drops it" in warnings[0]
    assert warnings[-1] == "480 more warnings omitted"


def test_a_name_that_is_not_written_in_the_script_may_be_a_value(shim: Shim) -> None:
    """Names from the input and from the script are shown; names that the script computed are not."""
    given = {**CLOUD_INIT_VALUE, "NoCloudMetaData": {"instance-id": "i", "local-hostname": "h"}, "Given": 1}
    value = {**given, "written": 1, "hunter2": 1, "NoCloudMetaData": {"instance-id": "i", "hunter2": "x"}}
    (shim.folder / "printed").write_text(json.dumps(value))
    shim.executable("preCloudInitIso", f"#!/bin/sh\n# written\ncat {shim.folder}/printed\n")
    launcher = shim.start().launcher()
    assert launcher.pre_cloud_init_iso(json.dumps(given).encode(), VMI) == value
    warnings = [line["msg"] for line in shim.lines if line["level"] == "warning"]
    fields = [warning.split("`")[1] for warning in warnings]
    assert fields == ["Given", "written", "…", "NoCloudMetaData.…"]
    assert "hunter2" not in shim.text


@pytest.mark.parametrize("content", ["#!/bin/sh\ncat\n", b"\x7fELF\x02"], ids=["script", "binary"])
def test_not_executable(shim: Shim, content: str | bytes) -> None:
    """Present but not executable: the original skips it, and the VM starts without its hook."""
    path = shim.executable("onDefineDomain", content, mode=0o644)
    launcher = shim.start().launcher()
    assert launcher.only.hook_points == ("OnDefineDomain",)
    assert f"{path} exists, but is not executable" in failed(shim)


def test_not_executable_for_cloud_init(shim: Shim) -> None:
    """The error appears where it is noticed: PreCloudInitIso may not be called at all."""
    path = shim.executable("preCloudInitIso", CLOUD_INIT_SCRIPT, mode=0o644)
    assert shim.start().launcher().only.hook_points == ("OnDefineDomain",)
    assert f"preCloudInitIso: {path} exists, but is not executable" in failed(shim)


def test_not_a_file(shim: Shim) -> None:
    os.mkfifo(shim.bin / "onDefineDomain")
    shim.start()
    assert "is not a regular file" in failed(shim)


@pytest.mark.parametrize("with_a_good_one", [False, True])
@pytest.mark.parametrize("kind", ["empty", "full", "link", "pipe", "socket"])
def test_what_is_no_file_is_an_error_wherever_it_is(shim: Shim, kind: str, with_a_good_one: bool) -> None:
    """The kubelet creates an empty directory if a ConfigMap lacks the key: somebody meant to put a hook there."""
    second = shim.folder / "second"
    second.mkdir()
    if with_a_good_one:
        shim.executable("onDefineDomain", SED).rename(second / "onDefineDomain")
    path = shim.bin / "onDefineDomain"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "link":
        path.symlink_to(shim.folder / "nowhere")
    else:
        path.mkdir()
        if kind == "full":
            (path / "onDefineDomain").write_text(SED)
    shim.start(environment={"PATH": f"{shim.bin}:{second}:{os.environ['PATH']}"})
    words = {
        "empty": "is an empty directory: the kubelet creates one if the ConfigMap has no such key; check",
        "full": "is a directory, but must be a file",
        "link": "is a broken link",
        "pipe": "is not a regular file",
        "socket": "is not a regular file",
    }
    assert f"onDefineDomain: {path} {words[kind]}" in failed(shim)


def test_what_is_no_file_is_an_error_beside_patches_too(shim: Shim) -> None:
    shim.patch(PATCH)
    (shim.bin / "preCloudInitIso").mkdir()
    shim.start()
    assert "preCloudInitIso is an empty directory" in failed(shim)


@pytest.mark.parametrize("content", ["#!/bin/sh\ncat\n", b"\x7fELF\x02"], ids=["script", "binary"])
def test_a_good_one_after_one_that_is_not_executable(shim: Shim, content: str | bytes) -> None:
    """The later one runs, as in the original, and the log says why."""
    skipped = shim.executable("onDefineDomain", content, mode=0o644)
    second = shim.folder / "second"
    second.mkdir()
    (second / "onDefineDomain").write_text(SED)
    (second / "onDefineDomain").chmod(0o755)
    shim.start(environment={"PATH": f"{shim.bin}:{second}:{os.environ['PATH']}"})
    assert shim.launcher().on_define_domain(DOMAIN, VMI) == patched(DOMAIN)
    (warning,) = [line["msg"] for line in shim.lines if line["level"] == "warning"]
    assert warning.startswith(f"onDefineDomain: {skipped} exists, but is not executable for user ")
    assert warning.endswith(f", so using {second}/onDefineDomain")


def test_gone_since_the_start(shim: Shim) -> None:
    path = shim.executable("onDefineDomain", SED)
    shim.start().launcher()
    path.unlink()
    assert "cannot be started: No such file or directory" in failed(shim)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("#!/no/such/interpreter -x\n", "its interpreter `/no/such/interpreter` does not exist"),
        (
            "#!/bin/sh\r\ncat\r\n",
            "its interpreter `/bin/sh` with a carriage return does not exist",
        ),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "it is not a program for this machine"),
    ],
)
def test_what_the_kernel_cannot_run(shim: Shim, content: str | bytes, said: str) -> None:
    shim.executable("onDefineDomain", content)
    shim.start()
    assert f"cannot be started: {said}" in failed(shim)


def test_many_calls_leave_nothing_behind(shim: Shim) -> None:
    shim.executable("onDefineDomain", SED)
    launcher = shim.start().launcher()
    assert shim.process is not None
    descriptors = Path(f"/proc/{shim.process.pid}/fd")
    launcher.on_define_domain(DOMAIN, VMI)
    before = len(list(descriptors.iterdir()))
    for _ in range(30):
        launcher.on_define_domain(DOMAIN, VMI)
    assert len(list(descriptors.iterdir())) <= before + 2
    children = Path(f"/proc/{shim.process.pid}/task/{shim.process.pid}/children").read_text().split()
    assert children == []


def is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that belongs to another parent counts as ended."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
