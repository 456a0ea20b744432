"""XML Schema patterns as automata: whether a text matches, even if parts of it are only known as patterns.

A fully known text is followed character by character, so no pattern takes longer than the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from ..patterns import pattern
from ..record import record

# inclusive ranges of characters
Ranges = tuple[tuple[str, str], ...]

_LAST = "\U0010ffff"
_DIGITS: Ranges = (("0", "9"),)
_SPACES: Ranges = (("\t", "\n"), ("\r", "\r"), (" ", " "))
_IN_LINE: Ranges = (("\0", "\t"), ("\x0b", "\x0c"), ("\x0e", _LAST))
_ESCAPED = {"n": (("\n", "\n"),), "t": (("\t", "\t"),), "r": (("\r", "\r"),), "d": _DIGITS, "s": _SPACES}
_COUNTED = pattern(r"\{(\d{1,3})(,(\d{0,3}))?\}")
_MOST_STATES = 5000


class BadPatternError(ValueError):
    """Not an XML Schema pattern, or not a supported one."""


@record(eq=False)
class Automaton:
    """States with the characters that lead on from them; 0 is the first, and a text ends in the last."""

    edges: tuple[tuple[tuple[Ranges, int], ...], ...]
    silent: tuple[tuple[int, ...], ...]

    @property
    def end(self) -> int:
        return len(self.edges) - 1

    def closed(self, states: Iterable[int]) -> frozenset[int]:
        """The states, and those reachable without a character."""
        return _reached(states, self.silent.__getitem__)

    def after(self, states: frozenset[int], character: str) -> frozenset[int]:
        """Where a character leads."""
        return self.closed(to for state in states for ranges, to in self.edges[state] if _among(character, ranges))

    def after_anything(self, states: Iterable[int]) -> frozenset[int]:
        """Where any text at all leads."""
        return _reached(states, lambda state: (*self.silent[state], *(to for _, to in self.edges[state])))

    def after_any_of(self, states: frozenset[int], other: Automaton) -> frozenset[int]:
        """Where any text that another automaton accepts leads."""
        seen: set[tuple[int, int]] = set()
        pending = [(state, first) for state in states for first in other.closed([0])]
        while pending:
            pair = pending.pop()
            if pair in seen:
                continue
            seen.add(pair)
            ours, theirs = pair
            pending += [(to, theirs) for to in self.silent[ours]] + [(ours, to) for to in other.silent[theirs]]
            pending += [
                (one, two)
                for ranges, one in self.edges[ours]
                for others, two in other.edges[theirs]
                if any(a <= d and c <= b for a, b in ranges for c, d in others)
            ]
        return frozenset(ours for ours, theirs in seen if theirs == other.end)


def _reached(states: Iterable[int], following: Callable[[int], Iterable[int]]) -> frozenset[int]:
    """The states, and all states reachable from them."""
    found: set[int] = set()
    pending = list(states)
    while pending:
        state = pending.pop()
        if state not in found:
            found.add(state)
            pending += following(state)
    return frozenset(found)


def _among(character: str, ranges: Ranges) -> bool:
    return any(first <= character <= last for first, last in ranges)


@cache
def automaton(pattern: str) -> Automaton:
    """The automaton of a pattern. Raises BadPatternError."""
    maker = _Maker(pattern)
    maker.put(_Parser(pattern).whole(), maker.state())
    return Automaton(tuple(map(tuple, maker.edges)), tuple(map(tuple, maker.silent)))


@cache
def spelling(word: str) -> Automaton:
    """The automaton of one word."""
    edges = tuple((((((one, one),), number + 1),)) for number, one in enumerate(word))
    return Automaton((*edges, ()), ((),) * (len(word) + 1))


@record
class _Part:
    """Part of a pattern: one of some characters, a sequence of parts, or alternatives, with repetition."""

    ranges: Ranges | None = None
    parts: tuple[_Part, ...] = ()
    any_of: bool = False
    least: int = 1
    most: int | None = 1


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def whole(self) -> _Part:
        found = self.choice()
        if self.at < len(self.pattern):
            raise BadPatternError(self.pattern)
        return found

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise BadPatternError(self.pattern)
        self.at += 1
        return self.pattern[self.at - 1]

    def choice(self) -> _Part:
        branches: list[_Part] = []
        while True:
            row: list[_Part] = []
            while self.peek() not in ("", "|", ")"):
                row.append(self.repeated())
            branches.append(_Part(parts=tuple(row)))
            if self.peek() != "|":
                return _Part(parts=tuple(branches), any_of=True)
            self.at += 1

    def repeated(self) -> _Part:
        part = self.atom()
        least, most = 1, 1  # type: int, int | None
        match self.peek():
            case "*" | "+" | "?" as sign:
                self.at += 1
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            case "{":
                counted = _COUNTED.match(self.pattern, self.at)
                if counted is None:
                    raise BadPatternError(self.pattern)
                self.at = counted.end()
                least = int(counted[1])
                most = least if counted[2] is None else int(counted[3]) if counted[3] else None
        return part if (least, most) == (1, 1) else _Part(parts=(part,), least=least, most=most)

    def atom(self) -> _Part:
        match self.take():
            case "(":
                found = self.choice()
                if self.take() != ")":
                    raise BadPatternError(self.pattern)
                return found
            case "[":
                return _Part(self.characters())
            case ".":
                return _Part(_IN_LINE)
            case "\\":
                return _Part(self.escaped())
            case "*" | "+" | "?" | "{" | "}" | "]" | ")":
                raise BadPatternError(self.pattern)
            case one:
                return _Part(((one, one),))

    def escaped(self) -> Ranges:
        one = self.take()
        if one.isalnum() and one not in _ESCAPED:
            raise BadPatternError(self.pattern)
        return _ESCAPED.get(one, ((one, one),))

    def characters(self) -> Ranges:
        """Those between brackets, after the opening one."""
        others = self.peek() == "^"
        self.at += others
        found: list[tuple[str, str]] = []
        while self.peek() != "]":
            ranges = self.escaped() if (one := self.take()) == "\\" else ((one, one),)
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self.escaped()[0][0] if (one := self.take()) == "\\" else one
                ranges = ((ranges[0][0], last),)
            found += ranges
        self.at += 1
        return _beside(found) if others else tuple(found)


class _Maker:
    """Creates the states of parts. Each begins at the given state, and ends at the returned one."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.edges: list[list[tuple[Ranges, int]]] = []
        self.silent: list[list[int]] = []

    def state(self, *before: int) -> int:
        """A new state, reachable from those before it without a character."""
        if len(self.edges) >= _MOST_STATES:
            raise BadPatternError(self.pattern)
        self.edges.append([])
        self.silent.append([])
        for one in before:
            self.silent[one].append(len(self.edges) - 1)
        return len(self.edges) - 1

    def put(self, part: _Part, start: int) -> int:
        ends = []
        for number in range(part.most if part.most is not None else part.least):
            if number >= part.least:
                ends.append(start)
            start = self.once(part, start)
        if part.most is None:
            loop = self.state(start)
            self.silent[self.once(part, loop)].append(loop)
            start = loop
        return self.state(start, *ends)

    def once(self, part: _Part, start: int) -> int:
        if part.ranges is not None:
            end = self.state()
            self.edges[start].append((part.ranges, end))
            return end
        if part.any_of:
            return self.state(*[self.put(one, self.state(start)) for one in part.parts])
        for one in part.parts:
            start = self.put(one, start)
        return start


def _beside(ranges: list[tuple[str, str]]) -> Ranges:
    """All other characters."""
    found: list[tuple[str, str]] = []
    at = 0
    for first, last in sorted(ranges):
        if at < ord(first):
            found.append((chr(at), chr(ord(first) - 1)))
        at = max(at, ord(last) + 1)
    if at <= ord(_LAST):
        found.append((chr(at), _LAST))
    return tuple(found)
