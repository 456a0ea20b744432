"""Documents that the front reads itself: no step takes long enough to leave others unanswered, nor much memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from shim.documents import UnreadableError, check_domain, read_object

MIB = 1024 * 1024
STEP_SECONDS = 0.1
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
import asyncio, resource, time
from shim.documents import UnreadableError, check_domain

async def main():
    longest = 0.0
    task = asyncio.ensure_future(check_domain(DATA))
    before = time.thread_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    try:
        return longest, task.result()
    except UnreadableError as error:
        return longest, str(error)

DATA = eval(__import__("sys").argv[1])
asyncio.run(asyncio.sleep(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
longest, said = asyncio.run(main())
print(longest, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, said)
"""


@pytest.mark.parametrize(("data", "refused"), DOMAINS.values(), ids=DOMAINS)
def test_a_domain_of_any_shape_is_read_in_short_steps(data: str, refused: str | None) -> None:
    run = subprocess.run([sys.executable, "-c", MEASURE, data], capture_output=True, text=True, check=True)
    longest, growth, said = run.stdout.split(maxsplit=2)
    assert float(longest) < STEP_SECONDS
    assert int(growth) < MAX_GROWTH
    assert (refused or "None") in said


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'\\"' * 2_000_000,
        b'{"a": "' + b'\\"' * 2_000_000,
        b'{"a": "' + b"\\" * 3_999_999,
        b'""' * 2_000_000,
        b'"' * 3_999_999,
        b"[" * 4_000_000,
        b"-" * 4_000_000,
        b"\\" * 4_000_000,
        b'{"a": ' + b"1" * 4_000_000 + b"}",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_not_json_is_found_at_once(data: bytes) -> None:
    started = time.thread_time()
    with pytest.raises(UnreadableError):
        read_object(data)
    assert time.thread_time() - started < 2 * STEP_SECONDS  # a machine under load is slower by its caches


def test_as_many_names_and_values_as_there_may_be() -> None:
    names = b"".join(b"<a%d/>" % number for number in range(4999))
    asyncio.run(check_domain(b"<domain>" + names + b"</domain>"))
    with pytest.raises(UnreadableError, match="more than 5,000 different names"):
        asyncio.run(check_domain(b"<domain>" + names + b"<b/><c/></domain>"))
