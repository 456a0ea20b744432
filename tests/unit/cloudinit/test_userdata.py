"""User data and network data: detecting formats, unwrapping, editing YAML, refusing everything else."""

import gzip
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

from patchlang.cloudinit import networkdata, userdata, userformat
from patchlang.cloudinit.base64gzip import gunzip
from patchlang.cloudinit.facts import network_data_facts, user_data_facts
from patchlang.cloudinit.userdata import PartSelector
from patchlang.diagnostics import PatchError

CONFIG = "#cloud-config\n# ours\nhostname: a\npackages:\n  - vim\n"
JINJA = """\
## template: jinja
#cloud-config
fqdn: "{{ v1.local_hostname }}.test"
runcmd:
  - echo {{ ds.x }} > /run/i
"""
ARCHIVE = "#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    a: 1\n"
MIME = f"""\
Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/cloud-config
Content-Disposition: attachment; filename="a.cfg"

#cloud-config
a: 1
--b
Content-Type: text/x-shellscript

#!/bin/sh
--b
Content-Type: text/jinja2

{JINJA}--b--
"""


def edit(text: str, member: str, value: Any, part: PartSelector | None = None) -> str:
    opened = userdata.open_user_data(text, part)
    return opened.write({**opened.value, member: value})


def refusal(call: Any) -> tuple[str, str | None]:
    with pytest.raises(PatchError) as e:
        call()
    assert e.value.diagnostic.rule.slug in ("user-data-format", "match-count", "limit-reached")
    return e.value.diagnostic.message, e.value.diagnostic.help


@pytest.mark.parametrize(
    ("text", "name", "content_type"),
    [
        ("", "empty", None),
        (" \n", "empty", None),
        (CONFIG, "cloud-config", "text/cloud-config"),
        ("\n\n#Cloud-Config\na: 1", "cloud-config", "text/cloud-config"),
        ("#cloud-config\r\na: 1\r\n", "cloud-config", "text/cloud-config"),
        ("#cloud-config-jsonp\n[]", "unknown", "text/cloud-config-jsonp"),
        (ARCHIVE, "cloud-config-archive", "text/cloud-config-archive"),
        ("#!/bin/sh\n", "script", "text/x-shellscript"),
        ("#include\nhttp://x.test\n", "include", "text/x-include-url"),
        ("#include-once http://x.test", "include", "text/x-include-once-url"),
        ("#cloud-boothook\n#!/bin/sh", "boothook", "text/cloud-boothook"),
        ("#part-handler\n", "part-handler", "text/part-handler"),
        (MIME, "multipart", None),
        ("#ps1_sysnative\nGet-Date", "script", None),
        ("rem cmd\necho x", "script", None),
        ("hostname abc\nset port 443", "unknown", None),
        ("\ufeff#cloud-config\n", "unknown", None),
        ("a: 1\n", "unknown", None),
        ("#cloud-config\n# MIME-Version: 1.0\na: 1\n", "cloud-config", "text/cloud-config"),
    ],
)
def test_formats(text: str, name: str, content_type: str | None) -> None:
    assert userformat.detect(text) == userformat.UserDataFormat(name, False, content_type)


def test_a_template_has_the_format_of_its_rest() -> None:
    assert userformat.detect(JINJA) == userformat.UserDataFormat("cloud-config", True, "text/jinja2")
    assert userformat.detect("## template: jinja\n#!/bin/sh\n").name == "script"


def test_cloud_config() -> None:
    assert edit(CONFIG, "x", "0644") == CONFIG + "x: '0644'\n"
    opened = userdata.open_user_data(CONFIG)
    assert opened.write(opened.value) == CONFIG


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_empty_user_data_becomes_a_cloud_config(text: str) -> None:
    assert edit(text, "bootcmd", [["echo", "x"]]).lstrip() == "#cloud-config\nbootcmd:\n  - [echo, x]\n"
    assert userdata.open_user_data(text).write({}) == text


def test_windows_text() -> None:
    text = CONFIG.replace("\n", "\r\n")
    assert edit(text, "x", "one\ntwo\n") == text + "x: |\r\n  one\r\n  two\r\n"


