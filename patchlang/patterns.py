"""Regular expressions that are compiled on first use: a run uses few of them, and compiling takes long."""

from __future__ import annotations

import re
from typing import Any, AnyStr


class _Compiled:
    """The methods of a compiled pattern, as attributes."""

    __slots__ = (
        "findall", "finditer", "flags", "fullmatch", "match", "pattern", "search", "split", "sub", "subn",
    )  # fmt: skip


class _Pending(_Compiled):
    __slots__ = ()

    def __init__(self, text: Any, flags: int) -> None:
        self.pattern = text
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self.pattern, self.flags)
        for method in _Compiled.__slots__:
            setattr(self, method, getattr(compiled, method))
        self.__class__ = _Compiled  # type: ignore[assignment]  # from here on an attribute is found directly
        return getattr(self, name)


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Like ``re.compile``, but compiled when a method is first used.

    Only its methods can be used; it cannot be passed to functions of ``re``. An error in the pattern shows on first use
    (re.error).
    """
    made: Any = _Pending(text, flags)
    return made  # type: ignore[no-any-return]
