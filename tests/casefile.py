"""Cases as files: the input and the expected output, as parts of one text file, like Go's txtar.

``tests/cases/README.md`` describes the format. This module reads and writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).parent / "cases"
SUFFIX = ".txtar"
HEADER = re.compile(r"-- (?P<name>\S(?:.*?\S)??)(?: \((?P<flags>[a-z, ]+)\))?(?: = (?P<base>\S+))? --")
LIKE_A_HEADER = re.compile(r"(?m)^-(?=- (?:.* )?--$)")
ESCAPE = re.compile(rb"\\(\\|r|x[0-9a-f]{2}|)")
ESCAPED, GENERATED, NO_NEWLINE = "escaped", "generated", "no newline"


class CaseError(ValueError):
    """A case file that cannot be read. The message names the file and the line."""


@dataclass(frozen=True)
class Part:
    """One file of a case. ``lines`` is its text in the case file, ``content`` its bytes or how to generate them."""

    name: str
    content: bytes
    lines: bytes = field(repr=False)
    generated: bool = False

    @property
    def data(self) -> bytes:
        return "".join(map(_generated, yaml.safe_load(self.content))).encode() if self.generated else self.content

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")


@dataclass
class CaseFile:
    """A case. ``path`` is its file, ``comment`` the text before the first part."""

    path: Path
    comment: bytes = b""
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.stem

    def __contains__(self, name: str) -> bool:
        return name in self.parts

    def read(self, name: str) -> bytes | None:
        """The bytes of a part, or None if there is no part of that name."""
        return self.parts[name].data if name in self.parts else None

    def named(self, pattern: str) -> list[Part]:
        """The parts whose whole name matches a regular expression, sorted by name."""
        return [self.parts[name] for name in sorted(self.parts) if re.fullmatch(pattern, name)]

    def unpack(self, folder: Path, but: str = "") -> Path:
        """Write the parts into a folder, except those whose whole name matches ``but``. Create the folder if needed."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in self.parts.values():
            if not re.fullmatch(but, part.name):
                file = folder / part.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(part.data)
        return folder

    def update(self, name: str, data: bytes) -> None:
        """Set a part, or remove it if there is no data, and write the case's file if this changes it."""
        if data == (self.read(name) or b""):
            return
        if data:
            self.parts[name] = written(name, data)
        else:
            del self.parts[name]
        self.path.write_bytes(self.whole())

    def whole(self) -> bytes:
        """The bytes of the whole file."""
        return self.comment + b"".join(part.lines for part in self.parts.values())


def cases(kind: str) -> list[CaseFile]:
    """The cases in a folder of tests/cases, sorted by name."""
    return [load(path) for path in sorted((CASES / kind).glob(f"*{SUFFIX}"), key=lambda path: path.stem)]


def case(name: str) -> CaseFile:
    """One case, such as ``apply/for-each``."""
    return load(CASES / f"{name}{SUFFIX}")


@cache
def load(path: Path) -> CaseFile:
    return parse(path, path.read_bytes())


def parse(path: Path, data: bytes) -> CaseFile:
    """Parse the bytes of a case file. Raises CaseError."""
    found = CaseFile(path)
    sections = list(_sections(path, data))
    found.comment = sections[0][2]
    for number, header, body in sections[1:]:
        try:
            part = _part(header, body)
        except ValueError as e:
            raise CaseError(f"{path.name}:{number}: {e}") from e
        if part.name in found.parts:
            raise CaseError(f"{path.name}:{number}: there is another part `{part.name}` above")
        found.parts[part.name] = part
    return found


def _sections(path: Path, data: bytes) -> Iterator[tuple[int, str, bytes]]:
    """The text before the first header, then each header with its line number and the text that follows."""
    if data and not data.endswith(b"\n"):
        raise CaseError(f"{path.name}: the last line has no line break; `(no newline)` in a header says that of a part")
    number, header, body = 1, "", b""
    for at, line in enumerate(re.findall(rb".*\n", data), 1):
        if b"\r" in line:
            raise CaseError(f"{path.name}:{at}: a carriage return; write `\\r` in a part with `(escaped)`")
        if line.startswith(b"-- ") and line.endswith(b" --\n"):
            yield number, header, body
            number, header, body = at, line.decode().rstrip("\n"), b""
        else:
            body += line
    yield number, header, body


def _part(header: str, body: bytes) -> Part:
    match = HEADER.fullmatch(header)
    if not match:
        raise ValueError(f"`{header}` is not a header; write `-- NAME --`, `-- NAME (FLAGS) --` or `-- NAME = BASE --`")
    name, lines = match["name"], f"{header}\n".encode() + body
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"`{name}` is outside of the case")
    flags = set(match["flags"].split(", ")) if match["flags"] else set()
    if unknown := flags - {ESCAPED, GENERATED, NO_NEWLINE}:
        raise ValueError(f"unknown flags {sorted(unknown)}; there are `{ESCAPED}`, `{GENERATED}` and `{NO_NEWLINE}`")
    if match["base"]:
        base = CASES / match["base"]
        if body or flags:
            raise ValueError(f"`{name}` is a copy of a base, so it has neither flags nor lines")
        if not base.is_file():
            raise ValueError(f"there is no tests/cases/{match['base']}")
        return Part(name, base.read_bytes(), lines)
    if GENERATED in flags:
        if len(flags) > 1:
            raise ValueError(f"`{GENERATED}` goes with no other flag")
        return Part(name, body, lines, generated=True)
    if NO_NEWLINE in flags:
        if not body:
            raise ValueError(f"`{name}` has no line whose line break could be left out")
        body = body.removesuffix(b"\n")
    return Part(name, ESCAPE.sub(_unescaped, body) if ESCAPED in flags else body, lines)


def _generated(piece: str | dict[str, Any]) -> str:
    """A text, or a text repeated a number of times with ``{n}`` replaced by the count."""
    if isinstance(piece, str):
        return piece
    return "".join(piece["repeat"].replace("{n}", str(n)) for n in range(piece["times"]))


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if not code:
        raise ValueError(r"a backslash in an escaped part begins `\\`, `\r` or `\xNN`")
    return {b"\\": b"\\", b"r": b"\r"}.get(code) or bytes.fromhex(code[1:].decode())


def written(name: str, data: bytes) -> Part:
    """A part with these bytes, and the flags it needs."""
    text = data.decode(errors="surrogateescape")
    flags = []
    if LIKE_A_HEADER.search(text) or any(map(_needs_escape, text)):
        flags.append(ESCAPED)
        text = "".join(map(_escaped, text))
        text = LIKE_A_HEADER.sub(lambda _: r"\x2d", text)
    if text and not text.endswith("\n"):
        flags.append(NO_NEWLINE)
        text += "\n"
    header = f"-- {name} ({', '.join(flags)}) --\n" if flags else f"-- {name} --\n"
    return Part(name, data, (header + text).encode())


def _needs_escape(char: str) -> bool:
    return not char.isprintable() and char not in "\n\t"


def _escaped(char: str) -> str:
    if char == "\\":
        return r"\\"
    if char == "\r":
        return r"\r"
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape")) if _needs_escape(char) else char
