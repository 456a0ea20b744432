"""The JSON Schema accepts and refuses the same files as the decoder, and is the one that is shipped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from casefile import cases
from jsonschema import Draft7Validator

from patchlang import schema
from patchlang.diagnostics import Diagnostic, PatchError
from patchlang.document import field_help, model, yamltree
from patchlang.document.keys import model_fields
from patchlang.loading import decode_source, is_test
from patchlang.patchtest import decode as testdecode
from patchlang.patchtest import model as testmodel
from patchlang.record import is_record
from patchlang.schema import schema_text
from patchlang.source import SourceFile

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "patchlang" / "patch.schema.json"
VALIDATOR = Draft7Validator(json.loads(schema_text()))

HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: a}\nspec:\n"
TEST_HEAD = HEAD.replace("Patch", "PatchTest") + "  domain: d.xml\n  cases:\n"

# refused by the decoder, but not expressible in JSON Schema: part of the message → (why, an example)
BEYOND = {
    "disagree about unquoted": (
        "quotes make no difference in JSON",
        HEAD + "  cloudInit: [{op: add, path: /a, value: 0644}]\n",
    ),
    "cannot contain U+0000": (
        "it has no word for a character that a text must not have",
        "apiVersion: patchlang/v1\nkind: PatchTest\nmetadata: {name: a}\n"
        'spec: {patches: ["\\0"], domain: d.xml, cases: [{name: a, unchanged: true}]}\n',
    ),
    "does not fit in a double": (
        "it does not limit numbers",
        HEAD + "  cloudInit: [{op: add, path: /a, value: -1.5e400}]\n",
    ),
    "`value` is empty": (
        "to JSON it is null, as a written `null` is",
        HEAD + "  domain: [{op: set, path: /domain, value: }]\n",
    ),
    "is defined twice": (
        "it compares no entries of a list by one key",
        HEAD
        + "  variables: [{name: b, expression: a}, {name: b, expression: c}]\n"
        + "  domain: [{op: remove, path: /a}]\n",
    ),
    "two cases are named": (
        "it compares no entries of a list by one key",
        TEST_HEAD + "  - {name: b, unchanged: true}\n  - {name: b, unchanged: true}\n",
    ),
    "is not a count": ("it compares no numbers", HEAD + "  domain: [{op: remove, path: /a, expect: 3..2}]\n"),
    "no rule": ("it would change with each rule", TEST_HEAD + "  - {name: b, error: PL999}\n"),
    "`domain` or `cloudInit` is missing": (
        "they may be in the test or in the case",
        TEST_HEAD.replace("  domain: d.xml\n", "") + "  - {name: b, unchanged: true}\n",
    ),
    "to check": (
        "they may be in the test or in the case",
        TEST_HEAD + "  - {name: b, expect: [{pointer: /a, equals: 1}]}\n",
    ),
    "needs a case with one input": (
        "they may be in the test or in the case",
        TEST_HEAD + "  - {name: b, cloudInit: c.json, golden: x}\n",
    ),
}


class CoreLoader(yaml.CSafeLoader):
    """YAML 1.2's core schema, as editors read it."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), first)
CoreLoader.add_constructor(
    "tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node).removeprefix("0o"))
)
CoreLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def documents(text: str) -> list[Any]:
    return [as_json(document) for document in yaml.load_all(text, CoreLoader) if document is not None]


def as_json(value: Any) -> Any:
    """With all keys as text."""
    if isinstance(value, dict):
        return {str(key): as_json(inner) for key, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list) else value


def shape_errors(source: SourceFile) -> list[Diagnostic]:
    """The decoder's errors about the structure of a file's patches and tests."""
    found = [*decode_source(source)[1], *testdecode.tests_of(source)[1]]
    return [d for d in found if d.rule.id.startswith("PL1")]


def readable(source: SourceFile) -> bool:
    """Whether it is YAML that patches may use: no duplicate keys, no tags, no missing document."""
    try:
        return bool(yamltree.parse(source))
    except PatchError:
        return False


def schema_errors(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for d in documents(text) for error in VALIDATOR.iter_errors(d)]


@cache
def files() -> dict[str, str]:
    """The text of every file with patches or tests, by path. Files in a case are below the path of the case."""
    paths = [path for path in (ROOT / "examples").rglob("*.y*ml") if path.is_file()]
    found = {str(path.relative_to(ROOT)): path.read_text(errors="replace") for path in paths}
    for kind in ("apply", "reject", "cli", "cloudinit"):
        for case in cases(kind):
            parts = [part for part in case.named(r".*\.ya?ml") if not part.generated]
            found |= {f"tests/cases/{kind}/{case.name}/{part.name}": part.text for part in parts}
    kinds = re.compile(r"^kind: (Patch|PatchTest)\b", re.MULTILINE)
    return {path: found[path] for path in sorted(found) if kinds.search(found[path])}


