"""MIME user data (RFC 2045, 2046): its parts, and changes that keep every other byte.

Only offsets are ours; Python's :mod:`email`, which cloud-init also uses, interprets headers. A
message that the two split differently is refused.
"""

from __future__ import annotations

import binascii
import quopri
import re
from base64 import b64decode
from collections.abc import Iterator
from email import message_from_string
from email.message import Message as Headers
from email.parser import HeaderParser

from ..patterns import pattern
from ..record import field, record
from ..values import TooBigError
from .base64gzip import encode, gunzip, gzip

GZIP_TYPES = frozenset(
    {
        "application/gzip",
        "application/gzip-compressed",
        "application/gzipped",
        "application/x-compress",
        "application/x-compressed",
        "application/x-gunzip",
        "application/x-gzip",
        "application/x-gzip-compressed",
    }
)
KNOWN_TYPES = GZIP_TYPES | {
    "text/cloud-boothook",
    "text/cloud-config",
    "text/cloud-config-archive",
    "text/cloud-config-jsonp",
    "text/jinja2",
    "text/part-handler",
    "text/plain",
    "text/x-include-once-url",
    "text/x-include-url",
    "text/x-not-multipart",
    "text/x-shellscript",
}
MAX_PARTS = 200
MAX_PARAMETERS = 100
"""Semicolons in the headers of a part: for each of them the library counts the quotes before it."""
MAX_MESSAGE = 2 << 20

