"""The command line of the sidecar. The original only has the flag ``--version`` (cmd/sidecars/sidecar_shim.go)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from patchlang.default_paths import SYSTEM_SCHEMAS
from patchlang.record import record

from .log import LEVELS
from .memory import DEFAULT as DEFAULT_MEMORY
from .memory import LEAST as LEAST_MEMORY
from .memory import MIB

VERSIONS = ("v1alpha1", "v1alpha2", "v1alpha3")
DEFAULT_VERSION = "v1alpha3"
"""Network binding plugins, and annotations with only an image, pass no arguments."""
DEFAULT_PATCHES = Path("/etc/patchlang/patches.d")
DEFAULT_SOCKET_DIR = Path("/var/run/kubevirt-hooks")
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""gRPC's default limit for one message, on virt-launcher's end too."""
SHA256_DIGITS = 64
DEFAULT_MAX_DOMAIN_BYTES = 1024 * 1024
"""More does not fit in the 64 MB that KubeVirt gives a sidecar by default."""


class UsageError(Exception):
    """An invalid command line; the text says what is wrong and what is available."""


@record
class Config:
    """What to serve, where, and from what.

    ``version`` is None if only the plugin service is wanted; ``version_given``: the user passed it.
    ``patches`` are the paths that the user passed, all of which must exist; without any, ``DEFAULT_PATCHES`` is
    used, if it exists. ``sha256`` are the required checksums of the patch files, in hexadecimal; without
    any, all text is accepted. ``check_domain`` is a folder with libvirt's schema to check the result against;
    None: no check. ``max_memory`` is in bytes; None: what the container leaves.
    """

    version: str | None = DEFAULT_VERSION
    version_given: bool = True
    patches: tuple[Path, ...] = ()
    sha256: tuple[str, ...] = ()
    socket_dir: Path = DEFAULT_SOCKET_DIR
    plugin_socket: Path | None = None
    no_fallback: bool = False
    allow_empty: bool = False
    audit: bool = False
    log_level: str = "info"
    max_domain_bytes: int = DEFAULT_MAX_DOMAIN_BYTES
    max_memory: int | None = None
    check_domain: Path | None = None


class _Parser(argparse.ArgumentParser):
    """argparse exits with status 2 and its own layout; the original logs and exits with 1."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sidecar-shim",
        description="KubeVirt hook sidecar: applies declarative patches to the domain and the cloud-init data of a VM.",
        allow_abbrev=False,
    )

    def flag(name: str, help: str, **how: object) -> None:
        def value(text: str) -> str:
            if not text and name != "version":
                raise UsageError(f"--{name} needs a value that is not empty")
            return text

        if "metavar" in how:
            how["type"] = value
        # The original parses its flag with pflag; Go's own flag package, which others use, allows a single dash.
        parser.add_argument(f"--{name}", f"-{name}", help=help, **how)  # type: ignore[arg-type]

    flag(
        "version",
        f"version of KubeVirt's hook protocol: {', '.join(VERSIONS)} (default: {DEFAULT_VERSION}, "
        "or none if only --plugin-socket is given)",
        metavar="VERSION",
    )
    flag(
        "patches",
        f"patch file, or folder of *.yaml and *.yml files; repeatable (default: {DEFAULT_PATCHES}, if it exists)",
        metavar="PATH",
        action="append",
        default=[],
    )
    flag(
        "sha256",
        "the SHA-256 of a patch file, in hexadecimal; repeatable. With it, patch files with any other checksum are "
        "refused, and executables do not run",
        metavar="DIGEST",
        action="append",
        default=[],
    )
    flag(
        "socket-dir",
        f"folder for the hook socket (default: {DEFAULT_SOCKET_DIR})",
        metavar="DIR",
    )
    flag("plugin-socket", "also serve KubeVirt's plugin API (MutateDomain) at this path", metavar="PATH")
    flag(
        "no-fallback",
        "never run the executables onDefineDomain and preCloudInitIso, even without patch files",
        action="store_true",
    )
    flag(
        "allow-empty",
        "change nothing if there is neither a patch nor an executable; otherwise that is an error",
        action="store_true",
    )
    flag("audit", "compute and log what the patches would do, and return the input unchanged", action="store_true")
    flag("log-level", f"lowest level to log: {', '.join(LEVELS)} (default: info)", metavar="LEVEL", default="info")
    flag(
        "max-memory",
        "maximum number of bytes that the patches may use; also accepts 32Mi (default: what the container's limit "
        f"leaves, {DEFAULT_MEMORY // MIB}Mi if there is none)",
        metavar="N",
    )
    flag(
        "max-domain-bytes",
        f"refuse a domain larger than this (default: {DEFAULT_MAX_DOMAIN_BYTES})",
        metavar="N",
        default=str(DEFAULT_MAX_DOMAIN_BYTES),
    )
    flag(
        "check-domain",
        "fail if the patches make the domain invalid according to libvirt's schema in the folder DIR "
        f"(without DIR: {SYSTEM_SCHEMAS})",
        metavar="DIR",
        nargs="?",
        const=str(SYSTEM_SCHEMAS),
    )
    return parser


def parse(arguments: Sequence[str]) -> Config:
    """Parses the arguments, without the program's name. Raises UsageError; ``--help`` prints and exits."""
    given = _parser().parse_args(list(arguments))
    if given.log_level not in LEVELS:
        raise UsageError(f"--log-level {given.log_level[:40]} is not a level; known: {', '.join(LEVELS)}")
    return Config(
        version=_version(given.version, given.plugin_socket is None or given.socket_dir is not None),
        version_given=given.version is not None,
        patches=tuple(Path(path) for path in given.patches),
        sha256=tuple(_digest(text) for text in given.sha256),
        socket_dir=Path(given.socket_dir) if given.socket_dir is not None else DEFAULT_SOCKET_DIR,
        plugin_socket=Path(given.plugin_socket) if given.plugin_socket is not None else None,
        no_fallback=given.no_fallback,
        allow_empty=given.allow_empty,
        audit=given.audit,
        log_level=given.log_level,
        max_domain_bytes=_size(given.max_domain_bytes),
        max_memory=None if given.max_memory is None else _memory(given.max_memory),
        check_domain=Path(given.check_domain) if given.check_domain is not None else None,
    )


def _version(given: str | None, hooks_wanted: bool) -> str | None:
    if given is not None and given not in VERSIONS:
        raise UsageError(f"--version {given[:40]} is not supported; supported: {', '.join(VERSIONS)}")
    return given or (DEFAULT_VERSION if hooks_wanted else None)


def _digest(text: str) -> str:
    if len(text) != SHA256_DIGITS or not set(text.lower()) <= set("0123456789abcdef"):
        raise UsageError(f"--sha256 {text[:80]} is not a checksum of {SHA256_DIGITS} hexadecimal digits")
    return text.lower()


def _memory(text: str) -> int:
    number, unit = (text[:-2], MIB) if text.endswith("Mi") else (text, 1)
    if not (number.isascii() and number.isdigit()) or int(number[:15]) * unit < LEAST_MEMORY:
        raise UsageError(f"--max-memory {text[:40]} is not a number of bytes of at least {LEAST_MEMORY // MIB}Mi")
    return int(number[:15]) * unit


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:12]) <= MAX_MESSAGE_BYTES:
        raise UsageError(
            f"--max-domain-bytes {text[:40]} is not a number of bytes from 1 to {MAX_MESSAGE_BYTES}, "
            "the most that one gRPC message can hold"
        )
    return int(text)
