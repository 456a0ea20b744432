"""``patchlang completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
    bash, in ~/.bashrc:                   eval "$(patchlang completion bash)"
    zsh, in ~/.zshrc, after compinit:     eval "$(patchlang completion zsh)"
    fish, in ~/.config/fish/config.fish:  patchlang completion fish | source
    """
    source = get_completion_class(shell)
    assert source is not None, "click supports these shells"
    click.echo(source(context.find_root().command, {}, "patchlang", "_PATCHLANG_COMPLETE").source())
