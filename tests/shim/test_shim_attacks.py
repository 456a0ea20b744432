"""Callers that do what virt-launcher never does: many calls at once, half a call, no HTTP/2, too much data."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest
import virtlauncher
from samples import CLOUD_INIT, CLOUD_INIT_PATCH, DOMAIN, ENTRY, PATCH, VMI
from shimprocess import Shim

from shim.stubs import v1alpha3_pb2

SECONDS = 10.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
DEFINE = "/kubevirt.hooks.v1alpha3.Callbacks/OnDefineDomain"
NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)

GARBAGE = {
    "http-1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "zeros": bytes(100_000),
    "noise": random.Random(1).randbytes(100_000),
    "preface-and-noise": PREFACE + random.Random(2).randbytes(100_000),
    "a-frame-of-16-MiB": PREFACE + SETTINGS + b"\xff\xff\xff\x01\x04\x00\x00\x00\x01" + bytes(100_000),
    "headers-that-are-none": PREFACE + SETTINGS + b"\x00\x10\x00\x01\x04\x00\x00\x00\x01" + b"\xff" * 4096,
    "data-for-no-stream": PREFACE + SETTINGS + b"\x00\x00\x08\x00\x00\x00\x00\x00\x07" + bytes(8),
    "a-window-of-2-GiB": PREFACE + SETTINGS + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff" * 3,
    "settings-of-odd-length": PREFACE + b"\x00\x00\x05\x04\x00\x00\x00\x00\x00" + bytes(5),
    "pings": PREFACE + SETTINGS + b"\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping" * 20_000,
    "streams-that-are-reset": PREFACE
    + SETTINGS
    + b"".join(b"\x00\x00\x04\x03\x00" + number.to_bytes(4, "big") + bytes(4) for number in range(1, 40_000, 2)),
}


@pytest.fixture
def served(shim: Shim) -> Iterator[Shim]:
    """It still serves both kinds of patches after an attack."""
    shim.patch(PATCH)
    shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    shim.start(version="v1alpha3").launcher()
    yield shim
    assert virtlauncher.ask_info(shim.socket).name == "shim"
    assert define(shim) == define(shim)
    assert not any("uncaught" in message or "internal error" in message for message in shim.messages)
    assert shim.signal(signal.SIGTERM) == 0
    assert list(shim.hooks.iterdir()) == []


def define(shim: Shim) -> bytes:
    result = virtlauncher.define_domain(shim.socket, "v1alpha3", DOMAIN, VMI, SECONDS)
    assert ENTRY.encode() in result
    return result


def pre_cloud_init(shim: Shim) -> bytes:
    result = virtlauncher.pre_cloud_init(shim.socket, "v1alpha3", CLOUD_INIT, VMI, SECONDS).cloudInitData
    assert b"patched" in result
    return bytes(result)


def info(shim: Shim) -> bytes:
    return bytes(virtlauncher.ask_info(shim.socket).SerializeToString())


def connected(shim: Shim) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(20)
    made.connect(str(shim.socket))
    return made


def test_all_calls_at_once(served: Shim) -> None:
    """Sixteen callers of each kind: each gets the same answer as alone."""
    calls = [call for call in (define, pre_cloud_init, info) for _ in range(16)]
    together = threading.Barrier(len(calls))

    def one(call: Callable[[Shim], bytes]) -> bytes:
        together.wait()
        return call(served)

    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(one, calls))
    assert [len(set(answers[first : first + 16])) for first in (0, 16, 32)] == [1, 1, 1]


def test_all_calls_at_once_and_shutdown(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call gets the same answer as alone, or none; the process ends with status 0 and leaves nothing."""
    monkeypatch.setattr(virtlauncher, "CALL_SECONDS", SECONDS)
    shim.patch(PATCH)
    shim.patch(CLOUD_INIT_PATCH, "cloudinit.yaml")
    launcher = shim.start(version="v1alpha3").launcher()
    calls: list[Callable[[Shim], object]] = [call for call in (define, pre_cloud_init, info) for _ in range(16)]
    calls += [lambda _: launcher.shutdown()] * 16
    together = threading.Barrier(len(calls))

    def one(call: Callable[[Shim], object]) -> grpc.StatusCode | None:
        together.wait()
        try:
            call(shim)
        except ConnectionError:
            return grpc.StatusCode.UNAVAILABLE
        except grpc.RpcError as error:
            return error.code()
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        assert set(pool.map(one, calls)) <= {None, *NO_ANSWER}
    assert shim.end() == 0
    assert list(shim.hooks.iterdir()) == []
    assert not any("internal error" in message or "uncaught" in message for message in shim.messages)


def test_what_is_no_grpc_is_answered_by_the_end_of_its_connection(served: Shim) -> None:
    """A caller that breaks no rule of HTTP/2 gets no answer at all; other connections notice nothing."""
    for kind, garbage in GARBAGE.items():
        with connected(served) as caller:
            try:
                caller.sendall(garbage)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert virtlauncher.ask_info(served.socket).name == "shim", kind
        assert ENTRY.encode() in define(served), kind


