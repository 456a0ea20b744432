"""KubeVirt's cloud-init data: opened from virt-launcher's request, edited, closed to its response.

``CloudInitData`` is a JSON record with two texts, user data and network data, which contain data of their own. A
:class:`CloudInit` is one state of all of it; an edit returns a new one, so whoever keeps the old one can go back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .. import rules
from ..diagnostics import Diagnostic, PatchError, Severity, fail
from ..document.model import Target
from ..patterns import pattern
from ..quoting import NO_NAMES, Names
from ..record import field, record, replace
from ..source import Span
from ..strictjson import JsonError
from ..values import TooBigError, identical, kind, plain
from . import jinja, jsontext, networkdata, userdata, virtlauncher, yamlread
from .pointer import Pointer
from .userdata import Opened, PartSelector
from .virtlauncher import META, SOURCES

MAX_EDITS = 10_000
MAX_ANSWER = (4 << 20) - (64 << 10)

_SURROGATE = pattern(r"\\u[dD][89a-fA-F]")
_TEXTS = {Target.USER_DATA: "UserData", Target.NETWORK_DATA: "NetworkData"}


class Origin(NamedTuple):
    """An edit: the place that its errors point at, its patch, and its name or number.

    ``jinja``: the patch texts that contain Jinja, which the edits may write into a template.
    """

    span: Span
    patch: str
    edit: str
    jinja: Sequence[str] = ()

    def of(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic attributed to this edit, unless it already belongs to an earlier edit, found late."""
        if diagnostic.edit:
            return diagnostic
        return replace(diagnostic, span=diagnostic.span or self.span, patch=self.patch, edit=self.edit)


@record
class _View:
    """The text being edited: consecutive edits of one text are written to it once, at the end."""

    target: Target
    part: PartSelector | None
    opened: Opened
    value: Any


class _Known:
    """What a run has read, by its text, so that nothing is read twice: one for all states of the run."""

    def __init__(self) -> None:
        self.read = yamlread.Reader()
        self.opened: dict[Target, tuple[PartSelector | None, str, Opened]] = {}  # of each the one opened last
        self.warnings: dict[tuple[Target, PartSelector | None], tuple[tuple[str, str], ...]] = {}
        self.facts: dict[Target, tuple[str, dict[str, Any]]] = {}


