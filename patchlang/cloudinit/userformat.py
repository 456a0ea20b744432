"""The format of user data, recognized by its beginning as cloud-init or Ignition does."""

from __future__ import annotations

import re

from .. import rules
from ..diagnostics import PatchError, fail
from ..patterns import pattern
from ..record import record
from ..strictjson import JsonError
from ..values import TooBigError
from . import jsontext

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
BY_TYPE = {content_type: name for _, name, content_type in _BEGINNINGS}

_WINDOWS_SCRIPT = pattern(r"rem cmd\s|#ps1(_sysnative|_x86)?\s|<(powershell|script)>", re.I)
_MIME_HEADER = pattern(r"[!-9;-~]+:")

_NAMES = {
    "empty": "empty",
    "script": "a script",
    "include": "an include list",
    "boothook": "a boothook",
    "multipart": "a MIME message",
    "part-handler": "a part handler",
    "cloud-config": "a cloud-config",
    "cloud-config-archive": "a cloud-config archive",
    "ignition": "an Ignition config",
}


@record
class UserDataFormat:
    """The format of a text: one of CEL's ``cloudInit`` formats, whether it is Jinja, its MIME type if known."""

    name: str
    jinja: bool = False
    content_type: str | None = None


def detect(text: str) -> UserDataFormat:
    """The format of unwrapped text."""
    begin = text.lstrip()
    if not begin:
        return UserDataFormat("empty")
    if _MIME_HEADER.match(text) and b"mime-version:" in text.encode("utf-8", "replace")[:_SNIFFED].lower():
        return UserDataFormat("multipart")
    for beginning, name, content_type in _BEGINNINGS:
        if begin[: len(beginning)].lower() == beginning:
            if name == "jinja":
                inner = begin.partition("\n")[2]
                nested = inner.lstrip()[: len(beginning)].lower() == beginning  # which nothing renders
                return UserDataFormat("unknown" if nested else detect(inner).name, True, content_type)
            return UserDataFormat(name, False, content_type)
    if begin.startswith("{") and _is_ignition(text):
        return UserDataFormat("ignition")
    return UserDataFormat("script" if _WINDOWS_SCRIPT.match(text) else "unknown")


def _is_ignition(text: str) -> bool:
    try:
        return "ignition" in jsontext.read(text)
    except (JsonError, TooBigError):
        return False


def is_known(text: str) -> bool:
    known = detect(text)
    return known.content_type is not None or known.name not in ("empty", "unknown")


def named(text: str, found: UserDataFormat) -> str:
    """A format in words, and why it is not what it may look like."""
    if found.content_type == "text/cloud-config-jsonp":
        return "a JSON patch for cloud-init"
    if found.name == "unknown":
        if text.startswith("\ufeff"):
            return "text with a byte order mark, which hides its first line from cloud-init"
        if "\ufffd" in text or "\0" in text:
            return "binary data (such as gzip) that was corrupted in transit, since JSON only holds text"
        if text.lstrip().startswith("{"):
            return "JSON without a top-level key `ignition`, which Ignition needs"
        return "in no format that cloud-init recognizes by its first line"
    return _NAMES[found.name] + (" in a Jinja template" if found.jinja else "")


def refused(message: str, help: str | None = None) -> PatchError:
    return fail(rules.FORMAT, message, None, help)
