"""A find: an input that breaks a law, stored as a file to replay and share."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .target import Parts


@dataclass(frozen=True)
class Find:
    """``kind`` is ``exception``, ``law``, ``memory``, ``hang``, ``wait`` or ``crash``; with ``place`` the cause."""

    target: str
    seed: int
    number: int
    kind: str
    place: str
    detail: str
    parts: Parts

    @property
    def cause(self) -> str:
        return f"{self.target} {self.kind} {self.place}"

    def as_text(self) -> str:
        """The find as JSON; data that is not UTF-8 is in base64."""
        return (
            json.dumps({**vars(self), "parts": {name: _written(data) for name, data in self.parts.items()}}, indent=2)
            + "\n"
        )

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.target}-{self.seed}-{self.number}.json"
        file.write_text(self.as_text())
        return file


def read(text: str) -> Find:
    data = json.loads(text)
    return Find(**{**data, "parts": {name: _read(part) for name, part in data["parts"].items()}})


def _written(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _read(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else b64decode(part["base64"])
