"""MIME user data: parts are found as cloud-init finds them, and an edit of one part leaves the bytes of the others."""

import email
import quopri
from base64 import b64decode, b64encode
from contextlib import suppress
from gzip import compress, decompress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patchlang.cloudinit import mime

MESSAGE = """\
Content-Type: multipart/mixed; boundary="=b 1="
MIME-Version: 1.0
Number-Attachments: 3
X-Folded: one
 two

preamble that nobody reads
--=b 1=
content-type:   TEXT/Cloud-Config;  charset="us-ascii"
Content-Disposition: attachment; filename="a.cfg"

#cloud-config
packages: [vim]

--=b 1=
Content-Type: text/x-shellscript
Content-Transfer-Encoding: base64
Content-Disposition: attachment;
 filename="b.sh"

IyEvYmluL3No
CmVjaG8gw6kK

--=b 1=
Content-Type: text/plain
Content-Transfer-Encoding: Quoted-Printable

caf=C3=A9 =
goes on
--=b 1=--
epilogue
"""
NESTED = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/cloud-config

a: 1
--inner
Content-Type: text/x-shellscript

#!/bin/sh
--inner--
--outer
Content-Type: text/cloud-boothook

#!/bin/sh
--outer--
"""


def named(text: str, content_type: str) -> mime.Part:
    return next(part for part in mime.parse(text).parts if part.content_type == content_type)


def edited(text: str, content_type: str, content: str) -> str:
    message = mime.parse(text)
    return message.with_text(next(part for part in message.parts if part.content_type == content_type), content)


def test_parts() -> None:
    parts = mime.parse(MESSAGE).parts
    assert [(part.content_type, part.filename, part.text()) for part in parts] == [
        ("text/cloud-config", "a.cfg", "#cloud-config\npackages: [vim]\n"),
        ("text/x-shellscript", "b.sh", "#!/bin/sh\necho é\n"),
        ("text/plain", None, "café goes on"),
    ]


def test_nested_parts() -> None:
    assert [part.content_type for part in mime.parse(NESTED).parts] == [
        "text/cloud-config",
        "text/x-shellscript",
        "text/cloud-boothook",
    ]
    result = edited(NESTED, "text/x-shellscript", "#!/bin/sh\ntrue")
    assert result == NESTED.replace("#!/bin/sh\n--inner", "#!/bin/sh\ntrue\n--inner")


def test_a_single_part_is_a_message_too() -> None:
    text = "MIME-Version: 1.0\nContent-Type: text/cloud-config\n\na: 1\n"
    message = mime.parse(text)
    assert not message.multipart
    assert message.with_text(message.parts[0], "a: 2\n") == text.replace("a: 1", "a: 2")


def test_an_edit_of_plain_content_changes_nothing_else() -> None:
    assert edited(MESSAGE, "text/cloud-config", "#cloud-config\npackages: [git]\n") == MESSAGE.replace("vim", "git")


def test_an_edit_in_base64_keeps_line_length_and_headers() -> None:
    content = "#!/bin/sh\necho ü and more\n"
    result = edited(MESSAGE, "text/x-shellscript", content)
    head, _, rest = MESSAGE.partition("IyEvYmluL3No\nCmVjaG8gw6kK\n")
    assert result.startswith(head)
    assert result.endswith(rest)
    body = result[len(head) : -len(rest)]
    assert {len(line) for line in body.splitlines()[:-1]} == {12}
    assert b64decode(body).decode() == content


def test_an_edit_in_quoted_printable_stays_that() -> None:
    result = edited(MESSAGE, "text/plain", "naïve = " + "x" * 100)
    assert quopri.decodestring(named(result, "text/plain").payload.encode()).decode() == "naïve = " + "x" * 100
    assert result.startswith(MESSAGE.partition("caf")[0])
    assert result.endswith("\n--=b 1=--\nepilogue\n")


@pytest.mark.parametrize("content", ["größe: 1\n", "--=b 1=\nx\n"], ids=["non-ASCII", "the boundary"])
def test_what_cannot_stand_in_plain_goes_into_base64(content: str) -> None:
    result = edited(MESSAGE, "text/cloud-config", content)
    part = named(result, "text/cloud-config")
    assert part.text() == content
    assert part.encoding == "base64"
    assert part.filename == "a.cfg"
    assert 'charset="utf-8"' in result
    rest = MESSAGE.partition("#cloud-config\npackages: [vim]\n")[2]
    assert result.endswith(rest)


def test_gzip_inside_of_base64() -> None:
    packed = b64encode(compress(b"#cloud-config\na: 1\n", mtime=7)).decode()
    text = MESSAGE.replace("text/x-shellscript", "application/x-gzip").replace("IyEvYmluL3No\nCmVjaG8gw6kK", packed)
    part = named(text, "application/x-gzip")
    assert part.text() == "#cloud-config\na: 1\n"
    again = named(edited(text, "application/x-gzip", "#cloud-config\na: 2\n"), "application/x-gzip")
    packed_again = b64decode(again.payload)
    assert decompress(packed_again) == b"#cloud-config\na: 2\n"
    assert packed_again[4:8] == (7).to_bytes(4, "little")


def test_a_new_part_goes_last_under_the_same_boundary() -> None:
    result = mime.parse(MESSAGE).with_new_part("text/x-shellscript", 'c "1".sh', "#!/bin/sh\ntrue\n")
    before, _, after = MESSAGE.partition("--=b 1=--")
    assert (
        result
        == before.replace("Attachments: 3", "Attachments: 4")
        + """\
