"""Shell completions for values without a fixed list of choices: rules, topics, recipes, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_rules(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Rules by id and by name, after the last comma."""
    from click.shell_completion import CompletionItem

    from ..validation.selection import known_rules

    before, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(f"{before}{comma}{word}", help=help)
        for id, name in known_rules().items()
        for word, help in ((id, name), (name, id))
        if word.startswith(last)
    ]


def complete_topics(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What ``explain`` knows: rules, ops, parts of a patch."""
    from click.shell_completion import CompletionItem

    from .. import handbook

    topics = {id: rule.slug for id, rule in handbook.all_rules().items()}
    topics |= {rule.slug: id for id, rule in handbook.all_rules().items()}
    topics |= dict.fromkeys(handbook.ops(), "op") | dict.fromkeys(handbook.TOPICS, "part of a patch")
    return [CompletionItem(topic, help=help) for topic, help in topics.items() if topic.startswith(incomplete)]


def complete_recipes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The recipes of ``new``, each with its title."""
    from click.shell_completion import CompletionItem

    from ..authoring.recipes import recipes

    return [CompletionItem(name, help=one.title) for name, one in recipes().items() if name.startswith(incomplete)]


def complete_libvirt(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The libvirt releases whose grammar is known."""
    from click.shell_completion import CompletionItem

    from ..grammar.index import versions
    from ..validation.configuration import NO_LIBVIRT

    return [CompletionItem(one) for one in (*versions(), NO_LIBVIRT) if one.startswith(incomplete)]
