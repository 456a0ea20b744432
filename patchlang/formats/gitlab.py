"""For GitLab: a Code Quality report, a JSON list of findings (docs.gitlab.com/ci/testing/code_quality)."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any, TextIO

from ..diagnostics import Diagnostic, Severity
from ..render import printable
from ..validation.report import Checked, Totals

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.ADVICE: "info"}


class GitLab:
    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.findings: list[dict[str, Any]] = []
        self.seen: dict[str, int] = {}

    def add(self, file: Checked) -> None:
        self.findings += [self._finding(diagnostic) for diagnostic in file.diagnostics]

    def finish(self, totals: Totals) -> None:
        json.dump(self.findings, self.out, indent=2)
        self.out.write("\n")

    def _finding(self, diagnostic: Diagnostic) -> dict[str, Any]:
        help = f"; {diagnostic.help}" if diagnostic.help else ""
        span = diagnostic.span
        path, line = (_in_repository(span.source.name), span.begin.line) if span else (".", 1)
        text = span.source.line(line).strip() if span else ""
        return {
            "description": printable(f"{diagnostic.message}{diagnostic.origin}{help}"),
            "check_name": f"{diagnostic.rule.id} {diagnostic.rule.slug}",
            "fingerprint": self._fingerprint(path, diagnostic.rule.id, diagnostic.message, text),
            "severity": _SEVERITIES[diagnostic.severity],
            "location": {"path": printable(path), "lines": {"begin": line}},
        }

    def _fingerprint(self, *parts: str) -> str:
        """Stable while the finding and its line's text are, wherever the line is; unique for each finding."""
        key = "\0".join(parts)
        self.seen[key] = number = self.seen.get(key, 0) + 1
        return sha256(f"{key}\0{number}".encode(errors="surrogateescape")).hexdigest()


def _in_repository(name: str) -> str:
    """The path relative to the repository, which GitLab tells its jobs; otherwise to the current folder."""
    folder = os.environ.get("CI_PROJECT_DIR") or os.curdir
    return os.path.relpath(name, folder)
