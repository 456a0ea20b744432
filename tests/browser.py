"""Headless Chromium, driven over a pipe by its own protocol: no driver, no port."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")


class Browser:
    """One page. ``events`` are the events that the browser has sent so far."""

    def __init__(self, reads: int, writes: int) -> None:
        self.reads = os.fdopen(reads, "rb")
        self.writes = os.fdopen(writes, "wb")
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.writes.write(json.dumps(message).encode() + b"\0")
        self.writes.flush()
        while True:
            answer = self.message()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def message(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self.reads.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            data += byte
        found: dict[str, Any] = json.loads(data)
        return found

    def told(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all events of one kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def open(self, page: Path | str) -> None:
        """Open a file or a URL."""
        self.call("Page.navigate", url=page.as_uri() if isinstance(page, Path) else page)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message())

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 60) -> None:
        """Wait until an expression in the page is true."""
        script = """new Promise((done, fail) => {
            const end = performance.now() + %d;
            const late = () => performance.now() > end ? fail("still not so") : setTimeout(look, 20);
            const look = () => (%s) ? done(true) : late();
            look();
        })"""
        self.run(script % (seconds * 1000, condition))

    def press(self, key: str, text: str = "", *, shift: bool = False, control: bool = False) -> None:
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
        codes |= {"ArrowDown": 40, "End": 35, "Home": 36, "F6": 117, "F8": 119}
        known = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0), "modifiers": 8 * shift + 2 * control}
        if key == " ":
            known["code"] = "Space"
        kind = "rawKeyDown" if not text and key in codes else "keyDown"
        self.call("Input.dispatchKeyEvent", type=kind, text=text, **known)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def prefer(self, scheme: str) -> None:
        """Set the user's preferred color scheme, ``light`` or ``dark``, and turn off animations."""
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        asked = [{"name": name, "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=asked)

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium (Debian package chromium)")
    from_us, to_us = os.pipe(), os.pipe()
    # the browser reads from 3 and writes to 4
    command = f'exec 3<&{from_us[0]} 4>&{to_us[1]}; exec "$@"'
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
    browser = subprocess.Popen(
        ["bash", "-c", command, "bash", CHROMIUM, *flags],
        pass_fds=(from_us[0], to_us[1]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us[0])
    os.close(to_us[1])
    try:
        yield Browser(to_us[0], from_us[1])
    finally:
        browser.kill()
        browser.wait()
