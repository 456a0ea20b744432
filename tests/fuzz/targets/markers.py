"""Secret markers appear nowhere: messages and traces contain only values from the patch or the domain."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from lxml import etree

from patchlang.cli.apply import _trace_lines
from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.render import render

from .. import laws, mutate, seeds
from ..target import Parts, Target
from . import patches

MARK = "Zq7Wv5"
_END = re.compile(r"^(\s*(?:[\w-]+: |- )+\S.*\w)(['\"]?)$", re.MULTILINE)
_MESSAGE = re.compile(rb"\bmessage\b")  # a message that the author wrote is the author's responsibility


def _make(random: Random) -> Parts:
    if random.random() < 0.6:
        seed = random.choice(seeds.for_domains())
        patch, data = _patch(random, seed, "domain"), {"domain.xml": _in_domain(random, seed.domain)}
    else:
        seed = random.choice(seeds.for_cloud_init())
        patch, data = (
            _patch(random, seed, "cloudInit"),
            {"cloud-init.json": _in_json(random, seed.cloud_init)},
        )
    return {"patch.yaml": _MESSAGE.sub(b"massage", patch), "vmi.json": _in_json(random, seed.vmi), **data}


def _patch(random: Random, seed: seeds.Seed, edits: str) -> bytes:
    return seed.patch if random.random() < 0.5 else patches.changed(random, seed, edits)


def _in_json(random: Random, data: bytes) -> bytes:
    """Put markers in some strings of a document, but in none of its keys."""
    try:
        root = {"": json.loads(data)}
    except (ValueError, RecursionError):
        return data
    for holder, key in [*mutate.places(root)]:
        if isinstance(holder[key], str) and random.random() < 0.5:
            holder[key] = _marked(random, holder[key])
    return mutate.as_json(root[""])


def _marked(random: Random, text: str) -> str:
    if _END.search(text):  # YAML, whose keys may be shown
        return _END.sub(lambda m: m[1] + random.choice(("", MARK)) + m[2], text)
    return text + MARK if "\n" not in text else text


def _in_domain(random: Random, data: bytes) -> bytes:
    """Put markers wherever the name of a node or of an ancestor says that it is secret."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return data
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    for _ in range(random.randrange(1, 4)):
        node = random.choice(nodes)
        if random.random() < 0.5:
            node.set(random.choice(("passwd", "password", "token")), MARK)
        else:
            secret = etree.SubElement(node, random.choice(("password", "secret", "token")), a=MARK)
            secret.text = MARK
            etree.SubElement(secret, "value", b=MARK).text = MARK
    return etree.tostring(root)


def _check(parts: Parts) -> str:
    program = patches.loaded(parts)
    if program is None:
        return laws.REFUSED
    outcome: Any
    if "domain.xml" in parts:
        outcome = patch_domain(program, parts["domain.xml"], parts["vmi.json"])
    else:
        outcome = patch_cloud_init(program, parts["cloud-init.json"], b"", parts["vmi.json"])
    said = render(outcome.diagnostics) + "\n".join(_trace_lines(outcome.trace))
    laws.require(MARK.lower() not in said.lower(), "a secret is said")
    return laws.shown(outcome.diagnostics, refused=outcome.data is None)


TARGETS = (Target("secret", 8, _make, _check),)
