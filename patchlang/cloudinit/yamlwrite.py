"""Plain data as YAML 1.1 text that both cloud-init's reader and YAML 1.2 readers read as the same data.

PyYAML writes scalars; the layout of blocks is our own, since new entries follow the style around them.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..patterns import pattern
from ..record import record

_ENDLESS = 1 << 30
_SHORT = 100
_BREAKS = pattern("[\n\r\x85\u2028\u2029]")
_LITERAL = pattern("[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
# text that readers other than PyYAML interpret: YAML 1.2, or a looser notion of base 60
_OTHER_ELSEWHERE = pattern(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-f]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?|[yn]|[-+]?\.(inf|nan)"
    r"|[-+]?[0-9]+(:[0-9]+)+",
    re.IGNORECASE,
)


@record
class Layout:
    """How far map entries are indented from their key, how far list dashes are, and whether text may be a block."""

    indent: int = 2
    dash: int = 2
    literal: bool = True


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _BREAKS.search(text) else "'" if _OTHER_ELSEWHERE.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
for _type in (dict, list):  # those that know their origin
    _Dumper.add_multi_representer(_type, yaml.SafeDumper.yaml_representers[_type])


def flow(value: Any) -> str:
    """A value on one line."""
    text = yaml.dump(
        [value], Dumper=_Dumper, default_flow_style=True, width=_ENDLESS, allow_unicode=True, sort_keys=False
    )
    return str(text).rstrip("\n")[1:-1]


def scalar(value: Any, style: str | None = None) -> str:
    """A scalar on one line of block text; text in the given quotes if possible."""
    if not isinstance(value, str):
        text = str(yaml.dump(value, Dumper=_Dumper)).removesuffix("\n").removesuffix("\n...")
        return flow(value) if "\n" in text else text
    if style not in ("'", '"') or (style == "'" and _BREAKS.search(value)):
        style = '"' if _BREAKS.search(value) else "'" if _OTHER_ELSEWHERE.fullmatch(value) else None
    node = yaml.ScalarNode("tag:yaml.org,2002:str", value, style=style)
    text = str(yaml.serialize(node, Dumper=_Dumper, width=_ENDLESS, allow_unicode=True))
    return text.removesuffix("\n").removesuffix("\n...")


def block(value: Any, layout: Layout, *, in_list: bool, style: str | None = None) -> tuple[str, list[str]]:
    """A value after a key's colon or a dash: what goes on that line, and the lines that follow.

    The lines are indented relative to the key, or the dash. A short list in a list (a command) goes on one line.
    """
    match value:
        case dict() if value:
            return nested(
                [line for key, item in value.items() for line in member(key, item, layout)], layout.indent, in_list
            )
        case list() if value and in_list and len(line := flow(value)) <= _SHORT and not any(map(_is_nested, value)):
            return line, []
        case list() if value:
            return nested([line for item in value for line in element(item, layout)], layout.dash, in_list)
        case str() if layout.literal and "\n" in value and _fits_literal(value):
            return _literal(value, 2 if in_list else layout.indent)
        case dict() | list():
            return flow(value), []
        case _:
            return scalar(value, style), []


def member(key: Any, value: Any, layout: Layout) -> list[str]:
    """A map's entry as lines."""
    head, rest = block(value, layout, in_list=False)
    name = scalar(key) if isinstance(key, str) and not _BREAKS.search(key) else flow(key)
    return [f"{name}: {head}" if head else f"{name}:", *rest]


def element(value: Any, layout: Layout) -> list[str]:
    """A list's element as lines."""
    head, rest = block(value, layout, in_list=True)
    return [f"- {head}", *rest]


def shifted(lines: list[str], columns: int) -> list[str]:
    """Lines moved to the right; empty ones stay empty."""
    return [" " * columns + line if line else line for line in lines]


def nested(lines: list[str], columns: int, in_list: bool) -> tuple[str, list[str]]:
    return (lines[0], shifted(lines[1:], 2)) if in_list else ("", shifted(lines, columns))


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list)) or (isinstance(value, str) and "\n" in value)


def _fits_literal(text: str) -> bool:
    return bool(_LITERAL.fullmatch(text)) and bool(text.strip("\n")) and "\n" not in (text[0], text.strip(" ")[:1])


def _literal(text: str, indent: int) -> tuple[str, list[str]]:
    body = text.removesuffix("\n")
    chomp = "-" if body == text else "+" if body.endswith("\n") else ""
    hint = str(indent) if text.startswith((" ", "\t")) else ""
    return f"|{hint}{chomp}", shifted(body.split("\n"), indent)
