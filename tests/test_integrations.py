"""The integrations of the command line: pre-commit, GitHub Actions, shell completion."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())

GOOD = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: title}
spec:
  domain:
    - {op: ensure, path: /domain/title, value: hello}
---
apiVersion: patchlang/v1
kind: PatchTest
metadata: {name: title}
spec:
  domain: <domain/>
  cases:
    - {name: the title, expect: [{xpath: /domain/title, equals: hello}]}
"""
BAD = GOOD.replace("op: ensure", "op: ensur")
FAILING = GOOD.replace("equals: hello", "equals: moon")


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600
    )


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with the ``patchlang`` of this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "patchlang"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from patchlang.__main__ import run\nrun()\n"
    )
    command.chmod(0o755)
    return folder


# -- pre-commit --------------------------------------------------------------------------------------------------------


def git(folder: Path, *args: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.test", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


def repository(folder: Path) -> Path:
    """A git repository with all files in a folder."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--force", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    git(folder, "tag", "v1")
    return folder


@pytest.fixture(scope="module")
def users_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the hooks of a copy of this checkout."""
    listed = run("git", "ls-files", "-z", cwd=ROOT)
    if find_spec("pre_commit") is None or listed.returncode != 0:
        pytest.skip("needs pre-commit (PyPI), and git with the checkout of a repository")
    hooks = tmp_path_factory.mktemp("hooks")
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (hooks / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, hooks / name)
    user = tmp_path_factory.mktemp("user")
    used = [{"id": hook["id"]} for hook in HOOKS]
    (user / ".pre-commit-config.yaml").write_text(
        yaml.safe_dump({"repos": [{"repo": str(repository(hooks)), "rev": "v1", "hooks": used}]})
    )
    (user / "title.yaml").write_text(GOOD)
    (user / "values.yaml").write_text("replicas: 1\n")
    return repository(user)


def pre_commit(user: Path, home: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "pre_commit", "run", "--all-files", "--color", "never")
    return run(*command, cwd=user, PRE_COMMIT_HOME=str(home))


def test_pre_commit_runs_the_hooks(users_repository: Path, tmp_path: Path) -> None:
    for text, statuses in ((GOOD, ["Passed", "Passed"]), (BAD, ["Failed", "Failed"]), (FAILING, ["Passed", "Failed"])):
        (users_repository / "title.yaml").write_text(text)
        git(users_repository, "add", ".")
        result = pre_commit(users_repository, tmp_path)
        found = re.findall(r"^patchlang (?:validate|test)\.+(\w+)$", result.stdout, re.MULTILINE)
        assert found == statuses, result.stdout + result.stderr
        assert (result.returncode == 0) is (set(statuses) == {"Passed"})


def test_every_hook_calls_a_command_that_there_is() -> None:
    assert {hook["id"] for hook in HOOKS} == {"patchlang-validate", "patchlang-test"}
    for hook in HOOKS:
        command, name, *options = hook["entry"].split()
        result = run(sys.executable, "-m", "patchlang", name, "--help", cwd=ROOT)
        assert command == "patchlang"
        assert all(option in result.stdout for option in options)


# -- GitHub Actions ----------------------------------------------------------------------------------------------------


def act(cwd: Path, temporary: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Runs the steps of the action as its runner does, except those that set up Python."""
    given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | inputs
    for step in ACTION["runs"]["steps"]:
        condition = re.fullmatch(r"inputs\.(\w+) != ''", step.get("if", "inputs.paths != ''"))
        assert condition is not None
        if "run" not in step or step["name"] == "Install" or not given[condition[1]]:
            continue
        assert step["shell"] == "bash"
        environment = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value)
            for name, value in step["env"].items()
        }
        command = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"])
        result = run(*command, cwd=cwd, RUNNER_TEMP=str(temporary), **environment)
        if result.returncode != 0:
            break
    return result


@pytest.fixture
def runner_temporary(tmp_path: Path, bin_folder: Path) -> Path:
    place = tmp_path / "temporary" / "patchlang"
    place.mkdir(parents=True)
    bin_folder.rename(place / "bin")
    return place.parent


@pytest.mark.parametrize(
    ("text", "inputs", "status", "said"),
    [
        (GOOD, {}, 0, ""),
        (BAD, {}, 1, "::error file=title.yaml,line=6,"),
        (FAILING, {}, 0, ""),
        (FAILING, {"test": "title.yaml\n"}, 1, "::error file=title.yaml,line=14,"),
        (GOOD, {"test": "."}, 0, "1 test, 1 case: 1 passed"),
        (GOOD, {"paths": "*.yaml\nnowhere/\n"}, 1, "nowhere"),
        (GOOD.replace("title, value", "devices/disk[1]/serial, value"), {"strict": "true"}, 1, "::"),
        (GOOD, {"outputs": "sarif=a.sarif\n  junit=a.xml\n"}, 0, "1 patch"),
        (GOOD, {"kubevirt": "1.4"}, 2, "1.9"),
        (GOOD, {"test": ".", "kubevirt": "1.8"}, 0, "1 passed"),
        (GOOD, {"libvirt": "13"}, 2, "12.8.0"),
        (BAD.replace("ensur,", "set,").replace("/title, v", "/titel, v"), {"libvirt": "none"}, 0, "1 patch"),
        (GOOD, {"plugins": "true", "kubevirt": "1.8"}, 2, "has no Plugins"),
        (GOOD, {"libvirt": "$(touch injected)"}, 2, "known: 9.0.0"),
        (GOOD, {"outputs": "`touch injected`"}, 2, "injected"),
        (GOOD, {"paths": "title.yaml; touch injected\n"}, 1, "injected"),
        (GOOD, {"paths": "-j$(touch injected)"}, 1, "injected"),
    ],
)
def test_the_action_validates_and_tests(
    text: str, inputs: dict[str, str], status: int, said: str, tmp_path: Path, runner_temporary: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "title.yaml").write_text(text)
    result = act(work, runner_temporary, **inputs)
    assert result.returncode == status, result.stdout + result.stderr
    assert said in result.stdout + result.stderr
    assert not (work / "injected").exists()
    for output in inputs.get("outputs", "").split() if status == 0 else ():
        assert (work / output.partition("=")[2]).stat().st_size > 0


def test_no_script_of_the_action_holds_an_expression() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "values come by the environment, never as text of a script"


# -- shells ------------------------------------------------------------------------------------------------------------


def needs(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"needs {shell} (Debian package {shell})")
    return found


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("app", ["apply"]),
        ("validate --form", ["--format"]),
        ("validate --format s", ["sarif"]),
        ("test --format=j", ["json", "junit"]),
        ("pla", ["plan", "playground"]),
        ("plan --format h", ["html"]),
        ("plan --det", ["--detailed-exitcode"]),
        ("manifest --version ", ["v1alpha1", "v1alpha2", "v1alpha3"]),
        ("completion z", ["zsh"]),
        ("validate --select PL90", ["PL901", "PL902", "PL903", "PL904", "PL905", "PL906", "PL907"]),
        ("validate --ignore PL301,positional", ["PL301,positional-predicate"]),
        ("validate --libvirt 1", ["11.3.0", "12.8.0"]),
        ("validate --kubevirt 1.8", ["1.8"]),
        ("validate -o git", ["github=", "gitlab="]),
        ("explain PL41", [f"PL{number}" for number in range(410, 420)]),
        ("explain ens", ["ensure"]),
        ("explain fac", ["facts"]),
        ("new --for disk-ser", ["disk-serial"]),
        ("explain bad-y", ["bad-yaml"]),
    ],
)
def test_bash_completes(words: str, offered: list[str], bin_folder: Path, tmp_path: Path) -> None:
    script = f"""
        eval "$(patchlang completion bash)"
        complete -p patchlang
        COMP_WORDS=(patchlang {words.removesuffix(" ")}{" ''" if words.endswith(" ") else ""})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _patchlang_completion patchlang
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{bin_folder}:{os.environ['PATH']}"
    result = run(needs("bash"), "--norc", "-c", script, cwd=tmp_path, PATH=path)
    bound, *found = result.stdout.split()[5:] if result.stdout else ("",)
    assert bound == "patchlang", result.stderr
    assert found == offered
    assert result.stderr == ""


def test_fish_completes_commands_options_and_files(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "patch.yaml").write_text(GOOD)
    script = (
        "patchlang completion fish | source;"
        "complete -C 'patchlang app'; complete -C 'patchlang test --format j'; complete -C 'patchlang validate pa';"
        "complete -C 'patchlang explain positional'; complete -C 'patchlang validate --libvirt 9'"
    )
    path = f"{bin_folder}:{os.environ['PATH']}"
    result = run(needs("fish"), "--no-config", "-c", script, cwd=tmp_path, PATH=path, HOME=str(tmp_path))
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "apply", "json", "junit", "patch.yaml", "positional-predicate", "9.0.0"
    ]  # fmt: skip


def test_zsh_completes_as_one_types(bin_folder: Path, tmp_path: Path) -> None:
    zsh = needs("zsh")
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(tmp_path)}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [zsh, "-f", "-i"], cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, process_group=0
    )
    os.close(theirs)
    try:
        os.write(ours, b'PS1=""; autoload -Uz compinit; compinit -u -D; eval "$(patchlang completion zsh)"\n')
        os.write(ours, b"print ready-$((1))\n")
        assert any("ready-1" in shown for shown in screen(ours))
        os.write(ours, b"patchlang compl\t")
        assert any("patchlang completion " in shown for shown in screen(ours))
        os.write(ours, b"z\t")
        assert any("zsh" in shown for shown in screen(ours))
        os.write(ours, b"\x15patchlang explain positional-p\t")  # the line is cleared first
        assert any("positional-predicate" in shown for shown in screen(ours))
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def screen(terminal: int, seconds: float = 30) -> Iterator[str]:
    """All output so far, each time there is more."""
    shown, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096)
            yield shown.decode(errors="replace")
