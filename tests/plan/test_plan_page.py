"""The page from `patchlang plan --format html`, in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser, chromium
from click.testing import CliRunner
from plandump import TITLE, config_map, sidecar, vmi, write

from patchlang.cli import cli

EVIL = "<img src=https://example.test/x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    objects = [vmi(f"web-{number}", sidecar(), title=f"{EVIL} {number}") for number in range(8)]
    objects += [vmi(f"db-{number}", sidecar()) for number in range(3)]
    objects += [vmi("broken", sidecar(key="broken.yaml")), vmi("plain")]
    broken = TITLE.replace("  when: ", "  # ").replace("name: title", f"name: '{EVIL}'")
    write(folder, *objects, config_map(patch_yaml=TITLE, broken_yaml=broken))
    args = ["plan", str(folder / "dump.json"), "--domains", str(folder / "domains"), "--format", "html"]
    result = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == 1
    (folder / "page.html").write_text(result.stdout)
    return folder / "page.html"


class Checker(HTMLParser):
    """Checks that tags are properly nested. ``addresses`` are the URLs that a browser might fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        if tag not in ("meta", "br", "input", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_well_formed_and_names_nothing_outside(page: Path) -> None:
    checker = Checker()
    checker.feed(page.read_text())
    assert checker.open == []
    assert checker.addresses
    assert all(address.startswith("#g") for address in checker.addresses)


@pytest.fixture(scope="module")
def loaded(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(page)
        yield browser


SHOWN = "[...document.querySelectorAll('details')].filter(one => !one.hidden).map(one => one.dataset.status)"
SAID = "document.getElementById('said').textContent"


def type_into_filter(browser: Browser, text: str) -> None:
    browser.run("{ const text = document.getElementById('text'); text.focus(); text.select(); true }")
    browser.call("Input.insertText", text=text)
    if not text:
        browser.run("{ const t = document.getElementById('text'); t.value = ''; t.dispatchEvent(new Event('input')); }")


def test_the_filter(loaded: Browser) -> None:
    everything = ["fails", "changes", "unchanged", "unpatched"]
    assert loaded.run(SHOWN) == everything
    assert loaded.run(SAID) == "13 of 13 VMs shown"
    type_into_filter(loaded, "DB-1")
    assert loaded.run(SHOWN) == ["unchanged"]
    assert loaded.run(SAID) == "1 of 13 VMs shown"
    assert loaded.run("[...document.querySelectorAll('.vms li')].filter(one => !one.hidden).length") == 1
    type_into_filter(loaded, "domain[1] set")
    assert loaded.run(SHOWN) == ["changes"]
    assert loaded.run(SAID) == "8 of 13 VMs shown"
    type_into_filter(loaded, "nothing has this")
    assert loaded.run(SHOWN) == []
    type_into_filter(loaded, "")
    assert loaded.run(SHOWN) == everything
    choose = "s.value = '{}'; s.dispatchEvent(new Event('change'))"
    loaded.run("s = document.getElementById('status'); " + choose.format("fails"))
    assert loaded.run(SHOWN) == ["fails"]
    assert loaded.run("[...document.querySelectorAll('tbody tr')].filter(one => !one.hidden).length") == 1
    loaded.run(choose.format(""))
    assert loaded.run(SHOWN) == everything


def test_no_request_leaves_and_no_text_is_run(loaded: Browser, page: Path) -> None:
    loaded.run("[...document.querySelectorAll('details')].forEach(one => one.open = true)")
    assert loaded.run("fetch('https://example.test/').then(() => 'left', () => 'refused')") == "refused"
    assert loaded.run("document.querySelectorAll('img').length") == 0
    asked = [
        event["params"]["request"]["url"] for event in loaded.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert set(asked) <= {page.as_uri(), "https://example.test/"}  # the second is the one above, and was refused
    wrong = [
        event
        for event in loaded.events
        if event["method"] in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening")
    ]
    assert wrong == []


def test_the_keyboard_reaches_all_of_it(loaded: Browser) -> None:
    loaded.run(
        "document.activeElement.blur(); [...document.querySelectorAll('details')].forEach(one => one.open = false)"
    )
    loaded.run("document.body.focus(); window.scrollTo(0, 0)")
    met: list[str] = []
    for _ in range(14):
        loaded.press("Tab")
        met.append(str(loaded.run("document.activeElement.tagName + (document.activeElement.id || '')")))
    assert {"INPUTtext", "SELECTstatus"} <= set(met)
    assert met.count("A") >= 4
    assert met.count("SUMMARY") >= 4
    loaded.run("document.querySelector('tbody a').focus()")
    loaded.press("Enter", "\r")
    assert loaded.run("document.getElementById('g1').open") is True
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    loaded.run("document.querySelector('summary').focus()")
    loaded.press("Tab")
    assert loaded.run(outline) == "solid"
    loaded.run("document.querySelector('#g3 summary').focus()")
    loaded.press(" ", " ")
    assert loaded.run("document.getElementById('g3').open") is True


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(loaded: Browser, scheme: str) -> None:
    loaded.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    loaded.run("[...document.querySelectorAll('details')].forEach(one => one.open = true)")
    # the background color of the browser where the page sets none
    paper = loaded.run("(() => { const d = document.createElement('div'); d.style.color = 'Canvas';"
        " document.body.append(d); const c = getComputedStyle(d).color; d.remove(); return c })()")  # fmt: skip
    for of in ("body", "pre .add", "pre .del", "pre .at", "tbody a", "summary", "input"):
        ink = loaded.run(f"getComputedStyle(document.querySelector({of!r})).color")
        dark, bright = sorted((luminance(ink), luminance(paper)))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (scheme, of, ink, paper)
    assert (luminance(paper) < 0.2) == (scheme == "dark")


def test_it_fits_a_narrow_screen(loaded: Browser) -> None:
    loaded.run("[...document.querySelectorAll('details')].forEach(one => one.open = true)")
    loaded.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    assert loaded.run("document.documentElement.scrollWidth") <= 400
    assert loaded.run("document.getElementById('text').getBoundingClientRect().right") <= 400
    assert loaded.screenshot().startswith(b"\x89PNG")
    loaded.call("Emulation.clearDeviceMetricsOverride")