def test_an_archive_is_a_list() -> None:
    opened = userdata.open_user_data(ARCHIVE)
    result = opened.write([*opened.value, {"type": "text/x-shellscript", "content": "#!/bin/sh\ntrue\n"}])
    assert result == ARCHIVE + "- type: text/x-shellscript\n  content: |\n    #!/bin/sh\n    true\n"


def test_jinja() -> None:
    opened = userdata.open_user_data(JINJA)
    assert opened.jinja
    assert opened.write({**opened.value, "x": "{{ y }}"}) == JINJA + "x: '{{ y }}'\n"
    message, _ = refusal(lambda: opened.write({**opened.value, "x": "${#array}"}))
    assert message == (
        "user data is a Jinja template, and this edit writes `{#` into it (line 6), which Jinja would interpret"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JINJA + "{% if x %}\n", "user data is a Jinja template with `{%` in line 6"),
        (JINJA.replace("ds.x }}", "ds.x }} {# no #}"), "user data is a Jinja template with `{#` in line 5"),
        (JINJA.replace('"', ""), "user data is not YAML that cloud-init can read"),
        ("## template: jinja\n#!/bin/sh\n", "user data is a script in a Jinja template, but a path needs YAML"),
        ("#!/bin/sh\n", "user data is a script, but a path needs YAML"),
        ("#include\nx", "user data is an include list, but a path needs YAML"),
        ("#cloud-boothook\n", "user data is a boothook, but a path needs YAML"),
        ("#ps1\n", "user data is a script, but a path needs YAML"),
        ("hostname x\n", "user data is in no format that cloud-init recognizes by its first line"),
        ("\ufeff" + CONFIG, "user data is text with a byte order mark"),
        ("\x1f\ufffd\x08\0", "user data is binary data (such as gzip) that was corrupted in transit"),
        ("#cloud-config-jsonp\n[]", "user data is a JSON patch for cloud-init, but a path needs YAML"),
        (
            CONFIG + "x: [",
            "user data is not YAML that cloud-init can read: expected the node content, but found "
            "'<stream end>' in line 6, column 5",
        ),
        (
            CONFIG + "secret",
            "user data is not YAML that cloud-init can read: could not find expected ':' in line 6, column 7",
        ),
        ("#cloud-config\n- a\n", "user data is a list, but cloud-init needs a map"),
        ("#cloud-config-archive\na: 1\n", "user data is a map, but cloud-init needs a list"),
        (MIME, "user data is multipart: edit its parts one by one"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    found, help = refusal(lambda: userdata.open_user_data(text))
    assert found.startswith(message)
    assert help
    assert "secret" not in found


def test_the_root_stays_what_it_is() -> None:
    message, _ = refusal(lambda: userdata.open_user_data(CONFIG).write(["x"]))
    assert message == "user data must remain a map, but this edit turns it into a list"


@pytest.mark.parametrize("width", [None, 16, 76])
@pytest.mark.parametrize("end", ["", "\n"])
def test_base64(width: int | None, end: str) -> None:
    encoded = b64encode(CONFIG.encode()).decode()
    lines = [encoded[i : i + width] for i in range(0, len(encoded), width)] if width else [encoded]
    text = "\n".join(lines) + end
    result = edit(text, "x", 1)
    assert b64decode(result).decode() == CONFIG + "x: 1\n"
    assert result.endswith("\n") == bool(end)
    assert {len(line) for line in result.splitlines()[:-1]} <= {width}
    opened = userdata.open_user_data(text)
    assert opened.value == {"hostname": "a", "packages": ["vim"]}


def test_base64_of_gzip() -> None:
    packed = gzip.compress(CONFIG.encode(), 1, mtime=1234)
    text = b64encode(packed).decode()
    result = b64decode(edit(text, "x", 1))
    assert gunzip(result).decode() == CONFIG + "x: 1\n"
    assert result[:10] == packed[:10]
    assert edit(text, "x", 1) == edit(text, "x", 1)


def test_gzip_that_cannot_be_opened() -> None:
    bomb = b64encode(gzip.compress(b"\0" * (8 << 20))).decode()
    assert "more than 1048576 bytes when unzipped" in refusal(lambda: userdata.open_user_data(bomb))[0]
    cut = b64encode(gzip.compress(CONFIG.encode())[:-9]).decode()
    assert "the gzip data is truncated" in refusal(lambda: userdata.open_user_data(cut))[0]
    bad = b64encode(gzip.compress(CONFIG.encode())[:12] + b"x" * 20).decode()
    assert "the gzip data is corrupt" in refusal(lambda: userdata.open_user_data(bad))[0]
    binary = b64encode(gzip.compress(b"\xff" * 9)).decode()
    assert "the gzip data is not text" in refusal(lambda: userdata.open_user_data(binary))[0]


def test_words_that_could_be_base64_are_words() -> None:
    assert userdata.unwrapped("passwordpassword").text == "passwordpassword"


def test_one_part() -> None:
    assert edit(MIME, "a", 2, PartSelector("text/cloud-config")) == MIME.replace("a: 1", "a: 2")
    assert edit(MIME, "a", 2, PartSelector(filename="a.cfg")) == MIME.replace("a: 1", "a: 2")
    assert edit(MIME, "x", 2, PartSelector("text/jinja2")) == MIME.replace("--b--", "x: 2\n--b--").replace(
        "> /run/i\nx", "> /run/i\nx"
    )
    wrapped = b64encode(MIME.encode()).decode()
    assert b64decode(edit(wrapped, "a", 2, PartSelector("text/cloud-config"))).decode() == MIME.replace("a: 1", "a: 2")


@pytest.mark.parametrize(
    ("text", "part", "message", "help"),
    [
        (
            CONFIG,
            PartSelector("text/x-shellscript"),
            "`part` selects a part of multipart user data or of an archive, but this is a cloud-config",
            "remove `part`",
        ),
        (
            MIME,
            PartSelector("text/plain"),
            "`part` matches none of the parts: text/plain",
            "the parts are: text/cloud-config, text/x-shellscript, text/jinja2",
        ),
        (MIME, PartSelector(), "`part` matches 3 of the parts", "the parts are"),
        (
            MIME,
            PartSelector("text/x-shellscript"),
            "part text/x-shellscript is a script, but a path needs YAML",
            "use `addPart` with",
        ),
        (
            MIME,
            None,
            "user data is multipart",
            "select one with `part: {contentType: …, filename: …}`: text/cloud-config",
        ),
    ],
)
def test_parts_that_are_refused(text: str, part: PartSelector | None, message: str, help: str) -> None:
    found, hint = refusal(lambda: userdata.open_user_data(text, part))
    assert found.startswith(message)
    assert (hint or "").startswith(help)


def test_duplicate_keys_are_warned_of() -> None:
    assert userdata.open_user_data(CONFIG + "hostname: b\n").warnings == (
        ("hostname", "in line 3 of user data has no effect: it is repeated below, and the last one counts"),
    )


def test_a_part_is_added_once() -> None:
    new = ("text/x-shellscript", "90-site.sh", "#!/bin/sh\ntrue\n")
    once = userdata.add_part(MIME, *new)
    assert once.startswith(MIME.removesuffix("--b--\n"))
    assert userdata.add_part(once, *new) == once
    other = userdata.add_part(once, *new[:2], "#!/bin/sh\nfalse\n")
    assert other == once.replace("#!/bin/sh\ntrue", "#!/bin/sh\nfalse")


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("", ["text/x-shellscript"]),
        (CONFIG, ["text/cloud-config", "text/x-shellscript"]),
        (JINJA, ["text/jinja2", "text/x-shellscript"]),
        ("#!/bin/sh\n", ["text/x-shellscript", "text/x-shellscript"]),
        ("## template: jinja\n" + ARCHIVE, ["text/jinja2", "text/x-shellscript"]),
        ("#cloud-config-jsonp\n[]", ["text/cloud-config-jsonp", "text/x-shellscript"]),
        ("MIME-Version: 1.0\nContent-Type: text/cloud-config\n\na: 1\n", ["text/cloud-config", "text/x-shellscript"]),
    ],
)
def test_other_user_data_becomes_the_first_part(text: str, types: list[str]) -> None:
    new = ("text/x-shellscript", "x.sh", "#!/bin/sh\n")
    result = userdata.add_part(text, *new)
    parts = userdata.read_message(result).parts
    assert [part.content_type for part in parts] == types
    assert parts[-1].text() == "#!/bin/sh\n"
    if len(parts) > 1:
        assert parts[0].text() in text
    assert userdata.add_part(result, *new) == result


