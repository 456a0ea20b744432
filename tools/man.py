"""The man page of ``patchlang``, from the help of its commands: python tools/man.py >man/patchlang.1"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from patchlang import __version__, cli
from patchlang.cli import COMMANDS

STATUS = {
    "0": "Fine.",
    "1": "Findings: errors in patches, failed tests; with --strict, any finding.",
    "2": "A usage error, an invalid configuration, or nothing to check.",
    "3": "The environment: a report that cannot be written, or out of memory.",
    "130": "Ctrl-C.",
}
FILES = {
    ".patchlang.yaml": "The configuration of validate and test, in the current folder or above it.",
    "pyproject.toml": "The same, in the table tool.patchlang.",
    ".gitignore": "Folders are searched without the files it names, inside a Git repository.",
}
ENVIRONMENT = {
    "NO_COLOR": "Disables colors.",
    "FORCE_COLOR": "Forces colors.",
    "CI": "If set, test --update is refused.",
}


def text(words: str) -> str:
    """Words in roff, with escapes and requests disabled."""
    special = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga"}
    shown = words.translate(str.maketrans(special))
    shown = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in shown)
    return f"\\&{shown}" if shown.startswith((".", "\\(aq")) else shown


def definitions(entries: dict[str, str]) -> Iterator[str]:
    for term, words in entries.items():
        yield ".TP"
        yield f".B {text(term)}"
        yield text(words)


def paragraphs(help: str) -> Iterator[str]:
    """A docstring: paragraphs, and after ``\\b`` lines kept as they are."""
    for paragraph in inspect.cleandoc(help).split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        as_it_stands = lines[0].strip() == "\b"
        if as_it_stands or lines[0].startswith("    "):
            yield from (".PP", ".nf", *(text(line) for line in lines[as_it_stands:]), ".fi")
        else:
            yield from (".PP", text(" ".join(line.strip() for line in lines)))


def options(context: click.Context, command: click.Command) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield ".TP"
            yield f".B {text(record[0])}"
            yield text(record[1])


def command_page(parent: click.Context, name: str) -> Iterator[str]:
    command = cli.cli.get_command(parent, name)
    assert command is not None
    context = click.Context(command, parent, name)
    yield f".SS patchlang {text(name)}"
    yield f".B patchlang {text(name)}"
    yield text(" ".join(command.collect_usage_pieces(context)))
    yield from paragraphs(command.help or "")
    yield from options(context, command)


def page() -> str:
    """The whole page, in roff with the man(7) macros."""
    root = click.Context(cli.cli, info_name="patchlang", **cli.cli.context_settings)
    lines = [
        f'.TH PATCHLANG 1 "" "patchlang {__version__}" "User Commands"',
        ".SH NAME",
        "patchlang \\- declarative, checked edits of KubeVirt\\(aqs libvirt domains and cloud\\-init data",
        ".SH SYNOPSIS",
        ".B patchlang",
        text("COMMAND [OPTIONS] [ARGUMENTS]"),
        ".SH DESCRIPTION",
        text(cli.cli.help or ""),
        ".SH COMMANDS",
    ]
    for name in sorted(COMMANDS):
        lines += command_page(root, name)
    for title, entries in (("EXIT STATUS", STATUS), ("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        lines += [f".SH {title}", *definitions(entries)]
    lines += [
        ".SH SEE ALSO",
        text("virsh(1), kubectl(1); `patchlang explain` has a page for each rule and each op."),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