--=b 1=
Content-Type: text/x-shellscript; charset="us-ascii"
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Disposition: attachment; filename="c \\"1\\".sh"

#!/bin/sh
true

--=b 1=--"""
        + after
    )
    part = mime.parse(result).parts[-1]
    assert (part.filename, part.text()) == ('c "1".sh', "#!/bin/sh\ntrue\n")


def test_a_new_part_where_the_end_is_missing() -> None:
    cut = MESSAGE.partition("--=b 1=--")[0].rstrip("\n")
    result = mime.parse(cut).with_new_part("text/plain", "x", "y")
    assert result.endswith("\n\ny\n--=b 1=--\n")
    assert [part.content_type for part in mime.parse(result).parts][-2:] == ["text/plain", "text/plain"]


def test_windows_line_breaks() -> None:
    text = MESSAGE.replace("\n", "\r\n")
    assert edited(text, "text/cloud-config", "#cloud-config\r\npackages: [git]\r\n") == text.replace("vim", "git")
    result = mime.parse(text).with_new_part("text/plain", "x", "größe")
    assert "\n" not in result.replace("\r\n", "")
    assert mime.parse(result).parts[-1].text() == "größe"


def test_the_count_of_attachments_stays_where_it_is_wrong() -> None:
    wrong = MESSAGE.replace("Attachments: 3", "Attachments: 9")
    assert "Attachments: 9" in mime.parse(wrong).with_new_part("text/plain", "x", "y")


CONTENT = st.text(st.sampled_from("ab -=\n\r\té#:") | st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.lists(CONTENT, min_size=1, max_size=3), CONTENT)
@example(["x\r"], "y\r")
def test_what_goes_in_comes_out(contents: list[str], new: str) -> None:
    text = mime.wrap([("text/x-shellscript", f"{i}.sh", content) for i, content in enumerate(contents)])
    message = mime.parse(text)
    assert [part.text() for part in message.parts] == contents
    theirs = [part for part in email.message_from_string(text).walk() if not part.is_multipart()]
    assert [part.get_payload(decode=True).decode() for part in theirs] == contents  # type: ignore[union-attr]
    assert mime.parse(message.with_text(message.parts[0], new)).parts[0].text() == new
    assert mime.parse(message.with_new_part("text/plain", "x", new)).parts[-1].text() == new


def test_a_boundary_that_is_in_no_content() -> None:
    text = mime.wrap([("text/plain", None, "--==patchlang==\n--==patchlang=1==\n")])
    assert 'boundary="==patchlang=2=="' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MIME-Version: 1.0\nContent-Type: multipart/mixed\n\nx\n", "names no boundary"),
        ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\nnothing\n", "corrupt"),
        (NESTED.replace("text/cloud-boothook", "message/rfc822"), "contains whole messages"),
        (NESTED.replace("--outer\nContent-Type: text/cloud-boothook", "--outer\n--outer"), "corrupt"),
    ],
)
def test_damaged_messages(text: str, message: str) -> None:
    with pytest.raises(mime.MimeError, match=message):
        mime.parse(text)


def test_content_that_is_not_text() -> None:
    text = MESSAGE.replace("IyEvYmluL3No\nCmVjaG8gw6kK", "/////w==")
    with pytest.raises(mime.MimeError, match=r"part number 2 \(text/x-shellscript\) is binary data"):
        named(text, "text/x-shellscript").text()
    with pytest.raises(mime.MimeError, match="not base64, although its header says so"):
        named(MESSAGE.replace("IyEvYmluL3No", "A"), "text/x-shellscript").text()


@pytest.mark.parametrize("content_type", ["cloud-config", "text/x y", "multipart/mixed", "text/plain\nX: y", ""])
def test_types_that_no_part_can_have(content_type: str) -> None:
    with pytest.raises(mime.MimeError):
        mime.check_type(content_type)


@pytest.mark.parametrize("filename", ["", "a\nb", "ü"])
def test_filenames_that_no_part_can_have(filename: str) -> None:
    with pytest.raises(mime.MimeError):
        mime.check_filename(filename)


def test_too_many_parts() -> None:
    with pytest.raises(mime.MimeError, match="more than 200 parts"):
        mime.parse(mime.wrap([("text/plain", None, "x")] * 201))


ODD = st.sampled_from(
    [
        *"; = \" \\ ' * *0 *1 *0*= *= %ff %41 % =? ?= ?q? ?b? =?utf-8?q?=ff?= , < > ( ) @ / é \x00 \x7f \udc80".split(),
        *"idna'en' undefined'' utf-16'' rot13'' hex'' zip'' utf-8'' '' boundary filename charset name".split(),
        *"multipart/mixed message/rfc822 text/plain base64 x-uuencode".split(),
        *(" ", "\t", "\n ", "\r"),
    ]
)
HEADERS = st.builds(
    "{}:{}".format,
    st.sampled_from(
        "Content-Type Content-Disposition Content-Transfer-Encoding MIME-Version Number-Attachments X".split()
    ),
    st.lists(ODD | st.just("9" * 5000) | st.text(max_size=3), max_size=8).map("".join),
)


@given(st.lists(HEADERS, max_size=4), st.booleans())
@example(["Content-Disposition: a; filename*=idna'en'%ff"], False)
@example(["Content-Disposition: a; filename*=undefined''x"], True)
@example(["Content-Type: multipart/mixed; boundary*=idna''%ff"], True)
@example(["Content-Disposition: a; filename*" + "9" * 5000 + "*=x"], True)
@example(["Content-Disposition: a; filename*0*=x; filename*" + "9" * 5000 + "*=x"], False)
@example(["Content-Type: text/plain; x=" + ";" * 1000], True)
def test_any_header_gives_parts_or_an_error(headers: list[str], inside: bool) -> None:
    text = "\n".join([*headers, "", "body", ""])
    if inside:
        text = f"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=X\n\n--X\n{text}--X--\n"
    with suppress(mime.MimeError):
        message = mime.parse(text)
        for part in message.parts:
            assert isinstance(part.filename, str | None)
            message.with_text(part, part.text() + "é")
        if message.multipart:
            message.with_new_part("text/plain", "x", "new")
