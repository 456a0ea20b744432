"""JSON Pointer (RFC 6901) with tokens that select list elements by content: ``[key=value]``, ``[=text]``.

``parse(text)`` returns a :class:`Pointer`; ``resolve`` and ``exists`` follow it into plain data. Faults are
:class:`PointerError` with the place in the pointer's text; they quote names, kinds and counts, never values.

A pointer may be a template: the caller replaces each computed part with one :data:`HOLE`, and
``pointer.fill(values)`` inserts the values as data: ``/`` and ``~`` in them have no special meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .. import rules
from ..diagnostics import Rule, did_you_mean
from ..patterns import pattern
from ..quoting import Names
from ..record import record, replace
from ..values import kind, scalar_text

HOLE = "\0"
MAX_TOKENS = 64

_INDEX = pattern(r"0|[1-9][0-9]*")
_FORGOTTEN_SLASH = pattern(r"([^/\[]+)(\[[^]\[/=]*=)")
_INDEX_IN_BRACKETS = pattern(r"([^/\[]+)\[(0|[1-9][0-9]*|-|\0)\](?=[/\[]|\Z)")
_BAD_ESCAPE = pattern(r"~(?![01])")


class PointerError(Exception):
    """A problem with a pointer, or with following it. ``start`` and ``end`` are offsets in the pointer's text.

    The caller turns it into a diagnostic: ``fail(e.rule, e.message, span(e.start, e.end), e.help)``. ``pointer`` tells
    ``from`` and ``path`` apart; it is None if the text could not be parsed. ``missed`` is the missing key and the
    existing ones: :meth:`with_names` adds those that may be quoted to the help.
    """

    def __init__(
        self,
        message: str,
        start: int,
        end: int,
        help: str | None = None,
        *,
        rule: Rule = rules.OPERATION,
        pointer: Pointer | None = None,
        missed: tuple[str, Iterable[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.help = help
        self.rule = rule
        self.pointer = pointer
        self.missed = missed

    def with_names(self, names: Names) -> PointerError:
        if self.missed is not None:
            wanted, there = self.missed
            known = names.of(there)
            self.help = did_you_mean(wanted, known, "its keys") if known or not there else None
        return self


class _SlipError(Exception):
    """Text that is not a pointer yet: ``written`` is what it means, as far as this slip goes."""

    def __init__(self, message: str, start: int, end: int, written: str, more: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.written = written
        self.more = more


class NotFoundError(PointerError):
    """Nothing is at the pointer's location."""


class NullError(NotFoundError):
    """A token selects something in null."""


class WrongKindError(NotFoundError):
    """Nothing can be there: a token selects something in text, or treats a map as a list."""


@record
class Key:
    """A reference token of RFC 6901, unescaped: a map's key, or in a list an index or ``-``."""

    text: str
    start: int
    end: int


@record
class Match:
    """``[key=value]``: the single map of a list whose ``key`` reads as ``value``."""

    key: str
    value: str
    start: int
    end: int

    def picks(self, item: Any) -> bool:
        return (
            isinstance(item, dict)
            and (k := find_key(item, self.key)) is not None
            and scalar_text(item[k[0]]) == self.value
        )


@record
class Equal:
    """``[=text]``: the single scalar of a list that reads as ``value``."""

    value: str
    start: int
    end: int

    def picks(self, item: Any) -> bool:
        return scalar_text(item) == self.value


Token = Key | Match | Equal


