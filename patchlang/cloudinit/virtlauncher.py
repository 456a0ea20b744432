"""What virt-launcher accepts as cloud-init data: what makes it fail, and what it silently drops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import rules
from ..diagnostics import Diagnostic, Severity
from ..quoting import Names
from ..values import kind

_IN_QUOTES = "quote the value; convert a computed one with `string(...)`"
_USER_DATA = (
    "give the VM user data, even just the line `#cloud-config`; in the patch: `{op: replace, path: /UserData, "
    "value: \"#cloud-config\\n\", when: cloudInit.userData.format == 'empty'}`"
)
META = ("NoCloudMetaData", "ConfigDriveMetaData")
SOURCES = dict(zip(("noCloud", "configDrive"), META, strict=True))

# the fields of KubeVirt's Go structs (pkg/cloud-init): other fields never reach the guest
FIELDS: dict[str, dict[str, type]] = {
    "": {
        "DataSource": str,
        "NoCloudMetaData": dict,
        "ConfigDriveMetaData": dict,
        "UserData": str,
        "NetworkData": str,
        "DevicesData": list,
        "VolumeName": str,
    },
    "NoCloudMetaData": {"instance-type": str, "instance-id": str, "local-hostname": str, "public-keys": dict},
    "ConfigDriveMetaData": {
        "instance_type": str,
        "instance_id": str,
        "local_hostname": str,
        "hostname": str,
        "uuid": str,
        "devices": list,
        "public_keys": dict,
    },
}


class RecordFault(NamedTuple):
    """An error if virt-launcher fails, a warning if it drops something; and the fields to blame."""

    diagnostic: Diagnostic
    fields: tuple[str, ...]


def as_go_reads(record: dict[str, Any]) -> dict[str, Any]:
    """A record of CloudInitData as virt-launcher's ``json.Unmarshal`` reads it.

    Go matches names case-insensitively, the last one wins, and null leaves a string unchanged.
    """
    members = {name.lower(): name for name in FIELDS[""]}
    read: dict[str, Any] = {}
    for key, value in record.items():
        name = members.get(key.lower(), key)
        if value is not None or FIELDS[""].get(name) is not str:
            read[name] = value
    return read


def faults(record: dict[str, Any], *, legacy_only: bool, names: Names) -> Iterator[RecordFault]:
    """Problems of a record of CloudInitData. ``legacy_only``: virt-launcher only reads the older field."""
    for place, fields in FIELDS.items():
        found = record if place == "" else record.get(place)
        if isinstance(found, dict):
            yield from _fields(found, fields, place, names)
    if record.get("DataSource") not in SOURCES:
        yield _error("DataSource must be `noCloud` or `configDrive`", "DataSource")
    if not record.get("UserData") and not record.get("NetworkData"):
        yield _error(
            "UserData and NetworkData are both empty, but virt-launcher needs one of them",
            "UserData",
            "NetworkData",
            help=_USER_DATA,
        )
    has_meta = any(record.get(name) is not None for name in META)
    if legacy_only or (record.get("UserData") and has_meta):
        return
    lost = "the hostname, the instance id, SSH keys and the volume's name" if has_meta else "all metadata"
    why = "UserData is empty" if has_meta else "NoCloudMetaData and ConfigDriveMetaData are both null"
    help = _USER_DATA if has_meta else "keep one of them as virt-launcher sent it"
    yield _error(
        f"{why}: virt-launcher then uses only user data and network data, and drops {lost}",
        *(("UserData", "NetworkData") if has_meta else META),
        help=help,
    )


def _fields(found: dict[str, Any], fields: dict[str, type], place: str, names: Names) -> Iterator[RecordFault]:
    by_lower = {name.lower(): name for name in fields}
    for name, value in found.items():
        known = by_lower.get(name.lower())
        shown = name if known or names.known(name) else "…"
        path, owner = (f"{place}.{shown}", place) if place else (shown, name)
        if known is None:
            message = f"virt-launcher does not know field `{path}` and drops it"
            help = "fields: " + ", ".join(fields)
            yield RecordFault(Diagnostic(rules.UNUSABLE_RESULT, message, None, help, Severity.WARNING), (owner,))
        elif known != name and known in found:
            yield _error(
                f"`{path}` duplicates `{known}`: Go reads both as the same field", owner, help=f"write `{known}`"
            )
        elif value is not None and not isinstance(value, fields[known]):
            yield _error(
                f"`{path}` is {kind(value)}, but virt-launcher expects {kind(fields[known]())}",
                owner,
                help=_IN_QUOTES if fields[known] is str else None,
            )
        elif isinstance(value, dict) and place and not all(isinstance(item, str) for item in value.values()):
            yield _error(
                f"`{path}` contains a value that is not text, and virt-launcher expects only text",
                owner,
                help=_IN_QUOTES,
            )


def _error(message: str, *fields: str, help: str | None = None) -> RecordFault:
    return RecordFault(
        Diagnostic(rules.UNUSABLE_RESULT, f"virt-launcher cannot use the result: {message}", None, help), fields
    )
