"""The language server as an editor sees it: a process, with messages on its standard input and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lspclient import Client

from patchlang import rules
from patchlang.authoring.lsp.positions import UTF_16, Lines, Point

HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
TITLE = f"{HEAD}  domain:\n    - op: set\n      path: /domain/title\n      value: a\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A shared server for tests that do not change its state."""
    with Client(tmp_path_factory.mktemp("editor")) as client:
        yield client
        assert client.end() == 0
        assert client.stderr == ""


def edited(text: str, edits: list[dict[str, Any]], encoding: str = UTF_16) -> str:
    """A text after the edits of an action are applied."""
    lines = Lines(text, encoding)

    def offset(place: dict[str, int]) -> int:
        return lines.offset(Point(place["line"], place["character"]))

    for one in sorted(edits, key=lambda edit: -offset(edit["range"]["start"])):
        start, end = offset(one["range"]["start"]), offset(one["range"]["end"])
        text = text[:start] + one["newText"] + text[end:]
    return text


def labels(client: Client, name: str, line: int, character: int) -> list[str]:
    return [item["label"] for item in client.at("completion", name, line, character)["items"]]


# -- findings ----------------------------------------------------------------------------------------------------------


def test_findings_come_while_typing(shared: Client) -> None:
    shared.open("typing.yaml", TITLE.replace("set", "sett"))
    (found,) = shared.findings("typing.yaml")
    assert found["code"] == "PL107"
    assert found["source"] == "patchlang"
    assert found["severity"] == 1
    assert found["range"] == {"start": {"line": 5, "character": 10}, "end": {"line": 5, "character": 14}}
    assert "did you mean `set`?" in found["message"]
    shared.change("typing.yaml", TITLE)
    assert shared.findings("typing.yaml", lambda codes: not codes) == []
    shared.close("typing.yaml")


def test_places_are_counted_in_units_of_utf_16(shared: Client) -> None:
    text = f"{HEAD}  domain:\n    - {{name: '😀é', op: sett, path: /domain/title, value: a}}\n"
    shared.open("units.yaml", text)
    (found,) = shared.findings("units.yaml")
    line = text.split("\n")[5]
    before = len(line[: line.index("sett")].encode("utf-16-le")) // 2
    assert found["range"]["start"] == {"line": 5, "character": before}
    assert found["range"]["end"] == {"line": 5, "character": before + 4}
    answer = shared.at("completion", "units.yaml", 5, before + 2)
    assert answer["items"][1]["textEdit"]["range"] == found["range"]
    assert "op: set," in edited(text, [answer["items"][1]["textEdit"]])
    shared.close("units.yaml")


def test_open_texts_count_instead_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TITLE)
    (tmp_path / "b.yaml").write_text(TITLE.replace("name: p", "name: other").replace("title", "description"))
    with Client(tmp_path) as client:
        client.open("a.yaml", TITLE)
        client.open("b.yaml", TITLE.replace("title", "description"))
        (found,) = client.findings("b.yaml")
        assert found["code"] == rules.DUPLICATE_NAME.id
        client.change("b.yaml", TITLE.replace("name: p", "name: other").replace("title", "description"))
        assert client.findings("b.yaml", lambda codes: not codes) == []
        client.change("a.yaml", TITLE.replace("name: p", "name: other"))
        client.findings("b.yaml")  # an error in one file also appears in the other, which did not change
        client.close("b.yaml")
        client.change("a.yaml", TITLE.replace("title", "emulator"))
        assert client.end() == 0
        assert client.stderr == ""


