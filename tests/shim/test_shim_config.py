"""The command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import PATCH
from shimprocess import Shim

from shim.config import DEFAULT_SOCKET_DIR, Config, UsageError, parse


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3"])
def test_the_version_in_every_form(version: str) -> None:
    expected = Config(version=version)
    for arguments in (
        ["--version", version],
        [f"--version={version}"],
        ["-version", version],
        [f"-version={version}"],
    ):
        assert parse(arguments) == expected
    assert expected.socket_dir == DEFAULT_SOCKET_DIR
    assert expected.max_domain_bytes == 1024 * 1024


def test_all_flags() -> None:
    arguments = "--version v1alpha2 --patches a --patches=b --socket-dir c --plugin-socket d --no-fallback"
    sums = [f"--sha256={'A' * 64}", "-sha256", "0" * 64]
    more = "--allow-empty --audit --log-level debug --max-memory 32Mi --max-domain-bytes 5 --check-domain e"
    assert parse([*arguments.split(), *sums, *more.split()]) == Config(
        version="v1alpha2",
        patches=(Path("a"), Path("b")),
        sha256=("a" * 64, "0" * 64),
        socket_dir=Path("c"),
        plugin_socket=Path("d"),
        no_fallback=True,
        allow_empty=True,
        audit=True,
        log_level="debug",
        max_memory=32 * 1024 * 1024,
        max_domain_bytes=5,
        check_domain=Path("e"),
    )


def test_what_is_not_said() -> None:
    assert parse([]) == Config(version_given=False)
    assert Config() == Config(version="v1alpha3", log_level="info", max_memory=None, max_domain_bytes=1024 * 1024)
    for off in ("no_fallback", "allow_empty", "audit"):
        assert getattr(Config(), off) is False


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_levels(level: str) -> None:
    assert parse(["--log-level", level]).log_level == level


@pytest.mark.parametrize(
    ("text", "size"), [("16Mi", 16 << 20), ("16777216", 16 << 20), ("1024Mi", 1 << 30), ("20000000", 20_000_000)]
)
def test_memory(text: str, size: int) -> None:
    assert parse(["--max-memory", text]).max_memory == size


@pytest.mark.parametrize("flag", ["--check-domain", "-check-domain"])
def test_the_schema_is_that_of_the_system_where_none_is_named(flag: str) -> None:
    version = ["--version", "v1alpha2"]
    assert parse([*version, flag]).check_domain == Path("/usr/share/libvirt/schemas")
    assert parse([*version, flag, "/s"]).check_domain == parse([*version, f"{flag}=/s"]).check_domain == Path("/s")
    assert parse([flag, *version]).check_domain == Path("/usr/share/libvirt/schemas")
    assert parse(version).check_domain is None


@pytest.mark.parametrize(
    ("arguments", "version"),
    [
        ([], "v1alpha3"),
        (["--socket-dir", "/h"], "v1alpha3"),
        (["--plugin-socket", "/p/s.sock"], None),
        (["--plugin-socket", "/p/s.sock", "--socket-dir", "/h"], "v1alpha3"),
        (["--plugin-socket", "/p/s.sock", "--version", "v1alpha1"], "v1alpha1"),
    ],
)
def test_the_version_where_none_is_said(arguments: list[str], version: str | None) -> None:
    """Network binding plugins, and annotations with only an image, pass no arguments."""
    config = parse(arguments)
    assert config.version == version
    assert config.version_given == ("--version" in arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", ""], "not supported"),
        (["--version", "v1beta1"], "--version v1beta1 is not supported; supported: v1alpha1, v1alpha2, v1alpha3"),
        (["--version"], "expected one argument"),
        (["--version", "v1alpha2", "--max-domain-bytes", "many"], "--max-domain-bytes many"),
        (["--version", "v1alpha2", "--max-domain-bytes", "0"], "from 1 to 4194304"),
        (["--version", "v1alpha2", "--max-domain-bytes", "4194305"], "from 1 to 4194304"),
        (["--version", "v1alpha2", "--max-domain-bytes", "1" * 5000], "from 1 to 4194304"),
        (["--version", "v1alpha2", "--patches", ""], "--patches needs a value that is not empty"),
        (["--version", "v1alpha2", "--check-domain="], "--check-domain needs a value that is not empty"),
        (["--patches", "a", "--patches", ""], "--patches needs a value that is not empty"),
        (["--socket-dir", ""], "--socket-dir needs a value that is not empty"),
        (["--plugin-socket", ""], "--plugin-socket needs a value that is not empty"),
        (["--log-level", "loud"], "--log-level loud is not a level; known: error, warning, info, debug"),
        (["--log-level", ""], "--log-level needs a value that is not empty"),
        (["--log-level", "fatal"], "is not a level"),
        (["--max-memory", "1"], "--max-memory 1 is not a number of bytes of at least 16Mi"),
        (["--max-memory", "15Mi"], "of at least 16Mi"),
        (["--max-memory", "32M"], "of at least 16Mi"),
        (["--max-memory", "Mi"], "of at least 16Mi"),
        (["--max-memory", ""], "--max-memory needs a value that is not empty"),
        (["--max-memory", "-1"], "of at least 16Mi"),
        (["--version", "v1alpha2", "--patch", "x"], "unrecognized arguments: --patch x"),
        (["--version", "v1alpha2", "more"], "unrecognized arguments: more"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments)
    assert said in str(caught.value)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    assert caught.value.code == 0
    assert "--plugin-socket" in capsys.readouterr().out


def test_the_process_says_so_and_ends_with_1(shim: Shim) -> None:
    shim.start(version="v1beta1", default_paths=False)
    assert shim.end() == 1
    assert shim.lines[0]["level"] == "error"
    assert "v1alpha1, v1alpha2, v1alpha3" in shim.messages[0]
    assert "Traceback" not in shim.text


def test_without_a_version_it_serves_the_newest_and_says_so(shim: Shim) -> None:
    shim.patch(PATCH)
    shim.start("--patches", str(shim.patches), "--socket-dir", str(shim.hooks), version=None, default_paths=False)
    launcher = shim.launcher()
    assert launcher.only.version == "v1alpha3"
    assert launcher.only.hook_points == ("OnDefineDomain", "Shutdown")
    assert "no --version given: using v1alpha3" in shim.messages