@pytest.mark.parametrize("path", files())
def test_schema_and_decoder_agree_on_every_file(path: str) -> None:
    source = SourceFile(Path(path).name, files()[path])
    if not readable(source):
        pytest.skip("not a YAML tree at all")
    wrong, by_schema = shape_errors(source), schema_errors(source.text)
    if wrong and not beyond(wrong):
        assert by_schema, "\n".join(map(str, wrong))
    else:
        assert by_schema == []


def beyond(wrong: list[Diagnostic]) -> bool:
    return all(any(words in d.message for words in BEYOND) for d in wrong)


@pytest.mark.parametrize("words", BEYOND)
def test_what_the_schema_cannot_say(words: str) -> None:
    _, text = BEYOND[words]
    [wrong] = shape_errors(SourceFile("patch.yaml", text))
    assert words in wrong.message
    assert schema_errors(text) == []


# -- files broken in every place ---------------------------------------------------------------------------------------


MORE = """
apiVersion: patchlang/v1
kind: Patch
metadata: {name: what-no-case-has}
spec:
  cloudInit:
    - {op: add, path: /a/0, value: [1.5, null, true, {a: b}], position: before, target: networkData}
    - {op: copy, from: /a, path: /b, expect: "0..1"}
---
apiVersion: patchlang/v1
kind: Patch
metadata: {name: facts}
spec:
  facts:
    env: [A, B_2]
    files: {a: /etc/podinfo/a, b: {path: /var/run/secrets/c/d, allowSecret: true}, c: {path: /var/run/kubevirt-x/y}}
  domain:
    - {op: remove, path: /domain/title}
---
apiVersion: patchlang/v1
kind: PatchTest
metadata: {name: all-keys}
spec:
  patches: [patch.yaml]
  domain: domain.xml
  cloudInit: {userData: "#cloud-config", networkData: "", metaData: {instance-id: a}, dataSource: noCloud}
  vmi: {metadata: {name: a}}
  cases:
    - name: a domain
      domain: <domain/>
      vmi: vmi.yaml
      annotations: {a: b}
      labels: {c: "1"}
      set: {/spec/domain: {cpu: 2}}
      expect:
        - {xpath: /domain, equals: [a, b]}
        - {xpath: /domain, contains: a}
        - {xpath: /domain, matches: a}
        - {xpath: /domain, count: 1+}
        - {xpath: /domain, absent: true}
      idempotent: false
    - name: cloud-init data
      cloudInit: data.json
      expect:
        - {pointer: /packages, target: userData, part: {contentType: text/cloud-config, filename: a}, equals: [a]}
        - {pointer: /packages, contains: a}
        - {pointer: /packages, matches: a}
        - {pointer: /packages, absent: true}
    - {name: a file, golden: expected.xml}
    - {name: no change, unchanged: true}
    - {name: an error, error: PL401}
    - {name: an error with words, error: {rule: PL401, message: nothing}}
"""


@cache
def samples() -> list[Any]:
    """Small documents with every op and every key."""
    faulty = ("tests/cases/reject/", "tests/cases/cli/")
    texts = [MORE, *(text for path, text in files().items() if not path.startswith(faulty))]
    found: dict[str, Any] = {}
    for text in texts:
        for document in documents(text):
            for part in parts(document):
                found.setdefault(signature(part), part)
    return list(found.values())


def parts(document: Any) -> Iterator[Any]:
    """One document for each edit and case of a document."""
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return
    if document["kind"] == "PatchTest":
        for case in spec["cases"]:
            yield {**document, "spec": {**spec, "cases": [case]}}
        return
    for key in ("domain", "cloudInit"):
        for edit in spec.get(key, ()):
            yield {**document, "spec": {key: [edit]}}
    yield {**document, "spec": {k: v for k, v in spec.items() if k not in ("domain", "cloudInit")}}


def signature(document: Any) -> str:
    """The keys of a document and its op, or the name of its case. One document per signature is enough."""
    spec = document["spec"]
    first = next((spec[key][0] for key in ("cases", "domain", "cloudInit") if spec.get(key)), {})
    return repr((document["kind"], sorted(spec), sorted(first), first.get("op") or first.get("name")))


