"""The command line."""

from __future__ import annotations

from pathlib import Path

import pytest
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
    assert parse([*arguments.split(), "--max-domain-bytes", "5"]) == Config(
        "v1alpha2", (Path("a"), Path("b")), Path("c"), Path("d"), no_fallback=True, max_domain_bytes=5
    )


@pytest.mark.parametrize("flag", ["--check-domain", "-check-domain"])
def test_the_schema_is_that_of_the_system_where_none_is_named(flag: str) -> None:
    version = ["--version", "v1alpha2"]
    assert parse([*version, flag]).check_domain == Path("/usr/share/libvirt/schemas")
    assert parse([*version, flag, "/s"]).check_domain == parse([*version, f"{flag}=/s"]).check_domain == Path("/s")
    assert parse([flag, *version]).check_domain == Path("/usr/share/libvirt/schemas")
    assert parse(version).check_domain is None


def test_the_plugin_alone_needs_no_version() -> None:
    assert parse(["--plugin-socket", "/p/s.sock"]).version is None
    with pytest.raises(UsageError, match="--version is missing"):
        parse(["--plugin-socket", "/p/s.sock", "--socket-dir", "/h"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--version is missing; supported are v1alpha1, v1alpha2, v1alpha3"),
        (["--version", ""], "not supported"),
        (["--version", "v1beta1"], "--version v1beta1 is not supported; supported are v1alpha1, v1alpha2, v1alpha3"),
        (["--version"], "expected one argument"),
        (["--version", "v1alpha2", "--max-domain-bytes", "many"], "--max-domain-bytes many"),
        (["--version", "v1alpha2", "--max-domain-bytes", "0"], "from 1 to 4194304"),
        (["--version", "v1alpha2", "--max-domain-bytes", "4194305"], "from 1 to 4194304"),
        (["--version", "v1alpha2", "--max-domain-bytes", "1" * 5000], "from 1 to 4194304"),
        (["--version", "v1alpha2", "--patches", ""], "--patches needs a path"),
        (["--version", "v1alpha2", "--check-domain="], "--check-domain needs a path"),
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


@pytest.mark.parametrize("version", [None, "v1beta1"])
def test_the_process_says_so_and_ends_with_1(shim: Shim, version: str | None) -> None:
    shim.start(version=version, default_paths=False)
    assert shim.end() == 1
    assert shim.lines[0]["level"] == "error"
    assert "v1alpha1, v1alpha2, v1alpha3" in shim.messages[0]
    assert "Traceback" not in shim.text
