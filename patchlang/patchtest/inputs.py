"""The inputs of a test case: the domain, the cloud-init data and the VMI, from files or inline."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import rules
from ..cloudinit import jsonops, pointer
from ..cloudinit.pointer import PointerError
from ..diagnostics import Diagnostic, PatchError
from ..document.model import MapValue
from ..extract import read_domain, read_vmi
from ..podfacts import Given, check_declared
from ..record import replace
from ..vmi import parse_vmi
from .checks import plain_value
from .model import Case, CloudInitInput, DataSource, FactsInput, File, Input, PatchTest


def beside(entry: File | Input) -> Path:
    """The path of an entry, relative to the working directory."""
    return Path(os.path.normpath(Path(entry.span().source.name).parent / entry.text))


def domain_of(test: PatchTest, case: Case) -> bytes | None:
    """The domain of a case, None if it has none. Raises PatchError (PL001, PL501)."""
    entry = case.domain or test.spec.domain
    if entry is None:
        return None
    try:
        return read_domain(_content(entry)).data
    except PatchError as e:
        raise _placed(e, entry) from None


def vmi_of(test: PatchTest, case: Case) -> bytes:
    """The VMI of a case as JSON, with the case's changes. Raises PatchError (PL001, PL504, PL410)."""
    entry = case.vmi or test.spec.vmi
    try:
        vmi = parse_vmi(read_vmi(_content(entry))) if isinstance(entry, Input) else plain_value(entry) if entry else {}
        vmi = parse_vmi(json.dumps(vmi).encode())
    except PatchError as e:
        raise (_placed(e, entry) if entry else e) from None
    for kind, given in (("annotations", case.annotations), ("labels", case.labels)):
        vmi["metadata"][kind] |= {name.text: value.text for name, value in given}
    for name, value in case.set:
        try:
            vmi = jsonops.ensure(vmi, pointer.parse(name.text), plain_value(value))
        except PointerError as e:
            raise PatchError(Diagnostic(e.rule, e.message, name.span(e.start, e.end), e.help)) from None
    return json.dumps(vmi).encode()


def pod_of(test: PatchTest, case: Case, declared: frozenset[str]) -> Given:
    """The facts of a test, overridden by its case. Raises PatchError (PL206) for one that no patch declares."""
    return facts_of(filter(None, (test.spec.facts, case.facts)), declared)


def facts_of(inputs: Iterable[FactsInput], declared: frozenset[str]) -> Given:
    """Facts; later ones override earlier ones. Raises PatchError (PL206) for one that no patch declares."""
    facts: dict[str, bytes] = {}
    for given in inputs:
        for kind, entries in (("env", given.env), ("files", given.files)):
            for name, text in entries:
                check_declared(f"{kind}.{name.text}", declared, name.span())
                facts[f"{kind}.{name.text}"] = text.text.encode()
    return Given(facts)


def cloud_init_of(test: PatchTest, case: Case, vmi: bytes) -> bytes | None:
    """KubeVirt's CloudInitData of a case, None if it has none. Raises PatchError (PL001)."""
    entry = case.cloud_init or test.spec.cloud_init
    if entry is None or isinstance(entry, Input):
        return _content(entry) if entry else None
    return _cloud_init_data(entry, json.loads(vmi)["metadata"].get("name") or "vm")


def _content(entry: Input) -> bytes:
    if entry.text.lstrip().startswith(("<", "{")):
        return entry.text.encode()
    path = beside(entry)
    try:
        return path.read_bytes()
    except (OSError, ValueError) as e:
        message = f"`{path}` cannot be read: {getattr(e, 'strerror', None) or e}"
        raise PatchError(
            Diagnostic(rules.UNREADABLE, message, entry.span(), "the path is relative to the test file")
        ) from None


def _placed(error: PatchError, entry: Input | MapValue) -> PatchError:
    span = entry.span() if isinstance(entry, Input) else entry.span
    return PatchError(replace(error.diagnostic, span=error.diagnostic.span or span))


def _cloud_init_data(entry: CloudInitInput, host: str) -> bytes:
    """As KubeVirt writes it; metadata that the test omits is that of a VM named ``host``."""
    no_cloud = entry.data_source is DataSource.NO_CLOUD
    meta: Any = {"instance-id": "test", "local-hostname": host}
    if not no_cloud:
        meta = {"instance_id": "test", "local_hostname": host, "hostname": host, "uuid": "test"}
    if entry.meta_data is not None:
        meta = plain_value(entry.meta_data)
    data = {
        "DataSource": entry.data_source.value,
        "NoCloudMetaData": meta if no_cloud else None,
        "ConfigDriveMetaData": None if no_cloud else meta,
        "UserData": entry.user_data.text if entry.user_data else "",
        "NetworkData": entry.network_data.text if entry.network_data else "",
        "DevicesData": None,
        "VolumeName": "cloudinitdisk",
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
