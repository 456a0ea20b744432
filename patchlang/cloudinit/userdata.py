"""User data: its format, its meaning, and how other data is written to it.

``open_user_data`` returns an :class:`Opened`: the value, and a function from a new value to new text. What cannot be
edited is refused with a PatchError that explains why and what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import rules
from ..diagnostics import fail
from ..patterns import pattern
from ..record import record, replace
from ..values import TooBigError, kind
from . import jsontext
from .archive import Archive
from .base64gzip import Wrapped, unwrap
from .userformat import BY_TYPE, UserDataFormat, detect, is_known, named, refused
from .yamledit import UnwritableError, rewrite
from .yamlread import Document, Read, YamlError, read

if TYPE_CHECKING:
    from typing import TypeAlias

    from . import archive, mime

    Parts: TypeAlias = mime.Message | Archive

_T = TypeVar("_T")

USER_DATA, NETWORK_DATA = "user data", "network data"
_HEADER = "#cloud-config\n"
_IGNITION_HELP = "edit it by path, such as `ensure` with /storage/files/- and the target userData"
_STATEMENT = pattern(r"\{[%#]")


@record
class PartSelector:
    """Selects one part of user data."""

    content_type: str | None = None
    filename: str | None = None

    def picks(self, part: mime.Part | archive.Part) -> bool:
        return (self.content_type is None or part.content_type == self.content_type.lower()) and (
            self.filename is None or part.filename == self.filename
        )

    def __str__(self) -> str:
        return " ".join(filter(None, (self.content_type, self.filename and f"`{self.filename}`")))


@record
class Opened:
    """What a text means, and ``write``: the text for another value.

    ``check`` raises PatchError for a value that the text can never hold, whatever happens later. ``jinja``: it is
    a template, so a new value is written at once: it has rules that the value alone does not show. ``warnings``
    are keys with their problems.
    """

    value: Any
    write: Callable[[Any], str]
    check: Callable[[Any], None]
    warnings: tuple[tuple[str, str], ...] = ()
    jinja: bool = False


def unwrapped(text: str) -> Wrapped:
    """User data unwrapped from base64 and gzip. Raises PatchError."""
    try:
        return unwrap(text, is_known)
    except (TooBigError, ValueError) as e:
        raise refused(f"cannot open user data: {e}") from None


def open_user_data(text: str, part: PartSelector | None = None, read: Read = read) -> Opened:
    """User data for editing; ``part`` selects one part of it. Raises PatchError (user-data-format)."""
    wrapped = unwrapped(text)
    found = detect(wrapped.text)
    holder = read_parts(wrapped.text, found, read)
    if part is not None and holder is not None:
        chosen = _pick(holder, part)
        inner = open_content(guarded(chosen.text), part_format(chosen), f"part {part}", read)

        def write(new: Any) -> str:
            written = inner.write(new)
            return wrapped.close(guarded(lambda: holder.with_text(chosen, written)))

        return replace(inner, write=write)
    if part is not None and not _is_whole(part, found):
        raise refused(
            f"`part` selects a part of multipart user data or of an archive, but this is {named(wrapped.text, found)}",
            "remove `part`, or make the edit conditional: `when: has(cloudInit.userData.parts)`; "
            "`part: {contentType: text/cloud-config}` also matches a cloud-config that is not in a part",
        )
    if found.name == "multipart":
        raise refused(
            "user data is multipart: edit its parts one by one",
            f"select one with `part: {{contentType: …, filename: …}}`: {_listed(holder)}",
        )
    inner = open_content(wrapped.text, found, USER_DATA, read)
    return replace(inner, write=lambda new: wrapped.close(inner.write(new)))


def read_parts(text: str, found: UserDataFormat, read: Read = read) -> Parts | None:
    """The parts of user data; None if its format has no parts. Raises PatchError."""
    if found.name == "multipart":
        return read_message(text)
    if found.name != "cloud-config-archive" or found.jinja:
        return None
    opened = open_content(text, found, USER_DATA, read)
    return Archive(opened.value, opened.write)


def _is_whole(part: PartSelector, found: UserDataFormat) -> bool:
    """Whether a part selector also matches user data without parts, by type, which makes it behave like a part."""
    known = "text/cloud-config" if found.name in ("cloud-config", "empty") else found.content_type
    return part.filename is None and part.content_type is not None and part.content_type.lower() == known


def part_format(part: mime.Part | archive.Part) -> UserDataFormat:
    """The format of a part's content: its declared type decides, except for types that cloud-init does not trust."""
    if part.is_sniffed or part.content_type not in BY_TYPE or part.content_type == "text/jinja2":
        return detect(guarded(part.text))
    return UserDataFormat(BY_TYPE[part.content_type], False, part.content_type)


def open_content(text: str, found: UserDataFormat, what: str, read: Read = read) -> Opened:
    """The YAML of user data, or of a part of it. Raises PatchError (user-data-format)."""
    if found.jinja and (hindering := _statement(text)):
        raise refused(
            f"{what} is a Jinja template with `{hindering[0]}` in line {hindering[1]}: its content is "
            "only known once the guest renders it",
            _as_text(what),
        )
    match found.name:
        case "empty" if not found.jinja:
            return open_yaml(text, what, dict, read, when_empty=_HEADER)
        case "cloud-config":
            opened = open_yaml(text, what, dict, read)
        case "cloud-config-archive":
            opened = open_yaml(text, what, list, read)
        case "ignition" if not found.jinja:
            return _open_ignition(text, what)
        case _:
            help = _as_text(what)
            if found.name == "unknown" and not found.content_type:
                help = f"the first line of a cloud-config must be `#cloud-config`; {help}"
            raise refused(f"{what} is {named(text, found)}, but a path needs YAML", help)
    if not found.jinja:
        return opened

    def write(new: Any) -> str:
        result = opened.write(new)
        if found := _statement(result):
            raise refused(
                f"{what} is a Jinja template, and this edit writes `{found[0]}` into it (line {found[1]}), "
                "which Jinja would interpret",
                "write the value without `{%` and `{#`, or put it in its own part with `addPart`",
            )
        return result

    return replace(opened, write=write, jinja=True)


