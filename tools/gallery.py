"""Write the gallery of recipes as Markdown: `python tools/gallery.py OUTDIR`.

OUTDIR gets index.md (all recipes by tag) and a page for each recipe, NAME.md, with its title, wish, tags and patch, the
diff from the first test case in which the patch changes anything, and the test. `make docs` calls this; the output is
not committed.
"""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from patchlang import engine
from patchlang.authoring.recipes import FOLDER, TAGS, Recipe, recipes
from patchlang.authoring.starting import files
from patchlang.diffs import diff
from patchlang.patchtest.load import load_tests, read_test_files


def write_gallery(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.md").write_text(_index(), encoding="utf-8")
    for recipe in recipes().values():
        (folder / f"{recipe.name}.md").write_text(_page(recipe), encoding="utf-8")


def _index() -> str:
    lines = [
        "# Gallery",
        "",
        f"{len(recipes())} patches for common wishes. Each has a test. Take one as a start for yours:",
        "",
        "```sh",
        "patchlang new --list disk serial",
        "patchlang new --for disk-serial -o patches",
        "```",
    ]
    for tag in sorted(TAGS):
        tagged = [recipe for recipe in recipes().values() if tag in recipe.tags]
        if tagged:
            lines += ["", f"## {_heading(tag)}", "", f"{TAGS[tag][:1].upper()}{TAGS[tag][1:]}.", ""]
            lines += [f"- [{recipe.title}]({recipe.name}.md): {recipe.wish}" for recipe in tagged]
    return "\n".join(lines) + "\n"


def _heading(tag: str) -> str:
    short = {"cpu": "CPU", "gpu": "GPU", "nic": "NIC", "numa": "NUMA", "pci": "PCI", "rng": "RNG", "tpm": "TPM"}
    short |= {"usb": "USB", "smbios": "SMBIOS", "qemu args": "QEMU arguments", "macos": "macOS", "arm64": "arm64"}
    short |= {"s390x": "s390x"}
    return short.get(tag, tag[:1].upper() + tag[1:])


def _anchor(tag: str) -> str:
    return _heading(tag).lower().replace(" ", "-")


def _page(recipe: Recipe) -> str:
    tags = ", ".join(f"[{tag}](index.md#{_anchor(tag)})" for tag in recipe.tags)
    case, changes = _changes(recipe)
    return "\n".join(
        [
            f"# {recipe.title}",
            "",
            recipe.wish,
            "",
            f"Tags: {tags}",
            "",
            "## Patch",
            "",
            *_block("yaml", _code(recipe.patch)),
            "",
            "## What it changes",
            "",
            f"In its test, case “{case}”:",
            "",
            *_block("diff", changes),
            "",
            "## Test",
            "",
            *_block("yaml", _code(_test(recipe))),
            "",
            "## Use it",
            "",
            f"`patchlang new --for {recipe.name} -o patches` writes the patch and its test, `patchlang test patches` "
            "runs the test.",
            "",
        ]
    )


def _test(recipe: Recipe) -> str:
    """The test as `patchlang new` writes it next to the patch."""
    return files(recipe, recipe.name, f"{recipe.name}.yaml", with_config_map=False)[
        PurePosixPath(f"{recipe.name}.test.yaml")
    ].decode()


def _code(text: str) -> str:
    """A file without its leading comments."""
    lines = text.splitlines()
    return "\n".join(lines[next(n for n, line in enumerate(lines) if not line.startswith("#")) :])


def _block(language: str, text: str) -> list[str]:
    fence = "````" if "```" in text else "```"
    return [f"{fence}{language}", text.rstrip("\n"), fence]


def _changes(recipe: Recipe) -> tuple[str, str]:
    """The name of the first case in which the recipe changes something, and the diff."""
    sources, _ = read_test_files([(str(FOLDER / "tests" / f"{recipe.name}.test.yaml"), True)])
    for trial in (trial for test in load_tests(sources).tests for trial in test.trials):
        after: bytes | None
        if trial.domain is not None:
            before, name = trial.domain, "domain.xml"
            after = engine.patch_domain(trial.program, before, trial.vmi, pod=trial.pod).data
        else:
            before, name = trial.cloud_init or b"", "cloud-init.json"
            after = engine.patch_cloud_init(trial.program, before, b"", trial.vmi, pod=trial.pod).data
        if after is not None and (changes := diff(before, after, name, f"{name} (patched)")):
            return trial.name, changes
    raise SystemExit(f"{recipe.name}: no case of its test changes anything")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(str(__doc__))
    write_gallery(Path(sys.argv[1]))
