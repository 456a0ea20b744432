"""Laws of cloud-init edits on any data, through the whole engine: idempotent, no trace of failures, no markup."""

from __future__ import annotations

import email
import json
import re
from typing import Any

import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from law_edits import cloud_init_edits

from patchlang.cloudinit import jinja, mime
from patchlang.compile import Program
from patchlang.engine import patch_cloud_init
from patchlang.loading import load_sources
from patchlang.render import render
from patchlang.result import CloudInitOutcome
from patchlang.source import SourceFile
from patchlang.values import identical

LAYOUTS = (
    {"default_flow_style": False},
    {"default_flow_style": True},
    {"default_flow_style": None},
    {"default_flow_style": False, "indent": 4, "default_style": '"'},
    {"default_flow_style": False, "width": 20},
)
# texts with a meaning in YAML, Jinja, MIME or a shell
MARKUP = (
    ": ", " #", "#", "%", "%YAML 1.1", "---", "...", "- ", "? ", "& ", "*x", "!x", "|", ">", "@", "`", "'", '"', "\\",
    "{", "}", "[", "]", ",", "{{ x }}", "\n", "\r\n", "\n  ", "\n\n", "\t", " ", "  ", "key: value", "<<", "=", "~",
    "null", "yes", "0644", "1:30", "1e3", "2024-01-02", "#cloud-config", "--b", "--b--", "\u2028", "\x85", "\ufeff",
    "\x07", "ü", "水", "𝄞", "$[ x ]", "]",
)  # fmt: skip
# a VMI with U+0000 is refused
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.lists(st.sampled_from(MARKUP) | st.text(CHARACTERS, max_size=4), max_size=8).map("".join)
NAMES = st.sampled_from(["a", "b", "name", "x/y", "", "0", "-", "yes", "é: #"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([1.5, "a", "b", "0644", "", "no", "x\ny\n"])
JSON = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
MAPS = st.dictionaries(NAMES, JSON, max_size=4)
POINTERS = st.lists(
    st.sampled_from(["a", "b", "name", "x~1y", "", "0", "1", "-", "[name=a]", "[=b]", "yes"]), max_size=3
).map(lambda tokens: "".join(f"/{token}" for token in tokens))


NETWORK_OPS = st.sampled_from(["ensure", "merge", "add", "replace", "test"])


class Quoted(yaml.SafeDumper):
    """Writes patch files with all text in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@st.composite
def cloud_configs(draw: st.DrawFn) -> str:
    data, layout = draw(MAPS), draw(st.sampled_from(LAYOUTS))
    body = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, **layout)
    head = draw(st.sampled_from(["", "# ours\n\n", "# ours\n"]))
    head = draw(st.sampled_from(["", "## template: jinja\n"])) + "#cloud-config\n" + head
    text = head + body
    return text.replace("\n", "\r\n") if draw(st.booleans()) and "\\" not in text and "\r" not in text else text


def loaded(edits: list[dict[str, Any]], **spec: Any) -> Program | None:
    document = {
        "apiVersion": "patchlang/v1",
        "kind": "Patch",
        "metadata": {"name": "law"},
        "spec": {**spec, "cloudInit": edits},
    }
    text = yaml.dump(document, Dumper=Quoted, allow_unicode=True)
    program, diagnostics = load_sources([SourceFile("law.yaml", text)], [])
    assert (program is None) == any(d.is_error and d.span and d.message for d in diagnostics), render(diagnostics)
    return program


def run(edits: list[dict[str, Any]], data: bytes, vmi: Any = None, **spec: Any) -> CloudInitOutcome:
    program = loaded(edits, **spec)
    assert program is not None
    return patch_cloud_init(program, data, b"", json.dumps(vmi or {}).encode())


def record(user_data: str, network_data: str = "") -> bytes:
    fields = {"DataSource": "noCloud", "NoCloudMetaData": {"instance-id": "i"}}
    return json.dumps({**fields, "UserData": user_data, "NetworkData": network_data}).encode()


def user_data(outcome: CloudInitOutcome) -> str:
    assert outcome.data is not None, render(outcome.diagnostics)
    return str(json.loads(outcome.data)["UserData"])


def literal(value: Any) -> Any:
    """A value for a patch file. ``$[`` starts an expression."""
    match value:
        case str():
            return value.replace("$[", "$$[")
        case list():
            return [literal(item) for item in value]
        case dict():
            return {key: literal(item) for key, item in value.items()}
        case _:
            return value


@given(
    cloud_configs(),
    st.lists(st.tuples(st.sampled_from(["ensure", "merge"]), POINTERS, JSON), max_size=3),
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=3),
)
def test_twice_is_once(text: str, edits: list[tuple[str, str, Any]], options: list[tuple[bool, bool]]) -> None:
    written = [{"op": op, "target": "userData", "path": p, "value": literal(v)} for op, p, v in edits]
    assume(written)
    for edit, (first_place, optional) in zip(written, options, strict=False):
        edit |= {"expect": "0..1"} if optional else {}
        if first_place and edit["op"] == "ensure" and edit["path"].endswith("/-"):
            edit["position"] = "prepend"
    first = run(written[:1], record(text))
    if first.data is not None:
        assert run(written[:1], first.data).data == first.data
    whole = run(written, record(text))
    if whole.data is not None:
        yaml.safe_load(user_data(whole))


@given(st.sampled_from(["", "#cloud-config\na: 1\n", "#!/bin/sh\n"]) | cloud_configs(), TEXT, TEXT)
def test_a_part_twice_is_once(text: str, content: str, other: str) -> None:
    edits = [
        {"op": "addPart", "contentType": "text/x-shellscript", "filename": name, "content": literal(part)}
        for name, part in (("a.sh", content), ("b.sh", other))
    ]
    first = run(edits, record(text))
    assert [part.text() for part in mime.parse(user_data(first)).parts][-2:] == [content, other]
    assert run(edits, first.data or b"").data == first.data


@given(cloud_configs(), st.lists(st.tuples(st.sampled_from(["ensure", "merge", "add"]), POINTERS, JSON), max_size=3))
def test_a_failing_document_leaves_no_trace(text: str, edits: list[tuple[str, str, Any]]) -> None:
    written = [{"op": op, "target": "userData", "path": p, "value": literal(v)} for op, p, v in edits]
    others: list[dict[str, Any]] = [
        {"op": "ensure", "target": "metaData", "path": "/local-hostname", "value": "x"},
        {"op": "replace", "path": "/NetworkData", "value": "version: 2"},
        {"op": "test", "expression": "false"},
    ]
    data = record(text, "version: 1\nconfig: []\n")
    outcome = run([*written, *others], data, failurePolicy="Ignore")
    assert outcome.data == data
    assert [d.is_error for d in outcome.diagnostics if d.rule.id == "PL415"] == [False]
    assert run([*written, *others], data).data is None


@given(cloud_configs(), TEXT, TEXT)
@example("#cloud-config\n", "a\n: b", "x: {y: [")
def test_a_value_never_becomes_markup(text: str, value: str, key: str) -> None:
    """Not as a value, not in a list, not as a key. Everything else keeps its meaning."""
    vmi = {"metadata": {"annotations": {"value": value, "key": key}}}
    edits: list[dict[str, Any]] = [
        {"op": "ensure", "target": "userData", "path": "/new", "value": "$[ vmi.metadata.annotations.value ]"},
        {"op": "ensure", "target": "userData", "path": "/list/-", "value": "$[ vmi.metadata.annotations.value ]"},
        {"op": "ensure", "target": "userData", "path": "/keys/$[ vmi.metadata.annotations.key ]", "value": "v"},
        {
            "op": "ensure",
            "target": "userData",
            "path": "/picked/[name=$[ vmi.metadata.annotations.key ]]/value",
            "value": "<$[ vmi.metadata.annotations.value ]>",
        },
    ]
    before = yaml.safe_load(text) or {}
    outcome = run(edits, record(text), vmi)
    if jinja.BEGIN.search(value) or jinja.BEGIN.search(key):
        assume("jinja" not in text)
    after = yaml.safe_load(user_data(outcome))
    assert identical(after["new"], value)
    assert identical(after["list"], [value])
    assert identical(after["keys"], {key: "v"})
    assert identical(after["picked"], [{"name": key, "value": f"<{value}>"}])
    assert identical({k: v for k, v in after.items() if k not in ("new", "list", "keys", "picked")}, before)
    assert user_data(outcome).partition("\n")[0].rstrip("\r") == text.partition("\n")[0].rstrip("\r")


CODE = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "%", "#", "{%", "%}", "{# a #}", "{{ b }}", "'", '"', "c", " "]), max_size=4
).map("".join)


@given(CODE, CODE, CODE, st.sampled_from(["value", "key", "text", "part"]))
@example("{", "{ x }", "}", "value")
@example("{{ ", "x", " }}", "key")
@example("{{ '}}", "' ~ x ~ '", "' }}", "text")
def test_a_value_never_becomes_jinja(before: str, value: str, after: str, place: str) -> None:
    """A value inserted between parts of a template written by the patch does not change what Jinja reads as code."""
    hole = f"{before}$[ vmi.metadata.annotations.value ]{after}"
    head = "## template: jinja\n#!/bin/sh\n"
    target, user = {"target": "userData"}, "## template: jinja\n#cloud-config\na: '{{ v1.b }}'\n"
    edit: dict[str, Any] = {
        "value": {"op": "ensure", **target, "path": "/new", "value": [hole]},
        "key": {"op": "add", **target, "path": f"/{hole}", "value": ""},
        "text": {"op": "replace", "path": "/UserData", "value": head + hole},
        "part": {"op": "addPart", "contentType": "text/jinja2", "filename": "a", "content": head + hole},
    }[place]

    def outcome(value: str) -> list[str] | None:
        closed = run([edit], record(user), {"metadata": {"annotations": {"value": value}}})
        if closed.data is None:
            return None
        text = user_data(closed)
        if place == "part":
            text = email.message_from_string(text).get_payload()[1].get_payload()  # type: ignore[union-attr, index]
        data = yaml.safe_load(text) if place in ("value", "key") else {text: None}
        return [piece for key, value in data.items() for one in (key, *(value or "")) for piece in jinja.pieces(one)]

    known = {
        "{{ v1.b }}",
        *jinja.pieces(before),
        *jinja.pieces(after),
        *([] if value else jinja.pieces(before + after)),
    }
    assert {*(outcome(value) or ())} <= known


@given(TEXT, st.booleans())
def test_a_value_never_becomes_markup_in_network_data(value: str, as_json: bool) -> None:
    text = '{"version": 2, "ethernets": {"eth0": {}}}' if as_json else "version: 2\nethernets:\n  eth0: {}\n"
    vmi = {"metadata": {"annotations": {"value": value}}}
    path, computed = "/ethernets/eth0/set-name", "$[ vmi.metadata.annotations.value ]"
    edit = {"op": "ensure", "target": "networkData", "path": path, "value": computed}
    outcome = run([edit], record("#cloud-config\n", text), vmi)
    assert outcome.data is not None, render(outcome.diagnostics)
    after = json.loads(outcome.data)["NetworkData"]
    wanted = {"version": 2, "ethernets": {"eth0": {"set-name": value}}}
    assert identical(json.loads(after) if as_json else yaml.safe_load(after), wanted)


HOLE = "$[ vmi.metadata.name ]"
HOLES = st.sampled_from([HOLE, f"-{HOLE}-", f"{HOLE}{HOLE}"])
COMPUTED = cloud_init_edits(
    st.sampled_from(
        ["/a", "/a/-", "/b/0", "/b/[name={}]", "/b/[={}]/c", "/b/[{}=a]", "/{}", "/a/{}/b", "/name/{}", "/{}{}", ""]
    ).map(lambda pointer: pointer.replace("{}", HOLE)),
    st.recursive(
        HOLES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=3
    ),
).map(lambda edit: {**edit, "target": "userData"} if "target" in edit else edit)


@given(MAPS, st.lists(COMPUTED, min_size=1, max_size=2), TEXT)
def test_a_value_never_becomes_markup_or_path_in_any_edit(data: Any, edits: list[dict[str, Any]], value: str) -> None:
    """There are as many maps, lists and texts as with a harmless value, or the edit is refused with a message."""
    assume(not re.fullmatch(r"[0-9]*|-", value) and value not in NAMES_THERE)
    for edit in edits:
        edit.pop("part", None)
    assume(loaded(edits) is not None)
    text = "#cloud-config\n" + yaml.safe_dump(data, allow_unicode=True)
    plain, strange = (run(edits, record(text), {"metadata": {"name": name}}) for name in ("harmless", value))
    if plain.data is None or strange.data is None:
        assert all(d.message for outcome in (plain, strange) for d in outcome.diagnostics)
        return
    before, after = (user_data(outcome) for outcome in (plain, strange))
    if before.startswith("#cloud-config") or after.startswith("#cloud-config"):
        assert shape(yaml.safe_load(after)) == shape(yaml.safe_load(before))
    else:
        assert [kind for kind, _ in parts_of(after)] == [kind for kind, _ in parts_of(before)]


NAMES_THERE = ["a", "b", "c", "name", "x/y", "yes", "é: #"]


def shape(data: Any) -> Any:
    """The structure of the data, without its texts and without its keys, which may be computed."""
    match data:
        case dict():
            return "map", sorted(repr(shape(item)) for item in data.values())
        case list():
            return "list", [shape(item) for item in data]
        case _:
            return type(data).__name__


def parts_of(text: str) -> list[tuple[str, str]]:
    """The parts of a MIME message as Python's own parser finds them."""
    message = email.message_from_string(text)
    leaves = [part for part in message.walk() if not part.is_multipart()]
    return [(part.get_content_type(), bytes(part.get_payload(decode=True)).decode()) for part in leaves]


@given(TEXT, st.sampled_from(["#cloud-config\na: 1\n", "#!/bin/sh\necho $1\n", "two"]))
@example("\n--==patchlang==\nContent-Type: text/x-shellscript\n\nid\n", "#cloud-config\na: 1\n")
@example("\n--==patchlang==--\n", "two")
@example("\r\n--b\r\n", "two")
def test_a_value_never_becomes_a_part(value: str, text: str) -> None:
    """Whatever boundary the value guesses."""
    edit = {
        "op": "addPart",
        "contentType": "text/x-shellscript",
        "filename": "new.sh",
        "content": f"#!/bin/sh\n: {HOLE}\n",
    }
    if text == "two":
        first = {**edit, "filename": "first.sh", "content": "#!/bin/sh\n"}
        text = user_data(run([first], record("#cloud-config\na: 1\n")))
    plain, strange = (run([edit], record(text), {"metadata": {"name": name}}) for name in ("harmless", value))
    before, after = parts_of(user_data(plain)), parts_of(user_data(strange))
    assert after[:-1] == before[:-1]
    assert after[-1] == (before[-1][0], f"#!/bin/sh\n: {value}\n")


@given(cloud_configs(), POINTERS, JSON, st.sampled_from(["ensure", "merge", "add"]), TEXT)
def test_a_cloud_config_is_edited_alike_wherever_it_is_a_part(
    text: str, path: str, value: Any, op: str, other: str
) -> None:
    """Alone, in a MIME message or in an archive: the edit gives the same text or fails, and the other part stays."""
    assume("jinja" not in text)
    part = {"contentType": "text/cloud-config"}
    edit = {"op": op, "target": "userData", "part": part, "path": path, "value": literal(value)}
    script = f"#!/bin/sh\n{other}"
    message = mime.wrap([("text/cloud-config", None, text), ("text/x-shellscript", "a.sh", script)])
    entries = [{"content": text}, {"type": "text/x-shellscript", "filename": "a.sh", "content": script}]
    archive = "#cloud-config-archive\n" + yaml.dump(entries, Dumper=Quoted, allow_unicode=True)
    alone, in_message, in_archive = (run([edit], record(whole)) for whole in (text, message, archive))
    assert (alone.data is None) == (in_message.data is None) == (in_archive.data is None)
    if alone.data is None:
        return
    wanted = [user_data(alone), script]
    assert [part.text() for part in mime.parse(user_data(in_message)).parts] == wanted
    assert [entry["content"] for entry in yaml.safe_load(user_data(in_archive))] == wanted
    assert user_data(in_archive).endswith(archive[archive.index('\n- "content"', 30) :])


@given(st.sampled_from(["", "- {content: 'a: 1'}\n", '[{"content": "a"}]\n', "- |\n  a: 1\n\n# end"]), TEXT, TEXT)
def test_a_part_of_an_archive_twice_is_once(text: str, content: str, other: str) -> None:
    edits = [
        {"op": "addPart", "contentType": "text/x-shellscript", "filename": name, "content": literal(part)}
        for name, part in (("a.sh", content), ("b.sh", other))
    ]
    first = run(edits, record("#cloud-config-archive\n" + text))
    assert [entry["content"] for entry in yaml.safe_load(user_data(first))[-2:]] == [content, other]
    assert run(edits, first.data or b"").data == first.data


@given(MAPS, st.lists(st.tuples(NETWORK_OPS, POINTERS, JSON), min_size=1, max_size=3), st.sampled_from([None, 2]))
def test_ignition_is_edited_as_json(
    data: dict[str, Any], edits: list[tuple[str, str, Any]], indent: int | None
) -> None:
    """In the same way as network data in JSON."""
    text = json.dumps({"ignition": {"version": "3.4.0"}, **data}, indent=indent)
    user, network = (
        [{"op": op, "target": target, "path": p, "value": literal(v)} for op, p, v in edits if p]
        for target in ("userData", "networkData")
    )
    assume(user)
    ours, theirs = run(user, record(text)), run(network, record("#cloud-config\n", text))
    assert (ours.data is None) == (theirs.data is None)
    if ours.data is not None and theirs.data is not None:
        assert user_data(ours) == json.loads(theirs.data)["NetworkData"]


@given(MAPS, st.lists(st.tuples(NETWORK_OPS, POINTERS, JSON, st.booleans()), min_size=1, max_size=3), st.booleans())
def test_network_data_is_edited_alike_below_its_outer_key(
    data: dict[str, Any], edits: list[tuple[str, str, Any, bool]], as_json: bool
) -> None:
    """Whatever the edits do: the data inside is the same and the outer key stays. Paths may include that key."""
    write = json.dumps if as_json else yaml.safe_dump
    written = [{"op": op, "target": "networkData", "path": p, "value": literal(v)} for op, p, v, _ in edits]
    named = [
        {**edit, "path": "/network" + edit["path"]} if full else edit
        for edit, (_, _, _, full) in zip(written, edits, strict=True)
    ]
    size = "$[ string(cloudInit.networkData.value.size()) ]"
    seen = {"op": "replace", "target": "metaData", "path": "/instance-id", "value": size}
    plain, below = (
        run([*program, seen], record("#cloud-config\n", write(text)))
        for program, text in ((written, data), (named, {"network": data}))
    )
    assert (plain.data is None) == (below.data is None), render([*plain.diagnostics, *below.diagnostics])
    if plain.data is None or below.data is None:
        return
    inner, outer = json.loads(plain.data), json.loads(below.data)
    assert inner["NoCloudMetaData"] == outer["NoCloudMetaData"]
    assert identical(yaml.safe_load(outer["NetworkData"]), {"network": yaml.safe_load(inner["NetworkData"])})
    if len(named) == 1 and named[0]["op"] in ("ensure", "merge"):
        assert run(named, below.data).data == below.data


@given(cloud_configs(), st.sampled_from(["ensure", "merge", "add", "replace"]), POINTERS, JSON)
def test_what_is_left_out_of_a_value_is_not_in_it(text: str, op: str, pointer: str, value: Any) -> None:
    """Optionals without a value, as parts of a value and as the whole value."""
    none, edit = "$[ optional.none() ]", {"op": op, "target": "userData", "path": pointer}
    data = record(text)
    assert run([{**edit, "value": none}], data).data in (data, None)
    whole = {"map": {"v": literal(value)}, "list": [literal(value)]}
    parts = {"map": {"n": none, "v": literal(value)}, "list": [none, literal(value), none], "n": none}
    assert run([{**edit, "value": parts}], data).data == run([{**edit, "value": whole}], data).data


@given(cloud_configs(), POINTERS, JSON)
def test_without_an_effect_no_byte_changes(text: str, pointer: str, value: Any) -> None:
    """Removing an added value, setting a value to itself and running a test all change nothing."""
    target = {"target": "userData"}
    before = yaml.safe_load(text) or {}
    edits: list[dict[str, Any]] = [
        {"op": "add", **target, "path": "/new", "value": literal(value)},
        {"op": "copy", **target, "from": "/new", "path": "/copy"},
        {"op": "move", **target, "from": "/copy", "path": "/moved"},
        {"op": "remove", **target, "path": "/moved"},
        {"op": "remove", **target, "path": "/new"},
        {"op": "replace", **target, "path": "", "value": literal(before)},
        {"op": "merge", **target, "path": "", "value": {}},
        {"op": "remove", **target, "path": f"/new{pointer}", "expect": "0..1"},
        {"op": "test", **target, "path": "", "value": literal(before)},
    ]
    if any("{%" in part or "{#" in part for part in [json.dumps(value, ensure_ascii=False)]):
        assume("jinja" not in text)
    data = record(text)
    outcome = run(edits, data)
    assert outcome.data == data, render(outcome.diagnostics)


PIECES = st.sampled_from(
    [
        "#cloud-config\n", "## template: jinja\n", "#!/bin/sh\n", "#include\n", "#cloud-config-archive\n", "#ps1\n",
        "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n", "MIME-Version: 1.0\n", "\n", "--b\n",
        "--b--\n", "Content-Type: text/cloud-config\n", "Content-Type: text/x-shellscript; charset=\"utf-8\"\n\n",
        "Content-Transfer-Encoding: base64\n\n", "Content-Transfer-Encoding: quoted-printable\n\n", "YTogMQo=\n",
        "Content-Type: application/gzip\n", "H4sIAAAAAAAAA0sEAEO+t+gBAAAA\n", "a: 1\n", "a: *x\n", "- b\n", "? [c]\n",
        "l: &x [1, 2]\n", "<<: *x\n", "{a: 1}", "[1, 2]", "a: |\n  x\n", "\t", "\r\n", "é", "--- \n",
        "network:\n  version: 2\n",
        "a: !!binary x\n", "d: 2024-02-30\n", "'a", '"', "#", "=C3=A9", "I2Nsb3VkLWNvbmZpZwphOiAxCg==",
    ]
)  # fmt: skip
DATA = st.lists(PIECES | TEXT, max_size=8).map("".join)
FIELDS = st.one_of(st.none(), DATA, JSON)
ANY_EDIT = cloud_init_edits(
    POINTERS | st.sampled_from(["/UserData", "/NetworkData", "/NoCloudMetaData", "/DataSource"]), JSON.map(literal)
).filter(lambda edit: loaded([edit]) is not None)


@given(DATA | FIELDS, DATA | FIELDS, FIELDS, st.lists(ANY_EDIT, max_size=3))
def test_whatever_comes_is_answered(users: Any, network: Any, meta: Any, edits: list[dict[str, Any]]) -> None:
    """The result is data that virt-launcher accepts, or an error with a message. Unchanged fields keep their bytes."""
    fields = {"DataSource": "noCloud", "NoCloudMetaData": meta, "UserData": users, "NetworkData": network}
    data = json.dumps(fields).encode()
    outcome = run([*edits, {"op": "test", "expression": "true"}], data)
    if outcome.data is None:
        assert outcome.no_cloud_source is None
        (found,) = (d for d in outcome.diagnostics if d.is_error)
        assert found.message
        return
    after = json.loads(outcome.data)
    assert (outcome.data == data) == identical(after, fields)
    if outcome.data != data:
        assert after["UserData"]
        assert any(isinstance(after.get(name), dict) for name in ("NoCloudMetaData", "ConfigDriveMetaData"))


@st.composite
def blocks(draw: st.DrawFn) -> list[tuple[str, Any, str]]:
    """Key, value and text of each entry of a cloud-config: a comment, and the entry in its own layout."""
    keys = draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5, unique=True))
    found = []
    for key in keys:
        value, layout = draw(JSON), draw(st.sampled_from(LAYOUTS))
        if layout["default_flow_style"] is not False:
            text = f"key-{key}: " + yaml.safe_dump(value, default_flow_style=True, width=10**9).removesuffix("...\n")
        else:
            text = yaml.safe_dump({f"key-{key}": value}, allow_unicode=True, sort_keys=False, **layout)
        found.append((f"key-{key}", value, f"# about {key}\n{text}"))
    return found


@given(blocks(), st.integers(0, 4), JSON, st.sampled_from(["replace", "remove", "ensure"]), st.booleans())
def test_other_entries_keep_their_lines(
    entries: list[tuple[str, Any, str]], number: int, value: Any, op: str, windows: bool
) -> None:
    number %= len(entries)
    head = "#cloud-config\n"
    texts = [text for _, _, text in entries]
    before, after = head + "".join(texts[:number]), "".join(texts[number + 1 :])
    text = before + texts[number] + after
    if windows:
        assume("\r" not in text and "\\" not in text)
        before, after, text = (part.replace("\n", "\r\n") for part in (before, after, text))
    assume(identical(yaml.safe_load(text), {key: item for key, item, _ in entries}))
    assume(len(entries) > 1 or op != "remove")
    edit = {"op": op, "target": "userData", "path": f"/{entries[number][0]}", "value": literal(value)}
    if op == "remove":
        del edit["value"]
    result = user_data(run([edit], record(text)))
    assert result.startswith(before)
    assert result.endswith(after)
