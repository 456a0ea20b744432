"""Edits of every op, generated from the fields in the model, so that the laws cover new ops too.

Some are refused, since this module does not know which keys go together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args, get_origin

from hypothesis import strategies as st
from law_domains import ATTRIBUTES, NAMES

from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.document.model import Role
from patchlang.lint.roles import SELECTING, declared
from patchlang.schema import options

Edit = dict[str, Any]
Values = st.SearchStrategy[Any]
# how to draw a value of a type, given its role and the roles of the fields already drawn
Draw = Callable[..., Values]

WRITING = frozenset({Role.INSERTS, Role.MERGES, Role.VALUE, Role.ARGUMENT})
COMPUTED = "$[ vmi.metadata.name ]"
TEXTS = ("new", "", "<b>&amp;]]>\"'", "two\nlines", "1", COMPUTED, f"-{COMPUTED}-")
FRAGMENTS = (
    "<n/>",
    "<n x='1'>text</n>",
    "<n><m/>  <m y='2'/></n>",
    "<p:n p:x=''/>",
    f"<n y='{COMPUTED}'>{COMPUTED}</n>",
    f"<n patch:when='1 < 2 && vmi.metadata.name.size() >= 0' y='{COMPUTED}'/><m patch:when='false'/>",
    f"<n patch:forEach='[1, 2]' x='$[ item ]'><m patch:forEach='[\"a\"]'>$[ item ]{COMPUTED}</m></n>",
    f"<n x='$[ optional.none() ]' y='$[ optional.of(vmi.metadata.name) ]'><m>$[ vmi.?spec ]</m>{COMPUTED}</n>",
)
STEPS = st.sampled_from(("n", "p:n", "n[@x='1']", f"n[@x='{COMPUTED}']", "n[@x='it' and @y='2']", *NAMES))
LEAVES: dict[Any, Values] = {
    model.ComputedName: st.sampled_from(("n", "a", COMPUTED, f"A_{COMPUTED}")),
    model.Expression: st.sampled_from(("true", "false", "1 / 0 == 1")),
    model.Fragment: st.sampled_from(FRAGMENTS),
    model.ListPosition: st.sampled_from([member.value for member in model.ListPosition]),
    model.ListStart: st.sampled_from([member.value for member in model.ListStart]),
    model.Name: st.sampled_from(("n", "a", "a.sh", "text/x-shellscript")),
    model.Position: st.sampled_from([member.value for member in model.Position]),
    model.QName: st.sampled_from(("n", "p:n", *NAMES, *ATTRIBUTES)),
    model.Unique: st.sampled_from([member.value for member in model.Unique]),
    model.Template: st.sampled_from(TEXTS),
}
NAMING: dict[Any, Values] = {
    model.ConstructivePath: st.sampled_from(("name", "uuid[@x='1']", "alias[@name='ua-new']", "devices", "a[@x='1']")),
    model.Fragment: st.sampled_from(
        ("<name>new</name>", "<uuid>1</uuid>", "<alias name='ua-new'/>", "<a><alias name='ua-new'/></a>", "<n/>")
    ),
    model.QName: st.sampled_from(("name", "uuid", "alias", "n")),
}
# an empty message is passed through unchanged and has no effect
MESSAGES = {model.Template: st.sampled_from([text for text in TEXTS if text])}.__getitem__
OF_EVERY_EDIT: dict[str, Values] = {
    "name": st.just("an edit"),
    "when": LEAVES[model.Expression],
    "forEach": st.sampled_from(("[1, 2]", "[]")),
    "expect": st.sampled_from(("0+", "1", "0..1")),
}


# paths of edits inside a node
INSIDE = [".", "*", "a", "b", "n", "..", "//a", "/domain/*"]


def domain_edits(
    paths: list[str], *, op: str = "", computed: bool = False, naming: bool = False, depth: int = 0
) -> Values:
    """Edits of a domain whose elements have these paths.

    ``op``: the only op. ``computed``: edits with computed values. ``naming``: edits that may create protected nodes.
    """
    leaves = {**LEAVES, **NAMING} if naming else LEAVES
    ends = st.sampled_from(("", "", "", "/text()", *(f"/@{name}" for name in (("name",) if naming else ATTRIBUTES))))
    selected = st.builds(str.__add__, st.sampled_from(paths), ends)

    def draw(hint: Any, role: Role, others: set[Role]) -> Values:
        if hint is model.XPath:
            relative = {Role.KEYS: ("@x", "@y", "."), Role.AT: ("*", "a", "b[last()]", "n", "@x", "a/b")}
            return st.sampled_from(relative[role]) if role in relative else selected
        if hint == model.DomainEdit:
            return domain_edits(INSIDE, computed=computed, naming=naming, depth=depth + 1)
        if hint is model.ConstructivePath:
            start = "" if others.intersection(SELECTING) or depth else "/domain/"
            steps = st.lists(NAMING[hint] if naming else STEPS, min_size=1, max_size=3).map("/".join)
            return st.builds(lambda path, end: start + path + end, steps, st.sampled_from(("", "", "/@x", "/@p:x")))
        return leaves[hint].filter(lambda text: COMPUTED in text) if computed and role in WRITING else leaves[hint]

    unless = st.sampled_from(("@x", "*", "not(@x)", "../a"))
    ops: dict[str, Any] = {op: model.DOMAIN_OPS[op]} if op else dict(model.DOMAIN_OPS)
    if computed:
        writing = {*WRITING, Role.EDITS}
        ops = {name: op for name, op in ops.items() if any(one.role in writing for one in declared(op))}
    if depth > 1:
        ops = {name: op for name, op in ops.items() if all(one.role is not Role.EDITS for one in declared(op))}
    return _edits(ops, draw, {"unless": unless, "allowProtected": st.booleans()})


def cloud_init_edits(pointers: Values, values: Values) -> Values:
    """Edits of cloud-init data."""

    def draw(hint: Any, role: Role, others: set[Role]) -> Values:
        return pointers if hint is model.Pointer else values if hint == model.Value else LEAVES[hint]

    target = st.sampled_from([member.value for member in model.Target])
    part = st.sampled_from(({"contentType": "text/cloud-config"}, {"filename": "a.sh"}, {}))
    return _edits(model.CLOUD_INIT_OPS, draw, {"target": target, "part": part, "unless": pointers})


@st.composite
def _edits(draw: st.DrawFn, ops: dict[str, Any], of_op: Draw, of_every_edit: Mapping[str, Values]) -> Edit:
    op = draw(st.sampled_from(list(ops)))
    roles = {one.key: one.role for one in declared(ops[op])}
    known = model_fields(ops[op])
    edit: Edit = {"op": op}
    for key, role in roles.items():
        field, hint = known[key]
        if field.is_required or draw(st.booleans()):
            others = {roles[other] for other in edit if other in roles}
            leaf = MESSAGES if role is Role.MESSAGE else partial(of_op, role=role, others=others)
            edit[key] = draw(_of_type(hint, leaf))
    shared = {**OF_EVERY_EDIT, **of_every_edit}
    for key in known.keys() - roles.keys():
        if draw(st.integers(0, 5)) == 5:
            edit[key] = draw(shared[key])
    return edit


def _of_type(hint: Any, leaf: Callable[[Any], Values]) -> Values:
    """How to draw a value of a type of the model. ``leaf`` draws its texts."""
    found = options(hint)
    if set(found) == set(get_args(model.Value)):
        return leaf(model.Value)
    return st.one_of([_of_option(one, leaf) for one in found])


def _of_option(hint: Any, leaf: Callable[[Any], Values]) -> Values:
    if get_origin(hint) is not tuple:
        return leaf(hint)
    item = get_args(hint)[0]
    if item in model.OPS:
        return st.lists(leaf(item), min_size=1, max_size=3)
    if get_origin(item) is tuple and Ellipsis not in get_args(item):
        name, value = get_args(item)
        return st.dictionaries(_of_type(name, leaf), _of_type(value, leaf), max_size=2)
    return st.lists(_of_type(item, leaf), max_size=2)
