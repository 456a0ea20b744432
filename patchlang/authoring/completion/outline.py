"""The outline of a YAML document that may be incomplete: maps, lists, and scalars, with their places.

:mod:`patchlang.document.yamltree` reads YAML, but while someone types, a text is rarely valid YAML. This reader goes by
lines and indentation (YAML 1.2, chapters 7 and 8, as far as patch files use them) and never fails: it skips what it
cannot make sense of. Its time grows with the length of the text.
"""

from __future__ import annotations

from ...record import field, record

_SPACES = " \t"
_NO_KEY = "{[|>#%@`,]}"
_MOST_DEPTH = 100
_LONGEST_QUOTED = 100  # how many lines to search for the end of a quote


@record(frozen=False, eq=False)
class Node:
    """A value. ``owner`` is the map or list that contains it, ``entry`` its entry in that map."""

    start: int
    end: int
    owner: Node | None = field(default=None, repr=False)
    entry: Entry | None = field(default=None, repr=False)


@record(frozen=False, eq=False)
class Scalar(Node):
    """A text. ``style`` is ``'``, ``"``, ``|``, ``>`` or empty; ``indent`` is the indentation of a block's lines.

    ``source`` is the text that contains it, with ``mark``.
    """

    source: str = field(default="", repr=False)
    mark: str = field(default="", repr=False)
    style: str = ""
    indent: int = 0


@record(frozen=False, eq=False)
class Mapping(Node):
    """A map; ``flow``: it is written in braces."""

    flow: bool = False
    entries: list[Entry] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """The value of the first entry with this name."""
        return next((one.value for one in self.entries if one.key == key and one.value is not None), None)

    @property
    def keys(self) -> list[str]:
        return [one.key for one in self.entries]


@record(frozen=False, eq=False)
class Sequence(Node):
    """A list; None for an entry that is still empty."""

    flow: bool = False
    items: list[Node | None] = field(default_factory=list)


@record(frozen=False, eq=False)
class Entry:
    """A key, its place, and its value; ``colon``: the key is complete."""

    key: str
    start: int
    end: int
    owner: Mapping = field(repr=False)
    value: Node | None = None
    colon: bool = False


@record
class Outline:
    """``root`` is the document's map; ``marked`` is the key or the scalar that contains the mark."""

    root: Node | None
    marked: Entry | Scalar | None


def read(text: str, mark: str) -> Outline:
    """The outline of a document's text. ``mark``, a character in it, marks the cursor; no key contains it."""
    reader = _Reader(text, mark)
    at = 0
    while at < len(text):
        at = reader.line(at)
    return Outline(reader.root, reader.marked)


@record(frozen=False, eq=False)
class _Open:
    """A collection that may continue, and its indentation."""

    indent: int
    node: Mapping | Sequence


