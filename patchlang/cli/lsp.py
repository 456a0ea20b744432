"""``patchlang lsp``."""

from __future__ import annotations

from importlib.util import find_spec

import click

from .status import ENVIRONMENT
from .terminal import Failed


@click.command()
def lsp() -> None:
    """Run the language server for editors, on standard input and output.

    It shows what `validate` finds while you type, completes keys, XPath, CEL, XML, and JSON Pointers, explains what is
    under the cursor, and offers fixes. Editors start it themselves; the page "Editors" of the documentation shows how.
    It comes with the extra `lsp`.

    \b
    Examples:
      pip install 'patchlang[lsp]'
      patchlang lsp
    """
    if find_spec("pygls") is None:
        click.echo("patchlang: the language server is not installed: pip install 'patchlang[lsp]'", err=True)
        raise Failed(ENVIRONMENT)
    from ..authoring.lsp.server import serve

    raise Failed(serve())
