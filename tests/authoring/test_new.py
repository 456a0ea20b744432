"""The output of ``patchlang new``: it passes ``validate --strict`` and ``test``, and never overwrites a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from patchlang.authoring import recipes as recipes_module
from patchlang.authoring.recipes import recipes
from patchlang.cli import cli

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli, ["new", *words])


@pytest.fixture(scope="module")
def all_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the starter and each recipe, with its test and its ConfigMap."""
    folder = tmp_path_factory.mktemp("made")
    starter = ["-o", str(folder / "mine" / "mine.yaml")]
    for words in (starter, *(["--for", name, "-o", str(folder / name)] for name in recipes())):
        result = CliRunner().invoke(cli, ["new", *words, "--configmap"])
        assert result.exit_code == 0, result.output
    return folder


@pytest.mark.parametrize("command", [["validate", "--strict"], ["test"]], ids=["validate", "test"])
def test_all_that_is_made_passes(command: list[str], all_made: Path) -> None:
    words = [sys.executable, "-m", "patchlang", *command, str(all_made)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_starters_test_covers_it(all_made: Path, run: Run) -> None:
    done = CliRunner().invoke(cli, ["test", "--require-coverage", str(all_made / "mine" / "mine.test.yaml")])
    assert done.exit_code == 0, done.output


def test_what_is_made_says_what_it_is_for(all_made: Path) -> None:
    for name, recipe in recipes().items():
        patch = (all_made / name / f"{name}.yaml").read_text()
        assert patch.startswith(f"# {recipe.title}\n#\n# {recipe.wish}\n")
        config_map = yaml.safe_load((all_made / name / "manifests" / f"{name}.configmap.yaml").read_text())
        assert config_map["data"] == {f"{name}.yaml": patch}


def test_the_patch_is_called_as_its_file(run: Run, tmp_path: Path) -> None:
    assert run("--for", "nic-bandwidth", "-o", "in/qos.yaml").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["qos.test.yaml", "qos.yaml", "samples"]
    assert "metadata: {name: qos}" in (tmp_path / "in/qos.yaml").read_text()
    test = yaml.safe_load((tmp_path / "in/qos.test.yaml").read_text())
    assert (test["metadata"], test["spec"]["patches"]) == ({"name": "qos"}, ["qos.yaml"])


@pytest.mark.parametrize(
    ("file", "test", "name"),
    [
        ("Web_Disks.yaml", "Web_Disks.test.yaml", "web-disks"),
        ("a, [b] #c: d.yml", "a, [b] #c: d.test.yml", "a-b-c-d"),
        ("it's.yaml", "it's.test.yaml", "it-s"),
        ("-x.yaml", "-x.test.yaml", "x"),
        ("1.yaml", "1.test.yaml", "1"),
        ("日本.yaml", "日本.test.yaml", "my-patch"),
        (f"{'x' * 80}.yaml", f"{'x' * 80}.test.yaml", "x" * 53),
    ],
)
def test_any_file_may_be_named(file: str, test: str, name: str, run: Run, tmp_path: Path) -> None:
    assert run("-o", f"my patches/{file}", "--configmap").stderr.endswith(
        "next: patchlang validate 'my patches' && patchlang test 'my patches'\n"
    )
    folder = tmp_path / "my patches"
    assert {path.name for path in folder.iterdir()} == {file, test, "manifests"}
    (config_map,) = (yaml.safe_load(path.read_text()) for path in (folder / "manifests").iterdir())
    assert config_map["metadata"]["name"] == name
    for command in (["validate", "--strict"], ["test"]):
        done = CliRunner().invoke(cli, [*command, str(folder)])
        assert done.exit_code == 0, done.output


def test_the_folder_of_a_recipe_can_be_applied(run: Run, tmp_path: Path) -> None:
    assert run("--for", "nic-bandwidth", "-o", "made", "--configmap").exit_code == 0
    domain, vmi = "made/samples/linux-min.domain.xml", "made/samples/linux-min.vmi.json"
    done = CliRunner().invoke(cli, ["apply", "-p", "made", "--domain", domain, "--vmi", vmi])
    assert done.exit_code == 0, done.output


def test_without_a_folder_the_patch_is_printed(run: Run, tmp_path: Path) -> None:
    assert run().stdout.startswith("# A patch: ")
    assert run("--for", "nic-bandwidth").stdout.startswith("# Bandwidth of an interface from annotations\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["nic-bandwidth.yaml", "nic-bandwidth.test.yaml", "samples/linux-min.vmi.json"])
def test_nothing_is_overwritten(there: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    done = run("--for", "nic-bandwidth", "-o", "out")
    assert done.exit_code == 2
    assert f"Error: out/{there}: the file already exists; nothing is written" in done.stderr
    assert [one for one in (tmp_path / "out").rglob("*") if one.is_file()] == [path]
    assert path.read_text() == "mine"


def test_where_writing_fails_nothing_is_left(run: Run, tmp_path: Path) -> None:
    (tmp_path / "samples").write_text("a file where a folder is needed")
    done = run("--for", "nic-bandwidth", "-o", ".")
    assert done.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["samples"]


def test_a_link_that_leads_nowhere_is_not_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").symlink_to("elsewhere.yaml")
    assert "the file already exists" in run("-o", "mine.yaml").stderr
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--for", "nic-bandwith"], "no recipe is called `nic-bandwith`; did you mean `nic-bandwidth`?"),
        (["--for", "iotune"], "no recipe is called `iotune`; recipes for it: iotune-every-disk"),
        (["--for", "disk"], "more: `patchlang new --list disk`"),
        (["--for", ""], "no recipe is called ``; `patchlang new --list` lists them"),
        (["-o", "a\nb.yaml"], "-o must name a path of printable characters in UTF-8"),
        (["-o", "\udcff/b.yaml"], "-o must name a path of printable characters in UTF-8"),
        (["--for", "teleport"], "no recipe is called `teleport`; `patchlang new --list` lists them"),
        (["--list", "disk", "teleport"], "no recipe has all of these words: disk teleport"),
        (["disk"], "WORDS are for --list"),
        (["--list", "--for", "iotune-every-disk"], "--list cannot be combined with other options"),
        (["--configmap"], "--configmap needs -o"),
    ],
)
def test_wrong_calls(words: list[str], says: str, run: Run) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_list_has_names_and_titles(run: Run) -> None:
    audio = "gpu-audio-on-free-root-port  Passthrough of a GPU's audio function\n"
    assert run("--list", "passthrough", "audio").stdout == audio
    assert len(run("--list").stdout.splitlines()) == len(recipes())


def test_where_no_recipes_are_installed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes_module, "FOLDER", tmp_path / "none")
    recipes.cache_clear()
    try:
        for words in (["--list"], ["--for", "nic-bandwidth"]):
            assert "no recipes are installed" in run(*words).stderr
        assert run().exit_code == 0
    finally:
        recipes.cache_clear()
