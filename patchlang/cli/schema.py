"""``patchlang schema``."""

from __future__ import annotations

import json

import click

from ..schema import KINDS, schema_text


@click.command()
@click.option(
    "--configuration", is_flag=True, help="Print the schema of .patchlang.yaml, the configuration of the checks."
)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    help="Print the schema of one kind of document. Default: a file of any kind.",
)
def schema(kind: str | None, configuration: bool) -> None:
    """Print the JSON Schema (draft-07) of patch files, for editors.

    The package has the same file, patchlang/patch.schema.json. An editor with yaml-language-server uses it if
    the first line of a patch file is

        # yaml-language-server: $schema=PATH

    \b
    Examples:
      patchlang schema >patch.schema.json
      patchlang schema --kind PatchTest
      patchlang schema --configuration >.patchlang.schema.json
    """
    if configuration:
        from ..validation.configfile import schema as of_configuration

        if kind is not None:
            raise click.UsageError("--kind and --configuration cannot be used together")
        click.echo(json.dumps(of_configuration(), indent=2))
        return
    click.echo(schema_text(kind), nl=False)
