"""What a patch may read from its pod: which facts, which paths, and their contents, read once per call.

Only the sidecar has a pod (:mod:`shim.pod`); locally and in tests, facts are passed in.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Protocol

from . import rules
from .diagnostics import did_you_mean, fail
from .record import field, record
from .source import Span

MAX_FACT = 64 * 1024
MAX_FACTS = 256 * 1024
PODINFO, KUBEVIRT, SECRETS = "/etc/podinfo", "/var/run/kubevirt", "/var/run/secrets"
PLACES = f"allowed are files below `{PODINFO}` and `{KUBEVIRT}…`, and below `{SECRETS}` with `allowSecret: true`"


@record
class WantedFile:
    """A file that a patch declares; ``allow_secret``: it may be where secrets are."""

    path: str
    allow_secret: bool
    span: Span


@record
class Wanted:
    """What a patch declares, by name, and where."""

    env: tuple[tuple[str, Span], ...]
    files: tuple[tuple[str, WantedFile], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """``env.NAME`` and ``files.NAME`` of all."""
        return (*(f"env.{name}" for name, _ in self.env), *(f"files.{name}" for name, _ in self.files))


class UnreadableError(Exception):
    """A fact exists but cannot be read; the message says why, without its value."""


class Pod(Protocol):
    """The source of facts."""

    def variable(self, name: str) -> bytes | None:
        """An environment variable."""

    def file(self, name: str, wanted: WantedFile) -> bytes | None:
        """At most one byte more than a fact may have. None if there is no file; raises UnreadableError."""


@record
class Given:
    """Facts passed in by name: ``env.NAME`` and ``files.NAME``."""

    facts: Mapping[str, bytes] = field(default_factory=dict)

    def variable(self, name: str) -> bytes | None:
        return self.facts.get(f"env.{name}")

    def file(self, name: str, wanted: WantedFile) -> bytes | None:
        del wanted
        return self.facts.get(f"files.{name}")


@record(frozen=False)
class Facts:
    """The facts of one call. All patches see the same values."""

    pod: Pod
    known: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    size: int = 0

    def of(self, wanted: Wanted) -> dict[str, dict[str, str]]:
        """The declared facts of a patch, as far as they exist. Raises PatchError (PL419, PL413)."""
        env = {name: self._read("env", name, span, None) for name, span in wanted.env}
        files = {name: self._read("files", name, file.span, file) for name, file in wanted.files}
        return {
            "env": {name: text for name, text in env.items() if text is not None},
            "files": {name: text for name, text in files.items() if text is not None},
        }

    def _read(self, kind: str, name: str, span: Span, file: WantedFile | None) -> str | None:
        key = (kind, f"{name}\0{file.path}" if file else name)
        try:
            if key not in self.known:
                self.known[key] = self.pod.file(name, file) if file else self.pod.variable(name)
                self.size += len(self.known[key] or b"")
            return _text(self.known[key])
        except UnreadableError as e:
            raise fail(rules.UNREADABLE_FACT, f"the fact `{kind}.{name}` cannot be used: {e}", span) from None
        finally:
            if self.size > MAX_FACTS:
                raise fail(rules.LIMIT, f"the facts of a call total more than {MAX_FACTS} bytes", span)


def _text(found: bytes | None) -> str | None:
    if found is None:
        return None
    if len(found) > MAX_FACT:
        raise UnreadableError(f"it has more than {MAX_FACT} bytes")
    if b"\0" in found:
        raise UnreadableError("it is not text")
    try:
        return found.decode()
    except UnicodeDecodeError as e:
        raise UnreadableError(f"it is not UTF-8 (byte {e.start})") from None


def folder_of(path: str) -> str | None:
    """The folder that a path must stay in; None for a path that may not be read at all."""
    if posixpath.normpath(path) != path or path.startswith("//") or "\0" in path:
        return None
    parts = path.split("/")
    for place, depth in ((PODINFO, 3), (KUBEVIRT, 4), (SECRETS, 4)):
        folder = "/".join(parts[:depth])
        fits = folder.startswith(place) if place == KUBEVIRT else folder == place
        if fits and len(parts) > depth:
            return folder
    return None


def is_secret(path: str) -> bool:
    """Whether a path leads to where Kubernetes or KubeVirt mounts secrets."""
    return not {"secret", "secrets"}.isdisjoint(path.split("/"))


def check_place(path: str, *, allow_secret: bool, span: Span) -> None:
    """Raises PatchError (PL104) for a file that may not be declared."""
    if not path.startswith("/") or posixpath.normpath(path) != path or path.startswith("//"):
        raise fail(rules.BAD_VALUE, "the path must be absolute, without `.`, `..` and double `/`", span, PLACES)
    if folder_of(path) is None:
        raise fail(rules.BAD_VALUE, "files cannot be read here", span, PLACES)
    if is_secret(path) and not allow_secret:
        help = (
            f"if intended: `{{path: {path}, allowSecret: true}}`; the patch's results go into the domain or "
            "cloud-init data, where others may read them"
        )
        raise fail(rules.BAD_VALUE, "this path holds secrets", span, help)


def check_declared(name: str, declared: Iterable[str], span: Span | None = None) -> None:
    """Raises PatchError (PL206) for a fact that no patch declares, by its name ``env.NAME`` or ``files.NAME``."""
    known = sorted(declared)
    if name not in known:
        help = did_you_mean(name, known, "declared")
        raise fail(rules.UNKNOWN_NAME, f"no patch declares the fact `{name}`", span, help)


NOTHING: Pod = Given()
