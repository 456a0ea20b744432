"""Domains, VMIs, and cloud-init data to try patches on, which come from the recipes, and an example patch."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import yaml

from ...manifests.writing import scalar
from ..recipes import FOLDER
from .request import Json, RequestError, item

_HERE = Path(__file__).parent
_FOLDER = FOLDER / "samples"
STARTER = "patch.yaml"
TITLES = {
    "linux-min": "Small Linux VM",
    "windows": "Windows",
    "numa-gpu": "NUMA and a GPU",
    "many-disks": "480 disks, 137 KB",
    "edge": "Odd but valid XML",
    "nocloud-cloudconfig": "NoCloud, cloud-config",
    "nocloud-mime": "NoCloud, MIME parts",
    "configdrive": "ConfigDrive",
}


def listed() -> Json:
    """The names of the samples, with titles: ``machines`` (a domain and its VMI) and ``cloudInit``."""
    found = [name for name in TITLES if (_FOLDER / f"{name}.domain.xml").is_file()]
    data = [name for name in TITLES if (_FOLDER / f"{name}.cloudinit.json").is_file()]
    return {
        "machines": [{"name": name, "title": TITLES[name]} for name in found],
        "cloudInit": [{"name": name, "title": TITLES[name]} for name in data],
    }


def sample(asked: Json) -> Json:
    """The texts of one sample: ``domain`` and ``vmi``, or ``cloudInit``. JSON is shown as YAML, which is shorter."""
    name = item(asked, "name", str)
    if name not in TITLES:
        raise RequestError("no sample has this name")
    domain, vmi = _FOLDER / f"{name}.domain.xml", _FOLDER / f"{name}.vmi.json"
    if domain.is_file():
        return {"domain": domain.read_text(encoding="utf-8"), "vmi": _legible(vmi)}
    data = _FOLDER / f"{name}.cloudinit.json"
    if not data.is_file():
        raise RequestError("this installation has no samples")
    return {"cloudInit": _legible(data)}


def starter() -> str:
    """An example patch, which changes something in the first sample."""
    return (_HERE / "starter.yaml").read_text(encoding="utf-8")


@cache
def _legible(path: Path) -> str:
    """JSON as YAML, with texts of several lines as blocks."""
    lines: list[str] = []
    for key, value in json.loads(path.read_bytes()).items():
        if isinstance(value, str) and "\n" in value:
            lines.append(f"{key}: {scalar(value, 2)}")
        else:
            lines.append(yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=100))
    return "".join(lines)
