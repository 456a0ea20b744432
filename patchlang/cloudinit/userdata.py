"""User data: which format a text is in, what it means, and how other data is written into it.

``open_user_data`` gives an :class:`Opened`: the value, and a function from a new value to the new text. What cannot be
edited is refused with a PatchError that says why and what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import rules
from ..diagnostics import PatchError, fail
from ..patterns import pattern
from ..record import record, replace
from ..values import TooBigError, kind
from .base64gzip import Wrapped, unwrap
from .yamledit import UnwritableError, rewrite
from .yamlread import Document, Read, YamlError, read

if TYPE_CHECKING:
    from . import mime

_T = TypeVar("_T")

_USER_DATA, NETWORK_DATA = "user data", "network data"
_HEADER = "#cloud-config\n"
_SNIFFED = 4096

# cloud-init's own table (handlers/__init__.py), the longest beginning first; it ignores case and leading blanks
_BEGINNINGS = (
    ("#cloud-config-archive", "cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "unknown", "text/cloud-config-jsonp"),
    ("## template: jinja", "jinja", "text/jinja2"),
    ("#cloud-boothook", "boothook", "text/cloud-boothook"),
    ("#cloud-config", "cloud-config", "text/cloud-config"),
    ("#part-handler", "part-handler", "text/part-handler"),
    ("#include-once", "include", "text/x-include-once-url"),
    ("#include", "include", "text/x-include-url"),
    ("#!", "script", "text/x-shellscript"),
)
_WINDOWS_SCRIPT = pattern(r"rem cmd\s|#ps1(_sysnative|_x86)?\s|<(powershell|script)>", re.I)
_MIME_HEADER = pattern(r"[!-9;-~]+:")
_STATEMENT = pattern(r"\{[%#]")

# declared types whose content cloud-init looks at all the same
_SNIFFED_TYPES = ("text/plain", "text/x-not-multipart", "text/x-shellscript")


@record
class UserDataFormat:
    """What a text is: one of the formats of CEL's ``cloudInit``, whether a Jinja template, its MIME type if known."""

    name: str
    jinja: bool = False
    content_type: str | None = None


@record
class PartSelector:
    """Picks one part of multipart user data."""

    content_type: str | None = None
    filename: str | None = None

    def picks(self, part: mime.Part) -> bool:
        return (self.content_type is None or part.content_type == self.content_type.lower()) and (
            self.filename is None or part.filename == self.filename
        )

    def __str__(self) -> str:
        return " ".join(filter(None, (self.content_type, self.filename and f"`{self.filename}`")))


@record
class Opened:
    """What a text means, and ``write``: the text for another value.

    ``check`` raises PatchError for a value that the text cannot hold whatever is done to it later. ``eager``: a new
    value should be written at once, since the text has rules that the value alone does not show. ``warnings`` are keys
    with what is wrong about each.
    """

    value: Any
    write: Callable[[Any], str]
    check: Callable[[Any], None]
    warnings: tuple[tuple[str, str], ...] = ()
    eager: bool = False


def detect(text: str) -> UserDataFormat:
    """The format of text that is in no wrapping, as cloud-init tells it: by its beginning."""
    begin = text.lstrip()
    if not begin:
        return UserDataFormat("empty")
    if _MIME_HEADER.match(text) and b"mime-version:" in text.encode("utf-8", "replace")[:_SNIFFED].lower():
        return UserDataFormat("multipart")
    for beginning, name, content_type in _BEGINNINGS:
        if begin[: len(beginning)].lower() == beginning:
            if name == "jinja":
                return UserDataFormat(detect(begin.partition("\n")[2]).name, True, content_type)
            return UserDataFormat(name, False, content_type)
    return UserDataFormat("script" if _WINDOWS_SCRIPT.match(text) else "unknown")


def _is_known(text: str) -> bool:
    known = detect(text)
    return known.content_type is not None or known.name not in ("empty", "unknown")


def unwrapped(text: str) -> Wrapped:
    """User data out of base64 and gzip. Raises PatchError."""
    try:
        return unwrap(text, _is_known)
    except (TooBigError, ValueError) as e:
        raise refused(f"user data cannot be opened: {e}") from None