def test_hundreds_of_connections_that_go_no_further(served: Shim) -> None:
    for sent in (b"", PREFACE[:10], PREFACE, PREFACE + SETTINGS + b"\x00\x40"):
        with ExitStack() as open_ones:
            for _ in range(300):
                open_ones.enter_context(connected(served)).sendall(sent)
            assert virtlauncher.ask_info(served.socket).name == "shim"
            assert ENTRY.encode() in define(served)
        assert ENTRY.encode() in define(served)


def test_more_connections_than_descriptors(shim: Shim) -> None:
    """A caller that comes too late waits until another one leaves."""
    shim.patch(PATCH)
    shim.start(version="v1alpha3", within=["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh"]).launcher()
    with ExitStack() as open_ones:
        for _ in range(100):
            open_ones.enter_context(connected(shim))
        with pytest.raises(grpc.RpcError):
            virtlauncher.ask_info(shim.socket)
    define(shim)
    assert shim.signal(signal.SIGTERM) == 0


def half_a_call(shim: Shim, **headers: str) -> socket.socket:
    """The connection of a call whose headers have been sent and accepted, and whose message never comes."""
    fields = {":method": "POST", ":scheme": "http", ":path": DEFINE, ":authority": "x", "te": "trailers"}
    fields |= {"content-type": "application/grpc", **{name.replace("_", "-"): value for name, value in headers.items()}}
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    head = len(block).to_bytes(3, "big") + b"\x01\x04\x00\x00\x00\x01" + block
    caller = connected(shim)
    caller.sendall(PREFACE + SETTINGS + head + b"\x00\x00\x08\x06\x00\x00\x00\x00\x00are you?")
    hear(caller, b"are you?")
    return caller


def hear(caller: socket.socket, words: bytes) -> None:
    heard = b""
    while words not in heard:
        more = caller.recv(65536)
        assert more, heard
        heard += more


@pytest.mark.parametrize("headers", [{}, {"grpc_timeout": "60S"}], ids=["no-deadline", "deadline"])
def test_half_a_call_is_ended(served: Shim, headers: dict[str, str]) -> None:
    """However patient the caller is, the call ends with an error."""
    with half_a_call(served, **headers) as caller:
        assert virtlauncher.ask_info(served.socket).name == "shim"
        hear(caller, b"the call's message did not arrive within ")
    assert any("OnDefineDomain failed: DEADLINE_EXCEEDED: the call's message" in m for m in served.messages)


def test_half_a_call_ends_at_its_own_deadline(served: Shim) -> None:
    with half_a_call(served, grpc_timeout="500m") as caller:
        hear(caller, b"grpc-status")


@pytest.mark.parametrize("number", [1, 2, 5])
def test_half_calls_hold_up_nobody_for_long(served: Shim, number: int) -> None:
    """There are more than may send their messages at once: the waiting callers get a turn within seconds."""
    with ExitStack() as open_ones:
        for _ in range(number):
            open_ones.enter_context(half_a_call(served))
        assert virtlauncher.ask_info(served.socket).name == "shim"
        assert ENTRY.encode() in define(served)
        assert b"patched" in pre_cloud_init(served)
    assert ENTRY.encode() in define(served)


def test_half_calls_do_not_hold_up_the_end(served: Shim) -> None:
    with half_a_call(served), half_a_call(served), half_a_call(served):
        assert served.signal(signal.SIGTERM) == 0
    served.start(version="v1alpha3").launcher()


@pytest.mark.parametrize("method", ["OnDefineDomain", "PreCloudInitIso", "Shutdown"])
def test_a_call_without_a_message(served: Shim, method: str) -> None:
    """Its stream ends before a message arrives: an error, and nothing else happens."""
    with virtlauncher.dial(served.socket) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(f"/kubevirt.hooks.v1alpha3.Callbacks/{method}")(iter(()), timeout=20)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details() == "the call ended before its message arrived"


def test_a_call_with_two_messages(served: Shim) -> None:
    """The second message is not read."""
    message = v1alpha3_pb2.OnDefineDomainParams(domainXML=DOMAIN, vmi=VMI).SerializeToString()
    with virtlauncher.dial(served.socket) as channel:
        answer = channel.stream_unary(DEFINE)(iter([message, message]), timeout=20)
    assert ENTRY.encode() in answer


@pytest.mark.parametrize("size", [4 * 1024 * 1024, 5 * 1024 * 1024], ids=["4MiB", "5MiB"])
def test_a_message_that_is_too_large(served: Shim, size: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        virtlauncher.define_domain(served.socket, "v1alpha3", b" " * size, VMI)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in caught.value.details()


def test_headers_that_are_too_large(served: Shim) -> None:
    with virtlauncher.dial(served.socket) as channel:
        call = channel.unary_unary(DEFINE)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=[("x-noise", "x" * 1_000_000)], timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("message", [b"\xff\xff\xff\xff", os.urandom(1000), b"\x0a\xff\xff\xff\x7f"])
def test_a_message_that_is_no_protobuf(served: Shim, message: bytes) -> None:
    with virtlauncher.dial(served.socket) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(DEFINE)(message, timeout=20)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details() == "the call's message cannot be read as OnDefineDomainParams"


def test_a_method_that_there_is_not(served: Shim) -> None:
    with virtlauncher.dial(served.socket) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/kubevirt.hooks.v1alpha3.Callbacks/Other")(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
