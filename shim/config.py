"""The command line of the sidecar. The original's only flag is ``--version`` (cmd/sidecars/sidecar_shim.go)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from patchlang.paths import SYSTEM_SCHEMAS

VERSIONS = ("v1alpha1", "v1alpha2", "v1alpha3")
DEFAULT_PATCHES = Path("/etc/patchlang/patches.d")
DEFAULT_SOCKET_DIR = Path("/var/run/kubevirt-hooks")
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""gRPC's default limit for one message, on virt-launcher's end too."""
DEFAULT_MAX_DOMAIN_BYTES = 1024 * 1024
"""More does not fit the 64 MB that KubeVirt gives a sidecar by default."""


class UsageError(Exception):
    """A command line that cannot be served; the text says what is wrong and what there is."""


@dataclass(frozen=True, slots=True)
class Config:
    """What to serve, where, and from what.

    ``version`` is None where only the plugin service is wanted. ``patches`` holds the paths named by the user, all
    of which must exist; where there are none, ``DEFAULT_PATCHES`` is looked at, if it is there. ``check_domain`` is a
    folder with libvirt's schema, by which the outcome is checked; None: it is not.
    """

    version: str | None = None
    patches: tuple[Path, ...] = ()
    socket_dir: Path = DEFAULT_SOCKET_DIR
    plugin_socket: Path | None = None
    no_fallback: bool = False
    max_domain_bytes: int = DEFAULT_MAX_DOMAIN_BYTES
    check_domain: Path | None = None


class _Parser(argparse.ArgumentParser):
    """argparse leaves with status 2 and its own layout; the original logs and leaves with 1."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sidecar-shim",
        description="KubeVirt hook sidecar: applies declared patches to the domain and the cloud-init data of a VM.",
        allow_abbrev=False,
    )

    def flag(name: str, help: str, **how: object) -> None:
        # The original reads its flag with pflag; Go's own flag package, which others use, takes a single dash.
        parser.add_argument(f"--{name}", f"-{name}", help=help, **how)  # type: ignore[arg-type]

    flag(
        "version",
        f"version of KubeVirt's hook protocol: {', '.join(VERSIONS)}; needed unless only --plugin-socket is given",
        metavar="VERSION",
    )
    flag(
        "patches",
        f"patch file, or folder with *.yaml and *.yml files; may be given again (default: {DEFAULT_PATCHES}, "
        "if it exists)",
        metavar="PATH",
        action="append",
        default=[],
    )
    flag(
        "socket-dir",
        f"folder for the hook socket (default: {DEFAULT_SOCKET_DIR})",
        metavar="DIR",
    )
    flag("plugin-socket", "serve KubeVirt's plugin API (MutateDomain) at this path too", metavar="PATH")
    flag(
        "no-fallback",
        "never run the executables onDefineDomain and preCloudInitIso, not even where there is no patch file",
        action="store_true",
    )
    flag(
        "max-domain-bytes",
        f"refuse a domain larger than this (default: {DEFAULT_MAX_DOMAIN_BYTES})",
        metavar="N",
        default=str(DEFAULT_MAX_DOMAIN_BYTES),
    )
    flag(
        "check-domain",
        "refuse what the patches make invalid by libvirt's schema, of which DIR is a folder "
        f"(if only the flag is given: {SYSTEM_SCHEMAS})",
        metavar="DIR",
        nargs="?",
        const=str(SYSTEM_SCHEMAS),
    )
    return parser


def parse(arguments: Sequence[str]) -> Config:
    """Reads the arguments, without the program's name. Raises UsageError; ``--help`` prints and ends the program."""
    given = _parser().parse_args(list(arguments))
    hooks_wanted = given.plugin_socket is None or given.socket_dir is not None
    if given.version is None and hooks_wanted:
        raise UsageError(f"--version is missing; supported are {', '.join(VERSIONS)}")
    if given.version is not None and given.version not in VERSIONS:
        raise UsageError(f"--version {given.version} is not supported; supported are {', '.join(VERSIONS)}")
    for name in ("patches", "socket_dir", "plugin_socket", "check_domain"):
        value = getattr(given, name)
        if value == "" or (isinstance(value, list) and "" in value):
            raise UsageError(f"--{name.replace('_', '-')} needs a path, not an empty text")
    return Config(
        version=given.version,
        patches=tuple(Path(path) for path in given.patches),
        socket_dir=Path(given.socket_dir) if given.socket_dir is not None else DEFAULT_SOCKET_DIR,
        plugin_socket=Path(given.plugin_socket) if given.plugin_socket is not None else None,
        no_fallback=given.no_fallback,
        max_domain_bytes=_size(given.max_domain_bytes),
        check_domain=Path(given.check_domain) if given.check_domain is not None else None,
    )


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:12]) <= MAX_MESSAGE_BYTES:
        raise UsageError(
            f"--max-domain-bytes {text[:40]} is not a number of bytes from 1 to {MAX_MESSAGE_BYTES}, "
            "the most that one gRPC message holds"
        )
    return int(text)
