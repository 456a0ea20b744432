"""The arguments of a sidecar, read as our shim reads them (``shim/config.py``; a test compares the two)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import rules
from ..diagnostics import Diagnostic, did_you_mean
from ..document.yamltree import Scalar
from ..patterns import pattern
from ..record import record
from ..source import Span

LARGEST_DOMAIN = 4 * 1024 * 1024
DEFAULT_DOMAIN = 1024 * 1024
VERSIONS = ("v1alpha1", "v1alpha2", "v1alpha3")
LOG_LEVELS = ("debug", "info", "warning", "error")
DEFAULT_PATCHES = "/etc/patchlang/patches.d"
_DIGEST = pattern(r"[0-9a-fA-F]{64}")
FLAGS: dict[str, bool | None] = {
    "version": True,
    "patches": True,
    "sha256": True,
    "socket-dir": True,
    "plugin-socket": True,
    "no-fallback": False,
    "max-domain-bytes": True,
    "check-domain": None,
    "audit": False,
    "allow-empty": False,
    "log-level": True,
    "max-memory": True,
}
"""The shim's flags, and whether each takes a value; None if it is optional."""
OURS = frozenset(FLAGS) - {"version"}
"""Flags that KubeVirt's own shim does not have."""


@record
class Arguments:
    """A sidecar's settings. ``patches`` are the places where it looks for patch files; empty: the default one.

    ``sha256`` are their required checksums; empty: any text is accepted.
    """

    version: Scalar | None
    patches: tuple[str, ...]
    sha256: tuple[Scalar, ...] = ()
    plugin_socket: Scalar | None = None
    audits: bool = False
    max_domain_bytes: int = DEFAULT_DOMAIN


def names(args: Sequence[Scalar]) -> set[str]:
    """The given flags, known or not."""
    return {arg.text.lstrip("-").replace("=", " ").split(" ")[0] for arg in args if arg.text.startswith("-")}


def read(args: Sequence[Scalar]) -> tuple[Arguments, list[Diagnostic]]:
    """The arguments, and what our shim would refuse in them (PL704, PL705)."""
    found: list[Diagnostic] = []
    given: dict[str, list[Scalar]] = {}  # flag → its values, or itself
    for name, value, place in _pairs(args, found):
        if name not in FLAGS:
            help = did_you_mean(f"--{name}", [f"--{flag}" for flag in FLAGS], "flags")
            found.append(_refused(f"the patchlang sidecar has no flag `{place.text}`", place.span, help))
        elif (FLAGS[name] and value is None) or (value is not None and value.text == "" and name != "version"):
            found.append(_refused(f"`--{name}` needs a value", place.span, None))
        elif value is not None and FLAGS[name] is False:
            found.append(_refused(f"`--{name}` takes no value", place.span, None))
        else:
            given.setdefault(name, []).append(value or place)
    found += _version(given)
    found += _sizes(given)
    found += _log_level(given)
    found += _checksums(given)
    patches = tuple(path.text for path in given.get("patches", ()))
    version, socket = (given.get(name, [None])[-1] for name in ("version", "plugin-socket"))
    digests = tuple(digest for digest in given.get("sha256", ()) if _DIGEST.fullmatch(digest.text))
    size = given["max-domain-bytes"][-1].text if "max-domain-bytes" in given else ""
    most = int(size[:12]) if _is_number(size) else DEFAULT_DOMAIN
    return Arguments(version, patches, digests, socket, "audit" in given, most), found


def _pairs(args: Sequence[Scalar], found: list[Diagnostic]) -> Iterator[tuple[str, Scalar | None, Scalar]]:
    """Each flag, its value if it has one, and where it is written."""
    at = 0
    while at < len(args):
        arg = args[at]
        at += 1
        if not arg.text.startswith("-") or arg.text == "-":
            found.append(_refused(f"the patchlang sidecar takes only flags, not `{arg.text}`", arg.span, _split(arg)))
            continue
        name, equals, text = arg.text.lstrip("-").partition("=")
        if " " in name:
            found.append(_refused(f"`{arg.text}` is one argument, not a flag", arg.span, _split(arg)))
        elif equals:
            yield name, Scalar(text, False, arg.span), arg
        elif FLAGS.get(name, False) is not False and at < len(args) and _is_value(args[at].text):
            yield name, args[at], arg
            at += 1
        else:
            yield name, None, arg


def _is_value(text: str) -> bool:
    """Whether Python's argparse, which reads the sidecar's arguments, takes it as the value of the previous flag."""
    return not text.startswith("-") or text == "-" or (" " in text and text.lstrip("-").split("=")[0] not in FLAGS)


def _split(arg: Scalar) -> str | None:
    words = arg.text.split()
    listed = ", ".join(f'"{word}"' for word in words)
    return f"there is no shell to split it: write {listed}" if len(words) > 1 else None


def _refused(message: str, place: Span, help: str | None) -> Diagnostic:
    return Diagnostic(rules.SIDECAR_ARGUMENTS, message, place, help)


def _version(given: dict[str, list[Scalar]]) -> Iterator[Diagnostic]:
    for version in given.get("version", ())[-1:]:
        if version.text not in VERSIONS:
            message = f"the sidecar does not support version `{version.text}`"
            help = did_you_mean(version.text, VERSIONS, "versions")
            yield Diagnostic(rules.SIDECAR_VERSION, message, version.span, help)


def _log_level(given: dict[str, list[Scalar]]) -> Iterator[Diagnostic]:
    for level in given.get("log-level", ())[-1:]:
        if level.text not in LOG_LEVELS:
            help = did_you_mean(level.text, LOG_LEVELS, "levels")
            yield _refused(f"`--log-level` cannot be `{level.text}`", level.span, help)


def _sizes(given: dict[str, list[Scalar]]) -> Iterator[Diagnostic]:
    for size in given.get("max-domain-bytes", ())[-1:]:
        if not _is_number(size.text) or not 1 <= int(size.text[:12]) <= LARGEST_DOMAIN:
            yield _refused(f"`--max-domain-bytes` must be a number of bytes, at most {LARGEST_DOMAIN}", size.span, None)
    for size in given.get("max-memory", ())[-1:]:
        if not _is_number(size.text) or not size.text.strip("0"):
            yield _refused("`--max-memory` must be a number of bytes", size.span, None)


def _checksums(given: dict[str, list[Scalar]]) -> Iterator[Diagnostic]:
    for digest in given.get("sha256", ()):
        if not _DIGEST.fullmatch(digest.text):
            help = "`sha256sum FILE` prints it, and `patchlang manifest --sha256` writes it"
            yield _refused("`--sha256` must be a checksum of 64 hexadecimal digits", digest.span, help)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