STRANGERS: tuple[Any, ...] = ("", "stranger", 7, True, None, [], ["a"], {}, {"stranger": 1}, [["a"]], "1+")


def mutations(value: Any) -> Iterator[Any]:
    """The value with one change: a part replaced by a stranger, a key dropped, a key added."""
    for stranger in STRANGERS:
        if stranger != value or type(stranger) is not type(value):
            yield stranger
    if isinstance(value, dict):
        yield {**value, "stranger": "x"}
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
            for inner in mutations(value[key]):
                yield {**value, key: inner}
    elif isinstance(value, list):
        for at, entry in enumerate(value[:5]):
            for inner in mutations(entry):
                yield [*value[:at], inner, *value[at + 1 :]]


def test_the_samples_have_every_op_and_every_key() -> None:
    text = json.dumps(samples())
    assert [key for cls in records() for key in model_fields(cls) if f'"{key}": ' not in text] == []
    ops = {("domain", op) for op in model.DOMAIN_OPS} | {("cloudInit", op) for op in model.CLOUD_INIT_OPS}
    for document in samples():
        for key in ("domain", "cloudInit"):
            edits = document["spec"].get(key, ())
            ops -= {(key, edit["op"]) for edit in edits if isinstance(edit, dict)}
    assert ops == set()


@pytest.mark.parametrize("number", range(8))
def test_schema_and_decoder_agree_on_every_mutation(number: int) -> None:
    """JSON is YAML, so every key and value in the data is in the text."""
    disagreed = []
    for document in samples()[number::8]:
        for mutant in mutations(document["spec"]):
            changed = {**document, "spec": mutant}
            text = json.dumps(changed)
            if "null" in text:
                continue  # the decoder takes null for a text where it expects one, the schema for a forgotten value
            wrong = shape_errors(SourceFile("patch.yaml", text))
            valid = VALIDATOR.is_valid(changed)
            if valid != (not wrong) and not (valid and beyond(wrong)):
                disagreed.append((text, [str(d) for d in wrong]))
    assert disagreed == []


# -- the schema file and its descriptions ------------------------------------------------------------------------------


def test_the_shipped_file_is_fresh() -> None:
    assert SHIPPED.read_text() == schema_text(), "patchlang schema > patchlang/patch.schema.json"


@pytest.mark.parametrize("kind", [None, *schema.KINDS])
def test_it_is_a_json_schema(kind: str | None) -> None:
    Draft7Validator.check_schema(json.loads(schema_text(kind)))


def test_one_kind_takes_no_other() -> None:
    only = Draft7Validator(json.loads(schema_text("Patch")))
    document = {
        "apiVersion": "patchlang/v1",
        "metadata": {"name": "a"},
        "spec": {"domain": [{"op": "test", "path": "/domain"}]},
    }
    assert only.is_valid({**document, "kind": "Patch"})
    assert not only.is_valid({**document, "kind": "PatchTest"})


def test_every_reference_leads_somewhere_and_every_definition_is_used() -> None:
    text = schema_text()
    used = set(re.findall(r'"#/definitions/(\w+)"', text))
    assert used == set(json.loads(text)["definitions"])


def records() -> Iterator[type]:
    for module in (model, testmodel):
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and is_record(value)
                and value.__name__ in json.loads(schema_text())["definitions"]
            ):
                yield value


def test_every_key_has_a_sentence() -> None:
    missing = [
        f"{cls.__name__}.{key}" for cls in records() for key in model_fields(cls) if not field_help.field_help(cls, key)
    ]
    assert missing == []


def test_no_sentence_is_stale() -> None:
    bases = {base for cls in records() for base in cls.__mro__ if is_record(base)}
    known = {f"{cls.__name__}.{key}" for cls in bases for key in model_fields(cls)}
    assert field_help.known_keys() - known == set()


def test_every_example_names_the_schema() -> None:
    for path, text in files().items():
        if path.startswith("examples/"):
            found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
            assert found, path
            assert ((ROOT / path).parent / found[1]).resolve() == SHIPPED


def test_a_union_of_documents_is_told_by_kind() -> None:
    """A file may mix both kinds of documents, and each is validated by its own schema."""
    assert set(schema.KINDS) == {"Patch", "PatchTest"}
    assert schema_errors("apiVersion: patchlang/v1\nkind: PatchTest\nmetadata: {name: a}\nspec: {domain: []}\n")
    assert is_test(yamltree.parse(SourceFile("x", "kind: PatchTest"))[0])
