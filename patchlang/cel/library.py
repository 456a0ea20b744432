"""The library's configuration, made once for all expressions that may use the same names.

``cel_expr_python`` is CEL in C++ with its ``strings``, ``math``, ``optional``, ``bindings`` and ``lists`` extensions;
our own functions are in :mod:`patchlang.cel.functions`. Only imported if a document has an expression.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.util import find_spec
from types import ModuleType

from cel_expr_python import cel

from ..record import record
from .functions import BEHIND, FUNCTIONS
from .syntax import opened_twice

MAX_SOURCE = 4096
MAX_OPENED_TWICE = 8

_IN_PYTHON = "google.protobuf.internal.python_message"
_EXTENSIONS = cel.NewEnvConfigFromYaml(
    "extensions: [{name: optional}, {name: strings}, {name: math}, {name: bindings}, {name: lists}]"
)
TYPES: dict[str, cel.Type] = {
    "bool": cel.Type.BOOL,
    "double": cel.Type.DOUBLE,
    "dyn": cel.Type.DYN,
    "int": cel.Type.INT,
    "list": cel.Type.List(cel.Type.DYN),
    "map": cel.Type.Map(cel.Type.DYN, cel.Type.DYN),
    "null_type": cel.Type.NULL,
    "string": cel.Type.STRING,
    "uint": cel.Type.UINT,
}
_FACTS = cel.Type.Map(cel.Type.STRING, cel.Type.Map(cel.Type.STRING, cel.Type.STRING))
_JSON_OBJECT = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)


@record
class Names:
    """What an expression may use besides ``vmi``.

    ``variables`` are name and type, the type as CEL calls it; ``facts`` are ``env.NAME`` and ``files.NAME``.
    """

    variables: tuple[tuple[str, str], ...] = ()
    item: bool = False
    node: bool = False
    xpath: bool = False
    cloud_init: bool = False
    facts: tuple[str, ...] = ()


_first: list[cel.Env] = []


@cache
def evaluator() -> cel.Env:
    """What runs all expressions: an environment that has compiled one uses more memory than ten expressions."""
    return environment(Names(item=True, node=True, xpath=True, cloud_init=True, facts=("env.any",)))


def warm_up() -> None:
    """Creates the evaluator, which otherwise happens on first use.

    Created during a run, it would sit above that run's documents, whose memory could then not return to the system.
    """
    evaluator().compile("0").eval()


@lru_cache(maxsize=8)
def environment(names: Names) -> cel.Env:
    declared: dict[str, cel.Type] = {"vmi": _JSON_OBJECT}
    declared |= {f"variables.{name}": TYPES[kind] for name, kind in names.variables}
    if names.item:
        declared |= {"item": cel.Type.DYN, "index": cel.Type.INT}
    if names.node:
        declared["node"] = _JSON_OBJECT
    if names.cloud_init:
        declared["cloudInit"] = _JSON_OBJECT
    if names.facts:
        declared["facts"] = _FACTS
    functions = [f for name, f in FUNCTIONS.items() if name != "xpath" or names.xpath]
    functions += BEHIND
    with _protobuf_in_c_alone():
        made = cel.NewEnv(config=_EXTENSIONS, variables=declared, functions=functions)
    if not _first:
        _first.append(made)
    return made


def _any_environment() -> cel.Env:
    """An environment that can parse, as all can: the first one, which has already done the slow first compilation."""
    return _first[0] if _first else evaluator()


def plain_environment(*extensions: str) -> cel.Env:
    """An environment with ``vmi``, the library's own functions and these extensions."""
    config = cel.NewEnvConfigFromYaml(f"extensions: [{', '.join(f'{{name: {name}}}' for name in extensions)}]")
    with _protobuf_in_c_alone():
        return cel.NewEnv(config=config, variables={"vmi": _JSON_OBJECT})


@contextmanager
def _protobuf_in_c_alone() -> Iterator[None]:
    """Blocks protobuf's Python implementation, which the library imports although the C implementation is used.

    With all its imports it takes 1.6 MiB, and half as long as an environment.
    """
    if "google.protobuf" in sys.modules or not _is_in_c():
        yield
        return
    stand_in = sys.modules[_IN_PYTHON] = ModuleType(_IN_PYTHON)
    try:
        yield
    finally:
        if sys.modules.get(_IN_PYTHON) is stand_in:
            del sys.modules[_IN_PYTHON]  # later imports get the real one


def _is_in_c() -> bool:
    try:
        chosen = os.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "upb")
        return chosen == "upb" and find_spec("google._upb._message") is not None
    except ImportError:
        return False


def parse(text: str) -> bytes | None:
    """CEL's tree of an expression, unchecked, for :func:`.checked_expr.read`; None if CEL does not accept it."""
    if len(text) > MAX_SOURCE or opened_twice(text, MAX_OPENED_TWICE) is not None:
        return None
    try:
        parsed: bytes = _any_environment().compile(text, disable_check=True).serialize()
    except (RuntimeError, UnicodeError):
        return None
    return parsed
