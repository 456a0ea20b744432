"""Whether a text is allowed by the grammar; if it is computed, only parts of it may be known."""

from __future__ import annotations

from ..record import record
from .automaton import Automaton, automaton, spelling
from .index import Datatype, Texts

_LONGEST = 10_000


@record
class Unknown:
    """A piece of text that is only known as a pattern, and the name of that pattern."""

    pattern: str
    name: str = "…"


# consecutive pieces
Pieces = tuple[str | Unknown, ...]
ANYTHING = Unknown("(.|\n|\r)*")
WHOLE_NUMBER = Unknown("-?[0-9]+", "(number)")
DECIMAL = Unknown("[0-9.eE+\\-]+|nan|-?inf(inity)?|NaN|-?Infinity", "(number)")
TRUE_OR_FALSE = Unknown("true|false", "(true or false)")
HEXADECIMAL = Unknown("[0-9a-f]+", "(hexadecimal)")

_KINDS = {
    "UUID": "a UUID such as 5d307ca9-b3ef-428c-8861-06e72d69f223",
    "absDirPath": "an absolute path",
    "absFilePath": "an absolute path",
    "aliasName": "letters, digits, `_`, `-` and `.`",
    "cpuset": "a list of CPUs such as 0-3,^2",
    "diskTargetDev": "a disk name such as vda or sdb",
    "hexuint": "a number in lowercase hexadecimal",
    "ipv4Addr": "an IPv4 address",
    "ipv6Addr": "an IPv6 address",
    "macAddr": "a MAC address such as 52:54:00:12:34:56",
    "uniMacAddr": "a unicast MAC address such as 52:54:00:12:34:56",
    "unit": "a unit such as KiB or MB",
    "usbPort": "USB ports such as 1 or 1.2",
}
_HEXADECIMAL = frozenset(
    "ccwCssidRange ccwDevnoRange pciFunc pciSlot spaprvioReg uint16 uint24 uint32 uint8 usbAddr usbClass usbId".split()
)
_MANY = 2**31 - 1
_SHOWN_PATTERN = 50


def fits(allowed: Texts, text: Pieces) -> bool:
    """Whether a text can be an allowed one; surrounding white space is ignored."""
    text = _trimmed(text)
    if sum(len(piece) for piece in text if isinstance(piece, str)) > _LONGEST:
        return True
    if all(isinstance(piece, str) for piece in text) and "".join(map(str, text)) in allowed.words:
        return True
    if any(isinstance(piece, Unknown) for piece in text) and any(_meets(spelling(w), text) for w in allowed.words):
        return True
    return any(_is_of(datatype, text) for datatype in allowed.datatypes)


def shown(text: Pieces) -> str:
    """A text for a message."""
    return "".join(piece if isinstance(piece, str) else piece.name for piece in text)


def _trimmed(text: Pieces) -> Pieces:
    pieces = list(text)
    if pieces and isinstance(pieces[0], str):
        pieces[0] = pieces[0].lstrip()
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] = pieces[-1].rstrip()
    return tuple(pieces)


def _is_of(datatype: Datatype, text: Pieces) -> bool:
    if datatype.pattern is not None and not _meets(automaton(datatype.pattern), text):
        return False
    if not datatype.number:
        return True
    if not _meets(automaton("[+\\-]?[0-9]+"), text):
        return False
    if any(isinstance(piece, Unknown) for piece in text):
        # a sign says something about the range, if it is written
        signed = isinstance(text[0], str) and text[0].startswith("-")
        return not signed or datatype.least is None or datatype.least <= 0
    digits = "".join(map(str, text))
    if len(digits) > 40:
        return datatype.most is None and not digits.startswith("-")
    number = int(digits)
    return (datatype.least is None or datatype.least <= number) and (datatype.most is None or number <= datatype.most)


def _meets(pattern: Automaton, text: Pieces) -> bool:
    states = pattern.closed([0])
    for piece in text:
        if piece == ANYTHING:
            states = pattern.after_anything(states)
        elif isinstance(piece, Unknown):
            states = pattern.after_any_of(states, automaton(piece.pattern))
        else:
            for character in piece:
                states = pattern.after(states, character)
                if not states:
                    return False
    return pattern.end in states


def described(allowed: Texts, most_words: int) -> str:
    """What is allowed, for people."""
    numbers = [one for one in allowed.datatypes if one.number]
    widest = [one for one in numbers if not any(_holds(other, one) for other in numbers)]
    hexadecimal = any(one.name in _HEXADECIMAL for one in allowed.datatypes if not one.number)
    kinds = [f"a whole number{_range(one)}" for one in widest]
    if hexadecimal:
        kinds.append("the same in hexadecimal with 0x" if kinds else "a hexadecimal number")
    kinds += [_kind(one) for one in allowed.datatypes if not one.number and one.name not in _HEXADECIMAL]
    words = [word or "nothing" for word in allowed.words]
    return ", ".join([*dict.fromkeys(kinds), *words[:most_words], *(["…"] if len(words) > most_words else [])])


def _holds(one: Datatype, other: Datatype) -> bool:
    """Whether a range includes all of another and more."""
    low = one.least is None or (other.least is not None and one.least <= other.least)
    high = one.most is None or (other.most is not None and other.most <= one.most)
    return low and high and (one.least, one.most) != (other.least, other.most)


def _kind(datatype: Datatype) -> str:
    if datatype.name in _KINDS:
        return _KINDS[datatype.name]
    pattern = datatype.pattern or ""
    shown = pattern if len(pattern) <= _SHOWN_PATTERN else f"{pattern[: _SHOWN_PATTERN - 1]}…"
    return f"text that matches `{shown}`"


def _range(datatype: Datatype) -> str:
    least, most = datatype.least, datatype.most
    if least is not None and most is not None and most < _MANY:
        return f" from {least} to {most}"
    return f", {least} or more" if least is not None and least > -_MANY else ""
