"""Mutations of bytes, of tokens in texts, and of plain data, all driven by one random number generator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

MOST = 16_384
"""Longer inputs are cut: failures that depend only on size have their own cases."""

BYTES = (
    b"\0", b"\x1b[2J", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x7f", b"\x85", b"\r\n", b"\r",
    b"\t", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xf0\x9f\xa6\x8a", b"'", b'"', b"\\", b"{", b"}", b"[", b"]", b"<",
    b">", b"&", b"#", b":", b"-", b"%", b"@", b"!", b"|", b"*", b"\n---\n", b"\n...\n", b"%YAML 1.1\n", b"\\u0000",
    b"\\ud800",
)  # fmt: skip
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40, 0.1, -0.0, 1e308, 1.5e-300, "",
    " ", "\n", "\0", "\t", "\r\n", "\x1b[31m", "\u2028", "\u202e", "\ud800", "\ufeff", "\ufffe", "\U0001f98a",
    "a" * 300, "true", "null", "~", "0644", "1:30", "on", "-", "=", "<<", "*a", "&a", "!!str",
    "2001-12-14t21:59:43.10-05:00", "0x1F", "1_000", ".nan", ".inf", "1e3", "/", "//", "~1", "~2", "/-", "[=a]",
    "[a=b]", "$", "$[", "$[ ]", "$[ 1 ]", "$[ vmi ]", "$$[", "]]>", "<!--", "&amp;", "&#0;", "é", "'", '"', "\\",
    "{{ x }}", "{% if x %}", "{# x #}", "#cloud-config", "#!/bin/sh",
)  # fmt: skip


def many(random: Random) -> int:
    """The number of changes: usually one."""
    return min(random.getrandbits(16), 2 ** random.randrange(3)) or 1


# -- bytes -----------------------------------------------------------------------------------------------------------


def of_bytes(random: Random, data: bytes, words: Sequence[bytes] = (), other: bytes = b"") -> bytes:
    """Make a few changes to bytes; ``words`` belong to the format, ``other`` is another input to take pieces from."""
    out = bytearray(data)
    for _ in range(many(random)):
        at = random.randrange(len(out) + 1)
        end = min(len(out), at + _length(random))
        match random.randrange(9):
            case 0 if at < len(out):
                out[at] ^= 1 << random.randrange(8)
            case 1 if at < len(out):
                out[at] = random.randrange(256)
            case 2:
                del out[at:end]
            case 3:
                out[at:at] = out[at:end]
            case 4:
                out[at:at] = random.choice(BYTES)
            case 5 if words:
                out[at:at] = random.choice(words)
            case 6 if words:
                out[at:end] = random.choice(words)
            case 7 if other:
                start = random.randrange(len(other))
                out[at:end] = other[start : start + _length(random)]
            case _:
                out[at:at] = bytes(out[at : min(end, at + 8)]) * random.randrange(2, 40)
    return bytes(out[:MOST])


def _length(random: Random) -> int:
    return int(2 ** (random.random() * 7))


# -- tokens ----------------------------------------------------------------------------------------------------------


def of_tokens(random: Random, text: str, tokens: re.Pattern[str], words: Sequence[str]) -> str:
    """Make a few changes to a text, seen as the tokens that a pattern finds in it."""
    out: list[str] = tokens.findall(text)
    for _ in range(many(random)):
        at = random.randrange(len(out) + 1)
        end = min(len(out), at + random.randrange(1, 6))
        match random.randrange(7):
            case 0:
                del out[at:end]
            case 1:
                out[at:at] = out[at:end]
            case 2 if out:
                other = random.randrange(len(out))
                out[at:at] = out[other : other + random.randrange(1, 6)]
            case 3:
                out[at : at + 1] = [random.choice(words)]
            case 4:
                out.insert(at, random.choice(words))
            case 5 if len(out) > 1:
                one, two = random.randrange(len(out)), random.randrange(len(out))
                out[one], out[two] = out[two], out[one]
            case _:
                out[at:at] = out[at:end] * random.randrange(2, 12)
    return "".join(out)[:MOST]


# -- plain data ------------------------------------------------------------------------------------------------------


def of_data(
    random: Random, data: Any, others: Sequence[Any] = (), text: Callable[[Random, str], str] | None = None
) -> Any:
    """Make a few changes to a copy of plain data; inserts pieces of ``others``, changes strings with ``text``."""
    root = {"": _copy(data)}
    for _ in range(many(random)):
        known = list(places(root))
        holder, key = random.choice(known)
        value = holder[key]
        match random.randrange(10):
            case 0:
                holder[key] = random.choice(SCALARS)
            case 1 if holder is not root:
                del holder[key]
            case 2:
                there, name = random.choice(known)
                holder[key] = _copy(there[name])
            case 3 if isinstance(value, list) and value:
                value.insert(random.randrange(len(value) + 1), _copy(random.choice(value)))
            case 4 if isinstance(value, dict) and value:
                name = random.choice(list(value))
                value[_name(random, name)] = value.pop(name)
            case 5:
                holder[key] = [value] if random.random() < 0.5 else {_name(random, "a"): value}
            case 6 if others:
                there, name = random.choice(list(places({"": random.choice(others)})))
                holder[key] = _copy(there[name])
            case 7 if others and isinstance(value, list):
                there, name = random.choice(list(places({"": random.choice(others)})))
                value.append(_copy(there[name]))
            case _ if isinstance(value, str):
                holder[key] = text(random, value) if text else of_text(random, value)
            case _:
                holder[key] = random.choice(SCALARS)
    return root.get("")


def of_text(random: Random, text: str) -> str:
    changed = of_bytes(random, text.encode(errors="surrogatepass")[:MOST])
    return changed.decode(errors=random.choice(("ignore", "replace", "surrogateescape")))


def _name(random: Random, name: str) -> str:
    scalar = random.choice(SCALARS)
    return random.choice((name.lower(), name.title(), name + "s", name[:-1], str(scalar), of_text(random, name)))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every position in the data below ``value``: its container and its key there."""
    keys: Any = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


# -- writing ---------------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[A-Za-z0-9/@._-][A-Za-z0-9/@._+-]*")


def as_yaml(random: Random, value: Any, at: int = 0) -> str:
    """Data as YAML, randomly in flow or block style; strings are unquoted where possible."""
    if isinstance(value, dict) and value and random.random() < 0.8 and at < 12:
        pad = "\n" + " " * at
        return pad + pad.join(f"{_scalar(random, k)}: {as_yaml(random, v, at + 2)}" for k, v in value.items())
    if isinstance(value, list) and value and random.random() < 0.8 and at < 12:
        pad = "\n" + " " * at
        return pad + pad.join(f"- {as_yaml(random, v, at + 2)}" for v in value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(random, k)}: {as_yaml(random, v, 99)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_yaml(random, v, 99) for v in value) + "]"
    return _scalar(random, value)


def _scalar(random: Random, value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and random.random() < 0.8:
        return value
    if isinstance(value, str) and "'" not in value and value.isprintable() and random.random() < 0.5:
        return f"'{value}'"
    return json.dumps(value)


def as_json(value: Any) -> bytes:
    """Data as JSON; a lone surrogate is written as an escape or, though not valid UTF-8, as is."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