def _open_ignition(text: str, what: str) -> Opened:
    value = jsontext.read(text)

    def check(new: Any) -> None:
        check_kind(new, what, dict)
        if "ignition" not in new:
            raise refused(f"{what} is an Ignition config, and this edit removes its key `ignition`")

    def write(new: Any) -> str:
        check(new)
        return jsontext.rewrite(text, new, value)

    return Opened(value, write, check)


def open_yaml(text: str, what: str, root: type, read: Read, *, when_empty: str = "") -> Opened:
    try:
        document = read(text if text.strip() else text + when_empty)
    except YamlError as e:
        raise refused(f"{what} is not YAML that cloud-init can read: {e}", _as_text(what)) from None
    except TooBigError as e:
        raise fail(rules.LIMIT, f"{what} is too big to edit: {e}") from None
    value = root() if document.value is None else document.value
    if not isinstance(value, root):
        raise refused(f"{what} is {kind(value)}, but cloud-init needs {kind(root())}", _as_text(what))
    warnings = tuple(
        (name, f"in line {line} of {what} has no effect: it is repeated below, and the last one counts")
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
        raise fail(rules.LIMIT, f"{what} exceeds the limit: {e}") from None


def check_kind(new: Any, what: str, root: type) -> None:
    if not isinstance(new, root):
        raise refused(f"{what} must remain {kind(root())}, but this edit turns it into {kind(new)}")


def _statement(text: str) -> tuple[str, int] | None:
    """The first Jinja mark other than ``{{``, and its line, below the line that declares the template."""
    for number, line in enumerate(text.split("\n"), 1):
        if number > 1 and (found := _STATEMENT.search(line)):
            return found[0], number
    return None


def _as_text(what: str) -> str:
    """What to do about a text that cannot be edited as data."""
    if what.startswith("part"):
        return "use `addPart` with its type and filename to give it new content"
    if what == NETWORK_DATA:
        return "to edit it as text, `replace` /NetworkData with the target cloudInitData"
    return (
        "to skip such user data, add `when: has(cloudInit.userData.value)`; to edit it as text, `replace` "
        "/UserData with the target cloudInitData; to add a cloud-config next to it, use `addPart`"
    )


def _pick(holder: Parts, part: PartSelector) -> Any:
    hits = [candidate for candidate in holder.parts if part.picks(candidate)]
    if len(hits) == 1:
        return hits[0]
    help = f"the parts are: {_listed(holder)}"
    if len(hits) > 1 and part.filename is None:
        help += "; `filename` selects one of several"
    raise fail(rules.MATCH_COUNT, f"`part` matches {len(hits) or 'none'} of the parts: {part}", None, help)


def _listed(holder: Parts | None) -> str:
    from . import mime

    types = (part.content_type for part in (holder.parts if holder else ()))
    return ", ".join(known if known in mime.KNOWN_TYPES else "one of another type" for known in types)


def read_message(text: str) -> mime.Message:
    """The MIME message in user data. Raises PatchError (user-data-format)."""
    from . import mime

    return guarded(lambda: mime.parse(text))


def guarded(read_it: Callable[[], _T]) -> _T:
    """The result of a function of :mod:`patchlang.cloudinit.mime`, with its errors as PatchError."""
    from . import mime

    try:
        return read_it()
    except mime.MimeError as e:
        raise refused(f"this MIME user data cannot be edited: {e}") from None
    except TooBigError as e:
        raise fail(rules.LIMIT, f"user data is too big to edit: {e}") from None


def add_part(text: str, content_type: str, filename: str, content: str, read: Read = read) -> str:
    """User data with a part of this type, name and content; the same text if it already has it.

    A part of that type and name gets the content, otherwise a part is appended. User data without parts becomes the
    first part of a message, with its type inferred from its beginning. Raises PatchError (user-data-format).
    """
    from . import mime

    wrapped = unwrapped(text)
    inner, found = wrapped.text, detect(wrapped.text)
    new = (content_type, filename, content)
    holder = read_parts(inner, found, read)
    if holder is None:
        if found.name == "ignition":
            raise refused("user data is an Ignition config, which has no parts", _IGNITION_HELP)
        if found.name != "empty" and found.content_type is None:
            raise refused(
                f"user data is {named(inner, found)}: its type as a part of a MIME message is unknown",
                "start it with a line that cloud-init knows, such as `#cloud-config` or `#!/bin/sh`",
            )
        first = [] if found.content_type is None else [(found.content_type, None, inner)]
        return wrapped.close(guarded(lambda: mime.wrap([*first, new])))
    same: list[Any] = [part for part in holder.parts if PartSelector(content_type, filename).picks(part)]
    if len(same) > 1:
        raise fail(rules.MATCH_COUNT, f"{len(same)} parts have the type {content_type} and the name `{filename}`")
    if same:
        if guarded(same[0].text) == content:
            return text
        return wrapped.close(guarded(lambda: holder.with_text(same[0], content)))
    if isinstance(holder, mime.Message) and not holder.multipart:
        return wrapped.close(guarded(lambda: mime.wrap([("", None, inner), new])))
    return wrapped.close(guarded(lambda: holder.with_new_part(*new)))
