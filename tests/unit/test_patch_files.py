"""The patch files that paths name. Finding none is an error if a path was given or the folder is not empty."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchlang.diagnostics import PatchError
from patchlang.files import find_patch_files, read_source
from patchlang.loading import load, load_sources
from patchlang.render import render
from patchlang.source import SourceFile

PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata: {name: a}
spec: {domain: [{op: remove, path: /domain/a}]}
"""
TEST = """\
apiVersion: patchlang/v1
kind: PatchTest
metadata: {name: a}
spec: {patches: [a.yaml], domain: <domain/>, cases: [{name: a, unchanged: true}]}
"""

Make = Callable[[Path], object]


def file(path: Path) -> None:
    path.write_text(PATCH)


def full_folder(path: Path) -> None:
    path.mkdir()
    file(path / "inner.yaml")


def bound_socket(path: Path) -> None:
    """Uses a short name because the path of a socket is limited to 107 bytes."""
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def link(target: Make) -> Make:
    def make(path: Path) -> None:
        target(path.parent.parent / "target")
        path.symlink_to(path.parent.parent / "target")

    return make


def kubelet(path: Path) -> None:
    """A mounted ConfigMap without keys."""
    path.mkdir()
    (path / "..2026_01_07").mkdir()
    (path / "..data").symlink_to("..2026_01_07")


KINDS: dict[str, Make] = {
    "a file": file,
    "a link to a file": link(file),
    "an empty directory": Path.mkdir,
    "a link to an empty directory": link(Path.mkdir),
    "a folder": full_folder,
    "a link to a folder": link(full_folder),
    "a pipe": os.mkfifo,
    "a socket": bound_socket,
    "a device": lambda path: path.symlink_to("/dev/null"),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a loop of links": lambda path: path.symlink_to(path.name),
    "a loop of two links": lambda path: (
        path.symlink_to("other-way"),
        (path.parent / "other-way").symlink_to(path.name),
    ),
    "only the kubelet's own": kubelet,
}

EMPTY = "PL010 no-patch-file] `{}` is an empty directory, but should be a patch file"
FOLDER = "PL001 unreadable-file] `{}` cannot be read: it is a directory"
PIPE = "PL001 unreadable-file] `{}` cannot be read: it is a named pipe"
SOCKET = "PL001 unreadable-file] `{}` cannot be read: it is a socket"
DEVICE = "PL001 unreadable-file] `{}` cannot be read: it is a device"
LOOP = "PL001 unreadable-file] `{}` cannot be read: Too many levels of symbolic links"
GONE = "PL001 unreadable-file] `{}` cannot be read: does not exist"
NOT_FOUND = "PL001 unreadable-file] `{}` cannot be read: No such file or directory"

