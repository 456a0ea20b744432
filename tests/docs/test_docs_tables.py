"""The tables list exactly what the code has: keys, ops, functions, rules, limits, flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import pytest
import yaml
from docblocks import DOCUMENTS, LANGUAGE, ROOT, Block, all_blocks, blocks, codes, constant, first_codes, number, rows

from patchlang import handbook, libvirt_lists, rules
from patchlang.cel import functions as cel_functions
from patchlang.compile import BUILT_IN_NAMESPACES
from patchlang.diagnostics import Rule
from patchlang.document import model
from patchlang.document.keys import model_fields
from patchlang.xpath import tree as xpath_tree


def table_of_spec(table: Block) -> None:
    assert first_codes(table) == list(model_fields(model.Spec))


def table_of_envelope(table: Block) -> None:
    assert first_codes(table) == ["apiVersion", "kind", "metadata.name", "spec"]


def table_of_facts(table: Block) -> None:
    assert first_codes(table) == list(model_fields(model.Facts))


def table_of_quotes(table: Block) -> None:
    for row in rows(table):
        [meant, *context], [written] = codes(row[0]), codes(row[1])
        around = "{{key: {}}}" if context else "key: {}"
        assert yaml.load(around.format(written), yaml.BaseLoader) == {"key": meant}
        try:
            bare = yaml.load(around.format(meant), yaml.BaseLoader)
        except yaml.YAMLError:
            continue
        assert bare != {"key": meant}, f"{meant} needs no quotes"


def table_of_edit_keys(table: Block) -> None:
    common = set(model_fields(model.DomainBase))
    assert set(first_codes(table)) == {"op", *common}


def fields_of(op: str) -> Callable[[Block], None]:
    def check(table: Block) -> None:
        own = {
            name: field
            for name, (field, _) in model_fields(model.DOMAIN_OPS[op]).items()
            if name not in model_fields(model.DomainBase)
        }
        assert set(first_codes(table)) == set(own)
        for row in rows(table):
            [name, *_] = codes(row[0])
            assert (row[1] == "required") == own[name].is_required, name

    return check


def table_of_ops(table: Block) -> None:
    assert [codes(row[0])[0] for row in rows(table)] == list(model.DOMAIN_OPS)


def table_of_namespaces(table: Block) -> None:
    assert {codes(row[0])[0]: codes(row[1])[0] for row in rows(table)} == BUILT_IN_NAMESPACES


def table_of_merge_keys(table: Block) -> None:
    shown = {}
    for row in rows(table):
        keys = tuple(tuple(codes(key)) for key in row[1].split(", else "))
        for name in codes(row[0]):
            prefix, colon, local = name.rpartition(":")
            assert name not in shown
            shown[f"{{{BUILT_IN_NAMESPACES[prefix]}}}{local}" if colon else name] = keys
    assert shown == dict(libvirt_lists.MERGE_KEYS)


def table_of_functions(table: Block) -> None:
    named = {re.match(r"\w+", code)[0] for code in first_codes(table)}  # type: ignore[index]
    assert named == set(cel_functions.SIGNATURES)
    assert named == set(cel_functions.FUNCTIONS)


def table_of_xpath_functions(table: Block) -> None:
    shown = [name for row in rows(table) for name in re.findall(r"([\w-]+)\(", row[1])]
    assert sorted(shown) == sorted(set(xpath_tree.FUNCTIONS) - {"id", "lang"})


def table_of_rules(table: Block) -> None:
    known = {value.id: value.slug for value in vars(rules).values() if isinstance(value, Rule)}
    shown = {codes(row[0])[0]: codes(row[1])[0] for row in rows(table)}
    assert list(shown) == sorted(shown)
    group = {rule[:3] for rule in shown}
    assert shown == {rule: slug for rule, slug in known.items() if rule[:3] in group}
    said = {codes(row[0])[0]: row[2] for row in rows(table)}
    assert said == {rule: handbook.page(handbook.all_rules()[rule]).summary for rule in said}


def table_of_limits(table: Block) -> None:
    for row in rows(table):
        named = re.search(r"<!-- ([\w.]+) -->", row[1])
        assert named, f"{row[0]}: the constant is not named"
        assert number(row[1]) == constant(named[1]), row[0]


def table_of_flags(table: Block) -> None:
    from shim import config

    known = {
        option
        for action in config._parser()._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert {code.split()[0] for code in first_codes(table)} == known


TABLES: dict[str, Callable[[Block], None]] = {
    "envelope": table_of_envelope,
    "spec": table_of_spec,
    "facts": table_of_facts,
    "quotes": table_of_quotes,
    "edit": table_of_edit_keys,
    "ops": table_of_ops,
    "namespaces": table_of_namespaces,
    "merge keys": table_of_merge_keys,
    "our functions": table_of_functions,
    "XPath functions": table_of_xpath_functions,
    "rules": table_of_rules,
    "limits": table_of_limits,
    "flags": table_of_flags,
    **{f"fields of {op}": fields_of(op) for op in model.DOMAIN_OPS},
}


@pytest.mark.parametrize("table", all_blocks(lambda b: b.lang == "table" and "table" in b.marks))
def test_table_agrees_with_the_code(table: Block) -> None:
    TABLES[table.marks["table"]](table)


def test_no_table_is_missing() -> None:
    there = {b.marks["table"] for document in DOCUMENTS for b in blocks(document) if "table" in b.marks}
    assert set(TABLES) == there


def test_every_rule_is_in_a_table() -> None:
    known = {value.id for value in vars(rules).values() if isinstance(value, Rule)}
    tables = [b for document in LANGUAGE for b in blocks(document) if b.marks.get("table") == "rules"]
    assert known == {code for table in tables for code in first_codes(table)}


# constants whose limits are not in the documents: shapes of messages, and bounds on the code itself
NOT_LIMITS = {
    "patchlang.cel.checked_expr.MAX_DEPTH",
    "patchlang.executables.MAX_TAIL",
    "patchlang.lint.paths.MAX_DEGREE",  # above it, advice appears
    "patchlang.validation.unit.MAX_MANIFEST_BYTES",  # in docs/validate.md
    "shim.engine.MAX_FINDINGS",
    "shim.frames.MAX_RESULT",
    "shim.engines.MAX_HELD",
    "shim.frames.MAX_BLOB",
    "shim.frames.MAX_HEAD",
    "shim.frames.MAX_WAITING",
    "shim.log.MAX_MESSAGE",
    "shim.programs.MAX_LINE",
    "shim.progress.MAX_BYTES",
}


def test_every_limit_is_in_a_table() -> None:
    """All constants ``MAX_…`` in the code, except the ones for cloud-init data, which has its own document."""
    defined = set()
    for package in ("patchlang", "shim"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if module.startswith("patchlang.cloudinit."):
                continue
            for statement in ast.parse(path.read_text()).body:
                for target in statement.targets if isinstance(statement, ast.Assign) else ():
                    if isinstance(target, ast.Name) and target.id.startswith("MAX_"):
                        defined.add(f"{module}.{target.id}")
    tables = [b for document in DOCUMENTS for b in blocks(document) if b.marks.get("table") == "limits"]
    shown = {name for table in tables for row in rows(table) for name in re.findall(r"<!-- ([\w.]+) -->", row[1])}
    assert defined - shown - NOT_LIMITS == set()
