"""For code scanning: SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from pathlib import PurePath
from typing import Any, TextIO
from urllib.parse import quote

from .. import __version__, handbook
from ..diagnostics import Diagnostic, Rule, Severity
from ..source import Span
from ..validation.report import Checked, Totals

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/OWNER/patchlang"


class Sarif:
    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.rules: dict[str, int] = {}
        self.descriptions: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.notifications: list[dict[str, Any]] = []

    def add(self, file: Checked) -> None:
        for diagnostic in file.diagnostics:
            if diagnostic.span:
                self.results.append(self._result(diagnostic, diagnostic.span))
            else:
                self.notifications.append(self._notification(diagnostic))

    def finish(self, totals: Totals) -> None:
        driver = {
            "name": "patchlang",
            "informationUri": HOME,
            "version": __version__,
            "semanticVersion": __version__,
            "rules": self.descriptions,
        }
        run = {
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "invocations": [
                {
                    "executionSuccessful": not self.notifications,
                    "toolExecutionNotifications": self.notifications,
                }
            ],
            "results": self.results,
        }
        json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, self.out, indent=2)
        self.out.write("\n")

    def _rule(self, rule: Rule) -> dict[str, Any]:
        """The reference to a rule, which is described only once."""
        if rule.id not in self.rules:
            self.rules[rule.id] = len(self.rules)
            page = handbook.page(rule)
            self.descriptions.append(
                {
                    "id": rule.id,
                    "name": "".join(word.capitalize() for word in rule.slug.split("-")),
                    "shortDescription": {"text": page.summary},
                    "fullDescription": {"text": _second_paragraph(page.text) or page.summary},
                    "helpUri": f"{HOME}/blob/v{__version__}/patchlang/pages/{rule.id}.md",
                    "help": {"text": page.text, "markdown": page.text},
                }
            )
        return {"id": rule.id, "index": self.rules[rule.id]}

    def _result(self, diagnostic: Diagnostic, span: Span) -> dict[str, Any]:
        rule = self._rule(diagnostic.rule)
        related = [
            {"id": number, "physicalLocation": _location(place), "message": {"text": text}}
            for number, (place, text) in enumerate(diagnostic.related, 1)
        ]
        return {
            "ruleId": rule["id"],
            "ruleIndex": rule["index"],
            "level": _LEVELS[diagnostic.severity],
            "message": {"text": _text(diagnostic)},
            "locations": [{"physicalLocation": _location(span)}],
            **({"relatedLocations": related} if related else {}),
        }

    def _notification(self, diagnostic: Diagnostic) -> dict[str, Any]:
        return {
            "associatedRule": self._rule(diagnostic.rule),
            "level": _LEVELS[diagnostic.severity],
            "message": {"text": _text(diagnostic)},
        }


def _second_paragraph(page: str) -> str:
    """Why the rule exists: what its page says after the first sentence, if that is text."""
    paragraph = page.split("\n\n")[2]
    return "" if paragraph.startswith(("```", "-", "|")) else " ".join(paragraph.split())


def _text(diagnostic: Diagnostic) -> str:
    return diagnostic.message + (f"\n{diagnostic.help}" if diagnostic.help else "")


def _location(span: Span) -> dict[str, Any]:
    begin, finish = span.begin, span.finish
    region = {
        "startLine": begin.line,
        "startColumn": begin.column,
        "endLine": finish.line,
        "endColumn": finish.column,
    }
    return {"artifactLocation": _artifact(span.source.name), "region": region}


def _artifact(name: str) -> dict[str, str]:
    path = PurePath(name)
    uri = quote(os.fsencode(path.as_posix()))
    return {"uri": f"file://{uri}"} if path.is_absolute() else {"uri": uri, "uriBaseId": "%SRCROOT%"}