def test_a_part_is_added_inside_of_the_wrapping() -> None:
    text = b64encode(CONFIG.encode()).decode()
    result = userdata.add_part(text, "text/plain", "x", "y")
    assert b64decode(result).startswith(b"Content-Type: multipart/mixed")


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("hostname x\n", ("text/plain", "x"), "its type as a part of a MIME message is unknown"),
        ("#ps1\n", ("text/plain", "x"), "its type as a part of a MIME message is unknown"),
    ],
)
def test_parts_that_cannot_be_added(text: str, names: tuple[str, str], message: str) -> None:
    assert message in refusal(lambda: userdata.add_part(text, *names, "content"))[0]


V1 = "version: 1\nconfig:\n  - type: physical\n    name: eth0\n"
V2 = "network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: true}\n"


def network(text: str, member: str, value: Any, *, config_drive: bool = False) -> str:
    opened = networkdata.open_network_data(text, json_when_empty=config_drive)
    return opened.write({**opened.value, member: value})


def test_network_data_in_yaml() -> None:
    assert network(V1, "x", 1) == V1 + "x: 1\n"
    assert network("", "version", 2) == "version: 2\n"
    assert networkdata.open_network_data("", json_when_empty=False).write({}) == ""


def test_network_data_in_json() -> None:
    assert network('{"links":[]}', "x", [1]) == '{"links":[],"x":[1]}'
    assert json.loads(network("", "links", [], config_drive=True)) == {"links": []}
    assert network('{\n  "a": 1\n}', "b", 2) == '{\n  "a": 1,\n  "b": 2\n}'
    assert network("{a: 1}", "b", 2) == "{a: 1, b: 2}"