# what exists → error if named as a.yaml, error if named as a, and error for each name inside a folder
SAID: dict[str, tuple[str, str, str, str]] = {
    "a file": ("", "", "", ""),
    "a link to a file": ("", "", "", ""),
    "an empty directory": (EMPTY, EMPTY, EMPTY, EMPTY),
    "a link to an empty directory": (EMPTY, EMPTY, EMPTY, EMPTY),
    "a folder": (FOLDER, "", FOLDER, ""),
    "a link to a folder": (FOLDER, "", FOLDER, ""),
    "a pipe": (PIPE, PIPE, PIPE, ""),
    "a socket": (SOCKET, SOCKET, SOCKET, ""),
    "a device": (DEVICE, DEVICE, DEVICE, ""),
    "a dangling link": (GONE, GONE, NOT_FOUND, ""),
    "a loop of links": (LOOP, LOOP, LOOP, ""),
    "a loop of two links": (LOOP, LOOP, LOOP, ""),
    "only the kubelet's own": (FOLDER, EMPTY, FOLDER, ""),
}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def said(errors: object) -> str:
    """The error messages, without the help."""
    return "".join(line.removeprefix("error[") for line in render(errors).splitlines() if line.startswith("error"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("at", "name"), [(0, "a.yaml"), (1, "a")])
@pytest.mark.parametrize("required", [True, False])
def test_what_is_named(kind: str, at: int, name: str, required: bool) -> None:
    KINDS[kind](Path(name).absolute())
    found, errors = find_patch_files([Path(name), Path(name)], required=required)
    expected = SAID[kind][at].format(name)
    if expected == EMPTY.format("a") and not required:
        expected = ""  # the sidecar's default folder may be empty
        assert found == []
    assert said(errors) == expected
    if expected:
        assert found == []
    elif "file" in kind:
        assert found == [Path(name)]
    elif "folder" in kind:
        assert found == [Path(name, "inner.yaml")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("required", [True, False])
def test_what_is_called_like_a_patch_in_a_folder(kind: str, required: bool) -> None:
    Path("p").mkdir()
    file(Path("p/b.yml"))
    KINDS[kind](Path("p/a.yaml").absolute())
    found, errors = find_patch_files([Path("p")], required=required)
    assert said(errors) == SAID[kind][2].format("p/a.yaml")
    assert found == [Path("p", name) for name in ("a.yaml", "b.yml") if name == "b.yml" or "file" in kind]


@pytest.mark.parametrize("name", ["a", ".hidden.yaml", "p.json", "p.YAML", "p.yaml.txt", "p.yml~"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_called_otherwise_in_a_folder(kind: str, name: str) -> None:
    """Only an empty directory counts as a missing key."""
    Path("p").mkdir()
    KINDS[kind](Path("p", name).absolute())
    expected = SAID[kind][3].format(f"p/{name}")
    for required in (True, False):
        found, errors = find_patch_files([Path("p")], required=required)
        assert found == []
        shown = f"{name}/" if ("folder" in kind or "kubelet" in kind) else name
        assert said(errors).startswith(expected or "PL010 no-patch-file] `p` contains no patch file")
        assert expected or f"`{shown}`" in said(errors)
    file(Path("p/b.yaml"))
    found, errors = find_patch_files([Path("p")], required=True)
    assert (found, said(errors)) == ([Path("p/b.yaml")], expected)


@pytest.mark.parametrize("name", ["..data", "..2026_01_07", "lost+found"])
def test_what_is_not_the_user_s_counts_for_nothing(name: str) -> None:
    Path("p", name).mkdir(parents=True)
    assert find_patch_files([Path("p")], required=False) == ([], [])
    assert said(find_patch_files([Path("p")], required=True)[1]) == EMPTY.format("p")
    file(Path("p/a.yaml"))
    assert find_patch_files([Path("p")], required=True) == ([Path("p/a.yaml")], [])


def test_a_missing_path_is_an_error_where_it_is_named() -> None:
    assert find_patch_files([Path("p")], required=False) == ([], [])
    assert said(find_patch_files([Path("p")], required=True)[1]) == GONE.format("p")


def test_the_message_tells_of_the_key() -> None:
    Path("smbios.yaml").mkdir()
    assert render(find_patch_files([Path("smbios.yaml")], required=True)[1]) == (
        "error[PL010 no-patch-file] `smbios.yaml` is an empty directory, but should be a patch file\n"
        "  help: the kubelet creates one if the ConfigMap has no such key: check `key` in the annotation "
        "hooks.kubevirt.io/hookSidecars, and the keys of the ConfigMap\n"
    )


def test_the_names_in_a_message_are_bounded_and_safe() -> None:
    Path("p").mkdir()
    for number in range(7):
        Path("p", f"{number}\x1b[31m\n.json").touch()
    text = render(find_patch_files([Path("p")], required=True)[1])
    assert "`4\\u001b[31m\\u000a.json` and 2 more" in text
    assert "\x1b" not in text
    assert text.count("\n") == 2


def test_a_file_found_twice_is_there_once() -> None:
    Path("p").mkdir()
    file(Path("p/a.yaml"))
    Path("p/b").mkdir()
    found, errors = find_patch_files([Path("p/a.yaml"), Path("p"), Path("p")], required=True)
    assert (found, len(errors)) == ([Path("p/a.yaml")], 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_that_must_not_be_read() -> None:
    for name in ("p", "p/a.yaml", "p/other"):
        Path(name).mkdir()
        Path(name, "x").touch()
    file(Path("p/b.yaml"))
    for name in ("p/a.yaml", "p/other"):
        Path(name).chmod(0)
    found, errors = find_patch_files([Path("p")], required=True)
    assert found == [Path("p/b.yaml")]
    assert said(errors) == "PL001 unreadable-file] `p/a.yaml` cannot be read: Permission denied"


def test_streams_are_for_the_command_line() -> None:
    """``patchlang apply -p <(helm template …)``. A pipe in a folder would still wait for a writer."""
    os.mkfifo("pipe")
    assert find_patch_files([Path("pipe")], required=True, streams=True) == ([Path("pipe")], [])
    Path("p").mkdir()
    os.mkfifo("p/a.yaml")
    assert said(find_patch_files([Path("p")], required=True, streams=True)[1]) == PIPE.format("p/a.yaml")


@pytest.mark.parametrize("kind", KINDS)
def test_reading_never_waits_and_never_leaves_with_a_traceback(kind: str) -> None:
    KINDS[kind](Path("a.yaml").absolute())
    loaded = load([Path("a.yaml")])
    assert (loaded.program is not None) is ("file" in kind)
    assert bool(loaded.diagnostics) is ("file" not in kind)


def test_a_name_that_no_file_can_have() -> None:
    assert said(find_patch_files([Path("a\0b")], required=True)[1]).startswith("PL001 unreadable-file] `a\\u0000b`")
    with pytest.raises(PatchError, match="PL001"):
        read_source(Path("a\0b"))


ENTRIES = st.dictionaries(
    st.sampled_from(["a.yaml", "b.yml", "c", "d.json", "e.YAML", ".f.yaml", "..g", "lost+found", "h.yaml.txt"]),
    st.sampled_from(sorted(set(KINDS) - {"a loop of two links", "a link to a file", "a link to a folder",
                                         "a link to an empty directory"})),
    max_size=4,
)  # fmt: skip


@given(entries=ENTRIES, required=st.booleans())
def test_nothing_found_is_never_silent(entries: dict[str, str], required: bool) -> None:
    """If a folder is given or holds any user files, there are patch files or errors. Every patch file that is not
    found is in an error."""
    with TemporaryDirectory() as parent:
        folder = Path(parent, "p")
        folder.mkdir()
        for name, kind in entries.items():
            KINDS[kind](folder / name)
        found, errors = find_patch_files([folder], required=required)
        of_the_user = [name for name in entries if not name.startswith("..") and name != "lost+found"]
        assert found or errors or not (required or of_the_user)
        text = "\n".join(error.message for error in errors)
        for name in of_the_user:
            path = folder / name
            is_patch = path.suffix in (".yaml", ".yml") and name != ".f.yaml"
            assert (path in found) is (is_patch and entries[name] == "a file")
            assert path in found or not is_patch or f"`{path}`" in text
            assert entries[name] != "an empty directory" or f"`{path}`" in text


# -- documents without content -----------------------------------------------------------------------------------------


def loaded(named: tuple[str, ...], **texts: str) -> tuple[bool, list[str]]:
    program, diagnostics = load_sources([SourceFile(name, text) for name, text in texts.items()], named=named)
    return program is not None, [f"{d.rule.id} {d.span}" for d in diagnostics]


@pytest.mark.parametrize(
    ("texts", "named", "wrong"),
    [
        ({"a": PATCH}, (), []),
        ({"a": PATCH, "b": TEST}, (), []),
        ({"a": PATCH, "b": TEST}, ("a",), []),
        ({"a": PATCH + "---\n" + TEST}, ("a",), []),
        ({"a": PATCH, "b": TEST}, ("a", "b"), ["PL010 b:1:1"]),
        ({"a": TEST}, (), ["PL010 a:1:1"]),
        ({"a": TEST, "b": TEST}, (), ["PL010 a:1:1", "PL010 b:1:1"]),
        ({"a": TEST + "---\n" + TEST}, ("a",), ["PL010 a:1:1"]),
        ({"a": TEST, "b": ""}, (), ["PL008 b:1:1"]),
        ({"a": PATCH.replace("remove", "gone"), "b": TEST}, (), ["PL107 a:4:22"]),
    ],
)
def test_tests_are_no_patches(texts: dict[str, str], named: tuple[str, ...], wrong: list[str]) -> None:
    assert loaded(named, **texts) == (not wrong, wrong)
