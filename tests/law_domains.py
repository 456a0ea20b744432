"""Domains as text, written in many styles, with the position of each element in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

NAMES = ("a", "b", "c", "d-e", "é")
ATTRIBUTES = ("x", "y", "z-1")
PREFIXES = ("p", "q")
URIS = ("urn:one", "urn:two")
# valid in an attribute with either kind of quotes
VALUES = ("", "1", "two words", "&#39;&#34;", "&lt;&amp;>", "&#xA;", "é&#x1F600;", "  ", "new")
TEXTS = ("t", "one two", "&#39;&#34;", "&lt;b/&gt;", "&#10;", "é", "]]&gt;", "<![CDATA[<c>&]]]]>", "<![CDATA[]]>", " ")
OTHERS = ("<!-- c -->", "<!-- <a/> & -->", "<!---->", "<?pi x='1'?>", "<?pi?>")

Scope = dict[str, str]


@dataclass(eq=False)
class Written:
    """An element as written. ``content`` holds elements as objects and everything else as text."""

    name: str
    attributes: tuple[str, ...]
    space: str
    content: tuple[Written | str, ...]
    self_closed: bool
    closing: str


@dataclass(frozen=True)
class Place:
    """Byte offsets of an element: its start tag, its end tag (empty if the element closes itself), its end."""

    start: int
    tag_end: int
    close: int
    end: int


@dataclass
class Domain:
    """A domain as bytes. ``places`` and ``children`` (places of the child elements) are in document order."""

    data: bytes = b""
    places: list[Place] = field(default_factory=list)
    children: list[list[Place]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Domain({self.data.decode()!r})"


def lay_out(before: str, root: Written, after: str) -> Domain:
    domain = Domain()
    out: list[bytes] = []
    size = 0

    def put(text: str) -> None:
        nonlocal size
        out.append(text.encode())
        size += len(out[-1])

    def element(written: Written, path: str) -> Place:
        number, start = len(domain.places), size
        domain.places.append(Place(0, 0, 0, 0))
        domain.children.append([])
        domain.paths.append(path)
        put(f"<{written.name}{''.join(written.attributes)}{written.space}{'/>' if written.self_closed else '>'}")
        tag_end = size
        for piece in written.content:
            if isinstance(piece, str):
                put(piece)
            else:
                domain.children[number].append(element(piece, f"{path}/*[{len(domain.children[number]) + 1}]"))
        close = size
        if not written.self_closed:
            put(f"</{written.name}{written.closing}>")
        domain.places[number] = Place(start, tag_end, close, size)
        return domain.places[number]

    put(before)
    element(root, "/*")
    put(after)
    domain.data = b"".join(out)
    return domain


# -- from bytes to domains -------------------------------------------------------------------------------------------


class Writer:
    """Writes a domain from a string of bytes. Each byte decides one question, and zero gives the simplest answer.

    Drawing one value instead of hundreds keeps the laws fast and the failures small.
    """

    def __init__(self, decisions: bytes, namespaces: bool) -> None:
        self.decisions = iter(decisions)
        self.namespaces = namespaces

    def pick(self, options: Sequence[T]) -> T:
        return options[next(self.decisions, 0) % len(options)]

    def one_in(self, count: int) -> bool:
        return next(self.decisions, 0) % count == count - 1

    def attribute(self, name: str, value: str) -> str:
        space = self.pick((" ", " ", " ", " ", " ", "  ", "\n   ", " \t"))
        quote = self.pick(('"', '"', "'"))
        equals = self.pick(("=", "=", "=", "=", " = ", "\n="))
        return f"{space}{name}{equals}{quote}{value}{quote}"

    def declarations(self) -> Scope:
        """Prefixes and the namespaces that an element binds them to; "" is the default namespace."""
        if not self.namespaces or not self.one_in(4):
            return {}
        found = {prefix: self.pick(URIS) for prefix in PREFIXES if self.one_in(2)}
        if self.one_in(3):
            found[""] = self.pick((*URIS, ""))
        return found

    def attributes(self, scope: Scope, declared: Scope) -> tuple[str, ...]:
        names = [name for name in ATTRIBUTES if self.one_in(4)]
        names += [f"{prefix}:x" for prefix in scope if prefix and self.one_in(8)][:1]
        written = [self.attribute(name, self.pick(VALUES)) for name in names]
        binding = [self.attribute(f"xmlns:{p}" if p else "xmlns", uri) for p, uri in declared.items()]
        return tuple([*binding, *written] if not self.one_in(3) else [*written, *binding])

    def content(self, scope: Scope, depth: int, indent: str) -> tuple[Written | str, ...]:
        """Children and text: indented, on one line, or mixed."""
        count = self.pick((0, 1, 2, 3, 4, 5) if depth < 2 else (0, 0, 1, 2) if depth < 4 else (0,))
        children: list[Written | str] = [self.element(scope, depth + 1, indent) for _ in range(count)]
        if self.one_in(5):
            children.insert(self.pick(range(len(children) + 1)), self.pick(OTHERS))
        if not children:
            return tuple(self.pick(TEXTS) for _ in range(self.pick((0, 1, 1, 2))))
        style = self.pick(("indented", "indented", "tight", "mixed"))
        pieces: list[Written | str] = []
        for child in children:
            if style == "indented":
                pieces.append(f"\n{indent * (depth + 1)}")
            elif style == "mixed" and self.one_in(2):
                pieces.append(self.pick((*TEXTS, "\n  ")))
            pieces.append(child)
        if style == "indented":
            pieces.append(f"\n{indent * depth}")
        elif style == "mixed":
            pieces.append(self.pick(("", *TEXTS)))
        return tuple(pieces)

    def element(self, around: Scope, depth: int, indent: str, name: str | None = None) -> Written:
        declared = self.declarations()
        if name is not None:
            declared.pop("", None)
        scope = {**around, **declared}
        if name is None:
            prefixes = [f"{prefix}:" for prefix in scope if prefix]
            name = (self.pick(prefixes) if prefixes and self.one_in(3) else "") + self.pick(NAMES)
        inside = self.content(scope, depth, indent)
        self_closed = not inside and self.one_in(2)
        space, closing = (self.pick(("", "", "", "", " ", "\n  ", "\t")) for _ in range(2))
        return Written(name, self.attributes(scope, declared), space, inside, self_closed, closing)

    def domain(self) -> Domain:
        """A whole document. Its root is `domain`, in no namespace."""
        indent = self.pick(("  ", "\t", "    "))
        root = self.element({}, 0, indent, "domain")
        xml = "<?xml version=\"1.0\" encoding='utf-8'?>\n"
        before = self.pick(("", "", "", "\ufeff", xml, "<!-- <domain> -->\n", "<?pi?>\n\n"))
        return lay_out(before, root, self.pick(("", "", "\n", "\n<!-- </domain> -->\n", "<?pi?>")))


def domains(*, namespaces: bool = True) -> st.SearchStrategy[Domain]:
    return st.binary(min_size=400, max_size=400).map(lambda decisions: Writer(decisions, namespaces).domain())