@record
class CloudInit:
    """A state of the cloud-init data. ``text`` and ``legacy`` are the input, for bytes that stay."""

    text: str | None
    legacy: str | None
    original: dict[str, Any]
    record: dict[str, Any]
    edits: int = 0
    origins: dict[str, Origin] = field(default_factory=dict, repr=False)  # by field: the edit that changed it last
    _view: _View | None = field(default=None, repr=False)
    _known: _Known = field(default_factory=_Known, compare=False, repr=False)

    def value(self, target: Target, part: PartSelector | None = None) -> Any:
        """What a target means: plain data, which belongs to this state and must not be changed.

        Raises PatchError (user-data-format, limit-reached, operation-failed, match-count for ``part``).
        """
        if part is not None and target is not Target.USER_DATA:
            raise fail(rules.OPERATION, f"`part` selects a part of user data, but the target is {target.value}")
        if target in _TEXTS:
            value = self._viewed(target, part).value
            return networkdata.inside(value) if target is Target.NETWORK_DATA else value
        state = self._flushed()
        return state.record if target is Target.CLOUD_INIT_DATA else state.record[state._meta()]

    def pointer(self, target: Target, pointer: Pointer) -> Pointer:
        """A pointer as it is followed in :meth:`value`."""
        if target is Target.NETWORK_DATA:
            return networkdata.pointer_inside(self._viewed(target, None).value, pointer)
        return pointer

    def with_value(
        self, target: Target, value: Any, part: PartSelector | None = None, origin: Origin | None = None
    ) -> CloudInit:
        """The state with another value at a target. Raises as :meth:`value`, and if the target cannot hold it."""
        state = self._counted()
        if target in _TEXTS:
            view = state._viewed(target, part)
            if target is Target.NETWORK_DATA:
                value = networkdata.with_inside(view.value, value)
            view.opened.check(value)
            state = state if state._view is view else state._flushed()
            if origin is not None and target is Target.USER_DATA:
                jinja.check_value(view.opened, value, origin.jinja)
            state = replace(state, _view=replace(view, value=value))._from(origin, _TEXTS[target])
            return state._flushed() if view.opened.jinja else state
        if not isinstance(value, dict):
            raise fail(rules.OPERATION, f"{target.value} must remain a map, but this edit turns it into {kind(value)}")
        state = state._flushed()
        if target is not Target.CLOUD_INIT_DATA:
            return state._with_field(state._meta(), value)._from(origin, state._meta())
        changed = [key for key in (*value, *state.record) if value.get(key) is not state.record.get(key)]
        if origin is not None and "UserData" in changed:
            jinja.check_text(state._text(Target.USER_DATA), value.get("UserData"), origin.jinja)
        return replace(state, record=value)._from(origin, *changed)

    def with_part(self, content_type: str, filename: str, content: str, origin: Origin | None = None) -> CloudInit:
        """The state with that part in its user data (``addPart``); the same state if nothing changes.

        Raises PatchError (user-data-format, match-count).
        """
        state = self._flushed()
        before = state._text(Target.USER_DATA)
        after = userdata.add_part(before, content_type, filename, content, self._known.read)
        if origin is not None:
            jinja.check_text(before, content, origin.jinja)
        return self if after == before else state._counted()._with_field("UserData", after)._from(origin, "UserData")

    def facts(self) -> dict[str, Any]:
        """CEL's variable ``cloudInit``, in JSON types. What cannot be parsed is absent."""
        from .facts import network_data_facts, user_data_facts

        state = self._flushed()
        source = state.record.get("DataSource")
        facts: dict[str, Any] = {
            "dataSource": source if isinstance(source, str) else "noCloud",
            "userData": state._facts_of(Target.USER_DATA, user_data_facts),
            "networkData": state._facts_of(Target.NETWORK_DATA, network_data_facts),
        }
        with suppress(PatchError):
            facts["metaData"] = plain(state.record[state._meta()])
        return facts

    def close(self, names: Names = NO_NAMES) -> Closed:
        """The response to virt-launcher; its warnings may quote these names.

        Raises PatchError if virt-launcher could not use the result of the edits (unusable-result); unchanged data
        is returned as it came, with a warning.
        """
        state = self._flushed()._restored()
        changed = not identical(state.original, state.record)
        once = "write each key once, with everything that belongs to it"
        notes = [
            Diagnostic(rules.FORMAT, f"key `{key if names.known(key) else '…'}` {text}", None, once, Severity.WARNING)
            for warnings in self._known.warnings.values()
            for key, text in warnings
        ]
        for fault in virtlauncher.faults(state.record, legacy_only=state.text is None, names=names):
            found = next(
                (self.origins[name].of(fault.diagnostic) for name in fault.fields if name in self.origins),
                fault.diagnostic,
            )
            if found.is_error and changed:
                raise PatchError(found)
            notes.append(replace(found, severity=Severity.WARNING))
            if found.is_error:
                break
        before, now = state.original, state.record
        made = {name: jsontext.go_size(now[name]) for name in now if now[name] is not before.get(name)}
        _check_answer(sum(made.values()) + made.get("UserData", 0) + made.get("NetworkData", 0))  # in both results
        if state.text is not None:
            data = jsontext.rewrite(state.text, state.record, state.original, go=True).encode()
        else:
            data = jsontext.write(state.record, go=True).encode()
        result = Closed(data, _legacy_text(state.legacy, state.record).encode(), tuple(notes))
        _check_answer(len(result.data) + len(result.no_cloud_source))
        return result

    def _restored(self) -> CloudInit:
        """The input's user data, if an immediately written text means the same in the end."""
        before, now = self.original.get("UserData"), self.record.get("UserData")
        if not (isinstance(before, str) and isinstance(now, str)) or before == now:
            return self
        part, known, opened = self._known.opened.get(Target.USER_DATA, (None, None, None))
        with suppress(PatchError):
            if opened is None or (part, known) != (None, before):
                opened = userdata.open_user_data(before, read=self._known.read)
            if opened.jinja and identical(opened.value, userdata.open_user_data(now, read=self._known.read).value):
                return replace(self, record={**self.record, "UserData": before})
        return self

    def _viewed(self, target: Target, part: PartSelector | None) -> _View:
        """The view of a text: the one being edited, or a new one."""
        if self._view and (self._view.target, self._view.part) == (target, part):
            return self._view
        state = self._flushed()
        text = state._text(target)
        whose, known, opened = self._known.opened.get(target, (None, None, None))
        if opened is None or (whose, known) != (part, text):
            if target is Target.USER_DATA:
                opened = userdata.open_user_data(text, part, self._known.read)
            else:
                drive = state._is_config_drive()
                opened = networkdata.open_network_data(text, json_when_empty=drive, read=self._known.read)
            self._known.opened[target] = part, text, opened
            self._known.warnings[target, part] = opened.warnings
        return _View(target, part, opened, opened.value)

    def _flushed(self) -> CloudInit:
        """The state with the value of the text being edited written to the text."""
        view = self._view
        if view is None:
            return self
        if identical(view.value, view.opened.value):
            return replace(self, _view=None)
        name = _TEXTS[view.target]
        try:
            return self._with_field(name, view.opened.write(view.value))
        except PatchError as e:
            raise PatchError(self.origins[name].of(e.diagnostic)) if name in self.origins else e from None

    def _facts_of(self, target: Target, facts_of: Callable[[str, yamlread.Read], dict[str, Any]]) -> dict[str, Any]:
        text, known = self._text(target), self._known.facts
        if target not in known or known[target][0] != text:
            known[target] = text, facts_of(text, self._known.read)
        return known[target][1]

    def _with_field(self, name: str, value: Any) -> CloudInit:
        return replace(self, record={**self.record, name: value}, _view=None)

    def _from(self, origin: Origin | None, *fields: str) -> CloudInit:
        return replace(self, origins={**self.origins, **dict.fromkeys(fields, origin)}) if origin else self

    def _counted(self) -> CloudInit:
        if self.edits == MAX_EDITS:
            raise fail(
                rules.LIMIT,
                f"more than {MAX_EDITS} edits of cloud-init data in one run",
                None,
                "compute the whole list in one expression, and write it with one edit",
            )
        return replace(self, edits=self.edits + 1)

    def _text(self, target: Target) -> str:
        value = self.record.get(_TEXTS[target])
        if value is not None and not isinstance(value, str):
            raise fail(rules.OPERATION, f"{_TEXTS[target]} is {kind(value)}, not text")
        return value or ""

    def _is_config_drive(self) -> bool:
        return self.record.get("DataSource") == "configDrive"

    def _meta(self) -> str:
        """The metadata field that is set."""
        own = SOURCES.get(str(self.record.get("DataSource")), "")
        for name in (own, *META):
            if isinstance(self.record.get(name), dict):
                return name
        message = "no metadata: virt-launcher sent neither NoCloudMetaData nor ConfigDriveMetaData"
        raise fail(rules.OPERATION, message, None, "to skip the edit then, add `when: has(cloudInit.metaData)`")