def test_network_data_in_base64() -> None:
    assert b64decode(network(b64encode(V1.encode()).decode(), "x", 1)).decode() == V1 + "x: 1\n"


@pytest.mark.parametrize("text", ["- a\n", "just text", "version: [2", '["a"]'])
def test_network_data_that_is_refused(text: str) -> None:
    message, help = refusal(lambda: networkdata.open_network_data(text, json_when_empty=False))
    assert message.startswith("network data is")
    assert help == "to edit it as text, `replace` /NetworkData with the target cloudInitData"


def test_facts() -> None:
    assert user_data_facts(CONFIG) == {
        "format": "cloud-config",
        "jinja": False,
        "text": CONFIG,
        "value": {"hostname": "a", "packages": ["vim"]},
    }
    assert user_data_facts("") == {"format": "empty", "jinja": False, "text": "", "value": {}}
    assert user_data_facts(CONFIG + "x: [") == {"format": "cloud-config", "jinja": False, "text": CONFIG + "x: ["}
    assert user_data_facts(b64encode(b"#!/bin/sh\n").decode())["format"] == "script"
    assert user_data_facts(JINJA)["jinja"] is True
    facts = user_data_facts(MIME)
    assert facts["parts"][0] == {
        "contentType": "text/cloud-config",
        "filename": "a.cfg",
        "text": "#cloud-config\na: 1",
        "value": {"a": 1},
    }
    assert facts["parts"][1] == {"contentType": "text/x-shellscript", "text": "#!/bin/sh"}
    assert user_data_facts(MIME.replace('boundary="b"', ""))["format"] == "multipart"


def test_facts_have_the_types_of_json() -> None:
    text = "#cloud-config\nday: 2024-01-02\n7: x\ntrue: y\nbin: !!binary aGk=\nset: !!set {b, a}\nnan: .nan\n"
    assert user_data_facts(text)["value"] == {
        "day": "2024-01-02",
        "7": "x",
        "true": "y",
        "bin": "aGk=",
        "set": ["a", "b"],
        "nan": "nan",
    }


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", {"text": "", "value": {}}),
        (V1, {"text": V1, "version": 1, "value": {"version": 1, "config": [{"type": "physical", "name": "eth0"}]}}),
        (V2, {"text": V2, "version": 2, "value": {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}}),
        ('{"links": []}', {"text": '{"links": []}', "value": {"links": []}}),
        ("version: [", {"text": "version: ["}),
    ],
)
def test_network_facts(text: str, facts: dict[str, Any]) -> None:
    assert network_data_facts(text) == facts
