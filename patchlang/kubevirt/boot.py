"""One boot run by run: the input of each call of the hook, and whether its result equals that of the first run.

:mod:`patchlang.kubevirt.replay` says what happens to a domain between two runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator

from ..diffs import diff
from ..record import record
from .addresses import Given, with_addresses, without
from .replay import differences, is_same_but_for_white_space, second_run, with_placeholders

FIRST = "run 1"
_AGAIN = "run 1 on its own result"
_HELP = "`patchlang explain PL605` says what each run of a boot sees"
_GIVEN = (
    "before run 2, libvirt gives each device an address and each controller an index, and adds PCIe root ports: "
    "identify devices by something else, such as an alias"
)
_LOST = "before run 2, KubeVirt drops the parts of devices that its own types do not know: recreate them in each run"


@record
class Instability:
    """How the result of a run differs from what it should be, also as a unified diff."""

    message: str
    help: str
    diff: str


@record
class Run:
    """One call of the hook, which is given ``data``.

    Its result must equal ``first``, if that is not None; with ``settled``, it must leave its input unchanged. A
    ``rehearsal`` must only give a result. ``given`` is what libvirt has added to the input. ``sees`` describes the
    input.
    """

    name: str
    sees: str
    data: bytes
    of_domain: bool = True
    first: bytes | None = None
    settled: bool = False
    rehearsal: bool = False
    given: Counter[Given] | None = None
    help: str = _HELP

    def seen(self, outcome: bytes) -> bytes:
        """The result without what libvirt has added."""
        return without(outcome, self.given) if self.given else outcome

    def instability(self, outcome: bytes) -> Instability | None:
        """What is wrong with a result of this run; None if nothing is."""
        if self.settled:
            is_same = outcome == self.data or (self.of_domain and is_same_but_for_white_space(self.data, outcome))
            changes = "" if is_same else diff(self.data, outcome, "before", "after")
            return None if is_same else Instability(f"{self.name} changes more", _HELP, changes)
        if self.first is None:
            return None
        changes = differences(self.first, self.seen(outcome), (FIRST, self.name))
        return Instability(f"{self.name} makes a different VM than run 1", self.help, changes) if changes else None


Runs = Generator[Run, bytes, None]
"""Yields runs, and gets the result of each."""


def domain_runs(domain: bytes, release: str) -> Runs:
    """All runs of one boot; then with places for hotplug, devices read back by a KubeVirt release, and addresses."""
    first = yield Run(FIRST, "the domain from KubeVirt", domain)
    yield Run(_AGAIN, "the result of run 1", first, settled=True)
    sees = "the devices as run 1 left them, without the aliases that libvirt drops; everything else as before any edit"
    second = yield Run("run 2", sees, second_run(domain, first), first=first)
    yield Run("run 3", "the result of run 2", second, settled=True)
    rehearsal, reserved = first, with_placeholders(domain)
    if reserved is not None:
        sees = "the domain, with interfaces that reserve places for hotplug"
        rehearsal = yield Run("run 1 with placeholder interfaces", sees, reserved, rehearsal=True)
    read_back = second_run(domain, rehearsal, read_back_by=release)
    sees = f"the devices as run 1 left them, without the parts that KubeVirt {release} does not know"
    yield Run("run 2 with devices read back", sees, read_back, first=first, help=_LOST)
    addressed, given = with_addresses(read_back, release)
    if given:
        sees = "the same, with the addresses and indexes that libvirt has assigned to devices"
        yield Run("run 2 with addresses", sees, addressed, first=first, given=given, help=_GIVEN)


def cloud_init_runs(data: bytes) -> Runs:
    """The only run of a boot on cloud-init data, and another one on its result."""
    first = yield Run(FIRST, "the cloud-init data from KubeVirt", data, of_domain=False)
    yield Run(_AGAIN, "the result of run 1", first, of_domain=False, settled=True)


def play(runs: Runs, do: Callable[[Run], bytes]) -> None:
    """Do each run, with the results of the runs before it. An exception from ``do`` ends the boot."""
    try:
        run = next(runs)
        while True:
            run = runs.send(do(run))
    except StopIteration:
        return
