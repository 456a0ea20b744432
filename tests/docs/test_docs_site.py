"""The site that `make docs` builds is complete, searchable, and loads nothing from another host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import docs_site
import pytest
from browser import Browser, chromium
from site_markdown import convert

from patchlang import handbook

pytest.importorskip("zensical", reason="needs the extra `docs`")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the site is assembled and built."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, str(Path(docs_site.__file__)), str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Page(HTMLParser):
    """A page's links, and the files it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loads.add(given.get("href", ""))
        self.loads |= {given[name] for name in ("src", "srcset", "data") if name in given}


def pages(built: Path) -> list[Path]:
    return sorted((built / "docs").rglob("*.md"))


def html_of(built: Path, page: Path) -> Path:
    name = page.relative_to(built / "docs").with_suffix("")
    return built / "site" / (name.parent if name.name == "index" else name) / "index.html"


def test_every_page_is_reached_by_links_alone(built: Path) -> None:
    """This works without JavaScript: the navigation is in the pages."""
    site = built / "site"
    todo, seen = [site / "index.html"], {site / "index.html"}
    while todo:
        path = todo.pop()
        for link in Page(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            target = (path.parent / unquote(parts.path)).resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.relative_to(site)}: {link}"
            if target.suffix == ".html" and target not in seen:
                seen.add(target)
                todo.append(target)
    missing = [str(page.relative_to(built)) for page in pages(built) if html_of(built, page) not in seen]
    assert missing == []


def test_every_rule_has_a_page(built: Path) -> None:
    index = (built / "docs" / "rules" / "index.md").read_text()
    for rule in handbook.all_rules():
        assert (built / "site" / "rules" / rule / "index.html").exists()
        assert f"({rule}.md)" in index


def test_search_finds_every_page_by_its_title(built: Path) -> None:
    found = {item["title"] for item in json.loads((built / "site" / "search.json").read_text())["items"]}
    for page in pages(built):
        title = re.search(r"^# (.*)$", page.read_text(), re.MULTILINE)
        assert title, f"{page}: no title"
        assert re.sub(r"[`*]", "", title[1]) in {re.sub(r"<[^>]*>", "", one) for one in found}


def test_nothing_comes_from_another_host(built: Path) -> None:
    site = built / "site"
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert [one for one in Page(path).loads if urlsplit(one).netloc] == [], path
        assert 'data-md-component="source"' not in text, "the script would ask GitHub for the number of stars"
        assert 'class="mermaid"' not in text, "the script would load mermaid"
    for path in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']*", path.read_text()) == [], path


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nowhere", "#nowhere"])
def test_a_link_that_leads_nowhere_fails(built: Path, tmp_path: Path, link: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Title\n\n[text]({link})\n")
    head = (built / "zensical.toml").read_text().split("\n")
    (tmp_path / "zensical.toml").write_text("\n".join(line for line in head if not line.startswith('"nav"')))
    command = [Path(sys.executable).parent / "zensical", "build", "--strict", "-f", tmp_path / "zensical.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0, done.stdout + done.stderr


def test_a_page_that_is_in_no_part_of_the_navigation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_site, "FROM_ROOT", {**docs_site.FROM_ROOT, "LICENSE": "license.md"})
    monkeypatch.setattr(docs_site, "_make_gallery", lambda folder: None)
    with pytest.raises(docs_site.SiteError, match=r"in no part of `nav`: license\.md"):
        docs_site.assemble(tmp_path)


@pytest.mark.parametrize(
    ("written", "converted"),
    [
        ("text\n- a\n- b", "text\n\n- a\n- b"),
        ("1. a\n\n   ```sh\n   b\n   ```", "1. a\n\n    ```sh\n    b\n    ```"),
        ("- a\n  more\n  - b\n    more\n\nend", "- a\n    more\n    - b\n        more\n\nend"),
        ("| `a \\| b` |", "| `a | b` |"),
        ("<!-- table: x -->\n| a | 1 <!-- y --> |", "\n| a | 1 |"),
        ("```yaml wrong vmi.yaml\n- [a](b)\n```", '```yaml title="vmi.yaml"\n- [a](b)\n```'),
        ("a\n<!-- file: b.yaml -->\n```yaml\n```", 'a\n\n```yaml title="b.yaml"\n```'),
        ("[`a`](b.md#c), `[a](b)`", "[`a`](<b.md#c>), `[a](b)`"),
    ],
)
def test_pages_are_converted(written: str, converted: str) -> None:
    assert convert(written, lambda target: f"<{target}>") == converted


def test_links_lead_to_pages_or_to_the_repository() -> None:
    root = docs_site.ROOT
    here = {root / "docs/ci.md": "ci.md", root / "patchlang/pages/PL401.md": "rules/PL401.md"}
    of = docs_site.Links(root / "docs/ci.md", "ci.md", here, "https://host.test/x")
    assert of("../patchlang/pages/PL401.md#a") == "rules/PL401.md#a"
    assert of("../examples/patches") == "https://host.test/x/tree/main/examples/patches"
    assert of("../action.yml") == "https://host.test/x/blob/main/action.yml"
    assert of("#here") == "#here"
    assert of("https://kubevirt.io") == "https://kubevirt.io"


# -- in a browser ------------------------------------------------------------------------------------------------------

PHONE = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}


@pytest.fixture(scope="module")
def served(built: Path) -> Iterator[str]:
    """The URL of the site."""
    handler = partial(QuietHandler, directory=str(built / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


def visit(browser: Browser, url: str) -> None:
    browser.events.clear()
    browser.call("Page.navigate", url=url)
    while not browser.told("Page.loadEventFired"):
        browser.events.append(browser.message())


@pytest.mark.parametrize("page", ["", "language/functions/", "rules/PL401/"])
def test_a_page_asks_nothing_of_another_host(browser: Browser, served: str, page: str) -> None:
    visit(browser, served + page)
    asked = [event["request"]["url"] for event in browser.told("Network.requestWillBeSent")]
    assert asked
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []


@pytest.mark.parametrize("page", ["", "language/functions/", "first-patch/", "debugging/", "rules/"])
def test_a_phone_without_javascript_can_read_and_navigate(browser: Browser, served: str, page: str) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.call("Emulation.setDeviceMetricsOverride", **PHONE)
    try:
        visit(browser, served + page)
        assert browser.run("document.documentElement.scrollWidth") <= PHONE["width"]
        assert browser.run("getComputedStyle(document.querySelector('h1')).display") != "none"
        browser.run("document.querySelector('label[for=__drawer]').click()")
        assert browser.run("document.getElementById('__drawer').checked")
        assert browser.run("document.querySelectorAll('nav a[href]').length") > 10
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
        browser.call("Emulation.clearDeviceMetricsOverride")