def test_files_that_are_not_open_have_findings_too(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(TITLE.replace("name: p", "name: b").replace("op: set", "op: sett"))
    with Client(tmp_path) as client:
        client.open("a.yaml", TITLE)
        (found,) = client.findings("b.yaml")
        assert found["code"] == "PL107"
        client.close("a.yaml")
        assert client.findings("b.yaml", lambda codes: not codes) == []


def test_a_config_map_is_checked(shared: Client) -> None:
    patch = "".join(f"    {line}\n" for line in TITLE.replace("/domain/title", "/domain/titel").splitlines())
    shared.open("map.yaml", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  a.yaml: |\n{patch}")
    (found,) = shared.findings("map.yaml")
    assert (found["code"], found["range"]["start"]) == ("PL901", {"line": 11, "character": 24})
    assert "title" in labels(shared, "map.yaml", 11, 26)
    shared.close("map.yaml")


def test_of_many_documents_the_changed_one_is_checked_first(shared: Client) -> None:
    documents = [TITLE.replace("name: p", f"name: p{n}").replace("title", "metadata/t") for n in range(20)]
    shared.open("many.yaml", "---\n".join(documents))
    shared.findings("many.yaml", lambda codes: True)
    documents[3] = documents[3].replace("op: set", "op: sett")
    documents[12] = documents[12].replace("value", "valeu")
    shared.change("many.yaml", "---\n".join(documents))
    found = shared.findings("many.yaml", lambda codes: "PL107" in codes)
    documents[3] = documents[3].replace("    - op: sett", "    #\n    #\n    #\n    - op: sett")
    shared.change("many.yaml", "---\n".join(documents))
    moved = shared.findings("many.yaml", lambda codes: "PL107" in codes)

    def line(codes: str, of: list[dict[str, Any]]) -> int:
        return int(next(one for one in of if one["code"] == codes)["range"]["start"]["line"])

    assert line("PL101", moved) - line("PL101", found) == 3
    shared.close("many.yaml")


def test_the_configuration_is_honored(tmp_path: Path) -> None:
    (tmp_path / ".patchlang.yaml").write_text("ignore: [PL9]\n")
    with Client(tmp_path, workspace={"didChangeWatchedFiles": {"dynamicRegistration": True}}) as client:
        client.open("a.yaml", TITLE.replace("title", "titel"))
        assert client.findings("a.yaml", lambda codes: True) == []
        (tmp_path / ".patchlang.yaml").write_text("libvirt: '9.0'\n")
        client.notify("workspace/didChangeWatchedFiles", {"changes": []})
        (found,) = client.findings("a.yaml")
        assert "libvirt 9.0.0" in found["message"]
        (tmp_path / ".patchlang.yaml").write_text("libvirt: '1'\n")
        client.notify("workspace/didChangeWatchedFiles", {"changes": []})
        client.findings(".patchlang.yaml")
        (tmp_path / ".patchlang.yaml").write_text("exclude: [a.yaml]\n")
        client.notify("textDocument/didSave", {"textDocument": {"uri": client.uri("a.yaml")}})
        assert client.findings("a.yaml", lambda codes: not codes) == []
        assert [one["method"] for one in client.asked] == ["client/registerCapability"]


# -- answers -----------------------------------------------------------------------------------------------------------


def test_completion_replaces_what_is_there(shared: Client) -> None:
    text = TITLE.replace("/domain/title", "'/domain/devices/dis'")
    shared.open("complete.yaml", text)
    answer = shared.at("completion", "complete.yaml", 6, 32)
    disk = next(item for item in answer["items"] if item["label"] == "disk")
    assert "'/domain/devices/disk'" in edited(text, [disk["textEdit"]])
    shared.close("complete.yaml")


def test_hover_says_what_it_is_and_what_is_wrong(shared: Client) -> None:
    shared.open("hover.yaml", TITLE.replace("/domain/title", "/domain/devices/disk[1]/@device"))
    shared.findings("hover.yaml")
    element = shared.at("hover", "hover.yaml", 6, 31)["contents"]["value"]
    assert "`/domain/devices/disk`: an element; in libvirt 9.0.0 and newer" in element
    assert "cdrom" in shared.at("hover", "hover.yaml", 6, 40)["contents"]["value"]
    assert "# set, an edit of the domain" in shared.at("hover", "hover.yaml", 5, 11)["contents"]["value"]
    shared.change("hover.yaml", TITLE.replace("op: set", "op: sett"))
    shared.findings("hover.yaml")
    assert "# PL107 unknown-op" in shared.at("hover", "hover.yaml", 5, 11)["contents"]["value"]
    shared.close("hover.yaml")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("      when: variables.size > 1", "size"),
        ("      path: /domain/title[$size]", "size"),
        ('      value: "a $[ string(variables.size) ]"', "size"),
        ("      when: \"xpath('//disk[$size]') == []\"", "size"),
    ],
)
def test_definitions_of_variables(shared: Client, line: str, text: str) -> None:
    variables = "  variables:\n    - {name: other, expression: '1'}\n    - {name: size, expression: '2'}\n"
    shared.open("definition.yaml", f"{HEAD}{variables}  domain:\n    - op: set\n{line}\n")
    found = shared.at("definition", "definition.yaml", 9, line.rindex(text) + 1)
    assert found["range"] == {"start": {"line": 6, "character": 13}, "end": {"line": 6, "character": 17}}
    assert shared.at("definition", "definition.yaml", 8, 8) is None
    shared.close("definition.yaml")


