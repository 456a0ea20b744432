"""The parts of documents that the front reads itself: always within bounded time and memory."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.documents import MAX_VALUES, UnreadableError, check_domain, read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON), st.booleans())
def test_an_object_is_read_as_json_is(value: dict[str, object], padded: bool) -> None:
    """This includes objects so long that their values are counted."""
    padding = {"padding": "x[{," * MAX_VALUES} if padded else {}
    text = json.dumps({**value, **padding})
    assert read_object(text.encode()) == json.loads(text)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_an_object_or_are_said_not_to_be(data: bytes) -> None:
    with suppress(UnreadableError):
        assert isinstance(read_object(data), dict)


SCANNED: dict[str, Callable[[int], bytes]] = {
    "empty lists": lambda n: b'{"a":[' + b"[]," * n + b"0]}",
    "empty texts": lambda n: b'{"a":[' + b'"",' * n + b"0]}",
    "texts side by side": lambda n: b'""' * n,
    "escaped quotes in a text that is not closed": lambda n: b'{"' + b'\\"' * n,
    "backslashes": lambda n: b'{"a":"' + b"\\\\" * n + b'"}',
    "a backslash at the end": lambda n: b'{"' + b"x" * n + b"\\",
    "open brackets": lambda n: b"[" * n,
    "one long text": lambda n: b'{"a":"' + b"x" * n + b'"}',
    "digits": lambda n: b'{"a":' + b"1" * n + b"}",
}


@pytest.mark.parametrize("kind", SCANNED)
def test_reading_takes_no_longer_than_the_text(kind: str) -> None:
    """Four times the text takes at most about four times as long: compared in one run, and never quadratic."""

    def seconds(size: int) -> float:
        data = SCANNED[kind](size)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            with suppress(UnreadableError):
                read_object(data)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(400_000) < 40 * seconds(100_000) + 0.01


def test_what_takes_much_memory_is_refused_before_it_does() -> None:
    for data in (b'{"a":[' + b"[]," * 1_000_000 + b"0]}", b'{"a":[' + b'"",' * 1_000_000 + b"0]}"):
        with pytest.raises(UnreadableError, match="has more than 50,000 values"):
            read_object(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not well-formed at line 1, column 1: no element found"),
        (b"<a/>", "has the root `a`, not `domain`"),
        (b"<domain xmlns='u'/>", "has the root `u domain`, not `domain`"),
        (b"<domain/>text", "is not well-formed at line 1, column 10: junk after document element"),
        (b"<x:domain/>", "is not well-formed at line 1, column 1: unbound prefix"),
        (b"<!DOCTYPE domain><domain/>", "has a DOCTYPE; entities and DTDs are not allowed"),
        (
            b"<?xml version='1.0' encoding='ISO-8859-1'?><domain/>",
            "declares encoding ISO-8859-1; only UTF-8 is supported",
        ),
        (b"<domain>" * 300, "is nested deeper than 256 elements"),
        (b"<domain>&x;</domain>", "is not well-formed at line 1, column 9: undefined entity"),
    ],
)
def test_what_is_not_a_domain(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        asyncio.run(check_domain(data))
    assert str(caught.value) == says


def test_a_large_domain_lets_others_have_their_turn() -> None:
    """No piece of work blocks the event loop for longer than its time slice."""

    async def check() -> int:
        turns = 0
        checking = asyncio.ensure_future(check_domain(b"<domain>" + b"<a b='c'/>" * 300_000 + b"</domain>"))
        while not checking.done():
            turns += 1
            await asyncio.sleep(0)
        checking.result()
        return turns

    assert asyncio.run(check()) > 40


MIB = 1024 * 1024
MAX_GROWTH = 12 * MIB

DOMAINS = {
    "elements": ("b'<domain>' + b'<a/>' * 1_000_000 + b'</domain>'", None),
    "texts": ("b'<domain>' + b'x' * 4_000_000 + b'</domain>'", None),
    "names": ("b'<domain>' + b''.join(b'<a%x/>' % n for n in range(450_000)) + b'</domain>'", "different names"),
    "attributes": ("b'<domain ' + b' '.join(b'a%x=\"\"' % n for n in range(400_000)) + b'/>'", "a tag or a comment"),
    "prefixes": (
        "b'<domain ' + b' '.join(b'xmlns:a%x=\"b\"' % n for n in range(250_000)) + b'/>'",
        "a tag or a comment",
    ),
    "one-attribute": ("b'<domain a=\"' + b'x' * 4_000_000 + b'\"/>'", "a tag or a comment of more than 128 KiB"),
    "a-comment": ("b'<domain><!--' + b'x' * 4_000_000 + b'--></domain>'", "a tag or a comment of more than 128 KiB"),
    "no-end": ("b'<domain a=\"' + b'x' * 4_000_000", "a tag or a comment of more than 128 KiB"),
    "the-largest-tag": ("b'<domain a=\"' + b'x' * 130_000 + b'\"/>' ", None),
}
MEASURE = """
import asyncio, resource
from shim.documents import UnreadableError, check_domain

async def main():
    try:
        return await check_domain(DATA)
    except UnreadableError as error:
        return str(error)

DATA = eval(__import__("sys").argv[1])
asyncio.run(asyncio.sleep(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said = asyncio.run(main())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, said)
"""


@pytest.mark.parametrize(("data", "refused"), DOMAINS.values(), ids=DOMAINS)
def test_a_domain_of_any_shape_takes_little_memory(data: str, refused: str | None) -> None:
    """Shapes that need much memory, at once or permanently, are refused: expat buffers a whole tag and keeps names."""
    run = subprocess.run([sys.executable, "-c", MEASURE, data], capture_output=True, text=True, check=True)
    growth, said = run.stdout.split(maxsplit=1)
    assert int(growth) < MAX_GROWTH
    assert (refused or "None") in said


def test_as_many_names_and_values_as_there_may_be() -> None:
    names = b"".join(b"<a%d/>" % number for number in range(4999))
    asyncio.run(check_domain(b"<domain>" + names + b"</domain>"))
    with pytest.raises(UnreadableError, match="more than 5,000 different names"):
        asyncio.run(check_domain(b"<domain>" + names + b"<b/><c/></domain>"))
