"""Regular expressions that are compiled at their first use: a run uses few of them, and compiling takes long."""

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
        self.__class__ = _Compiled  # type: ignore[assignment]  # from here on an attribute is found at once
        return getattr(self, name)


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What ``re.compile`` gives, but compiled at the first use of a method.

    It can be used by its methods only, not handed to a function of ``re``. A fault in the text shows at the first use
    (re.error).
    """
    made: Any = _Pending(text, flags)
    return made  # type: ignore[no-any-return]