class _Reader:
    def __init__(self, text: str, mark: str) -> None:
        self.text = text
        self.mark = mark
        self.at_mark = text.find(mark)
        self.root: Node | None = None
        self.marked: Entry | Scalar | None = None
        self.open: list[_Open] = []

    # -- lines -----------------------------------------------------------------------------------------------------

    def line(self, start: int) -> int:
        """Read what begins in a line; returns where the next one begins."""
        end = self.line_end(start)
        at = self.skip(start, end)
        if self.text.startswith("---", start) and (start + 3 == end or self.text[start + 3] in _SPACES):
            at = self.skip(start + 3, end)
        if self.is_action(at):
            return end + 1
        indent = -1
        while at < end and self.text[at] != "#":
            column = at - start
            dash = self.text[at] == "-" and (at + 1 >= end or self.text[at + 1] in _SPACES)
            self.close(column, dash)
            if dash:
                self.sequence(column, at)
                indent = column
                at = self.skip(at + 1, end)
                continue
            if key := self.key(at, end):
                colon, entry_end = key
                self.mapping(column, at).entries.append(entry := self.entry(at, entry_end, self.open[-1].node))
                entry.colon = True
                at = self.skip(colon + 1, end)
                return self.value(at, end, column) if at < end and self.text[at] != "#" else end + 1
            top = self.open[-1] if self.open else None
            if top is not None and isinstance(top.node, Mapping) and top.indent == column:
                stop = self.plain_end(at, end)
                top.node.entries.append(self.entry(at, stop, top.node))
                return end + 1
            return self.value(at, end, max(indent, top.indent if top else -1))
        return end + 1

    def line_end(self, start: int) -> int:
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        return end - 1 if end > start and self.text[end - 1] == "\r" else end

    def next_line(self, end: int) -> int:
        at = self.text.find("\n", end)
        return len(self.text) if at < 0 else at + 1

    def skip(self, at: int, end: int) -> int:
        while at < end and self.text[at] in _SPACES:
            at += 1
        return at

    def close(self, column: int, dash: bool) -> None:
        """End the collections that do not continue at a column."""
        while self.open:
            top = self.open[-1]
            if top.indent < column or (top.indent == column and (dash or isinstance(top.node, Mapping))):
                return
            self.open.pop()

    def key(self, at: int, end: int) -> tuple[int, int] | None:
        """The places of the colon and the end of a key, if a key begins here."""
        text = self.text
        if text[at] in "'\"":
            close = text.find(text[at], at + 1, end)
            colon = self.skip(close + 1, end) if close > 0 else end
            is_key = colon < end and text[colon] == ":" and self.is_separated(colon + 1, end)
            return (colon, close + 1) if is_key else None
        if text[at] in _NO_KEY:
            return None
        comment = text.find(" #", at, end)
        end_of_key = comment if comment >= 0 else end
        colon = text.find(":", at, end_of_key)
        while colon >= 0 and not self.is_separated(colon + 1, end):
            colon = text.find(":", colon + 1, end_of_key)
        return (colon, at + len(text[at:colon].rstrip())) if colon > at else None

    def is_separated(self, at: int, end: int) -> bool:
        return at >= end or self.text[at] in _SPACES or at == self.at_mark

    # -- the tree --------------------------------------------------------------------------------------------------

    def entry(self, start: int, end: int, owner: Mapping | Sequence) -> Entry:
        assert isinstance(owner, Mapping)
        key = self.text[start:end].replace(self.mark, "").strip("'\"")
        entry = Entry(key, start, end, owner)
        if start <= self.at_mark < end:
            self.marked = entry
        return entry

    def scalar(self, start: int, end: int, style: str = "", indent: int = 0) -> Scalar:
        node = Scalar(start, end, source=self.text, mark=self.mark, style=style, indent=indent)
        if start <= self.at_mark < end:
            self.marked = node
        return node

    def put(self, node: Node, into: Mapping | Sequence | None) -> None:
        """Give a collection the value that it waits for; without a collection, the value is the document."""
        match into:
            case None:
                self.root = self.root or node
                return
            case Mapping(entries=[*_, Entry(value=None) as last]):
                last.value = node
                node.entry = last
            case Sequence(items=[*_, None]):
                into.items[-1] = node
            case Sequence(flow=True):
                into.items.append(node)
            case _:
                return
        node.owner = into

    def sequence(self, column: int, at: int) -> None:
        top = self.open[-1] if self.open else None
        if top is None or not isinstance(top.node, Sequence) or top.indent != column:
            made = Sequence(at, at)
            self.put(made, top.node if top else None)
            top = _Open(column, made)
            self.open.append(top)
        assert isinstance(top.node, Sequence)
        top.node.items.append(None)

    def mapping(self, column: int, at: int) -> Mapping:
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.node, Mapping) and top.indent == column:
            return top.node
        made = Mapping(at, at)
        self.put(made, top.node if top else None)
        self.open.append(_Open(column, made))
        return made

    # -- scalars ---------------------------------------------------------------------------------------------------

    def value(self, at: int, end: int, indent: int) -> int:
        """A value that begins here, inside ``indent``; returns where the next line begins."""
        first = self.text[at]
        into = self.open[-1].node if self.open else None
        if first in "|>" and self.is_header(at, end):
            return self.block(at, end, indent, into)
        if first in "{[":
            return self.next_line(_Flow(self, indent, into).read(at))
        if first in "'\"":
            stop = self.quoted_end(at, indent)
            self.put(self.scalar(at, stop, first), into)
            return self.next_line(stop)
        stop = self.plain_end(at, end)
        following = self.next_line(end)
        while following < len(self.text) and self.goes_on(following, indent):
            end = self.line_end(following)
            stop = self.plain_end(self.skip(following, end), end)
            following = self.next_line(end)
        self.put(self.scalar(at, stop), into)
        return following

    def plain_end(self, at: int, end: int) -> int:
        comment = self.text.find(" #", at, end)
        stop = comment if comment >= 0 else end
        return at + len(self.text[at:stop].rstrip())

    def goes_on(self, start: int, indent: int) -> bool:
        """Whether a line continues a text that began above it."""
        end = self.line_end(start)
        at = self.skip(start, end)
        if at >= end or at - start <= indent or self.text[at] == "#":
            return False
        dash = self.text[at] == "-" and (at + 1 >= end or self.text[at + 1] in _SPACES)
        return not dash and self.key(at, end) is None

    def quoted_end(self, at: int, indent: int) -> int:
        """Where a text in quotes ends; one that is never closed ends with its line."""
        first = end = self.line_end(at)
        start = at + 1
        for _ in range(_LONGEST_QUOTED):
            if (close := self.closing(self.text[at], start, end)) is not None:
                return close + 1
            start = self.next_line(end)
            if start >= len(self.text):
                break
            end = self.line_end(start)
            begin = self.skip(start, end)
            if begin < end and begin - start <= indent:
                break
        return first

    def closing(self, quote: str, start: int, end: int) -> int | None:
        at = start
        while at < end:
            if self.text[at] == "\\" and quote == '"':
                at += 2
            elif self.text[at] != quote:
                at += 1
            elif quote == "'" and self.text.startswith("''", at):
                at += 2
            else:
                return at
        return None

    def is_header(self, at: int, end: int) -> bool:
        header = self.text[at + 1 : end].replace(self.mark, "").split("#")[0].strip()
        return len(header) <= 2 and all(one in "+-123456789" for one in header)

    def block(self, at: int, end: int, indent: int, into: Mapping | Sequence | None) -> int:
        """A block scalar (YAML 1.2, section 8.1)."""
        digit = next((int(one) for one in self.text[at + 1 : min(end, at + 3)] if one.isdigit()), 0)
        content = max(indent, 0) + digit if digit else 0
        first = start = stop = self.next_line(end)
        while start < len(self.text):
            end = self.line_end(start)
            begin = self.skip(start, end)
            if begin < end and not self.is_action(begin):
                if begin - start <= indent and not self.is_lone_mark(begin, end, indent):
                    break
                if not content and begin != self.at_mark:
                    content = begin - start
                stop = end
            elif start <= self.at_mark <= end:
                stop = end
            start = self.next_line(end)
        if not content and first <= self.at_mark < stop:
            content = self.at_mark - (self.text.rfind("\n", 0, self.at_mark) + 1)
        self.put(self.scalar(first, max(first, stop), self.text[at], content), into)
        return start

    def is_action(self, at: int) -> bool:
        """Whether a line is one of a Helm template: none of YAML begins so."""
        return self.text.startswith("{{", at)

    def is_lone_mark(self, at: int, end: int, indent: int) -> bool:
        """Whether a line is empty except for the mark, and the following lines still belong to the enclosing block."""
        if at != self.at_mark or at + 1 != end:
            return False
        start = self.next_line(end)
        while start < len(self.text):
            end = self.line_end(start)
            if (begin := self.skip(start, end)) < end:
                return begin - start > indent
            start = self.next_line(end)
        return False


