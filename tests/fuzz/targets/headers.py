"""The MIME reader: headers and parameters from a grammar, in messages where an edit adds a part or changes one."""

from __future__ import annotations

import email
import json
from random import Random
from typing import Any

from patchlang.cloudinit.userdata import detect
from patchlang.engine import patch_cloud_init

from .. import laws, mutate, seeds
from ..target import Parts, Target
from . import patches

_TYPES = (
    "text/cloud-config",
    "text/x-shellscript",
    "text/plain",
    "TEXT/Jinja2",
    "text",
    "application/gzip",
    "a/b/c",
    "",
)
_NAMES = ("filename", "name", "charset", "boundary", "x", "FileName")
_CHARSETS = (
    "utf-8",
    "us-ascii",
    "utf-16",
    "idna",
    "undefined",
    "punycode",
    "unicode_escape",
    "x",
    "rot13",
    "base64",
    "",
)
_VALUES = (
    "a.sh",
    '"a.sh"',
    '"a\\"b"',
    "'a'",
    "%41",
    "%ff",
    "%",
    "=?utf-8?q?a?=",
    "=?undefined?b?w6k=?=",
    "",
    "é",
    "a b",
    "\x7f",
)
_ENCODINGS = ("7bit", "8bit", "base64", "quoted-printable", "BASE64", "x-uuencode", "")
_BODIES = (
    "#cloud-config\na: 1\n",
    "#!/bin/sh\n",
    "YTogMQo=\n",
    "a=3D1\n",
    "--b",
    "é\n",
    "\n\n",
    "",
    "From x\n",
    "a: 1\r\n",
)


def _make(random: Random) -> Parts:
    boundary = random.choice(("b", "b", "b", "==", "a b", "(", "é", "b" * 80))
    head = f'Content-Type: multipart/mixed; boundary="{boundary}"{_parameters(random, 0.1)}\nMIME-Version: 1.0\n'
    if random.random() < 0.3:
        head += f"Number-Attachments: {random.choice(('1', '2', '9' * 30, 'x'))}\n"
    body = "".join(f"--{boundary}\n{_part(random)}" for _ in range(random.randrange(1, 4)))
    text = f"{head}\n{body}" + random.choice((f"--{boundary}--", f"--{boundary}--\n", ""))
    if random.random() < 0.2:
        text = mutate.of_text(random, text)
    if random.random() < 0.2:
        text = text.replace("\r", "").replace("\n", "\r\n")
    part = random.choice(({"contentType": "text/cloud-config"}, {"filename": "a.sh"}, {"filename": "A"}))
    edit: dict[str, Any] = random.choice((
        {"op": "addPart", "contentType": "text/x-shellscript", "filename": "n", "content": random.choice(_BODIES)},
        {"op": "ensure", "target": "userData", "part": part, "path": "/n", "value": "new"},
    ))  # fmt: skip
    record = mutate.as_json(json.loads(seeds.NO_CLOUD_INIT) | {"UserData": text})
    return {"patch.yaml": patches.written(random, {}, "cloudInit", [edit]), "cloud-init.json": record}


def _part(random: Random) -> str:
    lines = []
    if random.random() < 0.9:
        lines.append(f"Content-Type: {random.choice(_TYPES)}{_parameters(random, 0.5)}")
    if random.random() < 0.6:
        lines.append(f"Content-Disposition: {random.choice(('attachment', 'inline', ''))}{_parameters(random, 0.8)}")
    if random.random() < 0.4:
        lines.append(f"Content-Transfer-Encoding: {random.choice(_ENCODINGS)}")
    random.shuffle(lines)
    return "\n".join([*lines, "", random.choice(_BODIES)]) + random.choice(("\n", ""))


def _parameters(random: Random, chance: float) -> str:
    """Parameters as in RFC 2231: plain, encoded, in pieces, and invalid."""
    found = ""
    while random.random() < chance:
        name, value = random.choice(_NAMES), random.choice(_VALUES)
        charset, language = random.choice(_CHARSETS), random.choice(("", "en"))
        number = random.choice(("0", "1", "2", "00", "-1", "9" * 30, "9" * 5000, "x", "²"))
        found += random.choice(("; ", ";", ";\n ", ";\n\t")) + random.choice((
            f"{name}={value}", f"{name}*={charset}'{language}'{value}", f"{name}*{number}={value}",
            f"{name}*{number}*={charset}'{language}'{value}", f"{name}*0*={charset}''{value}; {name}*1={value}",
            f"{name}*={value}", name, f"={value}", f"{name}*=", f"{name}*'",
        ))  # fmt: skip
        chance *= 0.8
    return found


def _check(parts: Parts) -> str:
    program = patches.loaded(parts)
    if program is None:
        return laws.REFUSED
    outcome = patch_cloud_init(program, parts["cloud-init.json"], b"", b"{}")
    laws.shown(outcome.diagnostics, refused=outcome.data is None)
    if outcome.data is None:
        return laws.REFUSED
    before: str = json.loads(parts["cloud-init.json"])["UserData"]
    if detect(before).name == "mime" and b"addPart" in parts["patch.yaml"]:
        old, new = _parts(before), _parts(json.loads(outcome.data)["UserData"])
        laws.require(new[: len(old)] == old and len(new) == len(old) + (new != old), "a new part changes another")
    return laws.RESULT


def _parts(text: str) -> list[tuple[str, Any]]:
    """The parts as Python's own reader, which cloud-init uses, finds them."""
    leaves = [part for part in email.message_from_string(text).walk() if not part.is_multipart()]
    return [(part.get_content_type(), part.get_payload()) for part in leaves]


TARGETS = (Target("mime-header", 6, _make, _check),)
