"""``patchlang explain``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from .. import handbook
from ..diagnostics import did_you_mean
from ..render import painted
from ..schema import first_paragraph
from .completions import complete_topics
from .terminal import wants_colour


@click.command()
@click.argument("topic", required=False, shell_complete=complete_topics)
def explain(topic: str | None) -> None:
    """Explain a rule, an op, or a part of a patch.

    TOPIC is the ID of a rule (PL301), its name (positional-predicate), an op (ensure), or a part of a patch (cel, when,
    unless, expect, facts). Without TOPIC, lists all of them.

    \b
    Examples:
      patchlang explain
      patchlang explain PL301
      patchlang explain ensure
      patchlang explain expect
    """
    if topic is None:
        text = "\n".join(_listed())
    elif (rule := handbook.find_rule(topic)) is not None:
        text = handbook.page(rule).text
    elif topic in handbook.TOPICS:
        text = handbook.topic_page(topic)
    elif topic in handbook.ops():
        text = handbook.op_page(topic)
    else:
        known = [*(rule.slug for rule in handbook.all_rules().values()), *handbook.ops(), *handbook.TOPICS]
        help = did_you_mean(topic, known)
        more = help if help.startswith("did you mean") else "run `patchlang explain` for a list"
        raise click.UsageError(f"no rule, op or topic `{topic}`; {more}")
    click.echo(_shown(text, wants_colour(sys.stdout)), nl=False, color=True)


def _listed() -> Iterator[str]:
    for stage, words in handbook.STAGES.items():
        yield f"# {stage}xx: {words}"
        for rule in handbook.all_rules().values():
            if rule.id.startswith(stage):
                summary = handbook.page(rule).summary.replace("`", "")
                yield f"{rule.id}  {rule.slug:27} {summary}"
        yield ""
    for key, words in (("domain", "domain edits"), ("cloudInit", "cloud-init edits")):
        yield f"# {words}"
        for name, kinds in handbook.ops().items():
            for kind, cls in kinds:
                if kind == key:
                    yield f"{name:9} {first_paragraph(cls).replace('`', '')}"
        yield ""
    yield "# parts of a patch"
    for topic in handbook.TOPICS:
        yield f"{topic:9} {handbook.topic_title(topic).replace('`', '')}"
    yield ""
    yield "Run `patchlang explain TOPIC` for details. The language reference is in `docs/language` of the sources."


def _shown(markdown: str, colour: bool) -> str:
    """A page for a terminal: code is indented, without fences; headings are bold and code is colored if possible."""
    lines = []
    in_code = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif in_code:
            lines.append(painted(f"    {line}", "36", colour) if line else "")
        elif line.startswith("# "):
            lines.append(painted(line.removeprefix("# "), "1", colour))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
