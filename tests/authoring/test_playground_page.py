"""The playground's page in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, chromium
from playgroundserver import Playground, playground

PATCH = """\
apiVersion: patchlang/v1
kind: Patch
metadata:
  name: disks
spec:
  domain:
    - op: set
      path: /domain/devices/disk/driver/@cache
      value: writeback
      expect: "1+"
    - op: remove
      path: /domain/devices/interface/rom
"""
DIFF = "document.querySelector('#panel-diff .cm-content').innerText"
FOCUSED = "document.activeElement.closest('.pane, dialog, header, .skips')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    patch = tmp_path_factory.mktemp("patch") / "disks.yaml"
    patch.write_text(PATCH)
    with playground(str(patch)) as running:
        yield running


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(one_browser: Browser, server: Playground) -> Browser:
    """The initial page, after the first answers have arrived."""
    one_browser.events.clear()
    one_browser.resize(1280, 800)
    one_browser.prefer("light")
    one_browser.open(server.url)
    one_browser.wait_for(f"document.body.dataset.replays && {DIFF}.includes('writeback')")
    return one_browser


def type_at_end(page: Browser, text: str, pane: str = "#patch-editor") -> None:
    """Type at the end of an editor, as a user does."""
    page.run(f"document.querySelector('{pane} .cm-content').focus()")
    page.press("End", control=True)
    page.call("Input.insertText", text=text)


def show(page: Browser, tab: str) -> None:
    page.run(f"document.getElementById('tab-{tab}').click()")


def test_typing_changes_the_diff(page: Browser) -> None:
    assert "+" in page.run(DIFF)
    assert "on_poweroff" not in page.run(DIFF)
    type_at_end(page, "    - op: ensure\n      path: /domain/on_poweroff\n      value: destroy\n")
    page.wait_for(f"{DIFF}.includes('on_poweroff')")
    assert "3 edits changed" in page.run("document.getElementById('status').textContent")


def test_facts_of_the_pod_are_an_input(page: Browser) -> None:
    type_at_end(page, '    - {op: ensure, path: /domain/title, value: "$[ facts.env.ZONE.orValue(string(7)) ]"}\n')
    type_at_end(page, "  facts: {env: [ZONE]}\n")
    page.wait_for(f"{DIFF}.includes('<title>7</title>')")
    page.run("document.getElementById('tab-facts').click()")
    type_at_end(page, "env: {ZONE: lab-a}", "#panel-facts")
    page.wait_for(f"{DIFF}.includes('<title>lab-a</title>')")
    type_at_end(page, "\nenw: x", "#panel-facts")
    page.wait_for("document.querySelector('#panel-facts .cm-lintRange-error')?.textContent === 'enw'")


def test_findings_are_squiggles_with_their_rule(page: Browser) -> None:
    type_at_end(page, "    - {op: set, path: /domain/devices/dsk, value: x}")
    squiggles = "[...document.querySelectorAll('#patch-editor .cm-lintRange-error')]"
    page.wait_for(f"{squiggles}.some(one => one.textContent === 'dsk')")
    show(page, "findings")
    page.wait_for("document.querySelector('.finding')")
    assert "did you mean" in page.run("document.getElementById('panel-findings').innerText")
    page.run("of = [...document.querySelectorAll('.found')].find(one => one.innerText.includes('PL901')); true")
    page.run("of.querySelector('.link').click()")
    page.wait_for("document.getElementById('rule-dialog').open")
    assert page.run("document.getElementById('rule-title').textContent").startswith("PL901")
    page.press("Escape")
    page.wait_for("!document.getElementById('rule-dialog').open")
    page.run("of.querySelector('.finding').click()")
    assert page.run("getSelection().toString()") == "dsk"
    page.press("F8")
    page.wait_for("document.querySelector('.cm-tooltip .cm-diagnosticAction')")


def test_the_trace_marks_what_an_edit_has_matched(page: Browser) -> None:
    show(page, "vmi")
    show(page, "trace")
    page.run("document.querySelectorAll('.edit')[0].focus()")
    page.wait_for("document.querySelectorAll('#panel-domain .cm-spot').length")
    assert page.run("document.querySelector('#panel-domain .cm-spot').innerText") == 'cache="none"'
    assert page.run("document.getElementById('panel-domain').hidden") is False
    assert page.run("document.getElementById('status').textContent") == "2 nodes marked in the domain."
    page.press("ArrowDown")
    page.wait_for("document.querySelector('#panel-domain .cm-spot')?.textContent.startsWith('<rom')")
    assert "remove" in page.run("document.querySelector('#patch-editor .cm-edit').textContent")
    page.press("Enter", "\r")
    page.wait_for("document.activeElement.closest('#panel-domain')")


def test_completion_comes_from_the_same_core(page: Browser) -> None:
    type_at_end(page, "    - op: ens")
    page.press(" ", control=True)
    page.wait_for("document.querySelector('.cm-tooltip-autocomplete li')")
    assert page.run("document.querySelector('.cm-tooltip-autocomplete li').textContent").startswith("ensure")
    # the editor ignores Enter while a list has only just opened
    page.wait_for("(window.since ??= performance.now()) + 200 < performance.now()")
    page.press("Enter", "\r")
    page.wait_for("document.querySelector('#patch-editor .cm-content').innerText.includes('op: ensure')")


def test_the_boot_is_replayed(page: Browser) -> None:
    show(page, "boot")
    names = page.run("[...document.querySelectorAll('summary b')].map(one => one.textContent)")
    assert names[:3] == ["run 1", "run 1 on its own result", "run 2"]
    type_at_end(page, "    - {op: add, path: /domain/devices, xml: <sound model='ich9'/>}")
    page.wait_for("document.querySelector('#panel-boot .state.unstable')")
    assert "makes a different VM than run 1" in page.run("document.getElementById('panel-boot').innerText")


@pytest.mark.parametrize(
    ("form", "names", "holds"),
    [
        ("test", ["disks.yaml", "disks.test.yaml", "disks.expected.xml"], "kind: PatchTest"),
        ("configmap", ["disks.yaml"], "kind: ConfigMap"),
        ("command", ["try.sh"], "patchlang apply -p disks.yaml --domain domain.xml --vmi vmi.yaml --diff"),
    ],
)
def test_exports(page: Browser, form: str, names: list[str], holds: str, tmp_path: Path) -> None:
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
    page.run("document.getElementById('export').click()")
    show(page, form)
    page.wait_for(f"document.querySelector('.file:last-child h3')?.textContent === '{names[-1]}'")
    assert page.run("[...document.querySelectorAll('.file h3')].map(one => one.textContent)") == names
    assert holds in page.run("document.getElementById('export-body').innerText")
    page.run("[...document.querySelectorAll('.file:last-child button')].at(-1).click()")
    while not any(e["params"].get("state") == "completed" for e in page.events if "downloadProgress" in e["method"]):
        page.run("1")
    assert [file.name for file in tmp_path.iterdir()] == [names[-1]]
    page.press("Escape")


def test_samples_and_files(page: Browser, tmp_path: Path) -> None:
    page.run(
        "{ const s = document.getElementById('machine'); s.value = 'windows'; s.dispatchEvent(new Event('change')) }"
    )
    page.wait_for("document.querySelector('#panel-domain .cm-content').textContent.includes('desktop_win-erp-07')")
    drop = """{
        const data = new DataTransfer();
        data.items.add(new File([%r], %r));
        const target = document.querySelector('#panel-domain .cm-content');
        target.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.run(drop % ("<domain><title>dropped</title></domain>", "a.xml"))
    page.wait_for("document.querySelector('#panel-domain .cm-content').textContent.includes('dropped')")
    assert page.run("document.getElementById('machine').value") == ""
    page.wait_for("document.getElementById('status').textContent.includes('refused')")
    other = tmp_path / "other.yaml"
    other.write_text(PATCH.replace("writeback", "unsafe"))
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    page.run("document.querySelector('[data-open=patch]').click()")
    chooser = page.call("DOM.querySelector", nodeId=root, selector="#chooser")["nodeId"]
    page.call("DOM.setFileInputFiles", files=[str(other)], nodeId=chooser)
    page.wait_for("document.querySelector('#patch-editor .cm-content').textContent.includes('unsafe')")


def test_the_keyboard_alone_suffices(page: Browser) -> None:
    """It covers the skip links, leaving an editor, the tabs, the trace and the export."""
    page.run("document.activeElement.blur()")
    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the patch"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter", "\r")
    assert page.run("document.activeElement.id") == "patch"
    page.press("Tab")
    page.press("Tab")
    assert page.run(f"{FOCUSED}.id + document.activeElement.className").startswith("patchcm-content")
    before = page.run("document.querySelector('#patch-editor .cm-content').innerText")
    page.press("Tab")
    assert page.run("document.activeElement.className").startswith("cm-content"), "Tab indents"
    assert page.run("document.querySelector('#patch-editor .cm-content').innerText") != before
    page.press("Tab", shift=True)
    page.press("Escape")
    assert page.run("document.getElementById('status').textContent") == "Tab leaves the editor now."
    page.press("Tab")
    assert page.run("document.activeElement.id") == "tab-domain"
    page.press("ArrowRight")
    assert page.run("document.activeElement.id") == "tab-vmi"
    assert page.run("document.getElementById('panel-vmi').hidden") is False
    page.press("F6")
    assert page.run("document.activeElement.id") == "tab-diff"
    page.press("ArrowRight")
    page.press("Tab")
    assert "edit" in page.run("document.activeElement.className")
    page.wait_for("document.querySelector('#panel-domain .cm-spot')")
    for _ in range(30):
        page.press("Escape")
        page.press("Tab", shift=True)
        if page.run("document.activeElement.id") == "export":
            break
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter", "\r")
    page.wait_for("document.querySelector('#export-dialog .file')")
    page.press("ArrowRight")
    page.wait_for("document.querySelector('#export-body').innerText.includes('kind: ConfigMap')")
    page.press("Escape")
    page.wait_for("document.activeElement.id === 'export'")


