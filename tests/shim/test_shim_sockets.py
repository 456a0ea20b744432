"""The location of the socket, and what else may exist there."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

import pytest
import virtlauncher
from samples import DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

from shim import sockets


def test_the_name_is_the_containers(shim: Shim) -> None:
    shim.start().launcher()
    assert [path.name for path in shim.hooks.iterdir()] == ["shim-hook-sidecar-0.sock"]


def test_without_a_container_name_it_is_random(make_shim: Callable[..., Shim]) -> None:
    shim = make_shim(container=None)
    shim.start().launcher()
    (path,) = shim.hooks.iterdir()
    assert path.name.startswith("shim-")
    assert path.suffix == ".sock"
    assert path.name != "shim-None.sock"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_restart_at_the_same_path(shim: Shim, number: signal.Signals) -> None:
    shim.patch(PATCH)
    launcher = shim.start().launcher()
    shim.signal(number)
    assert shim.socket.exists() == (number == signal.SIGKILL)
    shim.start()
    shim.launcher()
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)


def test_a_live_socket_is_left_alone(shim: Shim, make_shim: Callable[..., Shim]) -> None:
    shim.patch(PATCH)
    launcher = shim.start().launcher()
    second = make_shim(shim.folder.name)
    second.start()
    assert second.end() == 1
    assert f"another process listens at {shim.socket}" in second.text
    assert ENTRY.encode() in launcher.on_define_domain(DOMAIN, VMI)


def test_a_dead_socket_is_removed(shim: Shim) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(shim.socket))
    shim.start().launcher()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "pipe"])
def test_anything_else_is_left_alone(shim: Shim, kind: str) -> None:
    if kind == "file":
        shim.socket.write_text("mine")
    elif kind == "folder":
        shim.socket.mkdir()
    elif kind == "pipe":
        os.mkfifo(shim.socket)
    else:
        shim.socket.symlink_to(shim.folder / "elsewhere")
    shim.start()
    assert shim.end() == 1
    words = {"file": "a regular file", "folder": "a folder", "link": "a symbolic link", "pipe": "a pipe"}
    assert f"the socket path {shim.socket} is already {words[kind]}" in shim.text
    assert os.path.lexists(shim.socket)


def test_a_symbolic_link_at_the_plugin_socket(shim: Shim) -> None:
    shim.plugin.symlink_to(shim.folder / "elsewhere")
    shim.start("--plugin-socket", str(shim.plugin), version=None)
    assert shim.end() == 1
    assert "a symbolic link" in shim.text
    assert list(shim.hooks.iterdir()) == []


def test_no_folder(shim: Shim) -> None:
    shim.hooks.rmdir()
    shim.start()
    assert shim.end() == 1
    assert f"the socket folder {shim.hooks} does not exist" in shim.text


def test_a_file_for_a_folder(shim: Shim) -> None:
    shim.hooks.rmdir()
    shim.hooks.write_text("")
    shim.start()
    assert shim.end() == 1
    assert f"the socket folder {shim.hooks} is not a folder" in shim.text


def test_a_folder_that_cannot_be_written(shim: Shim) -> None:
    """Even root cannot create files there."""
    shim.start("--plugin-socket", "/proc/self/hook.sock", version=None)
    assert shim.end() == 1
    assert "/proc/self" in shim.messages[-1]
    assert shim.lines[-1]["level"] == "error"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(shim: Shim) -> None:
    shim.hooks.chmod(0o555)
    shim.start()
    assert shim.end() == 1
    assert "not writable" in shim.text


def test_a_long_path(shim: Shim) -> None:
    shim.hooks = shim.folder / ("x" * 90)
    shim.hooks.mkdir()
    shim.start()
    assert shim.end() == 1
    assert "107 bytes" in shim.text


@pytest.mark.parametrize("name", ["a%41b", "a b", "a?b#c", "é"])
def test_odd_folder_names(shim: Shim, name: str) -> None:
    shim.hooks = shim.folder / name
    shim.hooks.mkdir()
    shim.start().launcher()
    assert [path.name for path in shim.hooks.iterdir()] == ["shim-hook-sidecar-0.sock"]
    assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.hooks.iterdir()) == []


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb"])
def test_a_container_name_that_is_none(shim: Shim, name: str) -> None:
    shim.start(environment={"CONTAINER_NAME": name})
    assert shim.end() == 1
    assert "CONTAINER_NAME" in shim.text
    assert len(shim.lines) == len(shim.text.splitlines())


@pytest.mark.parametrize("name", ["shim-hook-sidecar-0.sock", "plugin.sock"])
def test_both_sockets_in_one_folder(shim: Shim, name: str) -> None:
    shim.start("--plugin-socket", str(shim.hooks / name))
    assert shim.end() == 1
    assert f"--plugin-socket must not be in {shim.hooks}" in shim.text
    assert list(shim.hooks.iterdir()) == []


def test_a_successors_socket_is_not_removed(shim: Shim) -> None:
    launcher = shim.start().launcher()
    shim.socket.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(shim.socket))
        mine = sockets.identity(shim.socket)
        assert mine is not None
        sockets.remove(shim.socket, (mine[0], mine[1] + 1))
        assert sockets.identity(shim.socket) == mine
    assert launcher.only.path == shim.socket


def test_a_scan_finds_only_the_socket_from_the_start_on(shim: Shim) -> None:
    """virt-launcher takes everything in the folder for a socket while the sidecar starts."""
    (shim.hooks / "sub").mkdir()
    seen: set[str] = set()
    shim.start()
    while not shim.socket.exists():
        seen |= {path.name for path in shim.hooks.iterdir() if not path.is_dir()}
        assert shim.process is not None
        assert shim.process.poll() is None
    assert seen <= {shim.socket.name}
    assert virtlauncher.ask_info(shim.socket).name == "shim"
