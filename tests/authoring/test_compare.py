"""A hook compared with its patches: each difference is reported with its location, however the hook writes XML."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from patchlang.cli import cli

DOMAIN = """\
<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
  <name>a</name>
  <vcpu>2</vcpu>
  <devices>
    <disk type="file"><driver name="qemu" cache="none"/><target dev="vda"/></disk>
    <disk type="file"><driver name="qemu" cache="none"/><target dev="vdb"/></disk>
  </devices>
</domain>
"""
CLOUD_INIT = {
    "DataSource": "noCloud",
    "NoCloudMetaData": {"instance-id": "i"},
    "UserData": "#cloud-config\na: [1, 2]\n",
}
PATCH = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: one}\nspec:\n"
SAME = '#!/bin/sh\nprintf %s "$4" | sed \'s/cache=.none./cache="writeback"/\'\n'
SETS = "  domain:\n    - {op: set, path: /domain/devices/disk/driver/@cache, expect: 2, value: writeback}\n"

Compare = Callable[..., Result]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    monkeypatch.chdir(tmp_path)

    def run(hook: str, spec: str, *words: str) -> Result:
        Path("hook").write_text(hook)
        Path("hook").chmod(0o755)
        Path("patch.yaml").write_text(PATCH + spec)
        Path("domain.xml").write_text(DOMAIN)
        Path("data.json").write_text(json.dumps(CLOUD_INIT))
        given = words if any(not word.startswith("--format") for word in words) else ("--domain", "domain.xml", *words)
        return CliRunner().invoke(cli, ["compare", "--hook", "./hook", "-p", "patch.yaml", *given])

    return run


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (SAME, "same: domain\n1 sample: 1 same\n"),
        (
            SAME.replace("'s", "'s/><target/> <target/;s"),
            "same: domain\n  note: only bytes differ: white space, quotes, or the order of attributes\n"
            "1 sample: 1 same\n",
        ),
    ],
)
def test_the_same(hook: str, said: str, compare: Compare) -> None:
    done = compare(hook, SETS)
    assert (done.exit_code, done.stdout) == (0, said)


DISK_A = "/domain/devices/disk[target/@dev='vda']"


@pytest.mark.parametrize(
    ("sed", "path", "hook", "patches"),
    [
        ("s/none/unsafe/;s/none/unsafe/", f"{DISK_A}/driver/@cache", "unsafe", "writeback"),
        ("s/ cache=.none.//", f"{DISK_A}/driver/@cache", "nothing", "writeback"),
        ("s/none/writeback/;s/>2</>3</", "/domain/vcpu", "3", "2"),
        ("s/none/writeback/;s/<vcpu>2</<vcpu></", "/domain/vcpu", "an empty text", "2"),
        ("s/none/writeback/;s/<vcpu>.*//", "/domain/vcpu", "nothing", "<vcpu>2</vcpu>"),
        (
            "s/none/writeback/;s|</devices>|<watchdog model='itco'/></devices>|",
            "/domain/devices/watchdog[@model='itco']",
            '<watchdog model="itco"/>',
            "nothing",
        ),
        (
            "s/none/writeback/;s|<devices>|<devices><!-- by hook -->|",
            "/domain/devices/comment()",
            "<!-- by hook -->",
            "nothing",
        ),
    ],
)
def test_a_difference(sed: str, path: str, hook: str, patches: str, compare: Compare) -> None:
    done = compare(f'#!/bin/sh\nprintf %s "$4" | sed "{sed}"\n', SETS)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    at = lines.index(f"  {path}")
    assert hook in lines[at + 1].removeprefix("    hook:    ")
    assert patches in lines[at + 2].removeprefix("    patches: ")
    assert lines[-1] == "1 sample: 1 different"


OTHER_PLACES = "comments at other places among the elements"


@pytest.mark.parametrize(
    ("sed", "path", "hook", "patches"),
    [
        ("s/<vcpu/<!-- two -->&/", "/domain/comment()", "<!-- two -->", "nothing"),
        ("s/<!-- a -->//", "/domain/devices/comment()", "nothing", "<!-- a -->"),
        ("s/<vcpu/<?two x?>&/", "/domain/processing-instruction()", "<?two x?>", "nothing"),
        (
            "s/<!-- a -->//;s/<!-- b -->/&<!-- a -->/",
            "/domain",
            "comments at other places among the elements",
            "nothing",
        ),
    ],
)
def test_comments_are_named(
    sed: str, path: str, hook: str, patches: str, compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        globals(), "DOMAIN", DOMAIN.replace("<devices>", "<devices><!-- a -->").replace("</dev", "<!-- b --></dev")
    )
    done = compare(SAME.replace("'s", f"'{sed};s"), SETS)
    said = f"  {path}\n    hook:    {hook}\n    patches: {patches}\n"
    assert done.stdout == f"different: domain\n{said}1 sample: 1 different\n"


def test_a_hook_that_writes_the_whole_document_again(compare: Compare) -> None:
    script = (
        "#!/usr/bin/env python3\nimport sys\nimport xml.etree.ElementTree as ET\nroot = ET.fromstring(sys.argv[4])\n"
        "for driver in root.iter('driver'):\n    driver.set('cache', 'writeback')\n"
        "print(ET.tostring(root, encoding='unicode'))\n"
    )
    assert compare(script, SETS).exit_code == 0


FAILS = "#!/bin/sh\necho no disk vdz >&2\nexit 4\n"
REFUSES = "  domain:\n    - {op: set, path: /domain/nothing, value: x}\n"


@pytest.mark.parametrize(
    ("hook", "spec", "verdict", "said"),
    [
        (
            FAILS,
            SETS,
            "hook fails",
            "hook: hook: the hook ended with exit status 4; its standard error ends: no disk vdz",
        ),
        (SAME, REFUSES, "patches fail", "patches: patch.yaml:6:23: error[PL401 match-count]"),
        (FAILS, REFUSES, "both fail", "error[PL401 match-count]"),
    ],
)
def test_what_fails(hook: str, spec: str, verdict: str, said: str, compare: Compare) -> None:
    done = compare(hook, spec)
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{verdict}: domain\n")
    assert said in done.stdout
    assert done.stdout.endswith(f"1 sample: 1 {verdict}\n")


def test_cloud_init_data(compare: Compare) -> None:
    script = "#!/bin/sh\nprintf %s \"$4\" | sed 's/a: .1, 2./a: [1, 3]\\\\nb: x/'\n"
    spec = "  cloudInit:\n    - {op: ensure, target: userData, path: /a/-, value: 4}\n"
    done = compare(script, spec, "--cloud-init", "data.json")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1:-1] == [
        *("  /userData/value/a/1", "    hook:    3", "    patches: 2"),
        *("  /userData/value/a/2", "    hook:    nothing", "    patches: 4"),
        *("  /userData/value/b", '    hook:    "x"', "    patches: nothing"),
    ]


def test_a_folder_and_json(compare: Compare, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "a.domain.xml").write_text(DOMAIN)
    (folder / "a.vmi.json").write_text('{"metadata": {"name": "a"}}')
    (folder / "b.before.xml").write_text(DOMAIN.replace("vdb", "vdc"))
    (folder / "notes.txt").write_text("not a sample")
    done = compare(SAME.replace("writeback", "unsafe"), SETS, "samples", "--format", "json")
    report = json.loads(done.stdout)
    assert report["summary"] == {
        "samples": 2,
        "same": 0,
        "different": 2,
        "hook-fails": 0,
        "patches-fail": 0,
        "both-fail": 0,
    }
    assert [one["name"] for one in report["samples"]] == ["a", "b"]
    assert report["samples"][1]["differences"] == [
        {"path": f"/domain/devices/disk[target/@dev='{dev}']/driver/@cache", "hook": "unsafe", "patches": "writeback"}
        for dev in ("vda", "vdc")
    ]


def test_each_sample_gets_its_vmi(compare: Compare, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"metadata": {"name": f"vm-{name}"}}))
    hook = '#!/bin/sh\ncase $2 in *vm-b*) exit 3;; esac\nprintf %s "$4" | sed s/none/writeback/\n'
    both = ("--domain", "domain.xml", "--domain", "domain.xml")
    done = compare(hook, SETS, *both, "--vmi", "a.json", "--vmi", "b.json")
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == [
        *("same: domain.xml 1", "hook fails: domain.xml 2", "2 samples: 1 same, 1 hook fails")
    ]
    assert compare(hook, SETS, *both, "--vmi", "b.json").stdout.endswith("2 samples: 2 hook fails\n")


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("words", [["compare", "-p", "patch.yaml"], ["derive"]], ids=["compare", "derive"])
def test_a_signal_ends_the_hook_as_well(
    words: list[str], sent: signal.Signals, status: int, compare: Compare, tmp_path: Path
) -> None:
    compare(SAME, SETS)
    os.mkfifo(tmp_path / "alive")
    Path("hook").write_text("#!/bin/sh\nexec 3>alive\necho started >&3\nsleep 300\n")
    command = [sys.executable, "-m", "patchlang", *words, "--hook", "./hook", "--domain", "domain.xml"]
    pipe = subprocess.PIPE
    # whatever runs the tests may ignore the signal, and children inherit that
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL)
    ) as process:
        with open("alive") as alive:
            assert alive.readline() == "started\n"
            process.send_signal(sent)
            assert alive.read() == ""  # all that could write to it have ended
        out, err = process.communicate()
    assert (process.returncode, out, "Traceback" in err) == (status, "", False)


def test_standard_input_is_a_sample(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(SAME, SETS)
    words = ["compare", "--hook", "./hook", "-p", "patch.yaml", "--domain", "-"]
    assert CliRunner().invoke(cli, words, input=DOMAIN).stdout == "same: stdin\n1 sample: 1 same\n"
    done = CliRunner().invoke(cli, [*words, "--vmi", "-"], input=DOMAIN)
    assert (done.exit_code, done.stderr.endswith("standard input (`-`) can be read only once\n")) == (2, True)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--cloud-init", "data.json", "--domain", "domain.xml"], 2, "give samples in one way"),
        (["samples", "--vmi", "a.json"], 2, "the VMI of a sample in FOLDER is its NAME.vmi.json"),
        (["--domain", "domain.xml", "--vmi", "a", "--vmi", "b"], 2, "give one VMI for all, or one per input"),
        (["--domain", "lost.xml"], 1, "`lost.xml` cannot be read"),
        (["--domain", "patch.yaml"], 1, "the domain is YAML or JSON"),
        *(
            (["--domain", "domain.xml", "--timeout", seconds], 2, "is not a number of seconds above 0 and up to 86400")
            for seconds in ("0", "-1", "nan", "inf", "1e300")
        ),
        (["."], 1, "the folder has no samples"),
        (["domain.xml"], 1, "it is a file, but FOLDER must be a folder"),
        (["--domain", "domain.xml", "--fact", "env.X=1"], 1, "PL206"),
    ],
)
def test_wrong_calls(words: list[str], status: int, says: str, compare: Compare) -> None:
    done = compare(SAME, SETS, *words)
    assert (done.exit_code, says in done.stderr) == (status, True), done.stderr
    assert done.stdout == ""


def test_patches_for_the_other_kind_of_sample_are_said(compare: Compare) -> None:
    done = compare(SAME, "  cloudInit:\n    - {op: ensure, target: userData, path: /a, value: 1}\n")
    assert "note: the patches edit only cloud-init data, but the samples are domains" in done.stderr
