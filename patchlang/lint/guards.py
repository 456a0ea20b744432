"""What keeps the next run of a boot from repeating an edit, and whether that run still sees it.

Run 2 of a boot sees ``<devices>`` as the edits left them, but interfaces and everything else as before any edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache, partial

from ..cel import tree as cel_tree
from ..document import model
from ..document.model import Role
from ..libvirt_lists import MERGE_KEYS
from ..record import record
from ..source import Text
from ..xpath.tree import Binary, Call, Expr, Number, Path, result_kind, walk
from .reading import (
    calls_xpath,
    cel,
    conditions_of_roots,
    locations,
    names,
    tree,
    xpath_calls,
    xpath_literals,
)
from .roles import texts

_MOST_UNFOLDED = 100_000
"""Limit of additional nodes in all expressions of a patch once variables are expanded."""


class Zone(Enum):
    """What run 2 of a boot sees of a part of the domain."""

    DEVICES = "edited"
    ELSEWHERE = "untouched"
    UNKNOWN = "unknown"


@record
class Guard:
    """A condition that reads the domain. ``absent``: true while these paths find nothing (empty: it is not read)."""

    source: Text
    absent: tuple[Path, ...]

    @property
    def zone(self) -> Zone:
        found = {zone_of(names(path.steps) or (), path) for path in self.absent}
        return found.pop() if len(found) == 1 else Zone.UNKNOWN


_DEVICES = frozenset(key.split("/")[1] for key in MERGE_KEYS if key.startswith("devices/")) | {
    "controller", "memballoon", "rng", "tpm", "vsock", "memory", "iommu", "emulator", "panic", "nvram",
}  # fmt: skip


def zone_of(steps: tuple[str, ...], path: Path) -> Zone:
    """The zone of what an absolute path selects; for ``//name``, that of the elements of this name."""
    if path.steps and path.steps[0].abbreviated and len(path.steps) > 1:
        name = path.steps[1].test
        if name.startswith("qemu:") or name == "interface":
            return Zone.ELSEWHERE
        return Zone.DEVICES if name in _DEVICES else Zone.UNKNOWN
    return zone_of_names(steps)


def zone_of_names(steps: tuple[str, ...]) -> Zone:
    """The zone of a path by the names of its steps from the root."""
    if not steps or steps[0] not in ("domain", "*"):
        return Zone.UNKNOWN
    if len(steps) == 1 or steps[1].startswith("@"):
        return Zone.ELSEWHERE
    if steps[1] == "*":
        return Zone.UNKNOWN
    if steps[1] != "devices" or (len(steps) > 2 and steps[2] == "interface"):
        return Zone.ELSEWHERE
    return Zone.UNKNOWN if len(steps) > 2 and steps[2] == "*" else Zone.DEVICES


def guards(patch: model.Patch, edit: model.DomainEdit) -> list[Guard]:
    """Everything that may prevent repeating the edit: ``unless``, conditions and loops that read the domain."""
    variables = variables_of(patch)
    found = [guard for text in (patch.spec.when, edit.when) if text is not None for guard in variables.guards(text)]
    if edit.for_each is not None and _may_end(variables, edit.for_each):
        found.append(Guard(edit.for_each, ()))
    found += _of_fragments(variables, edit)
    if edit.unless is not None and (read := tree(edit.unless.text)) is not None:
        paths = locations(read)
        found.append(Guard(edit.unless, paths if all(path.absolute for path in paths) else ()))
    return found


def _of_fragments(variables: Variables, edit: model.DomainEdit) -> list[Guard]:
    """The conditions of what an edit inserts, if all of it has one."""
    found: list[Guard] = []
    for xml in texts(edit, model.Fragment, Role.INSERTS):
        for conditions in conditions_of_roots(xml):
            own = [guard for text in conditions for guard in _of_condition(variables, text)]
            if not own:
                return []
            found += own
    return found


def reads_domain(patch: model.Patch, edit: model.DomainEdit) -> bool:
    """Whether a condition or a loop around the edit reads the domain in any way."""
    around = [text for text in (patch.spec.when, edit.when, edit.for_each) if text is not None]
    return any(calls_xpath(reached.text) for text in around for reached in variables_of(patch).reached(text))


