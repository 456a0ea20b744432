"""Cloud-init data for valid patches: the record, user and network data, MIME, base64, gzip; JSON patches."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, get_args

from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.lint.roles import SELECTING, declared
from patchlang.schema import options

from .. import laws, mutate, seeds
from ..seeds import Seed
from ..target import Parts, Target
from . import patches, programs

_YAML_TOKENS = re.compile(r"\n[ ]*|[ ]+|[-?:,\[\]{}#&*!|>'\"%@`]|[^\s\-?:,\[\]{}#&*!|>'\"%@`]+|\s")
_YAML_WORDS = (
    "0x" + "f" * 4000,
    "1" + ":59" * 2500,
    "9" * 4400,
    "\n- ", "\n  ", "\n", ": ", "- ", "? ", "&a ", "*a", "<<: *a", "!!binary ", "!!set ", "!!omap ",
    "!!python/tuple ", "!x ", "|\n", "|2-\n", ">+\n", "'", '"', "# c\n", "\n---\n", "\n...\n", "%YAML 1.1\n", "{",
    "}", "[", "]", ",", "~", "null", "yes", "0644", "1:30", "1e3", ".inf", "2001-01-01", "=", "\t", "\r\n", "\u2028",
    "\x85", "\ufeff", "é", "users", "runcmd", "#cloud-config\n", "## template: jinja\n", "{{ x }}", "{% x %}",
    "\\x41", "\\u0000", "\\ud83e",
)  # fmt: skip
_MIME_WORDS = tuple(word.encode() for word in (
    "\n--b\n", "\n--b--\n", "--", "\n\n", "\r\n", "Content-Type: multipart/mixed; boundary=b\n",
    "Content-Type: text/cloud-config\n", "MIME-Version: 1.0\n", "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n", "; charset=utf-16", "; charset=x", "; filename=\"a\"",
    "; filename*0*=utf-8''%41", "Content-Disposition: attachment\n", " =?utf-8?b?w6k=?=", ":", ";",
    "Number-Attachments: 2\n", "From x\n", "Content-Type: message/rfc822\n", "Content-Type: application/gzip\n",
    "=\n", "=ZZ",
))  # fmt: skip
_JSON_WORDS = (
    b"9" * 400,
    b"9" * 4400,
    b"null",
    b"true",
    b"{}",
    b"[]",
    b'"UserData":',
    b"1e999",
    b"NaN",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b"0644",
)


def _input(seed: Seed, record: bytes, legacy: bytes | None = None) -> Parts:
    legacy = seed.legacy if legacy is None else legacy
    return {"patch.yaml": seed.patch, "cloud-init.json": record, "legacy.json": legacy, "vmi.json": seed.vmi}


def _check(parts: Parts) -> str:
    program = programs.program(parts["patch.yaml"])
    as_text = b"UserData" in parts["patch.yaml"]
    return laws.cloud_init(program, parts["cloud-init.json"], parts["legacy.json"], parts["vmi.json"], as_text=as_text)


@cache
def _records() -> list[Any]:
    return [json.loads(seed.cloud_init) for seed in programs.cloud_init_seeds() if _is_record(seed.cloud_init)]


def _is_record(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


@cache
def user_data(multipart: bool) -> list[str]:
    """User data from the seeds: MIME messages or everything else."""
    texts = {text for record in _records() if isinstance(text := record.get("UserData"), str) and text}
    return sorted(text for text in texts if ("mime-version:" in text.lower()) == multipart)


def _make_record(random: Random) -> Parts:
    seed = random.choice(programs.cloud_init_seeds())
    if not _is_record(seed.cloud_init) or random.random() < 0.3:
        record = mutate.of_bytes(random, seed.cloud_init or b"null", _JSON_WORDS, seeds.NO_CLOUD_INIT)
    else:
        record = mutate.as_json(mutate.of_data(random, json.loads(seed.cloud_init), [random.choice(_records())]))
    legacy = seed.legacy
    if random.random() < 0.2:
        legacy = mutate.of_bytes(random, legacy or b'{"userData":"#cloud-config\\n","networkData":""}', _JSON_WORDS)
    return _input(seed, record, legacy)


def _with_texts(random: Random, seed: Seed, user_data: str | None = None, network_data: str | None = None) -> Parts:
    record = json.loads(seed.cloud_init) if _is_record(seed.cloud_init) else json.loads(seeds.NO_CLOUD_INIT)
    if user_data is not None:
        record["UserData"] = user_data
    if network_data is not None:
        record["NetworkData"] = network_data
    return _input(seed, json.dumps(record, separators=(",", ":")).encode(errors="surrogatepass"))


def changed_yaml(random: Random, text: str) -> str:
    if random.random() < 0.3:
        return mutate.of_text(random, text)
    return mutate.of_tokens(random, text, _YAML_TOKENS, _YAML_WORDS)


def _make_user_data(random: Random) -> Parts:
    seed, texts = random.choice(programs.cloud_init_seeds()), user_data(False)
    own = json.loads(seed.cloud_init).get("UserData") if _is_record(seed.cloud_init) else None
    text = own if isinstance(own, str) and own and random.random() < 0.7 else random.choice(texts)
    return _with_texts(random, seed, changed_yaml(random, text))


def _make_network_data(random: Random) -> Parts:
    choice = [seed for seed in programs.cloud_init_seeds() if b"networkData" in seed.patch]
    seed = random.choice(choice)
    own = json.loads(seed.cloud_init).get("NetworkData") if _is_record(seed.cloud_init) else None
    text = own if isinstance(own, str) and own else "network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: true}\n"
    return _with_texts(random, seed, network_data=changed_yaml(random, text))


def _make_mime(random: Random) -> Parts:
    texts = user_data(True)
    choice = [seed for seed in programs.cloud_init_seeds() if b"part" in seed.patch.lower()]
    text = mutate.of_bytes(random, random.choice(texts).encode(), _MIME_WORDS, random.choice(texts).encode())
    return _with_texts(random, random.choice(choice), text.decode(errors=random.choice(("replace", "ignore"))))


def _make_wrapped(random: Random) -> Parts:
    """Base64 and gzip data of original and changed texts, also changed after encoding."""
    seed, texts = random.choice(programs.cloud_init_seeds()), user_data(random.random() < 0.3)
    data = random.choice(texts).encode()
    if random.random() < 0.3:
        data = mutate.of_bytes(random, data)
    if random.random() < 0.6:
        data = gzip.compress(data, random.choice((1, 9)), mtime=0)
        if random.random() < 0.3:
            data += random.choice((data, gzip.compress(b""), b"\0", b"\x1f\x8b"))
        if random.random() < 0.5:
            data = mutate.of_bytes(random, data)
    text = b64encode(data).decode()
    width = random.choice((0, 0, 4, 60, 76))
    text = "\n".join(text[i : i + width] for i in range(0, len(text), width)) if width else text
    if random.random() < 0.4:
        text = mutate.of_text(random, text)
    return _with_texts(random, seed, text)


def _is_drawn(hint: Any) -> bool:
    return model.Pointer in options(hint) or set(options(hint)) == set(get_args(model.Value))


# for each op that works on a place: the keys that hold places and values
_OPS: dict[str, dict[str, Any]] = {
    op: {key: hint for key, (_, hint) in model_fields(cls).items() if key != "unless" and _is_drawn(hint)}
    for op, cls in model.CLOUD_INIT_OPS.items()
    if any(one.role in (*SELECTING, model.Role.GOAL, model.Role.MAKES) for one in declared(cls))
}
_TOKENS = (
    "a", "b", "0", "1", "-", "01", "-1", "~0", "~1", "~2", "", "é", "x=y", "[a=1]", "[=a]", "[a=\"]\"]", "users",
    "name", "99999999999999999999", "$[ 'a' ]", "$[ index ]", "UserData", "runcmd",
)  # fmt: skip


def _make_json_patch(random: Random) -> Parts:
    """Operations on any pointer, on a separate document in user data or the record."""
    target = random.choice(("userData", "userData", "networkData", "cloudInitData", "metaData"))
    config = mutate.of_data(
        random, {"a": [1, {"a": "1"}, "b"], "b": {"a": {"b": []}}, "users": [{"name": "a"}], "runcmd": ["a"]}
    )
    record = json.loads(seeds.NO_CLOUD_INIT) | {"UserData": f"#cloud-config\n{mutate.as_yaml(random, config)}\n"}
    known = [*pointers(config if target == "userData" else record)]
    edits = [operation(random, target, known) for _ in range(random.randrange(1, 5))]
    document = {"apiVersion": "patchlang/v1", "kind": "Patch", "metadata": {"name": "a"}, "spec": {"cloudInit": edits}}
    return {
        "patch.yaml": f"--- {mutate.as_yaml(random, document)}\n".encode(errors="surrogatepass"),
        "cloud-init.json": json.dumps(record).encode(), "legacy.json": b"", "vmi.json": b"{}",
    }  # fmt: skip


def operation(random: Random, target: str, known: list[str]) -> dict[str, Any]:
    op, keys = random.choice(list(_OPS.items()))
    edit: dict[str, Any] = {"op": op, "target": target}
    for key, hint in keys.items():
        is_place = model.Pointer in options(hint)
        edit[key] = _pointer(random, known) if is_place else mutate.of_data(random, {"a": ["1", {"b": None}]})
    if random.random() < 0.3:
        edit["expect"] = random.choice(("0..1", "1", "0+"))
    if random.random() < 0.2:
        edit["forEach"] = random.choice(("range(20)", "['a', 'b']", "[1]"))
    if random.random() < 0.1:
        edit["unless"] = _pointer(random, known)
    return edit


def _pointer(random: Random, known: list[str]) -> str:
    """A place that exists, one below it, or any."""
    below = "".join("/" + random.choice(_TOKENS) for _ in range(random.randrange(4)))
    if random.random() < 0.8:
        return random.choice(known) + random.choice(("", "", "/-", "/a", below))
    return below


def pointers(value: Any, at: str = "") -> Iterator[str]:
    yield at
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if isinstance(key, int) and abs(key) > 10**99:
            continue  # more digits than Python writes
        yield from pointers(member, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")


TARGETS = (
    Target("cloud-init", 6, _make_record, _check),
    Target("user-data", 8, _make_user_data, _check),
    Target("network-data", 3, _make_network_data, _check),
    Target("mime", 6, _make_mime, _check),
    Target("wrapped", 8, _make_wrapped, _check),
    Target("json-patch", 6, _make_json_patch, patches.check),
)