def open_user_data(text: str, part: PartSelector | None = None, read: Read = read) -> Opened:
    """User data for editing; ``part`` picks one part of a multipart message. Raises PatchError (user-data-format)."""
    wrapped = unwrapped(text)
    found = detect(wrapped.text)
    if part is not None:
        if found.name != "multipart":
            raise refused(
                f"`part` picks a part of multipart user data, and this is {_named(wrapped.text, found)}",
                "leave `part` out, or make it conditional: `when: cloudInit.userData.format == 'multipart'`",
            )
        message = read_message(wrapped.text)
        chosen = _pick(message, part)
        inner = open_content(guarded(chosen.text), part_format(chosen), f"the part {part}", read)
        return replace(inner, write=lambda new: wrapped.close(message.with_text(chosen, inner.write(new))))
    if found.name == "multipart":
        raise refused(
            "user data is multipart: its parts are edited one by one",
            f"name one by `part: {{contentType: …, filename: …}}`: {_listed(read_message(wrapped.text))}",
        )
    inner = open_content(wrapped.text, found, _USER_DATA, read)
    return replace(inner, write=lambda new: wrapped.close(inner.write(new)))


def part_format(part: mime.Part) -> UserDataFormat:
    """What a part's content is: its declared type says it, save for the types that cloud-init does not believe."""
    by_type = {content_type: name for _, name, content_type in _BEGINNINGS}
    if part.content_type in _SNIFFED_TYPES or part.content_type not in by_type or part.content_type == "text/jinja2":
        return detect(guarded(part.text))
    return UserDataFormat(by_type[part.content_type], False, part.content_type)


def open_content(text: str, found: UserDataFormat, what: str, read: Read = read) -> Opened:
    """The YAML that user data, or a part of it, is. Raises PatchError (user-data-format)."""
    if found.jinja and (hindering := _statement(text)):
        raise refused(
            f"{what} is a Jinja template with `{hindering[0]}` in line {hindering[1]}: what it says is "
            "known only when the guest renders it",
            _as_text(what),
        )
    match found.name:
        case "empty" if not found.jinja:
            return open_yaml(text, what, dict, read, when_empty=_HEADER)
        case "cloud-config":
            opened = open_yaml(text, what, dict, read)
        case "cloud-config-archive":
            opened = open_yaml(text, what, list, read)
        case _:
            help = _as_text(what)
            if found.name == "unknown" and not found.content_type:
                help = f"if it is a cloud-config, its first line must be `#cloud-config`; {help}"
            raise refused(f"{what} is {_named(text, found)}, and a path needs YAML", help)
    if not found.jinja:
        return opened

    def write(new: Any) -> str:
        result = opened.write(new)
        if found := _statement(result):
            raise refused(
                f"{what} is a Jinja template, and this edit writes `{found[0]}` into it (line {found[1]}), "
                "which Jinja takes for its own",
                "write the value without `{%` and `{#`, or put it into a part of its own by `addPart`",
            )
        return result

    return replace(opened, write=write, eager=True)


def open_yaml(text: str, what: str, root: type, read: Read, *, when_empty: str = "") -> Opened:
    try:
        document = read(text if text.strip() else text + when_empty)
    except YamlError as e:
        raise refused(f"{what} is not YAML that cloud-init could read: {e}", _as_text(what)) from None
    except TooBigError as e:
        raise fail(rules.LIMIT, f"{what} is too big to edit: {e}") from None
    value = root() if document.value is None else document.value
    if not isinstance(value, root):
        raise refused(f"{what} is {kind(value)}; cloud-init wants {kind(root())}", _as_text(what))
    warnings = tuple(
        (name, f"in line {line} of {what} has no effect: it stands again below, and the last counts")
        for line, name in document.duplicates
    )

    def write(new: Any) -> str:
        check(new)
        return _rewritten(document, new, what, read) if new != root() or document.value else text

    def check(new: Any) -> None:
        check_kind(new, what, root)

    return Opened(value, write, check, warnings)


def _rewritten(document: Document, new: Any, what: str, read: Read) -> str:
    try:
        return rewrite(document, new, read)
    except UnwritableError as e:
        raise refused(f"{what}: {e}") from None
    except TooBigError as e:
        raise fail(rules.LIMIT, f"{what} grows beyond the limit: {e}") from None


def check_kind(new: Any, what: str, root: type) -> None:
    if not isinstance(new, root):
        raise refused(f"{what} must stay {kind(root())}; this edit makes it {kind(new)}")