class Variables:
    """The variables of a patch, and its expressions with those expanded: each is read once."""

    def __init__(self, patch: model.Patch) -> None:
        self.patch = patch
        self._by_name = {variable.name.text: variable.expression for variable in patch.spec.variables}
        self.texts = {name: expression.text for name, expression in self._by_name.items()}
        self._conditions: dict[str, cel_tree.Node | None] = {}
        self._left = _MOST_UNFOLDED
        self._guards: dict[int, list[Guard]] = {}
        self._reached: dict[tuple[str, ...], tuple[Text, ...]] = {}

    def condition(self, text: str) -> cel_tree.Node | None:
        """As :func:`.celtruth.read`. Also None if the variables of all expressions expand to too much."""
        if text not in self._conditions:
            from . import celtruth

            found = celtruth.read(text, self.texts, min(celtruth.MOST_NODES, len(text) + self._left))
            self._conditions[text] = found
            read = found or cel(text)  # what CEL does not accept has cost nothing
            nodes = sum(1 for _ in cel_tree.walk(found)) if found else celtruth.MOST_NODES if read else 0
            self._left -= min(self._left, max(0, nodes - len(text)))
        return self._conditions[text]

    def guards(self, condition: Text) -> list[Guard]:
        """What a condition of the patch prevents from running again."""
        if id(condition) not in self._guards:
            self._guards[id(condition)] = list(_of_condition(self, condition))
        return self._guards[id(condition)]

    def reached(self, expression: Text) -> Iterator[Text]:
        """The expression, those of the variables that it uses, and so on."""
        yield expression
        used = _variables_in(expression.text)
        if used not in self._reached:
            left, pending, found = dict(self._by_name), list(used), list[Text]()
            while pending:
                if (text := left.pop(pending.pop(), None)) is not None:
                    found.append(text)
                    pending += _variables_in(text.text)
            self._reached[used] = tuple(found)
        yield from self._reached[used]


@lru_cache(maxsize=4096)
def _variables_in(text: str) -> tuple[str, ...]:
    read = cel(text)
    idents = [node.name for node in cel_tree.walk(read) if isinstance(node, cel_tree.Ident)] if read is not None else []
    return tuple(dict.fromkeys(name.removeprefix("variables.") for name in idents if name.startswith("variables.")))


class _Same:
    """A patch by identity, for a cache: comparing it would take long."""

    def __init__(self, patch: model.Patch) -> None:
        self.patch = patch

    def __hash__(self) -> int:
        return id(self.patch)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.patch is other.patch


def variables_of(patch: model.Patch) -> Variables:
    """The variables of a patch."""
    return _variables_of(_Same(patch))


@lru_cache(maxsize=4)
def _variables_of(patch: _Same) -> Variables:
    return Variables(patch.patch)


def _of_condition(variables: Variables, condition: Text) -> Iterator[Guard]:
    sources = {text.text: text for text in _xpaths(variables, condition)}
    read = variables.condition(condition.text)
    if read is None:
        if any(calls_xpath(reached.text) for reached in variables.reached(condition)):
            yield Guard(condition, ())
        return
    from .celtruth import conjuncts

    for part in conjuncts(read):
        if cel_tree.calls(part, "xpath"):
            asked = _asked(part)
            if asked is None:
                yield Guard(condition, ())
            elif asked.absent:
                yield Guard(sources.get(asked.query, condition), locations(asked.nodes))


@record
class _Asked:
    """A condition that is true if nodes are absent, or present."""

    query: str
    nodes: Expr
    absent: bool


def _asked(part: cel_tree.Node) -> _Asked | None:
    """What a condition tests in the domain, if it is simple enough."""
    queries = [query for _, query in xpath_calls(part)]
    if len(queries) != 1 or (read := tree(queries[0])) is None:
        return None
    call = cel_tree.Call("xpath", cel_tree.Literal("string", queries[0]))
    absent = None
    if result_kind(read) == "nodes":
        sizes = cel_tree.Call("size", call), cel_tree.Call("size", call, is_method=True)
        none = [_equal(call, _NONE), _equal(_NONE, call), *(_equal(size, _ZERO) for size in sizes)]
        some = [_unequal(call, _NONE), *(more(size, _ZERO) for size in sizes for more in (_unequal, _greater))]
        absent = True if part in (*none, _not(some[0])) else False if part in some else None
    else:
        match read:
            case Call(name="count", args=(inner,)):
                some = [_unequal(call, _ZERO), _greater(call, _ZERO)]
                read, absent = inner, True if part == _equal(call, _ZERO) else False if part in some else None
            case Call(name="not" | "boolean" as name, args=(inner,)) if part in (call, _not(call)):
                read, absent = inner, (name == "not") is (part == call)
            case Binary(operator="=", left=Call(name="count", args=(inner,)), right=Number(value=0)) if part == call:
                read, absent = inner, True
    return _Asked(queries[0], read, absent) if absent is not None else None


_NONE, _ZERO = cel_tree.ListExpr(), cel_tree.Literal("int", 0)
_equal, _unequal, _greater, _not = (partial(cel_tree.Call, operator) for operator in ("_==_", "_!=_", "_>_", "!_"))


def _xpaths(variables: Variables, expression: Text) -> Iterator[Text]:
    for reached in variables.reached(expression):
        if calls_xpath(reached.text):
            yield from xpath_literals(reached)


def _may_end(variables: Variables, loop: Text) -> bool:
    """Whether a loop's list may be empty after its edit: it selects nodes that do not exist."""
    trees = [tree(literal.text) for literal in _xpaths(variables, loop)]
    return any(isinstance(part, Call) and part.name == "not" for read in trees if read for part in walk(read))