@record
class Closed:
    """The JSON of ``CloudInitData`` and of ``CloudInitNoCloudSource``, with the same content, and warnings."""

    data: bytes
    no_cloud_source: bytes
    warnings: tuple[Diagnostic, ...]


def open_cloud_init(data: bytes, no_cloud_source: bytes = b"") -> CloudInit:
    """The state of a request: ``CloudInitData`` if present, otherwise the older ``CloudInitNoCloudSource``.

    Raises PatchError (bad-cloud-init-data, input-too-big).
    """
    text, record = _record(data, "CloudInitData")
    try:
        legacy, source = _record(no_cloud_source, "CloudInitNoCloudSource")
    except PatchError:
        if record is None:
            raise
        legacy, source = None, None
    if record is not None:
        return CloudInit(text, legacy, record, record)
    if source is None:
        raise fail(
            rules.BAD_CLOUD_INIT,
            "the request has no cloud-init data, neither CloudInitData nor CloudInitNoCloudSource",
        )
    record = {
        "DataSource": "noCloud",
        "NoCloudMetaData": None,
        "ConfigDriveMetaData": None,
        "UserData": source.get("userData") or "",
        "NetworkData": source.get("networkData") or "",
        "DevicesData": None,
        "VolumeName": "",
    }
    return CloudInit(None, legacy, record, record)


def _check_answer(size: int) -> None:
    if size > MAX_ANSWER:
        raise fail(rules.LIMIT, f"the result is too big: virt-launcher accepts {MAX_ANSWER >> 10} KiB per message")


def _record(data: bytes, what: str) -> tuple[str | None, dict[str, Any] | None]:
    """The text and the map of a JSON record; None for nothing and for null."""
    try:
        text = data.decode()
        value = jsontext.read(text) if text.strip() else None
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise fail(rules.BAD_CLOUD_INIT, f"{what} is not UTF-8") from None
    except UnicodeEncodeError:
        raise fail(rules.BAD_CLOUD_INIT, f"{what} contains an unpaired surrogate, which is not a character") from None
    except JsonError as e:
        raise fail(rules.BAD_CLOUD_INIT, f"{what} is not JSON: {e}") from None
    except TooBigError as e:
        raise fail(rules.INPUT_TOO_BIG, f"{what} is too big: {e}") from None
    if value is None:
        return None, None
    if not isinstance(value, dict):
        raise fail(rules.BAD_CLOUD_INIT, f"{what} is {kind(value)}, not a map")
    return text, value


def _legacy_text(legacy: str | None, record: dict[str, Any]) -> str:
    source = jsontext.read(legacy) if legacy is not None else {}
    wanted = dict(source)
    for name, own in (("userData", "UserData"), ("networkData", "NetworkData")):
        value = record.get(own) or ""
        if value or name in source:
            wanted[name] = value
    return jsontext.write(wanted, go=True) if legacy is None else jsontext.rewrite(legacy, wanted, go=True)
