"""The suggestions of the completion core, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from patchlang.authoring.completion.core import complete, hover

CURSOR = "¦"
HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
TABLE, HOVERS = (
    yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    for name in ("completions.yaml", "hovers.yaml")
)


def text_of(row: dict[str, Any]) -> tuple[str, int]:
    """The text of a row without the cursor, and the position of the cursor."""
    if "edits" in row:
        text = f"{HEAD}  domain:\n{row['edits']}"
    else:
        text = HEAD + row["patch"] if "patch" in row else row["text"]
    at = text.index(CURSOR)
    return text.replace(CURSOR, ""), at


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_what_is_offered(row: dict[str, Any]) -> None:
    text, at = text_of(row)
    found = complete(text, at)
    labels = [item.label for item in found.items]
    assert labels == row.get("only", labels)
    assert set(row.get("offers", ())) <= set(labels)
    assert not set(row.get("lacks", ())) & set(labels)
    assert len(labels) == len(set(labels))
    assert text[found.start : found.end] == row.get("replaces", text[found.start : found.end])
    assert found.start <= at <= found.end
    assert "\n" not in text[found.start : found.end]
    if "inserts" in row:
        first = row.get("offers", row.get("only"))[0]
        assert next(item.insert for item in found.items if item.label == first) == row["inserts"]


@pytest.mark.parametrize("row", HOVERS, ids=lambda row: row["name"])
def test_what_is_said(row: dict[str, Any]) -> None:
    text, at = text_of(row)
    found = hover(text, at)
    assert (found is not None) == ("says" in row), found
    if found is not None:
        assert found.text.startswith(row["says"])
        assert found.start <= at <= found.end
        assert text[found.start : found.end] == row.get("about", text[found.start : found.end])