_LINE = pattern(r"[^\r\n]*(\r\n|\r|\n)?")
_HEADER_LINE = pattern(r"[!-9;-~]*:|[\t ]|From ")
_ENCODING = pattern(r"^content-transfer-encoding:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*", re.I | re.M)
_CHARSET = pattern(r'(charset=)"?(?:us-ascii|ascii|iso-8859-1)"?', re.I)
_COUNT = pattern(r"^(Number-Attachments:[ \t]*)([0-9]{1,9})(?![0-9])", re.I | re.M)
_TYPE = pattern(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_WIDTH = "A" * 76 + "\n" + "A\n"


class MimeError(ValueError):
    """MIME that cannot be read or changed; the message quotes no content."""


@record(frozen=False)
class Part:
    """A part that contains no parts: its type in lower case, its filename, and its place in the message."""

    content_type: str
    filename: str | None
    headers: Headers
    start: int
    body: int
    end: int
    number: int
    message: Message = field(repr=False)

    @property
    def payload(self) -> str:
        return self.message.text[self.body : self.end]

    @property
    def is_sniffed(self) -> bool:
        """Whether cloud-init looks at the content anyway."""
        return self.content_type in ("text/plain", "text/x-not-multipart", "text/x-shellscript")

    @property
    def encoding(self) -> str:
        return str(self.headers.get("Content-Transfer-Encoding", "")).strip().lower()

    def text(self) -> str:
        """The content, decoded, and unzipped if its type says gzip. Raises MimeError, TooBigError."""
        data = self.decoded()
        if data is None:
            return self.payload
        if self.content_type in GZIP_TYPES:
            try:
                data = gunzip(data)
            except TooBigError:
                raise
            except ValueError as e:
                raise MimeError(f"{self}: {e}") from None
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise MimeError(f"{self} is binary data, not text") from None

    def decoded(self) -> bytes | None:
        """The bytes inside a transfer encoding; None if there is none (RFC 2045 section 6)."""
        try:
            if self.encoding == "base64":
                return b64decode(self.payload.encode("ascii", "ignore"))
            if self.encoding == "quoted-printable":
                return quopri.decodestring(self.payload.encode())
        except binascii.Error:
            raise MimeError(f"{self} is not base64, although its header says so") from None
        return None

    def __str__(self) -> str:
        """For messages: its filename is data, and so is an unknown type."""
        return f"part number {self.number}" + (f" ({self.content_type})" if self.content_type in KNOWN_TYPES else "")


@record(frozen=False)
class Message:
    """A MIME message. ``closing`` is where the outermost closing boundary is, None if it is missing."""

    text: str
    parts: list[Part] = field(default_factory=list)
    boundaries: list[str] = field(default_factory=list)
    closing: int | None = None
    multipart: bool = False

    @property
    def line_break(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def with_text(self, part: Part, text: str) -> str:
        """The message with different content in one part, in the part's transfer encoding if that can represent it."""
        _check_message(len(self.text) - len(part.payload), text)
        head, payload = self.text[part.start : part.body], part.payload
        old = part.decoded()
        if part.content_type in GZIP_TYPES and old is not None:
            body = encode(gzip(text.encode(), old), payload)
        elif part.encoding == "base64":
            body = encode(text.encode(), payload)
        elif part.encoding == "quoted-printable":
            body = binascii.b2a_qp(text.encode(), istext=True).decode()
        elif self.fits(text):
            body = text
        else:
            body = encode(text.encode(), _WIDTH).replace("\n", self.line_break)
            head = self.in_base64(head)
        return self.text[: part.start] + head + body + self.text[part.end :]

    def fits(self, text: str) -> bool:
        """Whether the message can contain the text as is: cloud-init only reads ASCII there, and no boundary."""
        return _is_plain(text) and not any("--" + boundary in text for boundary in self.boundaries)

    def in_base64(self, head: str) -> str:
        """The headers of a part, for base64 of UTF-8."""
        line = "Content-Transfer-Encoding: base64"
        head = _CHARSET.sub(r'\1"utf-8"', head)
        return _ENCODING.sub(line, head) if _ENCODING.search(head) else line + self.line_break + head

    def with_new_part(self, content_type: str, filename: str, text: str) -> str:
        """The message with one more part, after all others and before the closing boundary.

        Raises MimeError, TooBigError.
        """
        if len(self.parts) == MAX_PARTS:
            raise MimeError(f"it already has {MAX_PARTS} parts")
        _check_message(len(self.text), text)
        break_ = self.line_break
        new = _part(self.boundaries[0], content_type, filename, text, break_, plain=self.fits(text))
        end = len(self.text) if self.closing is None else self.closing
        lead, rest = self.text[:end], self.text[end:]
        if not lead.endswith("\n"):
            lead += break_
        count = _COUNT.search(lead, 0, self.parts[0].start if self.parts else end)
        if count and int(count[2]) == len(self.parts):
            lead = lead[: count.start(2)] + str(len(self.parts) + 1) + lead[count.end(2) :]
        return lead + new + (rest or f"--{self.boundaries[0]}--{break_}")


def parse(text: str) -> Message:
    """Reads a message. Raises MimeError if its structure is unusual."""
    message = Message(text)
    try:
        _entity(message, 0, len(text), depth=0)
        theirs = [
            (part.get_content_type(), part.get_payload())
            for part in message_from_string(text).walk()
            if not part.is_multipart()
        ]
    except MimeError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError):  # the library's errors for parameters it cannot decode
        raise MimeError("a header parameter cannot be decoded") from None
    if theirs != [(part.content_type, part.payload) for part in message.parts]:
        raise _damaged()
    return message


def _damaged() -> MimeError:
    return MimeError("its MIME structure is corrupt, or contains whole messages")


def wrap(parts: list[tuple[str, str | None, str]]) -> str:
    """A new multipart message of (type, filename, content); the type ``""`` is content with its own headers.

    Raises TooBigError.
    """
    _check_message(0, *(text for _, _, text in parts))
    boundary, number = "==patchlang==", 0
    while any("--" + boundary in text for _, _, text in parts):
        number += 1
        boundary = f"==patchlang={number}=="
    body = "".join(_part(boundary, kind, name, text, "\n", plain=_is_plain(text)) for kind, name, text in parts)
    return f'Content-Type: multipart/mixed; boundary="{boundary}"\nMIME-Version: 1.0\n\n{body}--{boundary}--\n'


def check_type(content_type: str) -> None:
    """Raises MimeError unless a new part can have this type."""
    if not _TYPE.fullmatch(content_type) or content_type.lower().startswith("multipart/"):
        raise MimeError(f"`{content_type}` is not a content type, such as `text/cloud-config` or `text/x-shellscript`")


def check_filename(filename: str) -> None:
    """Raises MimeError unless a new part can have this filename."""
    if not filename or not filename.isascii() or not filename.isprintable():
        raise MimeError("the filename of a part must be non-empty, printable ASCII text")


def _check_message(rest: int, *texts: str) -> None:
    """Raises TooBigError if text in a message, as base64 if needed, would make it too long."""
    if rest + sum(len(text) if text.isascii() else len(text.encode()) * 4 // 3 for text in texts) > MAX_MESSAGE:
        raise TooBigError(f"the message would have more than {MAX_MESSAGE} characters")


def _is_plain(text: str) -> bool:
    """ASCII without a carriage return at the end: with the line feed before a boundary it would be a line break."""
    return text.isascii() and not text.endswith("\r")


def _part(boundary: str, content_type: str, filename: str | None, text: str, break_: str, *, plain: bool) -> str:
    if not content_type:
        return f"--{boundary}{break_}{text}{break_}"
    lines = [
        f"--{boundary}",
        f'Content-Type: {content_type}; charset="{"us-ascii" if plain else "utf-8"}"',
        "MIME-Version: 1.0",
        f"Content-Transfer-Encoding: {'7bit' if plain else 'base64'}",
    ]
    if filename is not None:
        quoted = filename.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'Content-Disposition: attachment; filename="{quoted}"')
    body = text if plain else encode(text.encode(), _WIDTH).replace("\n", break_)
    return break_.join([*lines, "", body]) + break_


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, str, int]]:
    """Start, content and end of each line."""
    while start < end:
        match = _LINE.match(text, start, end)
        assert match is not None
        yield start, text[start : match.start(1) if match[1] else match.end()], match.end()
        start = match.end()


