"""The boot replay for the page: each run with its input, its changes, and whether it is stable."""

from __future__ import annotations

from contextlib import suppress

from ...diffs import diff, legible
from ...engine import patch_cloud_init, patch_domain
from ...kubevirt.boot import Run, Runs, cloud_init_runs, domain_runs, play
from ...kubevirt.structs import releases
from ...result import CloudInitOutcome, Outcome
from . import trying
from .request import Given, Json
from .trying import Prepared


class _RunFailedError(Exception):
    """Ends a boot: there is no result for the remaining runs."""


def replay(given: Given) -> Json:
    """``boots``, one for each input that is given and that patches edit: ``of`` what, and its ``runs``.

    A run has ``name``, ``sees``, ``state`` (``stable``, ``unstable`` or ``fails``), ``message``, ``help``, ``diff``
    with its changes, and ``unlike``, a diff against the result of run 1. There are no boots if the patches do not load.
    """
    prepared, _ = trying.prepare(given)
    boots: list[Json] = []
    if prepared is not None:
        if prepared.domain is not None and prepared.program.edits_domain:
            runs = domain_runs(prepared.domain, releases()[0])
            boots.append({"of": trying.DOMAIN, "runs": _played(prepared, runs)})
        if prepared.cloud_init is not None and prepared.program.edits_cloud_init:
            boots.append({"of": trying.CLOUD_INIT, "runs": _played(prepared, cloud_init_runs(prepared.cloud_init))})
    return {"boots": boots, "kubevirt": releases()[0]}


def _played(prepared: Prepared, runs: Runs) -> list[Json]:
    done: list[Json] = []

    def do(run: Run) -> bytes:
        outcome = _outcome(prepared, run)
        if outcome.data is None:
            error = next(one for one in outcome.diagnostics if one.is_error)
            done.append(_told(run, "fails", error.message, error.help))
            raise _RunFailedError
        changes = legible(diff(run.data, outcome.data, "before", "after"))
        found = run.instability(outcome.data)
        if found is None:
            done.append(_told(run, "stable", changes=changes))
        else:
            unlike = "" if run.settled else legible(found.diff)
            done.append(_told(run, "unstable", found.message, found.help, changes, unlike))
        return outcome.data

    with suppress(_RunFailedError):
        play(runs, do)
    return done


def _outcome(prepared: Prepared, run: Run) -> Outcome | CloudInitOutcome:
    if run.of_domain:
        return patch_domain(prepared.program, run.data, prepared.vmi, pod=prepared.pod)
    return patch_cloud_init(prepared.program, run.data, b"", prepared.vmi, pod=prepared.pod)


def _told(
    run: Run, state: str, message: str | None = None, help: str | None = None, changes: str = "", unlike: str = ""
) -> Json:
    head: Json = {"name": run.name, "sees": run.sees, "state": state}
    return {**head, "message": message, "help": help, "diff": changes, "unlike": unlike}
