"""The modules that each entry point loads: the sidecar runs in 64 MB, and imports cost memory and start-up time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.parsers import expat

import click
import pytest
from lxml import etree

from benchmarks import documents
from benchmarks.groups import engine
from patchlang.default_paths import SYSTEM_SCHEMAS

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = SYSTEM_SCHEMAS / "domain.rng"
LATE = {"cel_expr_python", "patchlang.rng"}  # loaded if a patch has an expression, or a flag needs it
COMMAND_LINE = {
    "click",
    *(
        f"patchlang.{m}"
        for m in "api authoring cli grammar kubevirt lint manifests patchtest plan render schema".split()
    ),
    *(f"patchlang.{m}" for m in "domain.origins pytest_plugin validation".split()),
}
ENGINE = {"lxml", "yaml", *(f"patchlang.{m}" for m in "cel compile document domain engine loading xpath".split())}
"""Modules that the sidecar's front leaves to the engine's process."""
TRANSPORT = {"google.protobuf", "grpc", "shim"}
HEAVY = {"numpy", "pkg_resources", "pydantic", "rich", "setuptools", "structlog", "typer", "unittest"}


@pytest.mark.parametrize(
    ("face", "unwanted"),
    [
        ("patchlang.loading, patchlang.engine", LATE | COMMAND_LINE | TRANSPORT | HEAVY),
        ("patchlang.cli", LATE | COMMAND_LINE - {"click", "patchlang.cli"} | ENGINE | TRANSPORT | HEAVY),
        ("patchlang.cli.apply", LATE | TRANSPORT | HEAVY),
        ("patchlang.cli.validate", LATE | TRANSPORT | HEAVY | {"patchlang.handbook", "patchlang.patchtest"}),
        ("shim.__main__, shim.server", LATE | COMMAND_LINE | HEAVY | ENGINE),
        ("shim.engine, shim.sources", LATE | COMMAND_LINE | HEAVY | {"google.protobuf", "grpc", "asyncio"}),
    ],
)
def test_imports_bring_no_more_than_they_need(face: str, unwanted: set[str]) -> None:
    code = f"import sys, {face}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert set(run.stdout.split()) & unwanted == set()


FRONT_PACKAGES = {"google", "grpc", "patchlang", "shim", "typing_extensions"}
ENGINE_PACKAGES = {"lxml", "patchlang", "shim", "yaml"}
"""The only modules that a sidecar without CEL and cloud-init edits may load besides the standard library."""
DOMAIN_ONLY = {
    "cel_expr_python",
    "jsonpatch",
    "patchlang.cel.compiled",
    "patchlang.cel.library",
    "patchlang.cloudinit",
    "patchlang.rng",
}


def test_what_is_not_to_be_loaded_exists() -> None:
    for name in LATE | COMMAND_LINE | ENGINE | DOMAIN_ONLY:
        assert find_spec(name) is not None, name


@pytest.mark.parametrize("folder", ["cel", "cloudinit", "document", "domain", "rng", "xpath"])
def test_a_folder_that_the_sidecar_loads_imports_nothing_by_itself(folder: str) -> None:
    code = ast.parse((ROOT / "patchlang" / folder / "__init__.py").read_text())
    assert [type(statement) for statement in code.body] == [ast.Expr]


SERVE = """
import sys
from pathlib import Path
from shim import progress
from shim.engine import Worker
head = {"paths": [sys.argv[1]], "named": True, "hook_files": [], "version": "v1alpha2", "sha256": []}
worker = Worker({**head, "check_domain": None, "debug": False}, progress.create())
worker.load([])
assert worker.define_domain(Path(sys.argv[2]).read_bytes(), b"{}")[0]["changed"], "not patched"
print(*sys.modules)
"""
FRONT = """
import sys
from shim import __main__
assert not sys.modules.keys() & {"asyncio", "grpc", "ssl"}, "the first engine is forked with them"
__main__.before_imports()
import shim.server
print(*(name for name, module in sys.modules.items() if module))
"""


def test_the_engine_loads_what_its_patches_need_and_no_other_package() -> None:
    run = _python(SERVE, documents.INPUTS / "baseboard-literal.yaml", documents.BASE / "numa-gpu.domain.xml")
    loaded = set(run.split())
    assert loaded & (DOMAIN_ONLY | {"asyncio"}) == set()
    assert _packages(loaded) <= ENGINE_PACKAGES


def test_the_front_loads_the_transport_and_no_other_package() -> None:
    loaded = set(_python(FRONT).split())
    assert loaded & {"ssl", "_ssl"} == set()
    assert _packages(loaded) <= FRONT_PACKAGES


def _packages(loaded: set[str]) -> set[str]:
    before = {name.partition(".")[0] for name in _python("import sys; print(*sys.modules)").split()}
    packages = {name.partition(".")[0] for name in loaded} - before - sys.stdlib_module_names
    tried = {"grpc_tools"}  # loaded by grpc itself; the image does not have it
    return {name for name in packages - tried if not name.startswith(("_cython", "cython_runtime"))}


WATCH = """
import sys
seen = []
def watch(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "socket.__new__", "_thread.start_new_thread"):
        seen.append(event)
    elif event == "open" and str(arguments[0]).startswith(sys.argv[1]) and ".py" not in str(arguments[0]):
        seen.append(str(arguments[0]))
