"""Advice on what KubeVirt drops of a patch's work, according to a release's structs, and on what it cannot read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from .. import rules
from ..diagnostics import Diagnostic, in_order
from ..document import model
from ..document.model import Role
from ..lint.effects import last_names, made_names, zone
from ..lint.effort import Effort, SpentError, unfinished
from ..lint.guards import Zone
from ..lint.nested import distinct, flat
from ..lint.reading import advice
from ..lint.roles import texts
from . import structs
from .devices import dropped_alias, unreadable
from .losses import Lost, lost

FIRST_WITH_PLUGINS = "1.9"
"""The release that introduced KubeVirt's plugins."""


def advise(patches: Iterable[model.Patch], release: str, *, plugins: bool) -> list[Diagnostic]:
    """What a KubeVirt release drops of the patches' work; ``plugins``: the cluster uses Plugins."""
    effort = Effort()
    found: list[Diagnostic] = []
    for patch in patches:
        if effort.left >= 0:
            found += _of_patch(flat(patch, copies=True), release, effort, plugins=plugins)
    return list(in_order(distinct(found)))


def _of_patch(patch: model.Patch, release: str, effort: Effort, *, plugins: bool) -> Iterator[Diagnostic]:
    yield from unreadable(patch)
    yield from dropped_alias(patch)
    others = _Others(patch)
    for edit in patch.spec.domain:
        try:
            unknown = lost(patch, edit, structs.domain(release), effort)
        except SpentError:
            yield unfinished(patch, edit, "what KubeVirt keeps")
            return
        if unknown and zone(patch, edit) is not Zone.ELSEWHERE and not others.help(edit, unknown):
            yield from _in_next_run(patch, edit, release, unknown[0])
        if plugins:
            yield from (_with_plugins(patch, release, one) for one in unknown)


class _Others:
    """What the edits of a patch create and remove, for each other."""

    def __init__(self, patch: model.Patch) -> None:
        self._patch = patch
        self._makers = Counter(name for edit in patch.spec.domain for name in made_names(patch, edit))
        self._first_taker: dict[str, int] = {}
        for edit in sorted(patch.spec.domain, key=lambda one: one.span.start):
            for path in texts(edit, model.XPath, Role.REMOVES, Role.REPLACES):
                for name in last_names(path):
                    self._first_taker.setdefault(name, edit.span.start)

    def help(self, edit: model.DomainEdit, unknown: Sequence[Lost]) -> bool:
        """Whether other edits recreate what is lost, or have removed the edit's work before."""
        made, start = made_names(self._patch, edit), edit.span.start
        return all(self._makers[one.name] > (one.name in made) for one in unknown) or any(
            self._first_taker.get(name, start) < start for name in made
        )


def _in_next_run(patch: model.Patch, edit: model.DomainEdit, release: str, unknown: Lost) -> Iterator[Diagnostic]:
    """An edit that run 2 skips, or repeats, since KubeVirt dropped part of its result.

    Found by trying the edit alone on a domain that its paths describe. What is dropped and recreated does no harm.
    """
    from .trial import Fate, fate  # which loads the engine

    match fate(patch, edit, release):
        case Fate.LOST:
            message = f"{_loses(release, unknown)} before run 2 of a boot, and the edit does not run again"
            help = "recreate it in each run with `ensure` or `merge`, or guard the edit with what is lost"
            yield advice(patch, rules.LOST_IN_NEXT_RUN, message, unknown.span, help)
        case Fate.DOUBLED:
            message = f"{_loses(release, unknown)} before run 2 of a boot, which adds its work again"
            help = "recognize the edit's work by something that KubeVirt keeps"
            yield advice(patch, rules.DOUBLED_IN_NEXT_RUN, message, unknown.span, help)


def _with_plugins(patch: model.Patch, release: str, unknown: Lost) -> Diagnostic:
    """Anything unknown to KubeVirt, anywhere: if the cluster uses Plugins, it never reaches libvirt."""
    message = f"{_loses(release, unknown)} permanently, because the cluster uses Plugins"
    help = "run the sidecar as a Plugin with `--plugin-socket`: KubeVirt keeps what Plugins write"
    return advice(patch, rules.LOST_WITH_PLUGINS, message, unknown.span, help)


def _loses(release: str, unknown: Lost) -> str:
    kubevirt = "KubeVirt's main branch" if release == "main" else f"KubeVirt {release}"
    what = "the text" if unknown.name == "text()" else f"`{unknown.name}`"
    return f"{kubevirt} drops {what}" + (f" of `{unknown.owner}`" if unknown.owner else "")
