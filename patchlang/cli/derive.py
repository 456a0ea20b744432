"""``patchlang derive``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..diagnostics import PatchError
from ..record import record
from ..render import printable
from .common import hooks_end_too, report, seconds_option
from .status import ENVIRONMENT
from .terminal import Failed

if TYPE_CHECKING:
    from ..authoring.derive.reading import Files
    from ..authoring.derive.samples import Sample

_PATH = click.Path(path_type=Path)
_SECONDS = 30.0


def _called(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    from ..document.decode import NAME

    if value is not None and not NAME.fullmatch(value):
        raise click.BadParameter(
            "a name is 1 to 63 letters, digits, `-`, `_` or `.`, with a letter or digit at both ends"
        )
    return value


def _target(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """A file that can be written; said before the hook runs."""
    if value is None:
        return None
    if value.is_dir():
        raise click.BadParameter(f"`{printable(str(value))}` is a folder; name a file in it, such as `hook.yaml`")
    if not value.parent.is_dir():
        raise click.BadParameter(f"there is no folder `{printable(str(value.parent))}`; create it first")
    return value


@click.command()
@click.argument("folder", required=False, type=_PATH)
@click.option("--before", type=_PATH, help="The domain XML or CloudInitData JSON that a hook gets.")
@click.option("--after", type=_PATH, help="The same after the hook.")
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="BEFORE,AFTER[,VMI]",
    help="A pair of both, and its VMI; repeatable.",
)
@click.option("--hook", type=_PATH, help="The hook itself; it runs on each --domain or --cloud-init.")
@click.option("--domain", "domains", multiple=True, type=_PATH, help="A domain for the hook; repeatable.")
@click.option("--cloud-init", "cloud_inits", multiple=True, type=_PATH, help="CloudInitData for the hook; repeatable.")
@click.option(
    "--vmi",
    "vmis",
    multiple=True,
    type=_PATH,
    help="The VMI or VirtualMachine, YAML or JSON: one for all samples, or one for each in the same order.",
)
@seconds_option(_SECONDS)
@click.option(
    "--name", callback=_called, help="The name of the patch. Default: that of the output file, else `derived`."
)
@click.option("-o", "--output", type=_PATH, callback=_target, help="Write the patch to this file, or replace it.")
@click.option("--test", "with_test", is_flag=True, help="Also write a PatchTest next to the output file.")
def derive(
    hook: Path | None, timeout: float, name: str | None, output: Path | None, with_test: bool, **given: Any
) -> None:
    """Derive a patch that does what a hook does, from its results or by running it.

    FOLDER has samples: NAME.before.xml, NAME.after.xml, and NAME.vmi.json if there is one; for cloud-init data
    NAME.before.json and NAME.after.json. The patch is checked before it is printed: it gives the result of every
    sample, changes nothing in a second run or in a later run of the same boot, and `patchlang validate` finds nothing.

    \b
    Examples:
      patchlang derive --before a.xml --after b.xml -o patch.yaml --test
      patchlang derive --hook ./onDefineDomain --domain a.xml --vmi a.json --domain b.xml --vmi b.json
      patchlang derive samples/
    """
    given_samples = _Given(hook=hook, **given)
    files = given_samples.files()
    if with_test and output is None:
        raise click.UsageError("--test writes a file next to the patch: it needs -o FILE")
    if name is None:
        from ..authoring.starting import kubernetes_name

        name = (kubernetes_name(output.stem) if output is not None else "") or "derived"
    from ..authoring.derive import derive as derived_from
    from ..authoring.derive import reading
    from ..authoring.derive.testing import patch_test

    try:
        samples = reading.read(files, is_domain=given_samples.is_domain)
        if hook is not None:
            with hooks_end_too():
                samples = [_hooked(sample, hook, timeout) for sample in samples]
        result = derived_from(samples, name)
    except PatchError as e:
        report([e.diagnostic])
        raise Failed from None
    for remark in result.remarks:
        click.echo(f"note: {printable(remark)}", err=True)
    if result.text is None:
        for fault in result.faults:
            where = f"{samples[fault.sample].name}: " if fault.sample is not None else ""
            click.echo(f"error: {printable(where + fault.message)}", err=True)
            click.echo("".join(f"{printable(line)}\n" for line in fault.diff.splitlines()[:_SHOWN]), err=True, nl=False)
        click.echo("error: found no patch that does the same; nothing is written", err=True)
        raise Failed
    written = {output: result.text.encode()} if output is not None else {}
    if output is not None and with_test:
        written |= patch_test(name, result.text, samples, files, output, output.with_suffix(".test.yaml"))
    if written:
        _write(written)
    else:
        click.echo(result.text, nl=False)


_SHOWN = 40
"""Lines of a difference."""


@record
class _Given:
    """The options that name samples."""

    folder: Path | None
    before: Path | None
    after: Path | None
    pairs: Sequence[str]
    hook: Path | None
    domains: Sequence[Path]
    cloud_inits: Sequence[Path]
    vmis: Sequence[Path]

    def files(self) -> list[Files]:
        """The files of the samples. Raises UsageError and Failed."""
        from ..authoring.derive.reading import in_folder

        outcome = self.before or self.after
        ways = {"--before and --after": outcome, "--pair": self.pairs, "--hook": self.hook, "FOLDER": self.folder}
        chosen = [way for way, value in ways.items() if value]
        if len(chosen) != 1:
            said = f"{' and '.join(chosen)} cannot be used together" if chosen else f"give one of {', '.join(ways)}"
            raise click.UsageError(said)
        if self.hook is None and (self.domains or self.cloud_inits):
            raise click.UsageError("--domain and --cloud-init are for --hook")
        if self.vmis and (self.pairs or self.folder):
            raise click.UsageError("the VMI of a sample is the third of its --pair, or NAME.vmi.json in the folder")
        if self.folder is not None:
            try:
                return in_folder(self.folder)
            except PatchError as e:
                report([e.diagnostic])
                raise Failed from None
        if self.pairs:
            return [*map(_of_pair, self.pairs)]
        return self._for_hook() if self.hook is not None else [self._outcome()]

    @property
    def is_domain(self) -> bool | None:
        """Whether the samples are domains, where that is said."""
        return None if self.hook is None else bool(self.domains)

    def _for_hook(self) -> list[Files]:
        from ..authoring.derive.reading import paired

        if bool(self.domains) == bool(self.cloud_inits):
            raise click.UsageError("--hook needs either --domain or --cloud-init")
        try:
            return paired(self.domains or self.cloud_inits, self.vmis)
        except ValueError as e:
            raise click.UsageError(str(e)) from None

    def _outcome(self) -> Files:
        from ..authoring.derive.reading import Files

        if self.before is None or self.after is None:
            raise click.UsageError("--before needs --after, and --after needs --before")
        if len(self.vmis) > 1:
            raise click.UsageError("one pair takes one --vmi")
        return Files(self.before, self.after, self.vmis[0] if self.vmis else None)


def _of_pair(text: str) -> Files:
    from ..authoring.derive.reading import Files

    parts = text.split(",")
    if not 2 <= len(parts) <= 3 or not all(parts):
        said = f"--pair takes BEFORE,AFTER or BEFORE,AFTER,VMI, not `{printable(text)}`"
        raise click.UsageError(f"{said}; put files with a comma in their names in a FOLDER")
    return Files(*map(Path, parts))


def _hooked(sample: Sample, hook: Path, timeout: float) -> Sample:
    from ..authoring.derive.reading import hooked
    from ..authoring.hookrun import HookError

    try:
        return hooked(sample, hook, timeout)
    except HookError as e:
        click.echo(f"error: {printable(sample.name)}: {e}", err=True)
        if e.help:
            click.echo(f"help: {e.help}", err=True)
        raise Failed from None


def _write(files: Mapping[Path, bytes]) -> None:
    """All files or none: each is written under another name first. Raises Failed."""
    made: list[tuple[str, Path]] = []
    path = next(iter(files))
    try:
        for path, data in files.items():
            if path.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            handle, temporary = tempfile.mkstemp(prefix=".patchlang-", dir=path.parent)
            made.append((temporary, path))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, 0o644)
        for temporary, path in made:
            os.replace(temporary, path)
    except OSError as e:
        said = f"error: `{path}` cannot be written: {e.strerror or e}; nothing is written"
        click.echo(printable(said), err=True)
        raise Failed(ENVIRONMENT) from None
    finally:
        for temporary, _ in made:
            Path(temporary).unlink(missing_ok=True)