def _statement(text: str) -> tuple[str, int] | None:
    """The first mark of Jinja other than ``{{``, and its line, below the line that says it is a template."""
    for number, line in enumerate(text.split("\n"), 1):
        if number > 1 and (found := _STATEMENT.search(line)):
            return found[0], number
    return None


def _as_text(what: str) -> str:
    """What to do about a text that cannot be edited as data."""
    if what.startswith("the part"):
        return "`addPart` with its type and filename gives it new content"
    if what == NETWORK_DATA:
        return "to change it as text, `replace` /NetworkData of the target cloudInitData"
    return (
        "to leave such user data alone, add `when: has(cloudInit.userData.value)`; to change it as text, `replace` "
        "/UserData of the target cloudInitData; to put a cloud-config beside it, use `addPart`"
    )


def _named(text: str, found: UserDataFormat) -> str:
    """A format in words, and why it is not what it may look like."""
    if found.content_type == "text/cloud-config-jsonp":
        return "a JSON patch for cloud-init"
    if found.name == "unknown":
        if text.startswith("\ufeff"):
            return "text that begins with a byte order mark, which hides its first line from cloud-init"
        if "\ufffd" in text or "\0" in text:
            return "binary data (such as gzip) that was damaged on its way, since JSON holds text alone"
        return "of no format that cloud-init knows by its first line"
    names = {
        "empty": "empty",
        "script": "a script",
        "include": "an include list",
        "boothook": "a boothook",
        "multipart": "a MIME message",
        "part-handler": "a part handler",
        "cloud-config": "a cloud-config",
        "cloud-config-archive": "a cloud-config archive",
    }
    return names[found.name] + (" in a Jinja template" if found.jinja else "")


def _pick(message: mime.Message, part: PartSelector) -> mime.Part:
    hits = [candidate for candidate in message.parts if part.picks(candidate)]
    if len(hits) == 1:
        return hits[0]
    raise fail(
        rules.MATCH_COUNT,
        f"`part` picks {len(hits) or 'none'} of the parts: {part}",
        None,
        f"the parts are: {_listed(message)}",
    )


def _listed(message: mime.Message) -> str:
    from . import mime

    types = (part.content_type for part in message.parts)
    return ", ".join(known if known in mime.KNOWN_TYPES else "one of another type" for known in types)


def read_message(text: str) -> mime.Message:
    """The MIME message that user data is. Raises PatchError (user-data-format)."""
    from . import mime

    return guarded(lambda: mime.parse(text))


def guarded(read_it: Callable[[], _T]) -> _T:
    """The outcome of a function of :mod:`patchlang.cloudinit.mime`, its errors as PatchError."""
    from . import mime

    try:
        return read_it()
    except mime.MimeError as e:
        raise refused(f"user data is MIME that cannot be edited: {e}") from None
    except TooBigError as e:
        raise fail(rules.LIMIT, f"user data is too big to edit: {e}") from None


def refused(message: str, help: str | None = None) -> PatchError:
    return fail(rules.FORMAT, message, None, help)


def add_part(text: str, content_type: str, filename: str, content: str) -> str:
    """User data with a part of this type and name and content; the same text where it has it already.

    A part of that type and name gets the content, else one is appended. User data that is not multipart becomes the
    first part, its type told from its beginning. Raises PatchError (user-data-format).
    """
    from . import mime

    wrapped = unwrapped(text)
    inner, found = wrapped.text, detect(wrapped.text)
    new = (content_type, filename, content)
    if found.name != "multipart":
        if found.name != "empty" and found.content_type is None:
            raise refused(
                f"user data is {_named(inner, found)}: its type as a part of a MIME message cannot be told",
                "begin it with a line that cloud-init knows, such as `#cloud-config` or `#!/bin/sh`",
            )
        first = [] if found.content_type is None else [(found.content_type, None, inner)]
        return wrapped.close(mime.wrap([*first, new]))
    message = read_message(inner)
    same = [part for part in message.parts if PartSelector(content_type, filename).picks(part)]
    if len(same) > 1:
        raise fail(rules.MATCH_COUNT, f"{len(same)} parts have the type {content_type} and the name `{filename}`")
    if same:
        return text if guarded(same[0].text) == content else wrapped.close(message.with_text(same[0], content))
    return wrapped.close(message.with_new_part(*new) if message.multipart else mime.wrap([("", None, inner), new]))
