"""The help pages of ``patchlang explain``.

Rules and topics are files (patchlang/pages/ID.md, patchlang/topics/TOPIC.md). The page of an op comes from the model; a
file of its name adds an example.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from . import rules
from .diagnostics import Rule
from .document import model
from .document.decode import NOT_TAKEN
from .document.field_help import field_help
from .document.keys import model_fields
from .record import MISSING, Field, record
from .schema import first_paragraph, options

_HERE = Path(__file__).parent


STAGES = {
    "PL0": "the file",
    "PL1": "the shape of a document",
    "PL2": "paths, expressions, fragments",
    "PL3": "advice",
    "PL4": "applying",
    "PL5": "what the patch is applied to",
    "PL6": "tests",
    "PL7": "manifests",
    "PL8": "comments that ignore findings",
    "PL9": "libvirt's grammar",
}

_BASES: dict[str, type] = {"domain": model.DomainBase, "cloudInit": model.CloudInitBase}
_WORDS = {
    model.Expression: "CEL",
    model.XPath: "XPath",
    model.ConstructivePath: "path to build",
    model.Pointer: "JSON Pointer",
    model.Fragment: "XML",
    model.Template: "text with $[ ]",
    model.QName: "name",
    model.Expect: "count",
    model.Part: "map: " + ", ".join(model_fields(model.Part)),
    bool: "true or false",
    int: "whole number",
}


@record
class Page:
    """The page of a rule: its first sentence, and all of its Markdown source."""

    rule: Rule
    summary: str
    text: str


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by id, in order."""
    found = {value.id: value for value in vars(rules).values() if isinstance(value, Rule)}
    return dict(sorted(found.items()))


@cache
def page(rule: Rule) -> Page:
    """The page of a rule. Raises FileNotFoundError if it has none."""
    text = (_HERE / "pages" / f"{rule.id}.md").read_text(encoding="utf-8")
    summary = text.split("\n\n")[1]
    return Page(rule, " ".join(summary.split()), text)


def find_rule(topic: str) -> Rule | None:
    """The rule with an id (in any case) or a slug."""
    return next((rule for rule in all_rules().values() if topic.upper() == rule.id or topic.lower() == rule.slug), None)


def ops() -> dict[str, tuple[tuple[str, type], ...]]:
    """Every op by name, with its target, ``domain`` or ``cloudInit``, and its class."""
    found: dict[str, tuple[tuple[str, type], ...]] = {}
    for key, known in (("domain", model.DOMAIN_OPS), ("cloudInit", model.CLOUD_INIT_OPS)):
        for name, cls in known.items():
            found[name] = (*found.get(name, ()), (key, cls))
    return found


def op_page(name: str) -> str:
    """The page of an op: for each of its kinds the docstring and the keys (Markdown)."""
    sections = []
    for key, cls in ops()[name]:
        where = "of the domain" if key == "domain" else "of cloud-init data"
        common = [k for k in model_fields(_BASES[key]) if k not in NOT_TAKEN.get(cls, ())]
        own = [k for k in model_fields(cls) if k not in model_fields(_BASES[key])]
        lines = [f"# {name}, an edit {where}", "", first_paragraph(cls), ""]
        lines += [line for k in own for line in _key(cls, k)]
        lines += ["", "Keys of every edit:", ""]
        lines += [line for k in common for line in _key(cls, k)]
        sections.append("\n".join(lines) + "\n")
    return "\n".join(filter(None, [*sections, _topic(name)]))


# topics → the classes whose keys their page lists
TOPICS: dict[str, tuple[type, ...]] = {
    "cel": (),
    "when": (),
    "unless": (),
    "expect": (),
    "facts": (model.Facts, model.FileFact),
}


def topic_title(topic: str) -> str:
    """A few words about the topic."""
    head = _topic(topic).partition("\n")[0]
    return head.partition(": ")[2]


def topic_page(topic: str) -> str:
    """The page of a topic: its text, and the keys of the classes that belong to it (Markdown)."""
    lines = [_topic(topic)]
    for cls in TOPICS[topic]:
        lines += [first_paragraph(cls), "", *(line for key in model_fields(cls) for line in _key(cls, key)), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _topic(name: str) -> str:
    """The text of a topic or the example of an op; empty if an op has none."""
    path = _HERE / "topics" / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _key(cls: type, key: str) -> list[str]:
    field, hint = model_fields(cls)[key]
    notes = [_type(hint), *(["required"] if field.is_required else _default(field))]
    return [f"- `{key}` ({', '.join(notes)})", f"  {field_help(cls, key) or ''}".rstrip()]


def _type(hint: Any) -> str:
    """A type of the model in words."""
    if hint in model.OPS:
        return "edit"
    found = options(hint)
    if set(found) == set(get_args(model.Value)):
        return "any value, with $[ ] in strings"
    return " or ".join(_one_type(option) for option in found)


def _one_type(hint: Any) -> str:
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        if get_origin(item) is tuple:
            return f"map of {_type(get_args(item)[1])}"
        return f"list of {_type(item)}"
    if hint in _WORDS:
        return _WORDS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " | ".join(str(member.value) for member in hint)
    return "text"


def _default(field: Field) -> list[str]:
    value = field.default.value if isinstance(field.default, Enum) else field.default
    if value in (MISSING, None, ()):
        return []
    return [f"default {str(value).lower() if isinstance(value, bool) else value}"]
