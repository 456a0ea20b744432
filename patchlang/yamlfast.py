"""libyaml in place of PyYAML's own parser, for texts that both read alike: it takes a fifteenth of the time.

cloud-init uses PyYAML's own parser, so that one counts. Where the two are known to differ, or libyaml reports anything,
nothing is said here, and PyYAML has to read. ``tests/test_yaml_readers.py`` holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

# Each begins with characters that are rare, which makes it quick. A text is searched with a line break before it.
_DIFFERING = tuple(
    re.compile(pattern)
    for pattern in (
        r"[^\n -~\xa1-\u1fff]",  # tabs, other line breaks, and what only one of them reads
        r"\n(?:%|---|\.\.\.)",  # directives, document markers
        r"&[0-9A-Za-z_-](?<=[\s\[{,:-]..)",  # anchors
        r"\*[0-9A-Za-z_-](?<=[\s\[{,:-]..)",  # aliases
        r"!(?<=[\s\[{,:-].)",  # tags
        r"\?(?<=[\s\[{,:-].)",  # complex keys
        r"\\[xuULPN_]",  # escapes by number
        r"#(?<=[\"'\]}].)",  # a comment that follows at once
        r"[|>][-+0-9]*#",
        # keys that PyYAML settles only when it constructs
        r"<<(?<=[\s\[{,:-]..) *[:,\]}\n]",
        r"=(?<=[\s\[{,:-].) *[:,\]}\n]",
    )
)
# in `[ ]` and `{ }`: question marks, comments, a colon without a value, and what begins with an indicator or is missing
_DIFFERING_IN_FLOW = re.compile(r"[?#]|:(?! [^\s\]},])|(?<=[\[{,\s])(?:[-:](?![0-9A-Za-z-])|,)")
_LONGEST_KEY = 1000
_LEAD = re.compile(r"^[ ?-]*", re.MULTILINE)
_MANY_BRACKETS, _FAR_RIGHT = 2000, 200


def compose(text: str, *, max_nodes: int, max_depth: int) -> yaml.Node | None:
    """The root of a text, as PyYAML would compose it; None where PyYAML shall read."""
    if not yaml.__with_libyaml__ or _may_be_deep(text):
        return None
    searched = f"\n{text}\n"
    if any(differing.search(searched) for differing in _DIFFERING):
        return None
    try:
        root: yaml.Node | None = yaml.compose(text, yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
    if root is None:
        return None
    for count, (node, depth) in enumerate(_below(root), 1):
        if count > max_nodes or depth > max_depth or not (isinstance(node, yaml.ScalarNode) or _is_plain(text, node)):
            return None
    return root


def _may_be_deep(text: str) -> bool:
    """libyaml's composer calls itself for each level (some 400 bytes), in `[ ]` up to 1,000 of them, else unbounded.

    In block style each level stands in a column further right, or behind a dash; a sequence may share its key's column.
    """
    brackets = text.count("[") + text.count("{")
    return brackets > _MANY_BRACKETS or max(map(len, _LEAD.findall(text))) > _FAR_RIGHT


def _below(root: yaml.Node) -> Iterator[tuple[yaml.Node, int]]:
    """All nodes, and how many collections they are in."""
    pending = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        if isinstance(node, yaml.MappingNode):
            pending += [(inner, depth + 1) for pair in node.value for inner in pair]
        elif isinstance(node, yaml.SequenceNode):
            pending += [(inner, depth + 1) for inner in node.value]


def _is_plain(text: str, node: Any) -> bool:
    """Is a collection without what the two read differently?"""
    start, end = node.start_mark.index, node.end_mark.index
    if node.flow_style:
        return _DIFFERING_IN_FLOW.search(text, start, end) is None
    if isinstance(node, yaml.MappingNode):
        return all(key.end_mark.index - key.start_mark.index < _LONGEST_KEY for key, _ in node.value)
    return True
