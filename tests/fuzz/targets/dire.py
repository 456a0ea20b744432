"""A target that fails in every possible way, to show that the fuzzer would notice. Not part of a normal run."""

from __future__ import annotations

import ctypes
import threading
from random import Random

from .. import laws
from ..target import Parts, Target

KINDS = ("exception", "law", "memory", "hang", "wait", "crash")


def _make(random: Random) -> Parts:
    return {"kind": random.choice((*KINDS, "fine")).encode()}


def _check(parts: Parts) -> str:
    match parts["kind"].decode():
        case "exception":
            raise ZeroDivisionError
        case "law":
            laws.require(False, "this one holds of nothing")
        case "memory":
            bytearray(b"x") * (100 << 20)
        case "hang":
            while True:
                pass
        case "wait":
            threading.Event().wait()
        case "crash":
            ctypes.string_at(0)
        case _:
            pass
    return laws.RESULT


TARGETS = (Target("dire", 1, _make, _check, cpu_seconds=0.4, wait_seconds=10),)
