"""Patch files as a manifest: the ConfigMap, and the annotation that mounts it into a sidecar."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePath

from ..patterns import pattern
from ..source import SourceFile
from .arguments import DEFAULT_PATCHES
from .machines import ANNOTATION

_KEY = pattern(r"[a-zA-Z0-9_][-._a-zA-Z0-9]{0,250}\.ya?ml")
_WORD = pattern(r"[a-zA-Z_][-._a-zA-Z0-9]*")
_NO_WORDS = frozenset("y Y n N yes Yes no No on On off Off true True false False null Null".split())
_SEVERAL = "patches.yaml"
_HEAD = f"""\
# The annotation that makes KubeVirt start the sidecar. Put it on a VirtualMachineInstance; in a VirtualMachine, put it
# in `spec.template.metadata`.
#
#   annotations:
#     {ANNOTATION}: |
"""
_BY_DIGEST = pattern(r"[^\s@]+@sha256:[0-9a-f]{64}")
LONGEST_PLUGIN = 53
"""The name of a Plugin: its container has the same name, with a prefix."""


def key_of(names: Sequence[str]) -> str:
    """The key for patch files of these names: that of a single file, if valid as a key and as a file in a folder."""
    name = PurePath(names[0]).name
    return name if len(names) == 1 and _KEY.fullmatch(name) else _SEVERAL


def joined(sources: Sequence[SourceFile]) -> str:
    """Patch files as one, in load order, with line feeds as line breaks."""
    texts = [re.sub(r"\r\n?", "\n", source.text) for source in in_load_order(sources)]
    text = texts[0]
    for following in texts[1:]:
        if text and not text.endswith("\n"):
            text += "\n"
        # a directive is only allowed after the end of the previous document
        ending = "...\n" if re.match(r"(?:#[^\n]*\n|\s)*%", following) else "---\n"
        text += ending + following
    return text


def in_load_order(sources: Sequence[SourceFile]) -> list[SourceFile]:
    """The order in which the sidecar loads the files of a folder: by file name."""
    return sorted(sources, key=lambda s: (s.name.rsplit("/", 1)[-1], s.name))


def config_map(name: str, namespace: str | None, key: str, text: str) -> str:
    """The YAML of a ConfigMap with one key; its text stays readable if YAML can represent it that way."""
    head = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {plain(name)}\n"
    head += f"  namespace: {plain(namespace)}\n" if namespace else ""
    return f"{head}data:\n  {plain(key)}: {scalar(text, 4)}"


def by_digest(image: str) -> bool:
    """Whether an image is pinned to one version."""
    return _BY_DIGEST.fullmatch(image) is not None


def checksum(text: str) -> str:
    """The SHA-256 of a key's text as mounted, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def annotation(image: str, version: str, name: str, key: str, digest: str | None = None) -> str:
    """The value of KubeVirt's annotation ``hooks.kubevirt.io/hookSidecars``: JSON in three or four lines.

    It names the file for the sidecar: then it is an error if nothing is mounted there. With ``digest``, the
    file's SHA-256, the sidecar refuses any other text.
    """
    path = f"{DEFAULT_PATCHES}/{key}"
    args = json.dumps(["--version", version, "--patches", path])
    if digest is not None:
        args = f'{args[:-1]},\n           "--sha256", {json.dumps(digest)}]'
    place = {"name": name, "key": key, "hookPath": path}
    return f'[{{"image": {json.dumps(image)},\n  "args": {args},\n  "configMap": {json.dumps(place)}}}]\n'


def annotation_comment(value: str) -> str:
    """The annotation as a comment after the ConfigMap, which says where to put it."""
    lines = "".join(f"#       {line}\n" for line in value.splitlines())
    return f"{_HEAD}{lines}"


def plain(text: str) -> str:
    """A name as YAML, quoted if some YAML parser might misread it."""
    return text if _WORD.fullmatch(text) and text not in _NO_WORDS else json.dumps(text)


def scalar(text: str, indent: int) -> str:
    """A text as the value of a key in a map: a block, indented by ``indent`` (an even number), otherwise in quotes."""
    import yaml

    ending = "+" if text.endswith("\n\n") or text == "\n" else "" if text.endswith("\n") else "-"
    hint = "2" if re.match(r"\s", text) else ""
    margin = " " * indent
    lines = text.removesuffix("\n").split("\n")
    block = f"|{hint}{ending}\n" + "".join(f"{margin}{line}\n" if line else "\n" for line in lines)
    around = "".join(f"{' ' * depth}k:\n" for depth in range(0, indent - 2, 2))
    try:
        value = yaml.load(f"{around}{margin[2:]}k: {block}# end\n", Loader=yaml.CSafeLoader)
        for _ in range(indent // 2):
            value = value["k"]
        if value == text:
            return block
    except (yaml.YAMLError, TypeError):
        pass
    quoted: str = yaml.dump(text, default_style='"', allow_unicode=True, width=1 << 20)
    return quoted
