"""Log lines and status texts."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from patchlang import rules
from patchlang.diagnostics import Diagnostic, Severity
from shim.engine import _findings
from shim.log import MAX_HELD, JsonFormatter, StderrHandler, flush, log, places
from shim.status import CallError, Code, from_findings, internal
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


def answered(found: list[Diagnostic]) -> CallError:
    """The status for diagnostics, as the engine sends them."""
    sent = json.loads(json.dumps(_findings(found)))
    return from_findings(sent["findings"], sent["errors"])


def test_codes() -> None:
    expected = {
        rules.BAD_YAML: "FAILED_PRECONDITION",
        rules.MATCH_COUNT: "FAILED_PRECONDITION",
        rules.DEADLINE: "FAILED_PRECONDITION",
        rules.ENGINE_CRASHED: "FAILED_PRECONDITION",
        rules.OUT_OF_MEMORY: "RESOURCE_EXHAUSTED",
        rules.BAD_DOMAIN: "INVALID_ARGUMENT",
        rules.BAD_VMI: "INVALID_ARGUMENT",
        rules.INPUT_TOO_BIG: "RESOURCE_EXHAUSTED",
    }
    assert {rule: answered([diagnostic(rule)]).code for rule in expected} == expected


def test_codes_are_those_of_grpc() -> None:
    grpc = pytest.importorskip("grpc")
    assert {code.name for code in grpc.StatusCode} >= set(get_args(Code))


def test_the_text_is_the_first_error_its_help_and_the_number_of_the_others() -> None:
    found = [
        diagnostic(rules.IGNORED, "a warning", severity=Severity.WARNING),
        diagnostic(rules.BAD_VMI, "first\nline", help="write it so"),
        diagnostic(rules.BAD_DOMAIN, "second"),
        diagnostic(rules.BAD_DOMAIN, "third"),
    ]
    error = answered(found)
    assert error.code == "INVALID_ARGUMENT"
    assert error.text == r"error[PL504 bad-vmi] first\nline; write it so (and 2 more)"


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600", "\n", "\ud800"])
def test_a_long_text_is_cut_at_a_character(letter: str) -> None:
    error = answered([diagnostic(rules.BAD_VMI, letter * 5000), diagnostic(rules.BAD_VMI)])
    assert len(error.text.encode()) <= 1000
    assert error.text.endswith("… (and 1 more)")
    assert len(CallError("INTERNAL", letter * 5000).text.encode()) <= 1000


def test_short_texts_are_left() -> None:
    assert bounded("x" * 1000) == "x" * 1000
    assert one_line("é ✓ ~") == "é ✓ ~"
    assert one_line("a\tb\x1b[0m\u200b\x7f") == r"a\tb\x1b[0m\u200b\x7f"


def test_internal_errors_hold_an_id_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, log.name):
        try:
            raise ZeroDivisionError("secret")
        except ZeroDivisionError as error:
            answer = internal(places(error), "OnDefineDomain")
    assert answer.code == "INTERNAL"
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
    assert "a library wrote to standard error (text omitted, since it may contain data)" in messages
    assert "uncaught, in code that cannot fail: KeyError at <string>:13 (__del__)" in messages
    assert messages[-1] == "uncaught: RuntimeError at <string>:18 (<module>)"


class Pipe:
    """Replaces standard error with a pipe that is read when the test says so."""

    def __init__(self, reading: int, handler: StderrHandler) -> None:
        self.reading = reading
        self.handler = handler
        self.waits = 0
        handler.on_wait = self.wait

    def wait(self) -> None:
        self.waits += 1

    def read(self) -> bytes:
        taken = b""
        while True:
            try:
                taken += os.read(self.reading, 1 << 20)
            except BlockingIOError:
                return taken

    def hang_up(self) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, self.reading)
        os.close(nothing)

    def all(self) -> list[str]:
        """The complete output when the reader and the handler take turns."""
        taken = self.read()
        while not self.handler.write() or self.handler._held:
            taken += self.read()
        taken += self.read()
        assert taken.endswith(b"\n")
        return [json.loads(line)["msg"] for line in taken.splitlines()]


@contextmanager
def piped() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    kept, propagate, level = os.dup(2), log.propagate, log.level
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter())
    try:
        os.dup2(writing, 2)
        log.addHandler(handler)
        log.propagate = False
        log.setLevel(logging.INFO)
        yield Pipe(reading, handler)
    finally:
        log.removeHandler(handler)
        log.propagate = propagate
        log.setLevel(level)
        os.dup2(kept, 2)
        for descriptor in (reading, writing, kept):
            os.close(descriptor)


def test_lines_that_find_no_room_are_written_later() -> None:
    """They are in order, complete and without duplicates, however long they are."""
    told = [f"{number} " + "é" * (number * 37 % 4000) for number in range(40)]
    with piped() as pipe:
        for text in told:
            log.info("%s", text)
        assert pipe.waits > 0
        assert pipe.all() == told
        log.info("again")
        assert pipe.all() == ["again"]


def test_what_does_not_fit_beside_the_lines_that_wait_is_dropped_and_counted() -> None:
    with piped() as pipe:
        for number in range(1000):
            log.info("%d %s", number, "x" * 1000)
        assert MAX_HELD - 2000 < len(pipe.handler._held) <= MAX_HELD
        *kept, last = pipe.all()
        assert [int(text.split()[0]) for text in kept] == list(range(len(kept)))
        assert MAX_HELD // 1200 < len(kept) < 1000
        assert last == f"{1000 - len(kept)} lines were dropped, because nothing read the log"
        log.info("again")
        assert pipe.all() == ["again"]


def test_the_last_lines_do_not_wait_for_a_reader_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shim.log.PATIENCE", 0.01)
    with piped() as pipe:
        monkeypatch.setattr(logging.getLogger(), "handlers", [pipe.handler])
        for number in range(200):
            log.info("%d %s", number, "x" * 1000)
        flush()
        assert pipe.handler._held
        assert [int(text.split()[0]) for text in pipe.all()] == list(range(200))


def test_a_reader_that_is_gone_holds_nothing_up() -> None:
    """Its lines are dropped: nobody would ever read them."""
    with piped() as pipe:
        pipe.hang_up()
        for number in range(1000):
            log.info("%d %s", number, "x" * 1000)
        assert len(pipe.handler._held) == 0
        assert pipe.waits == 0
