"""What ``validate`` and ``test`` share: the configuration, exclusions, several outputs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeVar

import click

from ..validation.configuration import Configuration
from ..validation.leftout import LeftOut, excluding
from ..validation.nearest import configuration
from .status import USAGE
from .terminal import Failed, wants_colour

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
HERE = "."


class OutputType(click.ParamType[tuple[str, str]]):
    """``FORMAT=FILE``, as a pair."""

    name = "FORMAT=FILE"

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = formats

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        form, equals, file = str(value).partition("=")
        if not equals or not file or form not in self.formats:
            self.fail(f"`{value}` is not FORMAT=FILE with FORMAT one of {', '.join(self.formats)}", param, ctx)
        return form, file

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        form, equals, file = incomplete.partition("=")
        if equals:
            return [CompletionItem(file, type="file")]
        return [CompletionItem(f"{one}=") for one in self.formats if one.startswith(form)]


def output_options(formats: Sequence[str]) -> Callable[[Command], Command]:
    """``--format``, ``--output`` and ``--quiet``."""

    def decorate(command: Command) -> Command:
        for option in (
            click.option("-q", "--quiet", is_flag=True, help="Print findings only, no summary."),
            click.option(
                "-o",
                "--output",
                "outputs",
                type=OutputType(formats),
                multiple=True,
                help="Also write the report in this format to this file. Repeatable.",
            ),
            click.option(
                "--format",
                "form",
                type=click.Choice(formats),
                default="text",
                show_default=True,
                help="The format on standard output.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def folder_options(command: Command) -> Command:
    """``--exclude``, ``--no-gitignore``, ``--config`` and ``--no-config``."""
    for option in (
        click.option("--no-config", is_flag=True, help="Ignore configuration files."),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False),
            help="Use this configuration file. Default: the nearest .patchlang.yaml, or pyproject.toml with a table "
            "tool.patchlang, in the current folder or above it.",
        ),
        click.option("--no-gitignore", is_flag=True, help="Also check files that git ignores."),
        click.option(
            "--exclude",
            metavar="GLOB",
            multiple=True,
            help="Skip what this .gitignore-style pattern matches, relative to the current folder. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def configured(config: str | None, *, none: bool) -> Configuration:
    """The effective configuration. If it is invalid, the problem is reported and the command ends as a usage error."""
    if none:
        if config is not None:
            raise click.UsageError("--config and --no-config cannot be used together")
        return Configuration()
    if config is None:
        found, wrong = configuration(os.curdir)
    else:
        from ..validation.configfile import read_configuration

        found, wrong = read_configuration(config)
    if wrong:
        from .common import report

        report(wrong)
        raise Failed(USAGE)
    return found


def left_out(settings: Configuration, exclude: Sequence[str], *, git: bool) -> LeftOut:
    """What to skip in folders, from the configuration and the command line."""
    exclusions = [excluding(os.curdir, exclude)] if exclude else []
    return LeftOut([*exclusions, *filter(None, [settings.exclude])], git)


def write_outputs(form: str, outputs: Sequence[tuple[str, str]], write: Callable[[str, TextIO, bool], None]) -> None:
    """Writes the report to each output, standard output last; ``write`` gets the format, the stream and color."""
    files = [os.path.realpath(file) for _, file in outputs]
    if len(files) > len(set(files)):
        raise click.UsageError("two outputs would be written to the same file")
    for other, path in outputs:
        with open(path, "wb") as file:
            _write(other, file, False, write)
    _write(form, sys.stdout.buffer, wants_colour(sys.stdout), write)


def _write(form: str, out: BinaryIO, colour: bool, write: Callable[[str, TextIO, bool], None]) -> None:
    """UTF-8, whatever the terminal's encoding; file names may not be valid text."""
    stream = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", newline="\n")
    write(form, stream, colour)
    stream.flush()
    stream.detach()
