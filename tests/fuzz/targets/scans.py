"""A scanner's time is linear: for all scanners and regular expressions, with longer units than the tests try."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from random import Random

from expressions import expressions
from growth import SIZE, Shape, steep
from scanners import SCANNERS

from .. import laws
from ..target import Parts, Target

Scan = tuple[Callable[[str], object], list[str], list[str], list[str], int]


@cache
def _scans() -> dict[str, Scan]:
    """The scans by name: the function that runs each, its letters, prefixes and suffixes, and the first size."""
    found: dict[str, Scan] = {
        one.name: (one.run, [*one.letters], [*one.leads], [*one.ends], one.size) for one in SCANNERS
    }
    for number, expression in enumerate(expressions()):
        letters, words = expression.alphabet()
        units = [*letters, *words, "a", " ", "\n"]
        found[f"{expression.place} {number}"] = expression.scan(), units, ["", *units], ["", "\x01"], SIZE
    return found


def _make(random: Random) -> Parts:
    name = random.choice([*_scans()])
    _, letters, leads, ends, size = _scans()[name]
    unit = "".join(random.choices(letters, k=random.randrange(1, 6)))
    lead = random.choice(leads) + "".join(random.choices(letters, k=random.choice((0, 0, 1, 2))))
    shape = {"lead": lead, "unit": unit, "end": random.choice(ends)}
    return {"scanner": name.encode(), "shape.json": json.dumps(shape).encode(), "size": str(size).encode()}


def _check(parts: Parts) -> str:
    shape: dict[str, str] = json.loads(parts["shape.json"])
    scan = _scans()[parts["scanner"].decode()][0]
    found: tuple[Shape, float] | None = steep(scan, [(shape["lead"], shape["unit"], shape["end"])], int(parts["size"]))
    laws.require(found is None, f"the time of `{parts['scanner'].decode()}` is not linear")
    return laws.RESULT


TARGETS = (Target("scanner", 4, _make, _check, refuses=False),)