def test_what_was_meant_is_offered(shared: Client) -> None:
    text = TITLE.replace("/domain/title", "/domain/devices/disk/@devic")
    shared.open("meant.yaml", text)
    found = shared.findings("meant.yaml", lambda codes: "PL902" in codes)
    place = next(one for one in found if one["code"] == "PL902")["range"]
    action = next(one for one in shared.actions("meant.yaml", place) if one["title"] == "Write `device`")
    assert action["kind"] == "quickfix"
    assert action["isPreferred"]
    assert "/domain/devices/disk/@device\n" in edited(text, action["edit"]["changes"][shared.uri("meant.yaml")])
    shared.close("meant.yaml")


def test_a_comment_ends_as_the_lines_around_it(shared: Client) -> None:
    text = TITLE.replace("/domain/title", "/domain/tilte").replace("\n", "\r\n")
    shared.open("crlf.yaml", text)
    (found,) = shared.findings("crlf.yaml")
    action = next(one for one in shared.actions("crlf.yaml", found["range"]) if one["title"].startswith("Ignore"))
    after = edited(text, action["edit"]["changes"][shared.uri("crlf.yaml")])
    assert after.count("\r\n") == after.count("\n") == text.count("\n") + 1
    shared.close("crlf.yaml")


def test_a_comment_that_ignores_is_offered(shared: Client) -> None:
    fragment = "        <disk>\n          <tagret/>\n        </disk>\n"
    text = f"{HEAD}  domain:\n    - op: add\n      path: /domain/devices\n      xml: |\n{fragment}"
    shared.open("ignore.yaml", text)
    left = shared.findings("ignore.yaml", lambda codes: "PL901" in codes)
    while left:
        action = next(a for a in shared.actions("ignore.yaml", left[0]["range"]) if a["title"].startswith("Ignore"))
        text = edited(text, action["edit"]["changes"][shared.uri("ignore.yaml")])
        shared.change("ignore.yaml", text)
        code, count = left[0]["code"], len(left)
        left = shared.findings("ignore.yaml", lambda codes, c=code, n=count: c not in codes or len(codes) < n)
    assert "      # patchlang: ignore[PL901" in text
    shared.close("ignore.yaml")


# -- different clients -------------------------------------------------------------------------------------------------


def test_a_client_that_counts_bytes(tmp_path: Path) -> None:
    with Client(tmp_path, general={"positionEncodings": ["utf-8"]}) as client:
        assert client.initialized["capabilities"]["positionEncoding"] == "utf-8"
        text = TITLE.replace("value: a", "value: '😀é$[ vmi.metadta.name ]'")
        client.open("a.yaml", text)
        found = next(one for one in client.findings("a.yaml") if "metadta" in one["message"])
        line = text.split("\n")[7]
        assert found["range"]["start"]["character"] == len(line[: line.index("metadta")].encode())


def test_a_client_that_sends_parts(shared: Client) -> None:
    shared.open("parts.yaml", TITLE)
    at = {"start": {"line": 5, "character": 10}, "end": {"line": 5, "character": 13}}
    shared.change("parts.yaml", {"range": at, "text": "sett"})
    assert shared.findings("parts.yaml")[0]["code"] == "PL107"
    shared.close("parts.yaml")


def test_a_text_that_is_no_file(shared: Client) -> None:
    shared.open("untitled:Untitled-1", TITLE.replace("op: set", "op: sett"))
    assert shared.findings("untitled:Untitled-1")[0]["code"] == "PL107"
    assert "set" in labels(shared, "untitled:Untitled-1", 5, 12)
    shared.close("untitled:Untitled-1")


NONSENSE = [
    b"Content-Length: 5\r\n\r\n{no}}",
    b"Content-Length: 2\r\n\r\n[]",
    b"Content-Length: 4\r\n\r\nnull",
    b"Content-Length: 3\r\n\r\n\xff\xfe\x00",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 99999999999999999999999\r\nContent-Length: 2\r\n\r\n{}"[48:],
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\0" * 10_000 + b"\n",
    b'Content-Length: 37\r\n\r\n{"jsonrpc": "2.0", "method": "a/b/c"}',
    b'Content-Length: 40\r\n\r\n{"jsonrpc": "1.0", "id": 7, "method": 5}',
    b"Content-Length: 20000\r\n\r\n" + b"[" * 20_000,
]


