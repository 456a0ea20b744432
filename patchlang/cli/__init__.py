"""The command line. Each command is a module of its own.

Results go to standard output and nothing else does; diagnostics go to standard error. Exit status: 0 fine, 1 findings,
2 usage, 3 environment.
"""

from __future__ import annotations

import os
import sys

import click

from .. import __version__
from ..render import printable
from .apply import apply
from .common import ENVIRONMENT, USAGE
from .completion import completion
from .explain import explain
from .manifest import manifest
from .schema import schema
from .test import test
from .validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="patchlang %(version)s")
def cli() -> None:
    """Declared edits of libvirt domains and cloud-init data, as KubeVirt's hook sidecar applies them."""


cli.add_command(apply)
cli.add_command(completion)
cli.add_command(explain)
cli.add_command(manifest)
cli.add_command(schema)
cli.add_command(test)
cli.add_command(validate)


def main() -> None:
    """Entry point of the command."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who called us
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (for as long as the process lives)
    try:
        sys.exit(cli.main(prog_name="patchlang", standalone_mode=False))
    except click.Abort:
        sys.exit(130)
    except click.ClickException as e:
        vars(e)["message"] = printable(e.message)
        e.show()
        sys.exit(USAGE)
    except BrokenPipeError:
        # the reader has what it wanted; keep the interpreter from complaining while it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        click.echo("patchlang: out of memory", err=True)
        sys.exit(ENVIRONMENT)
    except OSError as e:
        where = f"{e.filename}: " if e.filename else ""
        click.echo(f"patchlang: {printable(f'{where}{e.strerror or e}')}", err=True)
        sys.exit(ENVIRONMENT)
