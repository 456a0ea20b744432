"""The command line. Each command is a separate module.

Only results go to standard output: the findings of ``validate`` and ``test``, and the output of the other commands.
Other diagnostics, and usage errors, go to standard error. Exit status: 0 fine, 1 findings,
2 usage, 3 environment.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from .. import __version__
from .status import ENVIRONMENT, USAGE

GARBAGE = 20_000
"""How many new objects trigger garbage collection; checking a file leaves hardly any garbage."""

# the help texts are here, so that `--help` need not load the commands
COMMANDS = {
    "apply": "Apply patches to a domain or to cloud-init data, offline.",
    "compare": "Show where a hook and the patches that replace it differ.",
    "completion": "Print the completion script for a shell.",
    "derive": "Derive a patch that does what a hook does, from its results or by running it.",
    "explain": "Explain a rule, an op, or a part of a patch.",
    "lsp": "Run the language server for editors, on standard input and output.",
    "manifest": "Print the ConfigMap for patch files, and the annotation that mounts it into a sidecar.",
    "new": "Write a patch to start from, and its test.",
    "plan": "Preview what patches will do to the VMs of a cluster.",
    "playground": "Try patches in the browser while you write them.",
    "schema": "Print the JSON Schema (draft-07) of patch files, for editors.",
    "test": "Run the tests (kind: PatchTest) in files and folders, recursively.",
    "validate": "Check patch files and the manifests that carry them.",
}


class Commands(click.Group):
    """The commands, each loaded on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f".{cmd_name}", __name__), cmd_name)
        if not gc.isenabled():  # at the start of the process
            gc.freeze()
            gc.set_threshold(GARBAGE)
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="patchlang %(version)s")
def cli() -> None:
    """Declarative edits of libvirt domains and cloud-init data, as KubeVirt's hook sidecar applies them."""


def main() -> NoReturn:
    """Runs the command with the arguments in :mod:`sys`; ends with SystemExit after all output is written."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (for as long as the process lives)
    try:
        status = cli.main(prog_name="patchlang", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(status)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as e:
        from ..render import printable

        vars(e)["message"] = printable(e.message)
        e.show()
        sys.exit(USAGE)
    except BrokenPipeError:
        # the reader has what it wanted; keeps the interpreter from complaining while it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        click.echo("patchlang: out of memory", err=True)
        sys.exit(ENVIRONMENT)
    except OSError as e:
        from ..render import printable

        where = f"{e.filename}: " if e.filename else ""
        click.echo(f"patchlang: {printable(f'{where}{e.strerror or e}')}", err=True)
        sys.exit(ENVIRONMENT)
