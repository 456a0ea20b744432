"""The laws for every input: it gives a result that its reader can use, or a diagnostic that can be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import yaml
from lxml import etree

from patchlang import engine, rules
from patchlang.cloudinit.state import open_cloud_init
from patchlang.cloudinit.userdata import unwrapped
from patchlang.cloudinit.userformat import detect
from patchlang.compile import Program
from patchlang.diagnostics import Diagnostic, PatchError, Rule
from patchlang.domain import tree as domain_tree
from patchlang.render import render
from patchlang.values import identical

_RULES = {value for value in vars(rules).values() if isinstance(value, Rule)}
RESULT, REFUSED = "result", "refused"


class BrokenLawError(Exception):
    """An input breaks a law."""


def require(holds: object, law: str) -> None:
    if not holds:
        raise BrokenLawError(law)


def shown(diagnostics: Iterable[Diagnostic], *, refused: bool = False) -> str:
    """A terminal can show the diagnostics; if there is no result, at least one of them is an error."""
    found = tuple(diagnostics)
    require(not refused or any(d.is_error for d in found), "no result and no error")
    for one in found:
        require(one.rule in _RULES, "a diagnostic has no rule")
        str(one)
    text = render(found)
    require(all(c.isprintable() or c == "\n" for c in text), "a diagnostic would be obeyed by a terminal")
    text.encode()
    return REFUSED if refused else RESULT


def domain(program: Program, data: bytes, vmi: bytes) -> str:
    """lxml can parse a patched domain, it is still a domain, and it can be patched again."""
    outcome = engine.patch_domain(program, data, vmi)
    shown(outcome.diagnostics, refused=outcome.data is None)
    if outcome.data is None:
        return REFUSED
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    require(etree.fromstring(outcome.data, parser).tag == "domain", "the root is not a domain")
    domain_tree.parse(outcome.data)
    if outcome.data != data:
        again = engine.patch_domain(program, outcome.data, vmi)
        shown(again.diagnostics, refused=again.data is None)
    return RESULT


def cloud_init(program: Program, data: bytes, legacy: bytes, vmi: bytes, *, as_text: bool) -> str:
    """Patched cloud-init data is JSON in both forms, and cloud-init's own parser can read a cloud-config in it.

    ``as_text``: the patches also change user data as text, and are responsible for the result.
    """
    outcome = engine.patch_cloud_init(program, data, legacy, vmi)
    shown(outcome.diagnostics, refused=outcome.data is None)
    if outcome.data is None or outcome.no_cloud_source is None:
        require(outcome.data is outcome.no_cloud_source, "one of both forms is missing")
        return REFUSED
    new, source = strict_json(outcome.data), strict_json(outcome.no_cloud_source)
    for key, own in (("userData", "UserData"), ("networkData", "NetworkData")):
        require((source.get(key) or "") == (new.get(own) or ""), "the two forms differ")
    if data.strip() not in (b"", b"null"):
        old = json.loads(data)
        require(outcome.data == data or not identical(old, new), "the same data, and other bytes")
        if new.get("NetworkData") != old.get("NetworkData") and not as_text and _is_json(old.get("NetworkData")):
            strict_json(new["NetworkData"].encode())
        if new.get("UserData") != old.get("UserData") and not as_text:
            _readable(new["UserData"], old.get("UserData"))
    open_cloud_init(outcome.data, outcome.no_cloud_source)
    return RESULT


def strict_json(data: bytes) -> Any:
    """JSON that all readers parse the same way: Python also accepts NaN, and reads huge numbers as infinite."""

    def number(word: str) -> float:
        require(math.isfinite(float(word)), "a number is not a finite double")
        return float(word)

    return json.loads(data, parse_constant=number, parse_float=number)


def _is_json(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(strict_json(text.encode()), dict)
    except (BrokenLawError, ValueError, RecursionError):
        return False


def _readable(after: str, before: object) -> None:
    """A cloud-config stays readable; one that PyYAML could not read before the edits may stay unreadable."""
    text = unwrapped(after).text
    if detect(text).name != "cloud-config" or detect(text).jinja:
        return
    try:
        yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, IndexError) as e:
        if isinstance(before, str) and _is_yaml(before):
            raise BrokenLawError("user data is no longer YAML") from e


def _is_yaml(text: str) -> bool:
    try:
        yaml.safe_load(unwrapped(text).text)
    except (PatchError, yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        return False
    return True
