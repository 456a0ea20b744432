"""Cloud-init data that an executable gets and prints, read as virt-launcher reads it.

``preCloudInitIsoValidateResult`` (pkg/hooks/manager.go) unmarshals the result by Go's ``encoding/json``. What it cannot
use then, ``patchlang.usable`` says, of executables as of patches.
"""

from __future__ import annotations

import json
from typing import Any

from patchlang.usable import FIELDS

_MEMBERS = {name.lower(): name for name in FIELDS[""]}


class UnreadableError(Exception):
    """The data is no JSON object; the text says why, and holds nothing of it."""


def read(data: bytes) -> dict[str, Any]:
    """The members of KubeVirt's ``CloudInitData`` as Go's ``json.Unmarshal`` takes them, and whatever else is there.

    Raises UnreadableError.
    """
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_not_json)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if data.strip() else "there is nothing"
        raise UnreadableError(f"is not JSON ({where})") from None
    except (ValueError, RecursionError):
        raise UnreadableError("is not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableError("is not a JSON object")
    members: dict[str, Any] = {}
    key: str
    for key, member in value.items():
        # Go matches names whatever their case, the last one wins, and null leaves a text as it is.
        name = _MEMBERS.get(key.lower(), key)
        if member is not None or FIELDS[""].get(name) is not str:
            members[name] = member
    return members


def no_cloud_source(members: dict[str, Any]) -> bytes:
    """The older ``CloudInitNoCloudSource`` that says the same, as Go writes it: empty members left out."""
    source = {"userData": members.get("UserData"), "networkData": members.get("NetworkData")}
    return json.dumps({k: v for k, v in source.items() if v}, separators=(",", ":")).encode()


def _not_json(constant: str) -> object:
    raise ValueError(constant)
