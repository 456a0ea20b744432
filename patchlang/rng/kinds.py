"""What an attribute or a text may be, found by trial: the schema is asked about many kinds of text.

Named kinds, such as MAC addresses, are recognized by one example each. For anything else, trials determine which
characters and lengths are allowed; for numbers, which range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

Allows = Callable[[str], bool]

# stands for any name: text that does not look like another kind
_NAMES = ("zzq", "zzqzzq", "zzqzzqzzqzzq")
_SIGNS = "_-.:/+@#%&=,;~ !$()*<>?[]^{|}'\"\\"
_MOST_CHARACTERS = 300
_DOTTED = (
    ("USB ports such as {}", "1.2.3"),
    ("a version such as {}", "2.0"),
    ("an IPv4 address such as {}", "192.0.2.10"),
)
"""The first of these that is allowed: what it accepts may look like the others."""
_WWN = "5000c50015ea71ad"
_EXAMPLES = (
    ("a UUID such as {}", "5d307ca9-b3ef-428c-8861-06e72d69f223"),
    ("a MAC address such as {}", "52:54:00:12:34:56"),
    ("an IPv6 address such as {}", "2001:db8::10"),
    ("an absolute path such as {}", "/srv/a.img"),
    ("a list of CPUs such as {}", "0-3,^2"),
    ("a disk name such as {}", "vda"),
    ("a disk name such as {}", "nvme0n1"),
    ("a unit such as {}", "KiB"),
    ("an identifier such as {}", "naa.5000c50015ea71ad"),
    ("a datastore and a path such as {}", "[store] a.vmdk"),
)
# numbers at which ranges end, and between which they lie
_NUMBERS = sorted(
    {-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 10, 73, 99, 100, 101, 1000, 1001, 10**6}
    | {2**bits + more for bits in (3, 4, 5, 6, 7, 8, 12, 15, 16, 24, 31, 32, 44, 63, 64) for more in (-1, 0)}
)
_UNBOUND = 2**31 - 1
"""A range beyond this is described without its end."""


def described(allows: Allows, words: Iterable[str]) -> list[str]:
    """What is allowed, in words: kinds first, then the allowed ones of the ``words``; empty if unknown."""
    if any(map(allows, _NAMES)):
        return list(filter(None, [_characters(allows)]))
    numbers = _numbers(allows)
    found = [*numbers, *_kinds(allows, bool(numbers))]
    taken = [word for word in words if not (numbers and word.lstrip("-").isdigit()) and allows(word)]
    # a word is an instance of the kind, not a separate word, if longer ones are allowed too
    return [*found, *(word for word in taken if not (found and (allows(f"{word}q") or allows(f"{word}0"))))]


def _kinds(allows: Allows, numbers: bool) -> Iterator[str]:
    if allows("0x1"):
        yield "the same in hexadecimal with 0x" if numbers else "a hexadecimal number"
    elif allows(_WWN):
        yield f"a WWN such as {_WWN}"
    dotted = [(kind, example) for kind, example in _DOTTED if allows(example)]
    examples = [(kind, example) for kind, example in _EXAMPLES if allows(example)]
    yield from dict.fromkeys(kind.format(example) for kind, example in (*examples, *dotted[:1]))


def _characters(allows: Allows) -> str:
    """The allowed characters and lengths of a text; empty if any text is allowed."""
    length = max((count for count in range(1, _MOST_CHARACTERS) if allows("z" * count)), default=0)
    least = next((count for count in range(1, length + 1) if allows("z" * count)), 1)
    name = "z" * max(0, min(length, max(least, 3)) - 2)
    signs = [sign for sign in _SIGNS if allows(f"z{sign}{name}" if name else f"z{sign}")]
    refused = [sign for sign in _SIGNS if sign not in signs]
    if len(refused) < len(signs):
        what = f"any text without {_listed(refused)}" if refused else "any text"
    else:
        digits = ["digits"] if allows(f"z7{name}") else []
        what = _listed([*digits, *signs], "letters")
    if length and length + 1 < _MOST_CHARACTERS:
        least_of = f"{least} to " if least > 1 else "at most "
        what += f", {least_of if least < length else ''}{length} characters"
    return "" if what == "any text" else what


def _listed(signs: list[str], *before: str) -> str:
    shown = [*before, *("blanks" if one == " " else one if one == "digits" else f"`{one}`" for one in signs)]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def _numbers(allows: Allows) -> list[str]:
    """The range of whole numbers; nothing if there are none."""
    taken = [number for number in _NUMBERS if allows(str(number))]
    if not taken:
        return []
    least, most = taken[0], taken[-1]
    below, above = (_NUMBERS.index(least) - 1, _NUMBERS.index(most) + 1)
    if below >= 0:
        least = _edge(allows, least, _NUMBERS[below])
    if above < len(_NUMBERS):
        most = _edge(allows, most, _NUMBERS[above])
    if most < _UNBOUND and least > -_UNBOUND:
        return [f"a whole number from {least} to {most}" if least < most else str(least)]
    return ["a whole number" + (f", {least} or more" if least > -_UNBOUND else "")]


def _edge(allows: Allows, taken: int, refused: int) -> int:
    """The last accepted number on the way to a refused one."""
    while abs(taken - refused) > 1:
        middle = (taken + refused) // 2
        taken, refused = (middle, refused) if allows(str(middle)) else (taken, middle)
    return taken
