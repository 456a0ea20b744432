"""Add a new op with only the steps in CONTRIBUTING.md: no code that deals with ops can forget it.

The op is `swap`, and it is added to a copy of the tree.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# for each step: a file, a place in it, and the text to insert before it; `\1` is the decorator of the class there
STEPS: dict[int, list[tuple[str, str, str]]] = {
    1: [
        (
            "patchlang/document/model.py",
            r"((?:@.*\n)*)class Rename\(",
            '''\\1class Swap(DomainBase):
    """Puts two elements in each other's place."""

    path: Annotated[XPath, Role.MOVES]
    other: Annotated[XPath, Role.MOVES] = field(key="with")


''',
        ),
        ("patchlang/document/model.py", r"(?<=^DomainEdit: TypeAlias = )", "Swap | "),
        ("patchlang/document/model.py", r'    "rename": Rename,\n', '    "swap": Swap,\n'),
    ],
    2: [
        (
            "patchlang/domain/ops.py",
            r"((?:@.*\n)*)class RenameOp\(EachOp\):",
            """\\1class SwapOp:
    one: Targets
    other: Targets

    def apply(self, tree: DomainTree, scope: Scope) -> Effect:
        effect, edit = Effect(), Editor(tree, self.one.selector.source.span)
        for targets in (self.one, self.other):
            only_elements(targets.find(tree, scope, effect), targets.selector.source, "swap")
        pairs = zip(self.one.find(tree, scope, Effect()), self.other.find(tree, scope, Effect()), strict=False)
        for one, other in pairs:
            nodes = one.element, other.element
            if any(node in of.iter() for node, of in (nodes, nodes[::-1])):
                raise fail(rules.WRONG_NODE, "an element is not swapped with one in it", edit.span)
            copies = [tree.copy(node) for node in nodes]
            edit.replace(nodes[0], [copies[1]])
            edit.replace(nodes[1], [copies[0]])
            effect.changed += 1
        return effect


""",
        )
    ],
    3: [
        (
            "patchlang/domain/compile.py",
            r"            case model\.Rename\(\):\n",
            """            case model.Swap():
                return ops.SwapOp(self.targets(edit.path), self.targets(edit.other))
""",
        ),
        ("patchlang/document/decode.py", r"model\.Rename\(\) \|", "model.Swap() | "),
    ],
    4: [
        (
            "patchlang/document/field_help.py",
            r'    "Rename\.path"',
            '    "Swap.path": "XPath of the one element.",\n    "Swap.with": "XPath of the other element.",\n',
        )
    ],
}
PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata:
  name: swap
spec:
  domain:
    - op: swap
      path: /domain/devicez/disk
      with: /domain/devices/disk[2]/@bus
"""
FINDINGS = """\
patch.yaml:8:21: error[PL901 unknown-element] libvirt 12.8.0 has no element `devicez` in `/domain` (patch swap)
  8 |       path: /domain/devicez/disk
    |                     ^^^^^^^
  help: did you mean `devices`?
patch.yaml:9:34: advice[PL301 positional-predicate] `disk[2]` selects a node by its position, which changes with the \
devices of the VM (patch swap)
  9 |       with: /domain/devices/disk[2]/@bus
    |                                  ^
  help: identify it: `[alias/@name='ua-…']`; if there is only one, remove the position: `expect` counts
patch.yaml:9:37: error[PL902 unknown-attribute] libvirt 12.8.0 has no attribute `bus` on `/domain/devices/disk` \
(patch swap)
  9 |       with: /domain/devices/disk[2]/@bus
    |                                     ^^^^
  help: `@bus` belongs in `/domain/devices/disk/address`, `/domain/devices/disk/target`, `/domain/devices/input`, …
1 file checked, 2 errors, 1 advice
"""
DOMAIN = "<domain><devices><disk><a/></disk><tpm/></devices></domain>"
SWAPPED = "<domain><devices><tpm/><disk><a/></disk></devices></domain>"
LAWS = ("conftest.py", "law_domains.py", "law_edits.py", "law_reference.py", "test_edit_laws.py", "test_laws.py")


def copied(to: Path, steps: int) -> Path:
    """The tree with the first steps done."""
    shutil.copytree(ROOT / "patchlang", to / "patchlang", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to)
    for number in range(1, steps + 1):
        for file, place, text in STEPS[number]:
            before = (to / file).read_text()
            after, times = re.subn(place, lambda found, text=text: found.expand(text) + found[0], before, flags=re.M)
            assert times == 1, (file, place, times)
            (to / file).write_text(after)
    return to


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("tree"), 4)


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=300)


def patchlang(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(tree, "-c", "from patchlang.cli import main; main()", *arguments)


def mypy(tree: Path) -> list[str]:
    """The errors, without line numbers."""
    output = run(tree, "-m", "mypy", "--no-error-summary", "--cache-dir", str(tree / "cache"), "-p", "patchlang").stdout
    return [re.sub(r":[0-9]+:", ":", line) for line in output.splitlines() if " note: " not in line]


def test_the_steps_name_every_file() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().split("\n## Add an op\n")[1].split("\n## ")[0]
    for number, text in enumerate(re.split(r"^\d\. ", section, flags=re.M)[1:], 1):
        assert {file for file, _, _ in STEPS.get(number, ())} - set(re.findall(r"`(patchlang/[^`]*)`", text)) == set()


def test_mypy_names_each_match_that_forgets_the_op(tmp_path: Path) -> None:
    missing = 'error: Argument 1 to "assert_never" has incompatible type "Swap"; expected "Never"  [arg-type]'
    assert sorted(mypy(copied(tmp_path, 2))) == [f"{file}: {missing}" for file in sorted(f for f, _, _ in STEPS[3])]


def test_with_all_steps_done_mypy_is_content(tree: Path) -> None:
    assert mypy(tree) == []


def test_the_op_is_checked(tree: Path) -> None:
    (tree / "patch.yaml").write_text(PATCH)
    checked = patchlang(tree, "validate", "--libvirt", "12.8.0", "patch.yaml")
    assert checked.stdout + checked.stderr == FINDINGS


def test_the_op_works(tree: Path) -> None:
    right = PATCH.replace("devicez", "devices").replace("/domain/devices/disk[2]/@bus", "/domain/devices/tpm")
    (tree / "right.yaml").write_text(right)
    (tree / "domain.xml").write_text(DOMAIN)
    applied = patchlang(tree, "apply", "-p", "right.yaml", "--domain", "domain.xml", "--no-check-domain")
    assert (applied.stdout, applied.stderr) == (SWAPPED, "")


def test_the_op_is_held_to_the_laws(tree: Path) -> None:
    (tree / "tests").mkdir()
    for file in LAWS:
        shutil.copy(ROOT / "tests" / file, tree / "tests")
    ran = run(tree, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/test_edit_laws.py")
    assert ran.returncode == 0, ran.stdout
    assert "test_every_edit_is_answered[swap] PASSED" in ran.stdout