@record
class Pointer:
    """A parsed pointer. ``text`` is its source; a pointer without tokens is the whole document."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def holes(self) -> int:
        return self.text.count(HOLE)

    def fill(self, values: Sequence[str]) -> Pointer:
        """The pointer with its holes filled in order; ``text`` and the offsets stay, so errors never show a value."""
        rest = iter(values)
        return replace(self, tokens=tuple(_fill(token, rest) for token in self.tokens))

    def where(self, depth: int) -> str:
        """The place before token number ``depth``, for messages."""
        end = self.tokens[depth - 1].end if depth else self.tokens[0].start - 1 if self.tokens else 0
        return f"`{shown(self.text[:end])}`" if end else "the root"

    def token_text(self, depth: int) -> str:
        """Token number ``depth`` as it was written."""
        token = self.tokens[depth]
        return shown(self.text[token.start : token.end])

    def error(self, depth: int, message: str, help: str | None = None, *, rule: Rule = rules.OPERATION) -> PointerError:
        """An error at token number ``depth``."""
        start, end = self._place(depth)
        return PointerError(message, start, end, help, rule=rule, pointer=self)

    def not_found(
        self, depth: int, message: str, help: str | None = None, missed: tuple[str, Iterable[str]] | None = None
    ) -> NotFoundError:
        start, end = self._place(depth)
        return NotFoundError(message, start, end, help, pointer=self, missed=missed)

    def _place(self, depth: int) -> tuple[int, int]:
        if not self.tokens:
            return 0, len(self.text)
        token = self.tokens[min(depth, len(self.tokens) - 1)]
        return token.start, token.end

    def __str__(self) -> str:
        return shown(self.text)


def shown(text: str) -> str:
    """Pointer text for messages: a hole appears as its expression."""
    return text.replace(HOLE, "$[…]")


def _fill(token: Token, values: Iterator[str]) -> Token:
    def put(text: str) -> str:
        pieces = text.split(HOLE)
        return pieces[0] + "".join(next(values) + piece for piece in pieces[1:])

    match token:
        case Key():
            return replace(token, text=put(token.text))
        case Match():
            return replace(token, key=put(token.key), value=put(token.value))
        case Equal():
            return replace(token, value=put(token.value))


def parse(text: str) -> Pointer:
    """Parses pointer text (RFC 6901 section 3, and the two tokens of this language).

    A token that begins with ``[`` and has a ``=`` before the next ``/`` extends to its ``]``; ``/`` and ``~`` are plain
    in it, and its value may be quoted, which is required if it contains a ``]``. Raises PointerError (bad-pointer).
    """
    try:
        return _parsed(text)
    except _SlipError as slip:
        meant = _mended(slip.written)
        help = None if meant is None else f"write `{shown(meant)}`{slip.more}"
        raise _bad(slip.message, slip.start, slip.end, help) from None


def _mended(text: str) -> str | None:
    """The intended pointer, if slips are the only problem."""
    for _ in range(2 * MAX_TOKENS):
        try:
            _parsed(text)
        except _SlipError as slip:
            text = slip.written
        except PointerError:
            return None
        else:
            return text
    return None


def _parsed(text: str) -> Pointer:
    if text and not text.startswith("/"):
        message = f"a pointer must be empty or begin with `/`, not `{shown(text[0])}`"
        raise _SlipError(message, 0, 1, f"/{text.lstrip('#').lstrip('/')}")
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        token = _bracket(text, at + 1) or _plain(text, at + 1)
        if len(tokens) == MAX_TOKENS:
            raise _bad(f"the pointer has more than {MAX_TOKENS} tokens", token.start, token.end)
        tokens.append(token)
        at = token.end
    return Pointer(text, tuple(tokens))


def _bad(message: str, start: int, end: int, help: str | None = None) -> PointerError:
    return PointerError(message, start, end, help, rule=rules.BAD_POINTER)


def _plain(text: str, start: int) -> Key:
    end = text.find("/", start)
    end = len(text) if end < 0 else end
    written = text[start:end]
    _check_brackets(text, start)
    if slip := _BAD_ESCAPE.search(written):
        raise _bad(
            "invalid `~`: in a key, write `~` as `~0` and `/` as `~1`",
            start + slip.start(),
            start + slip.end(),
        )
    return Key(written.replace("~1", "/").replace("~0", "~"), start, end)


def _check_brackets(text: str, start: int) -> None:
    more = "; for a key with that text, write `/$[ '…' ]`"
    if (glued := _FORGOTTEN_SLASH.match(text, start)) and (close := text.find("]", glued.end())) >= 0:
        at = glued.end(1)
        message = f"a `/` is missing before `{shown(text[at : close + 1])}`"
        raise _SlipError(message, start, close + 1, f"{text[:at]}/{text[at:]}", more)
    if index := _INDEX_IN_BRACKETS.match(text, start):
        written = f"{text[: index.end(1)]}/{index[2]}{text[index.end() :]}"
        message = f"write an index without brackets, after a `/`: `{shown(index[2])}`"
        raise _SlipError(message, start, index.end(), written, more)


def _bracket(text: str, start: int) -> Token | None:
    slash = text.find("/", start)
    equals = text.find("=", start, len(text) if slash < 0 else slash)
    if not text.startswith("[", start) or equals < 0:
        return None
    value, end = _bracket_value(text, start, equals + 1)
    if end < len(text) and text[end] != "/":
        raise _bad(
            "`]` must be followed by `/` or the end of the pointer",
            end,
            end + 1,
            'quote a value that contains `]`: `[key="a]b"]`',
        )
    key = text[start + 1 : equals]
    return Match(key, value, start, end) if key else Equal(value, start, end)


def _bracket_value(text: str, start: int, at: int) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote in ("'", '"') and (close := text.find(quote + "]", at + 1)) >= 0:
        return text[at + 1 : close], close + 2
    if quote in ("'", '"'):
        raise _bad(f"quote {quote} is not closed before `]`", at, len(text))
    close = text.find("]", at)
    if close < 0:
        raise _bad("`[` is not closed by `]`", start, len(text))
    return text[at:close], close + 1


def find_key(container: dict[Any, Any], text: str) -> tuple[Any] | None:
    """The key that a text names, in a tuple: the text itself, or a YAML key of another type that reads as it."""
    if text in container:
        return (text,)
    return next(((key,) for key in container if not isinstance(key, str) and scalar_text(key) == text), None)


def step(container: Any, pointer: Pointer, depth: int) -> Any:
    """The key or index in ``container`` that token number ``depth`` names.

    Raises NotFoundError if there is none, PointerError if the token can never match one, or matches several.
    """
    token, where = pointer.tokens[depth], pointer.where(depth)
    if isinstance(container, dict) and isinstance(token, Key):
        if (key := find_key(container, token.text)) is not None:
            return key[0]
        names = [key for key in map(scalar_text, container) if key is not None]
        raise pointer.not_found(
            depth,
            f"no key `{pointer.token_text(depth)}` at {where}",
            missed=(token.text, names),
        )
    if isinstance(container, list):
        return list_index(container, pointer, depth)
    wanted = "a map" if isinstance(token, Key) else "a list"
    message = (
        f"the value at {where} is {kind(container)}, not {wanted}, so `{pointer.token_text(depth)}` matches nothing"
    )
    raise (NullError if container is None else WrongKindError)(message, token.start, token.end, pointer=pointer)


def list_index(container: list[Any], pointer: Pointer, depth: int) -> int:
    """The index of the list element that a token names. Raises as :func:`step`."""
    token, where = pointer.tokens[depth], pointer.where(depth)
    if isinstance(token, Key):
        index = parse_index(container, pointer, depth)
        if index >= len(container):
            raise pointer.not_found(
                depth,
                f"no index {index}: the list at {where} has {_count(container)}",
                "the first element has index 0",
            )
        return index
    hits = [i for i, item in enumerate(container) if token.picks(item)]
    if len(hits) == 1:
        return hits[0]
    written = pointer.token_text(depth)
    if hits:
        raise pointer.error(
            depth,
            f"`{written}` matches {len(hits)} elements of the list at {where}: index {', '.join(map(str, hits[:10]))}",
            "select one by its index",
            rule=rules.AMBIGUOUS,
        )
    keys = {key for item in container if isinstance(item, dict) for key in map(scalar_text, item) if key is not None}
    missed = (token.key, sorted(keys)) if isinstance(token, Match) and token.key not in keys else None
    raise pointer.not_found(
        depth, f"`{written}` matches none of the {_count(container)} of the list at {where}", missed=missed
    )


def parse_index(container: list[Any], pointer: Pointer, depth: int) -> int:
    """The index that a token writes (RFC 6901 section 4: no sign, no leading zero). Raises PointerError."""
    token = pointer.tokens[depth]
    if isinstance(token, Key) and _INDEX.fullmatch(token.text) and len(token.text) < 10:
        return int(token.text)
    where, written = pointer.where(depth), pointer.token_text(depth)
    if written == "-":
        raise pointer.error(
            depth,
            f"`-` is the position after the last element of the list at {where}, where nothing exists",
            "only `add` and `ensure` accept `-`, as the last token",
        )
    raise pointer.error(
        depth,
        f"the value at {where} is a list with {_count(container)}, and `{written}` is not an index",
        "write a number from 0 (no sign, no leading zero), `-` to append, "
        "`[key=value]` or `[=text]` to select an element",
    )


def _count(container: list[Any]) -> str:
    return f"{len(container)} element" + ("" if len(container) == 1 else "s")


def resolve(data: Any, pointer: Pointer) -> Any:
    """The value that the pointer names (RFC 6901 section 4). Raises NotFoundError or PointerError."""
    for depth in range(len(pointer.tokens)):
        data = data[step(data, pointer, depth)]
    return data


def exists(data: Any, pointer: Pointer) -> bool:
    """Whether the pointer matches a value. Raises PointerError if it cannot match one, or matches several."""
    try:
        resolve(data, pointer)
    except NotFoundError:
        return False
    return True
