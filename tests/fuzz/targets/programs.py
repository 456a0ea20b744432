"""Patches compiled once, for targets that vary some other input."""

from __future__ import annotations

from functools import cache

from patchlang.compile import Program
from patchlang.engine import patch_cloud_init, patch_domain
from patchlang.loading import load_sources
from patchlang.source import SourceFile

from ..seeds import Seed, for_cloud_init, for_domains


def of(patch: bytes) -> Program | None:
    """The program of a valid patch file."""
    try:
        return load_sources([SourceFile("patch.yaml", patch.decode())])[0]
    except UnicodeDecodeError:
        return None


_of_seed = cache(of)


@cache
def domain_seeds() -> list[Seed]:
    """Seeds that give a result appear four times: refused inputs reach less code."""
    seeds = [seed for seed in for_domains() if (found := _of_seed(seed.patch)) and found.edits_domain]
    good = [seed for seed in seeds if patch_domain(program(seed.patch), seed.domain, seed.vmi).data is not None]
    return seeds + 3 * good


@cache
def cloud_init_seeds() -> list[Seed]:
    seeds = [seed for seed in for_cloud_init() if (found := _of_seed(seed.patch)) and found.edits_cloud_init]
    return seeds + 3 * [seed for seed in seeds if _works(seed)]


def _works(seed: Seed) -> bool:
    return patch_cloud_init(program(seed.patch), seed.cloud_init, seed.legacy, seed.vmi).data is not None


def program(patch: bytes) -> Program:
    """The program of a seed from one of the functions above."""
    found = _of_seed(patch)
    assert found is not None, "the seed was chosen for having a program"
    return found
