"""``patchlang validate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..diagnostics import has_errors
from .common import Failed, load_patches, no_patch_file, report


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(paths: Sequence[Path]) -> None:
    """Check patch files: their YAML, their shape, every path and expression in them."""
    loaded = load_patches(paths)
    if not loaded.files and not loaded.diagnostics:
        raise no_patch_file(paths)
    report(loaded.diagnostics)
    files = "1 file" if len(loaded.files) == 1 else f"{len(loaded.files)} files"
    if has_errors(loaded.diagnostics):
        errors = sum(d.is_error for d in loaded.diagnostics)
        click.echo(f"{files} checked, {errors} error{'' if errors == 1 else 's'}", err=True)
        raise Failed
    patches = len(loaded.program.documents) if loaded.program else 0
    click.echo(f"{files} checked, {patches} patch{'' if patches == 1 else 'es'}, no errors", err=True)