def _entity(message: Message, start: int, end: int, depth: int) -> None:
    """Adds the parts between ``start`` and ``end``: headers, a blank line, a body."""
    head_end = body = end
    for at, line, after in _lines(message.text, start, end):
        if not line or not _HEADER_LINE.match(line):
            head_end, body = at, after if not line else at
            break
    if message.text.count(";", start, head_end) > MAX_PARAMETERS:
        raise MimeError(f"the headers of a part have more than {MAX_PARAMETERS} parameters")
    headers = HeaderParser().parsestr(message.text[start:head_end])
    kind = headers.get_content_maintype()
    if kind == "message":
        raise _damaged()
    if kind != "multipart":
        if len(message.parts) == MAX_PARTS:
            raise MimeError(f"it has more than {MAX_PARTS} parts")
        name = headers.get_filename()
        message.parts.append(
            Part(headers.get_content_type(), name, headers, start, body, end, len(message.parts) + 1, message)
        )
        return
    boundary = headers.get_boundary()
    if not boundary or depth > 5:
        raise MimeError("a multipart header names no boundary" if not boundary else "its parts are nested too deeply")
    message.boundaries.append(boundary)
    message.multipart = True
    _multipart(message, body, end, boundary, depth)


def _multipart(message: Message, body: int, end: int, boundary: str, depth: int) -> None:
    """Splits a multipart body at its boundary lines; the line break before belongs to it (RFC 2046 section 5.1.1)."""
    mark = re.compile(rf"--{re.escape(boundary)}(--)?[ \t]*")
    begin: int | None = None
    for at, line, after in _lines(message.text, body, end):
        if not (found := mark.fullmatch(line)):
            continue
        if begin is not None:
            cut = at - (2 if message.text[at - 2 : at] == "\r\n" else 1)
            _entity(message, begin, max(begin, cut), depth + 1)
        begin = after
        if found[1]:
            if depth == 0:
                message.closing = at
            return
    if begin is not None:
        _entity(message, begin, end, depth + 1)
