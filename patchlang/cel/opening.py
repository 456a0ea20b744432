"""CEL values as Python data, counted while they are converted."""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel

from ..values import MAX_DEPTH, MAX_NODES, MAX_TEXT, TooBigError


class Opening:
    """Converts a value piece by piece and counts: where CEL shares a value, Python gets a copy in each place.

    Raises TooBigError as :func:`check_size` does, and TypeError for an optional.
    """

    def __init__(self) -> None:
        self.values = 0
        self.text = 0

    def open(self, value: cel.Value, depth: int = 0) -> Any:
        plain = value.value()
        kind = type(plain)
        if kind is dict or kind is list:
            self.values += len(plain) if kind is list else 2 * len(plain)
            if self.values > MAX_NODES:
                raise TooBigError(f"more than {MAX_NODES} values")
            if depth > MAX_DEPTH:
                raise TooBigError(f"nested deeper than {MAX_DEPTH}")
            if kind is list:
                return [self.open(item, depth + 1) for item in plain]
            return {self.counted(key): self.open(item, depth + 1) for key, item in plain.items()}
        return self.counted(plain)

    def counted(self, plain: Any) -> Any:
        if isinstance(plain, (str, bytes, bytearray)):
            self.text += len(plain)
            if self.text > MAX_TEXT:
                raise TooBigError(f"more than {MAX_TEXT} characters of text")
        return plain
