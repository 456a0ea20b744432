"""The image: built by buildah as in `make image`, on a base built here, and run as kubelet runs a hook sidecar."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "setpriv": "util-linux", "unshare": "util-linux"}
CERTIFICATES = (os.environ.get("PIP_CERT"), os.environ.get("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt")
BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
TAG = "localhost/patchlang:test"
END_SECONDS = 20.0


def missing() -> str | None:
    """Why the image cannot be built here, or None."""
    absent = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if absent:
        return f"needs the Debian packages {', '.join(absent)}"
    if os.geteuid() != 0:
        return "needs root"
    if not mirror():
        return "needs Debian, and a mirror of it that apt knows"
    return None


def run(*command: str | Path, **more: Any) -> str:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more
    )
    if done.returncode:
        raise AssertionError(f"{command[0]}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    if "ID=debian\n" not in Path("/etc/os-release").read_text():
        return ""
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Identifier: Packages", "Origin: Debian"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return sites[0] if sites else ""


def base_name() -> str:
    match = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert match
    return match[1]


def pip_settings() -> str:
    """This machine's pip configuration as a file for the build: the package sources except local folders."""
    listed = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    settings = dict(line.split("=", 1) for line in sorted(listed, key=lambda line: line.startswith(":env:")))
    kept = {}
    for name, value in settings.items():
        key = name.rpartition(".")[2].removeprefix("default-")
        words = [word for word in str(ast.literal_eval(value)).split() if not word.startswith(("/", "file:"))]
        if key in ("index-url", "extra-index-url", "find-links", "proxy", "retries", "timeout", "trusted-host"):
            kept[key] = " ".join(words)
    lines = [f"{key} = {value}" for key, value in kept.items() if value]
    return "\n".join(["[global]", "cert = /run/secrets/ca.crt", *lines, ""])


class Builder:
    """buildah with its own store below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pip.conf").write_text(pip_settings())

    def buildah(self, *arguments: str | Path) -> str:
        store = ["--root", self.folder / "store", "--runroot", self.folder / "run", "--storage-driver", "vfs"]
        return run("buildah", *store, *arguments, env={**os.environ, "BUILDAH_ISOLATION": "chroot"}).strip()

    def make_base(self) -> str:
        """Build Debian with Python and pip, under the name that the Dockerfile builds on; returns its size in words."""
        name = base_name()
        root = self.folder / "base"
        acquire = run("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire").splitlines()
        run(
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            "--include=ca-certificates,python3,python3-pip",
            *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("info", "locale", "man")),
            *(f"--aptopt={line}" for line in acquire),
            name.rpartition("-")[2],
            root,
            mirror(),
        )
        container = self.buildah("from", "scratch")
        self.buildah("copy", "--quiet", container, root, "/")
        shutil.rmtree(root)
        self.buildah("config", "--env", f"PATH={BASE_PATH}", container)
        self.buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{name}")
        return name

    def build(self) -> Image:
        """Build as `make image` does, with all timestamps the same."""
        certificates = next(path for path in CERTIFICATES if path and Path(path).is_file())
        secrets = [f"--secret=id=pip.conf,src={self.folder / 'pip.conf'}", f"--secret=id=ca.crt,src={certificates}"]
        options = ["--pull-never", "--no-cache", "--timestamp=0", *secrets]
        self.buildah("build", *options, f"--tag={TAG}", ROOT)
        return Image(self, self.buildah("images", "--quiet", "--no-trunc", TAG))

    def remove(self) -> None:
        """Remove everything. A leftover mount is an error: the files below it are not ours to delete."""
        left = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        assert [path for path in left if path.startswith(f"{self.folder}/")] == []
        shutil.rmtree(self.folder)


@dataclass(frozen=True)
class Image:
    builder: Builder
    id: str

    @cached_property
    def about(self) -> dict[str, Any]:
        about: dict[str, Any] = json.loads(self.builder.buildah("inspect", "--type=image", self.id))["OCIv1"]
        return about

    @property
    def megabytes(self) -> float:
        (image,) = json.loads(self.builder.buildah("images", "--json", self.id))
        return float(re.sub(r"[^\d.]", "", image["size"]))

    @contextlib.contextmanager
    def root(self) -> Iterator[Path]:
        """Extract the image's files to a folder that exists as long as the context."""
        container = self.builder.buildah("from", "--pull-never", self.id)
        try:
            yield Path(self.builder.buildah("mount", container))
        finally:
            self.builder.buildah("umount", container)
            self.builder.buildah("rm", container)

    @contextlib.contextmanager
    def start(self, root: Path, *arguments: str, files: Mapping[str, bytes]) -> Iterator[Sidecar]:
        """Start the entry point in ``root`` as kubelet starts a hook sidecar; ``files`` by path in the container."""
        with tempfile.TemporaryDirectory(prefix="image-") as scratch:
            folder, hooks = Path(scratch, "files"), Path(scratch, "hooks")
            hooks.mkdir()
            hooks.chmod(0o777)
            (root / "run/kubevirt-hooks").mkdir(exist_ok=True)
            for name, content in files.items():
                for path in (folder / name, root / name):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o755)
            sidecar = Sidecar(self.about["config"], root, hooks, folder, arguments, Path(scratch, "log"))
            try:
                yield sidecar
            except Exception as error:
                error.add_note(f"the sidecar's log:\n{sidecar.log}")
                raise
            finally:
                sidecar.kill()
                for name in files:
                    (root / name).unlink()


class Sidecar:
    """The image's process: its user and environment, no capabilities, a read-only root, its own namespaces."""

    def __init__(
        self, config: dict[str, Any], root: Path, hooks: Path, files: Path, arguments: tuple[str, ...], log: Path
    ) -> None:
        user, _, group = config["User"].partition(":")
        spaces = ["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        privileges = ["--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
        self.hooks = hooks
        self._log = log
        with log.open("wb") as stream:
            self._outer = subprocess.Popen(
                [
                    *("unshare", *spaces, "sh", ROOT / "tests/real/readonly-root.sh", root, hooks, files),
                    *("env", "-i", *config["Env"], "CONTAINER_NAME=hook-sidecar-0"),
                    *("setpriv", f"--reuid={user}", f"--regid={group}", *privileges, "--no-new-privs"),
                    *(*config["Entrypoint"], *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @cached_property
    def process(self) -> Path:
        """The folder of the process in this machine's /proc."""
        outer = self._outer.pid
        (inner,) = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        return Path("/proc", inner)

    def status(self) -> dict[str, str]:
        return dict(re.findall(r"^(\w+):[ \t]*(.*)$", (self.process / "status").read_text(), re.MULTILINE))

    def writable_mounts(self) -> set[str]:
        """The writable mounts, except devices."""
        mounts = [line.split() for line in (self.process / "mountinfo").read_text().splitlines()]
        return {m[4] for m in mounts if "rw" in m[5].split(",") and not m[4].startswith("/dev/")}

    def end(self) -> int:
        """The exit status after SIGTERM."""
        os.kill(int(self.process.name), signal.SIGTERM)
        return self._outer.wait(END_SECONDS)

    def kill(self) -> None:
        self._outer.kill()
        self._outer.wait(END_SECONDS)
