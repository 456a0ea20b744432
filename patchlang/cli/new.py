"""``patchlang new``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..diagnostics import did_you_mean
from ..render import painted
from .completions import complete_recipes
from .terminal import wants_colour

if TYPE_CHECKING:
    from ..authoring.recipes import Recipe

_ENDINGS = (".yaml", ".yml")
_SHOWN = 5


@click.command()
@click.argument("words", nargs=-1)
@click.option(
    "--for", "wish", metavar="RECIPE", shell_complete=complete_recipes, help="Start from the recipe with this name."
)
@click.option("--list", "listed", is_flag=True, help="List the recipes that have all of WORDS; without WORDS, all.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write the patch and its test to this folder, or the patch to this file (*.yaml) and the test next to it.",
)
@click.option("--configmap", is_flag=True, help="Also write the ConfigMap that carries the patch. Needs -o.")
def new(words: Sequence[str], wish: str | None, listed: bool, output: Path | None, configmap: bool) -> None:
    """Write a patch to start from, and its test.

    Without --for, it is a commented starter. Without -o, the patch is printed. Existing files are never overwritten.

    \b
    Examples:
      patchlang new -o my-patch.yaml
      patchlang new --list disk serial
      patchlang new --for disk-serial -o patches
      patchlang new --for disk-serial -o patches --configmap
    """
    if words and not listed:
        raise click.UsageError("WORDS are for --list: `patchlang new --list WORDS`; to start from a recipe, use --for")
    if listed and (wish or output or configmap):
        raise click.UsageError("--list cannot be combined with other options")
    if configmap and output is None:
        raise click.UsageError("--configmap needs -o, because it writes another file")
    from ..authoring.starting import name_for, patch_text

    if listed:
        _list(" ".join(words))
        return
    recipe = _recipe(wish) if wish is not None else None
    if output is None:
        click.echo(patch_text(recipe, name_for(recipe, None)), nl=False)
        return
    _write(recipe, output, configmap)


def _recipe(wish: str) -> Recipe:
    from ..authoring.recipes import recipes, search

    known = recipes()
    _check_installed()
    if wish in known:
        return known[wish]
    words = wish.replace("-", " ").strip()
    found = [recipe.name for recipe in search(words)] if words else []
    if found:
        more = f", and {len(found) - _SHOWN} more: `patchlang new --list {words}`" if len(found) > _SHOWN else ""
        help = f"recipes for it: {', '.join(found[:_SHOWN])}{more}"
    else:
        help = did_you_mean(wish, known)
        if not help.startswith("did you mean"):
            help = "`patchlang new --list` lists them"
    raise click.UsageError(f"no recipe is called `{wish}`; {help}")


def _check_installed() -> None:
    from ..authoring.recipes import recipes

    if not recipes():
        raise click.UsageError(
            "no recipes are installed: the sidecar's image does not have them, but the Python package does"
        )


def _list(words: str) -> None:
    from ..authoring.recipes import search

    _check_installed()
    found = search(words)
    if not found:
        raise click.UsageError(f"no recipe has all of these words: {words}; try fewer, or `patchlang new --list`")
    width = max(len(recipe.name) for recipe in found)
    colour = wants_colour(sys.stdout)
    for recipe in found:
        click.echo(f"{painted(recipe.name.ljust(width), '1', colour)}  {recipe.title}", color=True)


def _write(recipe: Recipe | None, output: Path, configmap: bool) -> None:
    from ..authoring.starting import files, name_for, write_new

    is_file = output.suffix in _ENDINGS and not output.is_dir()
    folder = output.parent if is_file else output
    if not str(output).isprintable():
        raise click.UsageError("-o must name a path of printable characters in UTF-8")
    name = name_for(recipe, output.stem if is_file else None)
    made = files(recipe, name, output.name if is_file else f"{name}.yaml", with_config_map=configmap)
    try:
        write_new(folder, made)
    except FileExistsError as error:
        raise click.UsageError(
            f"{error.filename or error}: the file already exists; nothing is written. Give another path with -o"
        ) from None
    for path in made:
        click.echo(f"wrote {folder / path}", err=True)
    if recipe is not None and not recipe.edits_domain and configmap:
        click.echo(
            "note: the patch edits cloud-init data: virt-launcher crashes if a VM with this sidecar has no cloud-init "
            "volume",
            err=True,
        )
    place = shlex.quote(f"./{folder}" if str(folder).startswith("-") else str(folder))
    click.echo(f"next: patchlang validate {place} && patchlang test {place}", err=True)
