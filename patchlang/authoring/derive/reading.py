"""Samples from files: named pairs, a folder, or inputs with the results of a hook."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ... import rules
from ...cloudinit.state import open_cloud_init
from ...diagnostics import PatchError, fail
from ...extract import read_domain, read_vmi
from ...files import unreadable
from ...record import record, replace
from ...vmi import parse_vmi
from . import trees
from .samples import Sample

if TYPE_CHECKING:
    from ..hookrun import Kind

_MOST_BYTES = 16 * 1024 * 1024
"""Bytes of one input."""
_BEFORE = (".before.xml", ".before.json")
_INPUTS = (".domain.xml", ".cloudinit.json")
_STDIN = Path("-")
_VMIS = (".vmi.json", ".vmi.yaml", ".vmi.yml")


@record
class Files:
    """The files of one sample; without ``after``, a hook makes the result."""

    before: Path
    after: Path | None = None
    vmi: Path | None = None

    @property
    def name(self) -> str:
        base = "stdin" if self.before == _STDIN else self.before.name
        for ending in (*_BEFORE, ".domain.xml", ".cloudinit.json", ".xml", ".json"):
            if base.endswith(ending):
                return base[: -len(ending)] or base
        return base


def in_folder(folder: Path, *, outcomes: bool = True) -> list[Files]:
    """The samples in a folder: ``NAME.before.xml`` with ``NAME.after.xml`` and perhaps ``NAME.vmi.json``.

    For cloud-init data they end in ``.json``; a VMI may be YAML. Without ``outcomes``, ``NAME.domain.xml`` and
    ``NAME.cloudinit.json`` are samples too. Raises PatchError (PL001) if there is none, or if one lacks its result.
    """
    endings = _BEFORE if outcomes else (*_BEFORE, *_INPUTS)
    try:
        names = sorted(os.listdir(folder))
    except NotADirectoryError:
        help = "pass one domain with `--domain`, cloud-init data with `--cloud-init`"
        if outcomes:
            help = "pass one pair with `--before` and `--after`, or a domain for a hook with `--domain`"
        raise PatchError(unreadable(folder, "it is a file, but FOLDER must be a folder", help)) from None
    except OSError as e:
        raise PatchError(unreadable(folder, e.strerror or str(e))) from None
    found = []
    for name in names:
        ending = next((ending for ending in endings if name.endswith(ending)), None)
        if ending is None:
            continue
        stem = name[: -len(ending)]
        after = f"{stem}.after{ending.removeprefix('.before')}"
        if outcomes and after not in names:
            raise PatchError(unreadable(folder / after, "the file does not exist", f"`{name}` needs its result"))
        vmi = next((stem + one for one in _VMIS if stem + one in names), None)
        found.append(Files(folder / name, folder / after if outcomes else None, folder / vmi if vmi else None))
    if not found:
        help = "name them NAME.before.xml, NAME.after.xml, and NAME.vmi.json; cloud-init data NAME.before.json"
        if not outcomes:
            help = "name them NAME.domain.xml and NAME.vmi.json; cloud-init data NAME.cloudinit.json"
        raise PatchError(unreadable(folder, "the folder has no samples", help))
    return found


def paired(before: Sequence[Path], vmis: Sequence[Path]) -> list[Files]:
    """Inputs with their VMIs: one VMI for all, or one for each. Raises ValueError for other numbers."""
    if len(vmis) > 1 and len(vmis) != len(before):
        raise ValueError(f"{len(before)} inputs and {len(vmis)} VMIs; give one VMI for all, or one per input")
    own = [*vmis] if len(vmis) == len(before) else [*vmis] * len(before)
    return [Files(one, None, own[at] if own else None) for at, one in enumerate(before)]


def read(files: Sequence[Files], *, is_domain: bool | None = None) -> list[Sample]:
    """The samples in files, with names that tell them apart; those without a result have the name of the input.

    Raises PatchError for what cannot be read, with the file's name in the message.
    """
    found = [_sample(one, is_domain) for one in files]
    if len({sample.is_domain for sample in found}) > 1:
        raise fail(
            rules.BAD_DOMAIN,
            "some samples are domains, others cloud-init data",
            None,
            "keep them in separate folders, or name the files of one kind",
        )
    names = [sample.name for sample in found]
    if len(set(names)) < len(names):
        names = [str(one.before) for one in files]
        if len(set(names)) < len(names):
            names = [f"{name} {number}" for number, name in enumerate(names, 1)]
        found = [replace(sample, name=name) for sample, name in zip(found, names, strict=True)]
    return found


def _sample(files: Files, is_domain: bool | None) -> Sample:
    before = _read(files.before)
    if is_domain is None:
        is_domain = not before.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    before = _checked(files.before, before, is_domain)
    after = before if files.after is None else _checked(files.after, _read(files.after), is_domain)
    vmi = b"{}"
    if files.vmi is not None:
        with _Named(files.vmi):
            vmi = read_vmi(_read(files.vmi))
            parse_vmi(vmi)
    sample = Sample(files.name, before, after, vmi, is_domain)
    if files.after is not None:
        check_same_vm(sample)
    return sample


def check_same_vm(sample: Sample) -> None:
    """Raises PatchError (PL501) if the domains before and after belong to different VMs."""
    if not sample.is_domain:
        return
    for name in ("uuid", "name"):
        before, after = (root.findtext(name) for root in sample.roots)
        if before != after and before is not None:
            said = f"is `{before}` before and `{after}` after" if after is not None else f"`{before}` is gone after"
            message = f"{sample.name}: the domain's {name} {said}"
            help = "a hook must not change it: give the domain of one VM, before and after"
            raise fail(rules.BAD_DOMAIN, message, None, help)


def _checked(path: Path, data: bytes, is_domain: bool) -> bytes:
    with _Named(path):
        if is_domain:
            data = read_domain(data).data
            trees.parse(data)
        else:
            open_cloud_init(data)
    return data


def _read(path: Path) -> bytes:
    try:
        with nullcontext(sys.stdin.buffer) if path == _STDIN else path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as e:
        raise PatchError(unreadable(path, e.strerror or str(e))) from None
    if len(data) > _MOST_BYTES:
        raise PatchError(unreadable(path, f"the file has more than {_MOST_BYTES >> 20} MiB"))
    return data


class _Named:
    """Prefix an error message with the name of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, PatchError):
            diagnostic = error.diagnostic
            raise PatchError(replace(diagnostic, message=f"{self._path}: {diagnostic.message}")) from None


def hooked(sample: Sample, hook: Path, seconds: float) -> Sample:
    """A sample with the hook's result. Raises HookError, and PatchError if the result is another VM."""
    from ..hookrun import run_hook

    kind: Kind = "domain" if sample.is_domain else "cloud-init"
    made = replace(sample, after=run_hook(hook, kind, sample.before, sample.vmi, seconds=seconds).outcome)
    check_same_vm(made)
    return made
