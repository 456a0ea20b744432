"""What virt-launcher does with the result of PreCloudInitIso, so that an unusable one is an error here.

``preCloudInitIsoValidateResult`` (pkg/hooks/manager.go) takes ``cloudInitData`` if ``IsValidCloudInitData``
(pkg/cloud-init/cloud-init.go) says so: non-empty user data, and metadata of either kind. Otherwise it reads
``cloudInitNoCloudSource`` and drops the metadata with the guest's host name and keys; where that is empty too, the
error names neither. Later ``GenerateLocalData`` wants a data source that it knows.
"""

from __future__ import annotations

import json

_TEXTS = ("DataSource", "UserData", "NetworkData", "VolumeName")
_MAPS = ("NoCloudMetaData", "ConfigDriveMetaData")
_MEMBERS = {name.lower(): name for name in (*_TEXTS, *_MAPS)}


class UnusableError(Exception):
    """The data is not what virt-launcher can use; the text says why, and holds nothing of it."""


def read(data: bytes) -> dict[str, object]:
    """The members of KubeVirt's ``CloudInitData`` in ``data``, as Go's ``json.Unmarshal`` takes them.

    Raises UnusableError where it is not a JSON object or a member has the wrong type.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_Pairs, parse_constant=_not_json)
    except UnicodeDecodeError as error:
        raise UnusableError(f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if data.strip() else "there is nothing"
        raise UnusableError(f"is not JSON ({where})") from None
    except (ValueError, RecursionError):
        raise UnusableError("is not JSON") from None
    if not isinstance(value, _Pairs):
        raise UnusableError("is not a JSON object")
    members: dict[str, object] = {}
    for key, member in value.pairs:
        # Go matches names whatever their case, the last one wins, and null leaves a text as it is.
        name = _MEMBERS.get(key.lower())
        if name is None or (member is None and name in _TEXTS):
            continue
        if name in _TEXTS and not isinstance(member, str):
            raise UnusableError(f"has a {name} that is not a text")
        if name in _MAPS and not (member is None or isinstance(member, _Pairs)):
            raise UnusableError(f"has a {name} that is not an object")
        members[name] = member
    return members


def check_usable(members: dict[str, object]) -> None:
    """Raises UnusableError where virt-launcher would not take it, or not whole."""
    if members.get("DataSource") not in ("noCloud", "configDrive"):
        raise UnusableError("has no DataSource that is noCloud or configDrive")
    if not members.get("UserData"):
        raise UnusableError("has no UserData, so virt-launcher would pass it over and lose the metadata")
    if members.get("NoCloudMetaData") is None and members.get("ConfigDriveMetaData") is None:
        raise UnusableError("has neither NoCloudMetaData nor ConfigDriveMetaData, so virt-launcher would pass it over")


def no_cloud_source(members: dict[str, object]) -> bytes:
    """The older ``CloudInitNoCloudSource`` that says the same, as Go writes it: empty members left out."""
    source = {"userData": members.get("UserData"), "networkData": members.get("NetworkData")}
    return json.dumps({k: v for k, v in source.items() if v}, separators=(",", ":")).encode()


class _Pairs:
    """A JSON object with its members in order, doubles included."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def _not_json(constant: str) -> object:
    raise ValueError(constant)
