"""``patchlang schema``."""

from __future__ import annotations

import click

from ..schema import KINDS, schema_text


@click.command()
@click.option("--kind", type=click.Choice(list(KINDS)), help="Of one kind of document. Default: of a file of any kind.")
def schema(kind: str | None) -> None:
    """Print the JSON Schema (draft-07) of patch files, for editors.

    The same file is in the package, patchlang/patch.schema.json. An editor with yaml-language-server takes it where
    the first line of a patch file is

        # yaml-language-server: $schema=PATH
    """
    click.echo(schema_text(kind), nl=False)