def test_nonsense_is_answered_or_logged(tmp_path: Path) -> None:
    with Client(tmp_path) as client:
        for message in NONSENSE:
            client.send_bytes(message)
        client.open("a.yaml", TITLE)
        unknown = {"textDocument": {"uri": "file:///nowhere/else.yaml"}, "position": {"line": 0, "character": 0}}
        for method in ("completion", "hover", "definition"):
            assert client.request(f"textDocument/{method}", unknown) is None
        beyond = {"line": 10**6, "character": 10**6}
        assert client.at("hover", "a.yaml", **beyond) is None
        client.at("completion", "a.yaml", **beyond)
        assert client.answer("textDocument/hover", {"position": "here"})["error"]["code"] == -32602
        assert client.answer("textDocument/hover", None)["error"]["code"] in (-32602, -32603)
        assert client.answer("no/such", {})["error"]["code"] == -32601
        client.change("not-open.yaml", "a")
        client.close("not-open.yaml")
        client.notify("textDocument/didOpen", {"textDocument": {}})
        for uri in ("file:///%00", "file://[", "", "file:///etc/../etc//passwd", "x" * 5000):
            client.notify(
                "textDocument/didOpen",
                {"textDocument": {"uri": uri, "languageId": "", "version": 1, "text": "\0\ud800"}},
            )
        assert "set" in labels(client, "a.yaml", 5, 11)
        assert client.end() == 0
        assert "Traceback" not in client.stderr
        assert all(line.startswith("patchlang lsp: ") for line in client.stderr.splitlines())
        assert client.stderr


HUGE = {
    "binary": "\0" * 200_000,
    "dashes": "- " * 500_000,
    "a comment": TITLE + "# comment" * 110_000,
    "braces": "{" * 100_000,
    "carriage returns": "\r" * 50_000,
    "quotes": "a: '\n" * 100_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_huge_and_binary_texts(shared: Client, text: str) -> None:
    shared.open("huge.yaml", text)
    for character in (0, 10**7):
        shared.at("hover", "huge.yaml", 0, character)
        shared.at("completion", "huge.yaml", 10**6, character)
    shared.findings("huge.yaml", lambda codes: True)
    shared.close("huge.yaml")


def test_a_message_that_is_too_large_is_skipped(tmp_path: Path) -> None:
    with Client(tmp_path) as client:
        client.send_bytes(b"Content-Length: 67108865\r\n\r\n" + b" " * 67108865)
        client.open("a.yaml", TITLE)
        assert "set" in labels(client, "a.yaml", 5, 11)
        assert client.end() == 0
        assert "a message of 67108865 bytes is skipped" in client.stderr


def test_a_check_whose_process_dies_is_done_by_another(tmp_path: Path) -> None:
    with Client(tmp_path) as client:
        client.open("a.yaml", TITLE)
        client.findings("a.yaml", lambda codes: True)
        (worker,) = [one for one in children(client.process.pid) if "spawn_main" in one.read_text()]
        os.kill(int(worker.parent.name), signal.SIGKILL)
        client.change("a.yaml", TITLE.replace("op: set", "op: sett"))
        client.change("a.yaml", TITLE.replace("op: set", "op: sat"))
        assert client.findings("a.yaml")[0]["code"] == "PL107"
        assert client.end() == 0
        assert set(client.stderr.splitlines()) <= {
            f"patchlang lsp: the process that checked {tmp_path} ended, perhaps for lack of memory"
        }


def children(parent: int) -> list[Path]:
    """The command lines of a process's child processes."""
    listed = Path(f"/proc/{parent}/task").glob("*/children")
    return [Path("/proc", child, "cmdline") for path in listed for child in path.read_text().split()]


def test_the_end_of_input_ends_it(tmp_path: Path) -> None:
    with Client(tmp_path) as client:
        client.open("a.yaml", TITLE)
        client.findings("a.yaml", lambda codes: True)
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert client.ended() == 0
        assert client.stderr == ""


def test_an_exit_without_a_shutdown_is_an_error(tmp_path: Path) -> None:
    with Client(tmp_path) as client:
        client.notify("exit", None)
        assert client.ended() == 1
        assert client.stderr == ""


def test_without_the_extra_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['pygls'] = None; from patchlang.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", program, "lsp"], capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr == "patchlang: the language server is not installed: pip install 'patchlang[lsp]'\n"
    assert ran.stdout == ""
