"""Make typos in all example patches, one at a time, and count how many `patchlang validate` finds.

    python tools/measure_typos.py > benchmarks/typos.json
    python tools/measure_typos.py --of values > benchmarks/values.json
    python tools/measure_typos.py --of vmi > benchmarks/vmi.json

A typo goes where the grammar has a word: in the name of an element or attribute in a path, a fragment, a key of
``merge`` or ``rename``, and in a value that the grammar lists for an attribute or element of that name. Free text (an
annotation's key, a file name, QEMU's arguments) gets no typos, and neither do YAML keys and CEL, which other rules
check. Typos are the mistakes that fingers and memory make: a letter left out, doubled, swapped, replaced or in the
wrong case, a plural, an attribute for an element and vice versa, a step left out, `on` for `yes` or another word from
some list.

A typo counts as found if it causes an error that the patch did not have before. Any other is either another word that
the grammar allows in this place, which no grammar check could find, or it is missed: the report lists both.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path as File
from typing import Any

import measure_values
import measure_vmi
from mistakes import ROOT, Finder, Site, Subject, Typo, Vocabulary, sites, slipped

from patchlang.diagnostics import Severity
from patchlang.grammar.index import versions
from patchlang.validation.discovery import Input
from patchlang.validation.options import Options
from patchlang.validation.run import validate_files

PATCHES = ("examples/corpus/*.yaml", "examples/patches/*/patch.yaml")


def typo(site: Site, chance: random.Random, words: Vocabulary) -> Typo | None:
    """A typo at a site; None if the randomly chosen kind is impossible there."""
    slip = chance.choice(["left out", "doubled", "swapped", "replaced", "case", "plural", "sign", "forgotten", "other"])
    source = site.file.read_text(encoding="utf-8")
    if slip == "forgotten" and site.step:
        start, end = site.step
        return Typo(site, slip, source[:start] + source[end:], "(step left out)")
    if slip == "sign" and site.sign:
        start, end = site.places[0]
        if "attribute" in site.kind:
            return Typo(site, slip, source[: start - 1] + source[start:], site.word)
        return Typo(site, slip, f"{source[:start]}@{source[start:]}", f"@{site.word}")
    word = slipped(site, slip, chance)
    if word is None or word == site.word:
        return None
    text = source
    for start, end in sorted(site.places, reverse=True):
        text = text[:start] + word + text[end:]
    return Typo(site, slip, text, word)


# -- the measure -------------------------------------------------------------------------------------------------------


def errors(file: File, text: str, options: Options) -> set[tuple[str, str]]:
    [*checked] = validate_files([Input(file.name, True, text.encode())], options=options)
    return {(d.rule.id, d.message) for one in checked for d in one.diagnostics if d.severity is Severity.ERROR}


def measure(count: int, seed: int, version: str, subject: Subject) -> dict[str, Any]:
    """Make ``count`` typos and report the results."""
    files = sorted(file for pattern in PATCHES for file in ROOT.glob(pattern))
    words, options, chance = Vocabulary(version), Options(libvirt=version), random.Random(seed)  # noqa: S311
    everywhere = [site for file in files for site in sites(file, words, subject.finder)]
    before = {file: errors(file, file.read_text(encoding="utf-8"), options) for file in files}
    made: dict[Typo, None] = {}  # without duplicates
    while len(made) < count:
        one = subject.typo(chance.choice(everywhere), chance, words)
        if one is not None:
            made[one] = None
    said = {one: errors(one.site.file, one.text, options) - before[one.site.file] for one in made}
    missed = [one for one in made if not said[one]]
    valid = [one for one in missed if subject.is_right(one, words)]
    escaped = [one for one in missed if one not in valid]
    typos = len(made) - len(valid)
    found_by = Counter(min(rule for rule, _ in found) for found in said.values() if found)
    return {
        "libvirt": version,
        "seed": seed,
        "patches": len(files),
        "patches with false alarms": sum(bool(found) for found in before.values()),
        "sites": dict(sorted(Counter(site.kind for site in everywhere).items())),
        "made": len(made),
        "other words of the grammar": len(valid),
        "typos": typos,
        "found": typos - len(escaped),
        "share": round((typos - len(escaped)) / typos, 4),
        "found by": dict(sorted(found_by.items())),
        "by kind": _table(made, valid, escaped, lambda one: one.site.kind),
        "by slip": _table(made, valid, escaped, lambda one: one.slip),
        "escaped": [one.record() for one in escaped],
        "other words": [one.record() for one in valid],
    }


def is_word_there(one: Typo, words: Vocabulary) -> bool:
    """Whether the result is a word that the grammar has for this kind of thing."""
    if "value" in one.site.kind:
        return any(one.shown in values for values in words.values.values())
    return one.shown.lstrip("@") in words.names


NAMES = Subject(Finder, typo, is_word_there)


def _table(made: Iterable[Typo], valid: Sequence[Typo], escaped: Sequence[Typo], key: Any) -> dict[str, list[int]]:
    """Typos made and found, by kind."""
    all_of = Counter(key(one) for one in made if one not in valid)
    lost = Counter(key(one) for one in escaped)
    return {name: [number, number - lost[name]] for name, number in sorted(all_of.items())}


def main() -> None:
    subjects = {"names": NAMES, "values": measure_values.SUBJECT, "vmi": measure_vmi.SUBJECT}
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--of", choices=subjects, default="names")
    parser.add_argument("--typos", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    measured = measure(args.typos, args.seed, versions()[-1], subjects[args.of])
    json.dump(measured, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
