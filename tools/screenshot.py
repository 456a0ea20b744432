"""Take a screenshot of the playground in headless Chromium: python tools/screenshot.py docs/playground.png

With --all it takes one for each width and color scheme: NAME-1280-light.png and so on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, chromium  # noqa: E402

SIZES = {1280: 800, 400: 860}


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The URL of a playground, which stops at the end of the block."""
    command = [sys.executable, "-m", "patchlang", "playground", "--no-open", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def show_trace(browser: Browser) -> None:
    """The trace, with the nodes of an edit marked in the domain."""
    browser.wait_for("document.body.dataset.replays && document.querySelectorAll('.edit').length > 2")
    browser.run("document.getElementById('tab-trace').click()")
    browser.run("document.querySelectorAll('.edit')[1].focus()")
    browser.wait_for("document.querySelector('#panel-domain .cm-spot')")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--all", action="store_true", help="all widths and color schemes")
    given = parser.parse_args()
    shots = [(width, scheme) for width in SIZES for scheme in ("light", "dark")] if given.all else [(1280, "light")]
    with tempfile.TemporaryDirectory() as profile, served() as url, chromium(Path(profile)) as browser:
        for width, scheme in shots:
            browser.resize(width, SIZES[width], mobile=width < 800)
            browser.prefer(scheme)
            browser.events.clear()
            browser.open(url)
            show_trace(browser)
            file = given.file.with_stem(f"{given.file.stem}-{width}-{scheme}") if given.all else given.file
            file.write_bytes(browser.screenshot())


if __name__ == "__main__":
    main()