sys.addaudithook(watch)
import FACE
print(*seen)
"""


@pytest.mark.parametrize(
    "face", ["patchlang.loading, patchlang.engine", "shim.__main__, shim.server", "shim.engine, shim.sources"]
)
def test_importing_reads_no_file_of_ours_and_starts_nothing(face: str) -> None:
    assert _python(WATCH.replace("FACE", face), ROOT / "patchlang").split() == []


AT_IMPORT = """
import re, sys
compiled = []
compile = re._compiler.compile
def watching(text, flags=0):
    frame = sys._getframe(1)
    while frame.f_globals["__name__"].partition(".")[0] == "re":
        frame = frame.f_back
    if frame.f_globals["__name__"].partition(".")[0] in ("patchlang", "shim"):
        compiled.append(str(text).replace(" ", ""))
    return compile(text, flags)
re._compiler.compile = watching
import patchlang.loading, patchlang.engine, patchlang.cel.compiled, patchlang.cloudinit.ops, patchlang.cloudinit.compile
print(*compiled)
print(*sys.modules)
"""


def test_importing_the_engine_compiles_no_pattern_and_makes_no_dataclass() -> None:
    compiled, modules = _python(AT_IMPORT).split("\n", 1)
    assert compiled == ""
    assert "dataclasses" not in modules.split()
    modules = _python("import sys, patchlang.record, patchlang.patterns; print(*sys.modules)")
    assert set(modules.split()) & {"dataclasses", "inspect"} == set(), "lxml brings the second, we do not"


@pytest.mark.parametrize("text", [documents.WITH_CEL, documents.WITHOUT_CEL], ids=["with CEL", "without CEL"])
def test_a_domain_is_parsed_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, domain, vmi = engine.compiled([text]), documents.domain(), documents.vmi()
    counted: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        original = getattr(module, name)

        def counting(*arguments: Any, **named: Any) -> Any:
            counted[name] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(module, name, counting)

    for name in ("fromstring", "XML", "parse", "fromstringlist", "iterparse"):
        count(etree, name)
    count(expat, "ParserCreate")
    assert engine.run(program, domain, vmi) != domain
    assert counted["fromstring"] == 1
    assert counted.total() - counted["ParserCreate"] == 1
    assert counted["ParserCreate"] <= 1


APPLY = """
import sys
from patchlang import cli
sys.argv = ["patchlang", "apply", "-p", sys.argv[1], "--domain", sys.argv[2], "-o", sys.argv[3], *sys.argv[4:]]
try:
    cli.main()
except SystemExit as e:
    assert not e.code
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("flags", "unwanted"),
    [
        ([], {"patchlang.rng.faults"}),
        (["--no-validate"], {"patchlang.grammar", "patchlang.validation"}),
        (["--no-check-domain"], {"patchlang.rng"}),
    ],
)
def test_apply_loads_no_check_that_it_is_told_to_leave_out(
    flags: list[str], unwanted: set[str], tmp_path: Path
) -> None:
    inputs = documents.INPUTS / "baseboard-literal.yaml", documents.BASE / "numa-gpu.domain.xml", tmp_path / "out.xml"
    loaded = set(_python(APPLY, *inputs, *map(Path, flags)).split())
    assert loaded & unwanted == (unwanted if not flags and SCHEMA.is_file() else set())
    assert flags or {"patchlang.grammar", "patchlang.validation"} <= loaded


def _python(code: str, *arguments: Path) -> str:
    """The output of the code, run in its own process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_help_says_of_each_command_what_it_says_itself() -> None:
    from patchlang import cli

    for name, summary in cli.COMMANDS.items():
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command is not None
        assert command.help is not None
        assert " ".join(command.help.split("\n\n")[0].split()) == summary
        assert "\n    Examples:\n" in command.help or "\nExamples:\n" in command.help, f"{name}: how is it called?"
