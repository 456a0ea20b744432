"""The setup of the CEL library, and the modules it imports."""

from __future__ import annotations

import os
import subprocess
import sys

PYTHON_IMPLEMENTATION = "google.protobuf.internal.python_message"
SET_UP = """
import sys
from patchlang.cel.library import evaluator
text = "[timestamp('2026-01-01T00:00:00Z'), duration('3s'), google.protobuf.Int32Value{value: 3}, [{'a': 1.5}]]"
value = [str(part) for part in evaluator().compile(text).eval().plain_value()]
assert value == ["2026-01-01 00:00:00+00:00", "0:00:03", "3", "[{'a': 1.5}]"], value
print("google.protobuf" in sys.modules, *(m for m in sys.modules if m in NAMES))
"""
LATER = """
from google.protobuf.internal import python_message
from shim.stubs import v1alpha3_pb2
assert python_message.GeneratedProtocolMessageType
assert v1alpha3_pb2.OnDefineDomainParams(vmi=b"{}").SerializeToString()
"""


def _run(code: str, **environment: str) -> str:
    env = {**os.environ, **environment}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.strip()


def test_protobuf_comes_without_its_implementation_in_python() -> None:
    names = (PYTHON_IMPLEMENTATION, "google.protobuf.text_format", "google.protobuf.internal.decoder")
    assert _run(f"NAMES = {names}\n{SET_UP}") == "True"


def test_who_needs_that_later_gets_it() -> None:
    assert _run(f"NAMES = ()\n{SET_UP}\n{LATER}") == "True"


def test_who_chose_it_keeps_it() -> None:
    asked = f"print({PYTHON_IMPLEMENTATION!r} in sys.modules)"
    code = f"import sys; from patchlang.cel.library import evaluator; evaluator(); {asked}"
    assert _run(code, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python") == "True"