class _Flow:
    """A collection in brackets (YAML 1.2, section 7.4), up to its end or to a line that cannot belong to it."""

    def __init__(self, reader: _Reader, indent: int, into: Mapping | Sequence | None) -> None:
        self.reader = reader
        self.text = reader.text
        self.indent = indent
        self.into = into
        self.open: list[Mapping | Sequence] = []
        self.is_key = True

    def read(self, at: int) -> int:
        while at < len(self.text):
            match self.text[at]:
                case "\n":
                    after = self.reader.skip(at + 1, len(self.text))
                    is_empty = after >= len(self.text) or self.text[after] in "\r\n"
                    if not is_empty and after - at - 1 <= self.indent and self.text[after] not in "]}":
                        return at
                    at = after
                case " " | "\t" | "\r":
                    at += 1
                case "#" if self.text[at - 1] in " \t\n":
                    at = self.reader.line_end(at)
                case "{" | "[" as bracket:
                    if len(self.open) >= _MOST_DEPTH:
                        return self.reader.line_end(at)
                    self.begin(Mapping(at, at, flow=True) if bracket == "{" else Sequence(at, at, flow=True))
                    at += 1
                case "}" | "]":
                    at += 1
                    self.open.pop().end = at
                    if not self.open:
                        return at
                    self.is_key = False
                case ",":
                    self.is_key = True
                    at += 1
                case ":" if isinstance(self.open[-1], Mapping) and self.open[-1].entries:
                    self.open[-1].entries[-1].colon = True
                    self.is_key = False
                    at += 1
                case _:
                    at = self.scalar(at)
        return at

    def begin(self, made: Mapping | Sequence) -> None:
        self.reader.put(made, self.open[-1] if self.open else self.into)
        self.open.append(made)
        self.is_key = True

    def scalar(self, at: int) -> int:
        quote = self.text[at] if self.text[at] in "'\"" else ""
        end = self.reader.quoted_end(at, self.indent) if quote else self.plain_end(at)
        owner = self.open[-1]
        if isinstance(owner, Mapping) and self.is_key:
            owner.entries.append(self.reader.entry(at, end, owner))
            self.is_key = False
        else:
            self.reader.put(self.reader.scalar(at, end, quote), owner)
        return end

    def plain_end(self, at: int) -> int:
        """Brackets inside a text, as in a path, belong to it, although YAML requires quotes around such a text."""
        start, depth = at, 0
        while at < len(self.text):
            match self.text[at]:
                case "\n":
                    break
                case "[":
                    depth += 1
                case "]":
                    if not depth:
                        break
                    depth -= 1
                case "," | "}" if not depth:
                    break
                case ":" if not depth and self.ends_key(at + 1):
                    break
                case "#" if self.text[at - 1] in _SPACES:
                    break
            at += 1
        return max(start + 1, start + len(self.text[start:at].rstrip()))

    def ends_key(self, at: int) -> bool:
        return at >= len(self.text) or self.text[at] in " \t\r\n,}" or at == self.reader.at_mark
