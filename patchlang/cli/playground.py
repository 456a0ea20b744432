"""``patchlang playground``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ..manifests.configmaps import patches_in
from ..source import SourceFile
from .common import STDIN_NAME, read_patches, report
from .status import ENVIRONMENT
from .terminal import Failed

_EXTRA = "patchlang: the playground needs starlette and uvicorn: pip install 'patchlang[playground]'"


@click.command()
@click.argument("patch", required=False, type=click.Path(path_type=Path))
@click.option("--no-open", "closed", is_flag=True, help="Do not open a browser.")
def playground(patch: Path | None, closed: bool) -> None:
    """Try patches in the browser while you write them.

    Serves a page on 127.0.0.1 until Ctrl-C, and prints its URL. PATCH is a file or a folder to begin with; it is never
    written. Nothing leaves this machine, and without the token in the URL every request is refused.

    \b
    Examples:
      patchlang playground
      patchlang playground patch.yaml
      patchlang playground patches --no-open
    """
    try:
        from ..authoring.playground.request import PatchText
        from ..authoring.playground.serve import serve
    except ImportError as e:
        if (e.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        click.echo(_EXTRA, err=True)
        raise Failed(ENVIRONMENT) from None
    sources, errors = read_patches([patch]) if patch is not None else ([], [])
    if errors:
        report(errors)
        raise Failed

    def say(url: str) -> None:
        click.echo(url)
        sys.stdout.flush()

    texts = [PatchText(name, text) for source in sources for name, text in _named(source)]
    serve(texts, say, open_browser=not closed)


def _named(source: SourceFile) -> Iterator[tuple[str, str]]:
    """A patch file, or those in the ConfigMaps of a manifest, by their keys."""
    found = [(entry.key.text, entry.content.text) for entry in patches_in(source) if entry.content is not None]
    for number, (key, text) in enumerate(found):
        is_taken = any(key == other for other, _ in found[:number])
        yield (f"{number + 1}-{key}" if is_taken else key), text
    if not found:
        yield ("patch.yaml" if source.name == STDIN_NAME else source.name), source.text
