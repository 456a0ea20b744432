"""Log lines and status texts."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from patchlang import rules
from patchlang.diagnostics import Diagnostic, Severity
from shim.log import JsonFormatter, StderrHandler, log, places
from shim.status import CallError, from_diagnostics, internal
from shim.text import bounded, one_line

ROOT = Path(__file__).resolve().parents[2]


def line_of(message: str, name: str = "shim", error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    return JsonFormatter().format(logging.LogRecord(name, logging.WARNING, "/x/file.py", 7, message, (), info))


@pytest.mark.parametrize(
    "message", ["plain", 'two\nlines "quoted"', "\x1b[31mred\0", "\u202ebidi\u2028", "\ud800", "é", "%s"]
)
def test_a_line_is_one_object_whatever_the_text(message: str) -> None:
    text = line_of(message)
    assert text.isascii()
    assert text.isprintable()
    line = json.loads(text)
    assert line["msg"] == message
    assert line["level"] == "warning"
    assert line["pos"] == "file.py:7"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert sorted(line) == ["component", "level", "msg", "pos", "timestamp"]


def test_a_long_message_is_cut() -> None:
    assert len(line_of("x" * 100_000)) < 10_000


def test_exceptions_show_their_places_and_no_values() -> None:
    try:
        try:
            int("secret")
        except ValueError as error:
            raise KeyError("secret") from error
    except KeyError as error:
        caught = error
    said = places(caught)
    assert "KeyError at test_shim_log.py:" in said
    assert "after ValueError at test_shim_log.py:" in said
    assert "secret" not in said
    assert "secret" not in line_of("trouble with it", error=caught)


def test_other_libraries_text_is_withheld() -> None:
    text = line_of("Exception calling application: secret", name="grpc._server")
    assert "secret" not in text
    assert "grpc._server" in text


def diagnostic(rule: object, message: str = "wrong", **more: object) -> Diagnostic:
    return Diagnostic(rule, message, **more)  # type: ignore[arg-type]


def test_codes() -> None:
    code = grpc.StatusCode
    expected = {
        rules.BAD_YAML: code.FAILED_PRECONDITION,
        rules.MATCH_COUNT: code.FAILED_PRECONDITION,
        rules.DEADLINE: code.FAILED_PRECONDITION,
        rules.BAD_DOMAIN: code.INVALID_ARGUMENT,
        rules.BAD_VMI: code.INVALID_ARGUMENT,
        rules.INPUT_TOO_BIG: code.RESOURCE_EXHAUSTED,
    }
    assert {rule: from_diagnostics([diagnostic(rule)]).code for rule in expected} == expected


def test_the_text_is_the_first_error_its_help_and_the_number_of_the_others() -> None:
    found = [
        diagnostic(rules.IGNORED, "a warning", severity=Severity.WARNING),
        diagnostic(rules.BAD_VMI, "first\nline", help="write it so"),
        diagnostic(rules.BAD_DOMAIN, "second"),
        diagnostic(rules.BAD_DOMAIN, "third"),
    ]
    error = from_diagnostics(found)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.text == r"error[PL504 bad-vmi] first\nline; write it so (and 2 more)"


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600", "\n", "\ud800"])
def test_a_long_text_is_cut_at_a_character(letter: str) -> None:
    error = from_diagnostics([diagnostic(rules.BAD_VMI, letter * 5000), diagnostic(rules.BAD_VMI)])
    assert len(error.text.encode()) <= 1000
    assert error.text.endswith("… (and 1 more)")
    assert len(CallError(grpc.StatusCode.UNKNOWN, letter * 5000).text.encode()) <= 1000


def test_short_texts_are_left() -> None:
    assert bounded("x" * 1000) == "x" * 1000
    assert one_line("é ✓ ~") == "é ✓ ~"
    assert one_line("a\tb\x1b[0m\u200b\x7f") == r"a\tb\x1b[0m\u200b\x7f"


def test_internal_errors_hold_an_id_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, log.name):
        try:
            raise ZeroDivisionError("secret")
        except ZeroDivisionError as error:
            answer = internal(error, "OnDefineDomain")
    assert answer.code is grpc.StatusCode.INTERNAL
    reference = re.search(r"internal error ([0-9a-f]{8}) ", answer.text)
    assert reference is not None
    assert reference[1] in caplog.text
    assert "ZeroDivisionError at test_shim_log.py:" in caplog.text
    assert "secret" not in caplog.messages[0] + answer.text


LEAKY = """
import sys, traceback
from shim.log import set_up
set_up()
try:
    raise ValueError("secret")
except ValueError:
    traceback.print_exc()
print("secret", file=sys.stderr)

class Bad:
    def __del__(self):
        raise KeyError("secret")

Bad()
import warnings
warnings.warn("secret")
raise RuntimeError("secret")
"""


def test_what_python_and_libraries_write_to_standard_error_is_withheld() -> None:
    run = subprocess.run([sys.executable, "-c", LEAKY], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert "secret" not in run.stdout + run.stderr
    messages = [json.loads(line)["msg"] for line in run.stderr.splitlines()]
    assert "a library writes to standard error (its text is left out, it may hold data)" in messages
    assert "uncaught, in what cannot fail: KeyError at <string>:13 (__del__)" in messages
    assert messages[-1] == "uncaught: RuntimeError at <string>:18 (<module>)"


def test_a_line_that_a_full_pipe_cut_ends_before_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    monkeypatch.setattr("shim.log.PATIENCE_MS", 10)
    kept = os.dup(2)
    try:
        os.dup2(writing, 2)
        handler = StderrHandler()
        handler.setFormatter(JsonFormatter())
        for number in range(30):
            handler.emit(logging.LogRecord("shim", logging.INFO, "x", 1, f"{number} " + "é" * 2000, (), None))
        taken = os.read(reading, 1 << 20)
        handler.emit(logging.LogRecord("shim", logging.INFO, "x", 1, "again", (), None))
        taken += os.read(reading, 1 << 20)
    finally:
        os.dup2(kept, 2)
        for descriptor in (reading, writing, kept):
            os.close(descriptor)
    *lines, cut, last = taken.splitlines()
    assert [json.loads(line)["msg"].split()[0] for line in lines] == [str(number) for number in range(len(lines))]
    assert 3 <= len(lines) < 29
    assert cut.startswith(b'{"component"')
    assert not cut.endswith(b"}")
    assert json.loads(last)["msg"] == "again"
