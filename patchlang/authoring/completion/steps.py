"""Find out what the cursor is on in an XPath that may be incomplete, and where that starts.

:mod:`patchlang.xpath.parser` reads whole paths. This reader goes through the tokens before the cursor (XPath 1.0,
section 3.7) and keeps what is still open: predicates, calls, a comparison, a quote.
"""

from __future__ import annotations

from ...grammar.axes import Places, along, origins, unique
from ...patterns import pattern
from ...record import field, record
from ...xpath.parser import AXES, MAX_LENGTH
from .ground import Ground

_TOKEN = pattern(
    r"(?P<space>\s+)|(?P<literal>\"[^\"]*\"?|'[^']*'?)|(?P<number>[0-9]+(?:\.[0-9]*)?)"
    r"|(?P<name>[^\W\d][\w.\-]*(?::(?!:)[\w.\-]*)?)|(?P<symbol>::|//|\.\.|!=|<=|>=|[\s\S])"
)
_NAME = pattern(r"[\w.\-]*(?::(?!:)[\w.\-]+)?")
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "+", "-", "|", ","})
_WORDS = frozenset({"and", "or", "mod", "div", "*"})
_OPERANDS = frozenset({"name", "literal", "number", "variable", "]", ")", ".", "..", "*"})


@record
class Step:
    """The name of a step, from ``start`` to ``end``; ``nodes`` are all nodes that may be there.

    If the step begins an expression, ``begins`` are the places where that starts. ``inner``: it is in a predicate or a
    call.
    """

    start: int
    end: int
    axis: str
    nodes: Places
    begins: Places = ()
    inner: bool = False


@record
class Literal:
    """A text in quotes that should be one of the texts of ``places``."""

    start: int
    end: int
    places: Places


@record
class Variable:
    """The name of a variable, after its ``$``."""

    start: int
    end: int


@record(frozen=False)
class _Frame:
    """Something open: the whole (empty), a predicate (``[``), a call or a group (``(``).

    ``behind`` is the piece of the text that a predicate applies to, ``function`` the name of the called function.
    ``operand`` is the start of the path that is being written, ``compared`` the one before ``=``, ``first`` the first
    argument.
    """

    kind: str
    behind: tuple[int, int] = (0, 0)
    function: str = ""
    operand: int | None = None
    compared: tuple[int, int] | None = None
    first: tuple[int, int] | None = None


@record(frozen=False)
class _Reader:
    """What the tokens so far leave open. ``last`` is the last one, or its kind; ``before`` the one before it."""

    frames: list[_Frame] = field(default_factory=lambda: [_Frame("")])
    last: str = ""
    before: str = ""
    name: str = ""
    slash: int = 0

    @property
    def top(self) -> _Frame:
        return self.frames[-1]

    def take(self, kind: str, word: str, start: int) -> None:
        """Take one more token."""
        self.before = self.last
        is_symbol = kind == "symbol"
        if (is_symbol and word in _OPERATORS) or (word in _WORDS and self.last in _OPERANDS):
            self._operator(word, start)
            self.last = "operator"
            return
        if is_symbol and word in "])":
            self._close({"]": "[", ")": "("}[word])
        elif is_symbol and word == "[":
            self.frames.append(_Frame("[", (start if self.top.operand is None else self.top.operand, start)))
        else:
            if self.top.operand is None:
                self.top.operand = start
            if is_symbol and word == "(":
                self.frames.append(_Frame("(", function=self.name if self.last == "name" else ""))
            elif word in ("/", "//"):
                self.slash = start
            elif kind == "name":
                self.name = word
        self.last = word if is_symbol else "variable" if self.last == "$" else kind

    def _operator(self, word: str, start: int) -> None:
        operand = (self.top.operand, start) if self.top.operand is not None else None
        self.top.compared = operand if word in ("=", "!=") else None
        if word == "," and self.top.first is None:
            self.top.first = operand
        self.top.operand = None

    def _close(self, kind: str) -> None:
        if any(frame.kind == kind for frame in self.frames):
            while self.frames.pop().kind != kind:
                pass


def at_cursor(text: str, at: int, context: Places, ground: Ground) -> Step | Literal | Variable | None:
    """What the cursor is on in a path that starts at the places ``context``; None if it cannot be completed.

    Raises SpentError if that takes too long to find out.
    """
    if at > MAX_LENGTH:
        return None
    reader = _Reader()
    start = at
    for found in _TOKEN.finditer(text, 0, at):
        kind, word = str(found.lastgroup), found.group()
        is_open = kind == "literal" and (len(word) == 1 or word[0] != word[-1])
        if is_open or (kind == "name" and found.end() == at):
            start = found.start()
            if is_open:
                return _literal(text, start + 1, at, reader, context, ground)
        elif kind != "space":
            reader.take(kind, word, found.start())
    end = _end_of_name(text, start)
    if reader.last == "$":
        return Variable(start, end)
    return _step(text, start, max(end, at), reader, context, ground)


def _end_of_name(text: str, at: int) -> int:
    found = _NAME.match(text, at)
    return found.end() if found else at


def _context(text: str, reader: _Reader, context: Places, ground: Ground) -> Places:
    """Where relative paths start in what is open."""
    for frame in reader.frames:
        if frame.kind == "[":
            context = ground.leads(text[slice(*frame.behind)], context)
    return context


def _literal(text: str, start: int, at: int, reader: _Reader, context: Places, ground: Ground) -> Literal | None:
    frame = reader.top
    behind = frame.compared
    if frame.kind == "(" and frame.function in ("contains", "starts-with") and reader.last == "operator":
        behind = frame.first
    if behind is None or reader.last != "operator":
        return None
    close = text.find(text[start - 1], at)
    line = text[at : close if close >= 0 else len(text)]
    end = at + len(line) if close >= 0 and not any(one in line for one in "[]/=\n") else at
    return Literal(start, end, ground.leads(text[slice(*behind)].rstrip(), _context(text, reader, context, ground)))


def _step(text: str, start: int, end: int, reader: _Reader, context: Places, ground: Ground) -> Step | None:
    axis, begins = "child", False
    lead, last = start, reader.last
    if last == "@":
        axis, last, lead = "attribute", reader.before, text.rfind("@", 0, start)
    elif last == "::" and reader.name in AXES:
        axis = reader.name
        lead = text.rfind(axis, 0, start)
        last = _before(text, lead)
    if last in ("/", "//"):
        operand = reader.top.operand
        base = text[operand if operand is not None else reader.slash : reader.slash]
        here = _context(text, reader, context, ground)
        places = ground.leads(base, here) if base else ground.document
    elif last in _OPERANDS:
        return None
    else:
        places, begins = _context(text, reader, context, ground), lead == start
    if last == "//":
        if axis == "child":
            axis = "descendant"
        else:
            searched = origins(places, "descendant-or-self")
            places = unique(node for place in searched for node in along(place, "descendant-or-self"))
    nodes = unique(node for place in origins(places, axis) for node in along(place, axis))
    return Step(start, end, axis, nodes, places if begins else (), len(reader.frames) > 1)


def _before(text: str, at: int) -> str:
    """The slashes before an axis."""
    written = text[:at].rstrip()
    return "//" if written.endswith("//") else written[-1:] if written.endswith("/") else ""
