"""The shipped recipes: each describes its purpose, has a test, is valid, and can be found with common search terms."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from patchlang import engine
from patchlang.authoring.recipes import FOLDER, TAGS, Recipe, front_matter, recipes, search
from patchlang.default_paths import SYSTEM_SCHEMAS
from patchlang.kubevirt.structs import releases
from patchlang.patchtest.load import LoadedTests, load_tests, read_test_files
from patchlang.patchtest.run import run_tests
from patchlang.render import render

ROOT = Path(__file__).resolve().parents[2]
KNOWN = yaml.safe_load((ROOT / "tests/real/known.yaml").read_text())["grammar"]
"""Parts of the corpus that Debian 12's schema does not know yet."""
LATER = {"launch-security-tdx": "TDX came with a later libvirt"} | {known["case"]: known["why"] for known in KNOWN}
RECIPES = list(recipes().values())
MODELINES = [f"# yaml-language-server: $schema={up}../patchlang/patch.schema.json" for up in ("../", "../../")]
each = pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.name for recipe in RECIPES])


@cache
def loaded_of(name: str) -> LoadedTests:
    sources, errors = read_test_files([(str(FOLDER / "tests" / f"{name}.test.yaml"), True)])
    assert errors == []
    return load_tests(sources)


@each
def test_front_matter(recipe: Recipe) -> None:
    assert set(front_matter(recipe.patch)) == {"title", "wish", "tags"}
    modeline, title, wish, tags, first, *_ = recipe.patch.splitlines()
    assert modeline == MODELINES[0]
    assert [line.split(":")[0] for line in (title, wish, tags)] == ["# title", "# wish", "# tags"]
    assert first == "apiVersion: patchlang/v1"
    assert recipe.wish.endswith(".")
    assert recipe.tags
    assert set(recipe.tags) <= set(TAGS)
    assert f"metadata: {{name: {recipe.name}}}\n" in recipe.patch


def test_there_are_a_hundred() -> None:
    assert len(RECIPES) >= 100


def test_titles_are_unique() -> None:
    assert len({recipe.title.lower() for recipe in RECIPES}) == len(RECIPES)


def test_every_tag_is_used() -> None:
    assert set(TAGS) - {tag for recipe in RECIPES for tag in recipe.tags} == set()


def test_there_is_a_test_for_each_recipe_and_no_other() -> None:
    assert {path.name for path in (FOLDER / "tests").iterdir()} == {f"{name}.test.yaml" for name in recipes()}


@each
def test_what_it_does(recipe: Recipe) -> None:
    loaded = loaded_of(recipe.name)
    assert loaded.diagnostics == [], render(loaded.diagnostics)
    assert recipe.test.splitlines()[0] == MODELINES[1]
    results = run_tests(loaded.tests, kubevirt=releases()[0], update=False)
    faults = [fault for test in results.tests for case in test.cases for fault in case.failures]
    assert faults == [], faults
    assert results.unfired == [], "an edit that no case needs"
    assert any(trial.refusal is None and not trial.unchanged for test in loaded.tests for trial in test.trials)


@each
def test_its_outcomes_are_valid_by_libvirts_schema(recipe: Recipe) -> None:
    if not (SYSTEM_SCHEMAS / "domain.rng").is_file():
        pytest.skip("needs Debian's libvirt-common")
    if recipe.name in LATER:
        pytest.skip(LATER[recipe.name])
    from patchlang.rng.check import made_invalid
    from patchlang.rng.schema import DomainSchema

    schema = DomainSchema(SYSTEM_SCHEMAS)
    for trial in (trial for test in loaded_of(recipe.name).tests for trial in test.trials):
        if trial.domain is not None and trial.refusal is None:
            outcome = engine.patch_domain(trial.program, trial.domain, trial.vmi, pod=trial.pod)
            found = made_invalid(schema, trial.program, trial.domain, trial.vmi, outcome, pod=trial.pod)
            assert [str(one) for one in found] == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("hide KVM", "hide-hypervisor"),
        ("hide KVM", "hyperv-vendor-id"),
        ("disk serial", "disk-serial"),
        ("looking glass", "looking-glass"),
        ("host-passthrough topology", "cpu-host-passthrough-topology"),
        ("vfio ROM", "vfio-gpu-rom-file"),
        ("chrony", "ntp-chrony"),
        ("swap", "swap-file"),
        ("huge pages", "hugepages-1g"),
        ("TDX", "launch-security-tdx"),
        ("s390x console", "s390x-sclp-console"),
        ("passthrough audio", "gpu-audio-on-free-root-port"),
        ("ssh keys", "ssh-authorized-keys-top-level"),
        ("TPM", "tpm-host-passthrough"),
        ("serial console file", "console-log-to-file"),
        ("pinning emulator", "emulator-and-io-threads-to-housekeeping"),
        ("SEV", "launch-security-sev-snp"),
    ],
)
def test_a_search_finds(words: str, name: str) -> None:
    assert name in [recipe.name for recipe in search(words)]


def test_a_search_for_what_there_is_not() -> None:
    assert search("quantum teleporter") == []
    assert search("") == RECIPES


def test_the_gallery(tmp_path: Path) -> None:
    run = [sys.executable, str(ROOT / "tools" / "gallery.py"), str(tmp_path / "new" / "gallery")]
    subprocess.run(run, check=True, cwd=ROOT, timeout=120)
    pages = {path.stem: path.read_text() for path in (tmp_path / "new" / "gallery").iterdir()}
    assert set(pages) == {"index", *recipes()}
    for recipe in RECIPES:
        assert f"[{recipe.title}]({recipe.name}.md): {recipe.wish}" in pages["index"]
        assert pages[recipe.name].startswith(f"# {recipe.title}\n\n{recipe.wish}\n")
        assert "\n+" in pages[recipe.name] or "\n-" in pages[recipe.name]
