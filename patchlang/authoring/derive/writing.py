"""Write a patch as YAML, the way a person would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ...diagnostics import Diagnostic
from ...document.scalar_values import is_text
from ...validation.ignores import can_be_ignored
from . import fragments
from .templates import written

_WIDTH = 110
_SHORT_ROW = 60
_SHORT = frozenset({"env", "keys", "part"})
"""Maps of texts, which are written on one line if they fit."""
_BOOLEANS = frozenset({"yes", "no", "on", "off"})


def patch(name: str, spec: Mapping[str, Any], namespaces: Mapping[str, str], remarks: Sequence[str] = ()) -> str:
    """The text of a patch document; ``remarks`` become comments at the start."""
    lines = [*(f"# {remark}" for remark in remarks), "apiVersion: patchlang/v1", "kind: Patch"]
    lines += [f"metadata: {{name: {scalar(name, flow=True)}}}", "spec:"]
    body = [
        line
        for kind in ("domain", "cloudInit")
        for line in _Writer(namespaces, exact=kind == "cloudInit").edits(kind, spec.get(kind, ()))
    ]
    if namespaces := {prefix: uri for prefix, uri in namespaces.items() if f"{prefix}:" in "\n".join(body)}:
        inner = ", ".join(f"{prefix}: {scalar(uri, flow=True)}" for prefix, uri in namespaces.items())
        lines.append(f"  namespaces: {{{inner}}}")
    if "when" in spec:
        lines.append(f"  when: {scalar(spec['when'])}")
    lines += body
    return "\n".join(lines) + "\n"


def with_ignores(text: str, found: Sequence[Diagnostic]) -> str:
    """A patch with a comment that ignores unavoidable findings of `validate`: the hook does the same."""
    lines = text.split("\n")
    rules: dict[int, set[str]] = {}
    for one in found:
        if one.span is not None and can_be_ignored(one.rule.id):
            rules.setdefault(_start(lines, one.span.begin.line - 1), set()).add(one.rule.id)
    for at in sorted(rules, reverse=True):
        line = lines[at]
        indent = line[: len(line) - len(line.lstrip())]
        lines.insert(at, f"{indent}# patchlang: ignore[{', '.join(sorted(rules[at]))}] the hook does this")
    return "\n".join(lines)


def _start(lines: Sequence[str], at: int) -> int:
    """The line in which the text of a line begins; in a block scalar, the line of the key."""
    least = _indent(lines[at])
    for above in range(at - 1, -1, -1):
        if _indent(lines[above]) < least:
            if lines[above].endswith(("|", "|-")):
                return above
            least = _indent(lines[above])
    return at


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


class _Writer:
    """``exact``: quote a text that YAML would read as a number or a boolean, because types count there."""

    def __init__(self, namespaces: Mapping[str, str], *, exact: bool) -> None:
        self._namespaces = namespaces
        self._exact = exact

    def _scalar(self, text: str, *, flow: bool = False) -> str:
        return scalar(text, flow=flow, exact=self._exact)

    def edits(self, kind: str, edits: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        if edits:
            yield f"  {kind}:"
        for edit in edits:
            yield from self._edit(edit, "    ")

    def _edit(self, edit: Mapping[str, Any], indent: str) -> Iterator[str]:
        flow = self._flow(edit)
        if flow is not None and len(indent) + len(flow) + 2 <= _WIDTH:
            yield f"{indent}- {flow}"
            return
        lead = f"{indent}- "
        for key, value in edit.items():
            shown = list(self._entry(key, value, f"{indent}  "))
            yield lead + shown[0]
            yield from shown[1:]
            lead = f"{indent}  "

    def _entry(self, key: str, value: Any, indent: str) -> Iterator[str]:
        if key == "edits":
            yield "edits:"
            for edit in value:
                yield from self._edit(edit, f"{indent}  ")
        elif key == "xml":
            lines = fragments.lines(value, self._namespaces)
            if len(lines) == 1:
                yield f"xml: {self._scalar(lines[0])}"
                return
            yield "xml: |"
            yield from (f"{indent}  {line}" for line in lines)
        elif isinstance(value, dict) and key not in _SHORT:
            yield f"{key}:"
            yield from (f"{indent}  {line}" for line in self._data(value))
        elif isinstance(value, dict):
            row = f"{key}: {self._pairs(value)}"
            if len(indent) + len(row) <= _WIDTH:
                yield row
                return
            yield f"{key}:"
            yield from (f"{indent}  {self._scalar(k)}: {self._scalar(written(v))}" for k, v in value.items())
        elif isinstance(value, list):
            row = (
                f"{key}: [{', '.join(self._scalar(written(one), flow=True) for one in value)}]"
                if _is_texts(value)
                else ""
            )
            if row and len(indent) + len(row) <= _WIDTH:
                yield row
                return
            yield f"{key}:"
            yield from (f"{indent}  {line}" for line in self._data(value))
        else:
            shown = value if key == "expect" else self._value(value, flow=False)
            if "\n" in shown:
                first, *rest = shown.split("\n")
                yield f"{key}: {first}"
                yield from (f"{indent}  {line}" if line else "" for line in rest)
            else:
                yield f"{key}: {shown}"

    def _pairs(self, value: Mapping[str, str]) -> str:
        pairs = (f"{self._scalar(k, flow=True)}: {self._scalar(written(v), flow=True)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"

    def _data(self, value: Any) -> list[str]:
        """A value of cloud-init data in block style."""
        if isinstance(value, dict) and value:
            found = []
            for key, inner in value.items():
                lines = self._data(inner)
                nested = isinstance(inner, (dict, list)) and inner
                head = self._scalar(str(key))
                if (row := self._row(inner)) is not None:
                    found.append(f"{head}: {row}")
                elif nested:
                    found += [f"{head}:", *(f"  {line}" for line in lines)]
                else:
                    found += [f"{head}: {lines[0]}", *(f"  {line}" if line else "" for line in lines[1:])]
            return found
        if isinstance(value, list) and value:
            found = []
            for inner in value:
                lines = self._data(inner)
                found += [f"- {lines[0]}", *(f"  {line}" if line else "" for line in lines[1:])]
            return found
        return self._value(value, flow=False).split("\n")

    def _row(self, value: Any) -> str | None:
        """A short list of scalars on one line; None for other values."""
        if not isinstance(value, list) or not value or any(isinstance(one, (dict, list)) for one in value):
            return None
        if any(isinstance(one, str) and "\n" in one for one in value):
            return None
        row = f"[{', '.join(self._value(one, flow=True) for one in value)}]"
        return row if len(row) <= _SHORT_ROW else None

    def _value(self, value: Any, *, flow: bool) -> str:
        if isinstance(value, str):
            text = written(value)
            if "\n" in text and not flow and (block := _block(text)) is not None:
                return block
            return self._scalar(text, flow=flow)
        if isinstance(value, (dict, list)):
            return "{}" if isinstance(value, dict) else "[]"
        return json.dumps(value)

    def _flow(self, edit: Mapping[str, Any]) -> str | None:
        """An edit on one line if everything in it is short; otherwise None."""
        found = []
        for key, value in edit.items():
            if key == "xml":
                lines = fragments.lines(value, self._namespaces)
                if len(lines) != 1:
                    return None
                shown = self._scalar(lines[0], flow=True)
            elif key == "args" and _is_texts(value):
                shown = f"[{', '.join(self._scalar(written(one), flow=True) for one in value)}]"
            elif key == "part":
                shown = self._pairs(value)
            elif (isinstance(value, (dict, list)) and value) or (isinstance(value, str) and "\n" in value):
                return None
            else:
                shown = value if key == "expect" else self._value(value, flow=True)
            found.append(f"{key}: {shown}")
        return f"{{{', '.join(found)}}}"


def _is_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and "\n" not in value for value in values)


def _block(text: str) -> str | None:
    """A literal block scalar, if it can hold the text as it is."""
    body = text.rstrip("\n")
    breaks = len(text) - len(body)
    if (
        not body
        or body[0] in " \t\n"
        or any(line.endswith((" ", "\t")) or not line.isprintable() for line in body.split("\n"))
    ):
        return None
    mark = {0: "|-", 1: "|"}.get(breaks)
    return None if mark is None else mark + "\n" + body


def scalar(text: str, *, flow: bool = False, exact: bool = False) -> str:
    """Text as a YAML scalar that a patch reads as this text, plain if possible."""
    if not exact and ((text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")) or text in _BOOLEANS):
        return text
    quoted = ["'" + text.replace("'", "''") + "'"] if "\n" not in text and text.isprintable() else []
    doubled = json.dumps(text, ensure_ascii=False) if text.isprintable() else json.dumps(text)
    if "'" in text and "\\" not in doubled:
        quoted.insert(0, doubled)
    plain = [text] if text.isprintable() and not (exact and _is_ambiguous(text)) else []
    for shown in (*plain, *quoted, doubled):
        if _reads(f"{{k: {shown}}}" if flow else f"k: {shown}", text):
            return str(shown)
    return json.dumps(text)


def _is_ambiguous(text: str) -> bool:
    """Whether YAML readers may take a plain text for something else, according to PL108."""
    return text.lower() in ("y", "n") or not is_text(text)


def _reads(document: str, text: str) -> bool:
    if "\n" in document or " #" in document.split("'")[0].split('"')[0]:
        return False
    try:
        return bool(yaml.load(document, yaml.CSafeLoader) == {"k": text})
    except yaml.YAMLError:
        return False