def test_nothing_leaves_the_machine(page: Browser, server: Playground) -> None:
    for tab in ("trace", "boot", "findings", "diff"):
        show(page, tab)
    assert page.run("fetch('https://example.test/').then(() => 'left', () => 'refused')") == "refused"
    asked = [event["request"]["url"] for event in page.told("Network.requestWillBeSent")]
    own = f"http://127.0.0.1:{server.port}/"
    assert len(asked) > 4
    assert [url for url in asked if not url.startswith((own, "data:")) and url != "https://example.test/"] == []
    assert page.told("Runtime.exceptionThrown") == []
    refused = [one["entry"]["text"] for one in page.told("Log.entryAdded")]
    assert [text for text in refused if "example.test" not in text] == []


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# the background behind a text
BEHIND = """(of => { let at = document.querySelector(of);
    while (at && /^rgba\\(.*, 0\\)$|transparent/.test(getComputedStyle(at).backgroundColor)) at = at.parentElement;
    return getComputedStyle(at).backgroundColor })(%r)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(page: Browser, scheme: str) -> None:
    page.prefer(scheme)
    page.wait_for(f"document.documentElement.dataset.theme === '{scheme}'")
    for tab in ("trace", "boot", "diff"):
        show(page, tab)
        shown = {
            "trace": (".edit .label", ".edit .counts", ".places", ".state"),
            "boot": ("summary b", "summary .soft"),
            "diff": (
                "#panel-diff .diff-add",
                "#panel-diff .diff-del",
                "#panel-diff .diff-at",
                "#status",
                ".hint",
                "#export",
            ),
        }[tab]
        for of in shown:
            ink = page.run(f"getComputedStyle(document.querySelector({of!r})).color")
            paper = page.run(BEHIND % of)
            dark, bright = sorted((luminance(ink), luminance(paper)))
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (scheme, of, ink, paper)
    page.run("document.getElementById('theme').click()")
    assert page.run("document.documentElement.dataset.theme") != scheme


def test_it_fits_a_narrow_screen(page: Browser) -> None:
    page.resize(400, 860, mobile=True)
    for tab in ("trace", "boot", "findings", "diff"):
        show(page, tab)
        assert page.run("document.documentElement.scrollWidth") <= 400
    for of in ("#export", "#keys", "#tab-findings", "#machine", "#status"):
        assert page.run(f"document.querySelector('{of}').getBoundingClientRect().right") <= 400
    page.run("document.getElementById('export').click()")
    page.wait_for("document.querySelector('.file')")
    assert page.run("document.getElementById('export-dialog').getBoundingClientRect().right") <= 400


def test_it_says_so_when_the_server_has_ended(one_browser: Browser) -> None:
    with playground() as running:
        one_browser.events.clear()
        one_browser.open(running.url)
        one_browser.wait_for("document.body.dataset.replays")
    type_at_end(one_browser, "# more")
    one_browser.wait_for("document.getElementById('status').textContent.startsWith('The playground has ended.')")
