"""Patches and inputs that take very long in one call of a C library, or need more memory than there is."""

from __future__ import annotations

import json
import random

LONG = "".join(random.Random(1).choices("ab", k=200_000))
"""No regular expression in SLOW matches it, and RE2 needs half a second to find out."""


def patch(name: str, edits: str) -> str:
    """A patch file with these domain edits, a YAML list."""
    return f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: {name}}}\nspec:\n  domain: {edits}\n"


def _cel(expression: str) -> str:
    return f'[{{op: set, path: /domain/memory, value: "$[ string({expression}) ]"}}]'


SLOW = {
    "cel": patch("slow", _cel("range(500).filter(i, vmi.spec.text.matches('(a|b)*a(a|b){300}c')).size()")),
    "regex": patch(
        "slow", _cel("[" + ", ".join(["vmi.spec.text.matches('(a|b)*a(a|b){300}c')"] * 40) + "].exists(x, x)")
    ),
    "xpath": patch("slow", '[{op: remove, path: "//x[//@id = //@no]", expect: "0+"}]'),
}
"""Each takes twenty seconds or more with ``long_vmi()`` and ``long_domain()``, and no time with others."""


def vmi(text: str = "short") -> bytes:
    """A VMI that contains this text."""
    return json.dumps({"metadata": {"name": "web"}, "spec": {"text": text}}).encode()


def long_vmi() -> bytes:
    """A VMI that makes the slow patches take very long."""
    return vmi(LONG)


def domain(inside: str = "") -> bytes:
    """A small domain with more elements inside."""
    return f"<domain><name>web</name><memory>1</memory>{inside}</domain>".encode()


def long_domain() -> bytes:
    """A domain that makes the slow patches take very long."""
    return domain("".join(f"<x id='i{number}' no='n{number}'/>" for number in range(10_000)))
