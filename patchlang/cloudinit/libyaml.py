"""libyaml instead of PyYAML's own parser, for texts that both read alike: it takes a fifteenth of the time.

cloud-init uses PyYAML's own parser, so that one decides. Where the two are known to differ, or libyaml reports
anything, this module returns nothing and PyYAML reads. ``tests/unit/cloudinit/test_yaml_readers.py`` compares the two.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..patterns import pattern

# Each begins with rare characters, which makes it fast. A text is searched with a line break before it.
_DIFFERING = tuple(
    pattern(text)
    for text in (
        r"[^\n -~\xa1-\u1fff]",  # tabs, other line breaks, and what only one of them reads
        r"\n(?:%|---|\.\.\.)",  # directives, document markers
        r"&[0-9A-Za-z_-](?<=[\s\[{,:-]..)",  # anchors
        r"\*[0-9A-Za-z_-](?<=[\s\[{,:-]..)",  # aliases
        r"!(?<=[\s\[{,:-].)",  # tags
        r"\?(?<=[\s\[{,:-].)",  # complex keys
        r"\\[xuULPN_]",  # escapes by number
        r"#(?<=[\"'\]}].)",  # a comment that follows directly
        r"[|>][-+0-9]*#",
        # keys that PyYAML only resolves during construction
        r"<<(?<=[\s\[{,:-]..) *[:,\]}\n]",
        r"=(?<=[\s\[{,:-].) *[:,\]}\n]",
    )
)
# in `[ ]` and `{ }`: question marks, comments, a colon without a value, and what begins with an indicator or is missing
_DIFFERING_IN_FLOW = pattern(r"[?#]|:(?! [^\s\]},])|(?<=[\[{,\s])(?:[-:](?![0-9A-Za-z-])|,)")
_LONGEST_KEY = 1000
_BEFORE_NODES = ("\n", ",", ":", "[", "{", "- ", "? ")
"""One of these is before each node except the first."""
_LEAD = pattern(r"^[ ?-]*", re.MULTILINE)
_MANY_BRACKETS, _FAR_RIGHT = 2000, 200


def compose(text: str, *, max_nodes: int, max_depth: int) -> yaml.Node | None:
    """The root of a text, as PyYAML would compose it; None if PyYAML must read it."""
    if not yaml.__with_libyaml__ or _may_be_deep(text):
        return None
    searched = f"\n{text}\n"
    if any(differing.search(searched) for differing in _DIFFERING):
        return None
    try:
        if _has_more_nodes(text, max_nodes):
            return None
        root: yaml.Node | None = yaml.compose(text, yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
    return root if root is not None and _is_read_alike(text, root, max_nodes, max_depth) else None


def _has_more_nodes(text: str, max_nodes: int) -> bool:
    """Counted before they are made: a node takes a kilobyte, plus two bytes per byte of text. Raises YAMLError."""
    if 1 + sum(map(text.count, _BEFORE_NODES)) <= max_nodes:
        return False
    count = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        count += isinstance(event, yaml.NodeEvent)
        if count > max_nodes:
            return True
    return False


def _may_be_deep(text: str) -> bool:
    """libyaml's composer recurses for each level (some 400 bytes): up to 1,000 levels in `[ ]`, otherwise unlimited.

    In block style each level is in a column further right, or after a dash; a sequence may share its key's column.
    """
    brackets = text.count("[") + text.count("{")
    return brackets > _MANY_BRACKETS or max(map(len, _LEAD.findall(text))) > _FAR_RIGHT


def _is_read_alike(text: str, root: yaml.Node, max_nodes: int, max_depth: int) -> bool:
    """Whether the two read its collections alike, and it has no more nodes and levels than these."""
    count = 0
    pending: list[tuple[Any, int, bool]] = [(root, 0, False)]
    while pending:
        node, depth, is_within_flow = pending.pop()
        count += 1
        if count > max_nodes or depth > max_depth:
            return False
        if isinstance(node, yaml.ScalarNode):
            continue
        start, end = node.start_mark.index, node.end_mark.index
        # what is inside another one has already been checked
        if node.flow_style and not is_within_flow and _DIFFERING_IN_FLOW.search(text, start, end):
            return False
        inner = node.value
        if isinstance(node, yaml.MappingNode):
            if any(key.end_mark.index - key.start_mark.index >= _LONGEST_KEY for key, _ in node.value):
                return False
            inner = [one for pair in node.value for one in pair]
        pending += [(one, depth + 1, bool(node.flow_style)) for one in inner]
    return True
