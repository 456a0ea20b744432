"""The positions of nodes in a domain's bytes: an index by lines gives the same result as a full search."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st
from lxml import etree

from patchlang.domain.index import Index, _all_starts
from patchlang.domain.read import read_root

# mostly one element per line, as libvirt and KubeVirt write them
GAPS = st.sampled_from(["\n\t", "\n\t", "\n\t\t", "\n  ", "\n\n", "", " ", "text\n", "\n]]&gt;\n", "\r\n"])
VALUES = st.sampled_from(["", "1", ">", "&lt;a>", "two\nlines", "&#xA;", "/>", "'", '"'])
STRANGE = st.sampled_from(["<!-- <a> -->", "<!--\n<a>\n-->", "<![CDATA[\n<a>\n]]>", "<?a <a>?>"])


@st.composite
def start_tags(draw: st.DrawFn, name: str) -> str:
    tag = f"<{name}"
    for attribute in draw(st.lists(st.sampled_from("xyz"), unique=True, max_size=2)):
        value = draw(VALUES)
        quote = "'" if '"' in value else '"'
        tag += f"{draw(st.sampled_from([' ', ' ', ' ', chr(10)]))}{attribute}={quote}{value}{quote}"
    return tag + draw(st.sampled_from(["", "", "", " ", "\n"]))


@st.composite
def elements(draw: st.DrawFn, depth: int = 3, name: str | None = None) -> str:
    name = name or draw(st.sampled_from("ab"))
    tag = draw(start_tags(name))
    count = draw(st.integers(0, 4)) if depth else 0
    if not count and draw(st.booleans()):
        return f"{tag}/>"
    content = "".join(draw(GAPS) + draw(elements(depth - 1)) for _ in range(count))
    if draw(st.integers(0, 30)) == 30:
        content += draw(STRANGE)
    return f"{tag}>{content}{draw(GAPS)}</{name}{draw(st.sampled_from(['', '', '', chr(10)]))}>"


@given(st.sampled_from(["", "", "\n", "\ufeff", "<?xml version='1.0'?>\n"]), elements(name="domain"))
def test_a_line_tells_what_a_look_at_all_tells(before: str, text: str) -> None:
    data = (before + text).encode()
    root = read_root(data)
    nodes = list(root.iter())
    everything = dict(zip(nodes, _all_starts(data), strict=True))
    index = Index(data, root, {}, {})
    event(f"lines tell: {index._trusts_lines}")
    for node in nodes:
        assert index.start(node) == everything[node]
        if isinstance(node.tag, str):
            written = etree.fromstring(data[index.start(node) : index.end(node)])
            assert etree.tostring(written) == etree.tostring(node, with_tail=False)
