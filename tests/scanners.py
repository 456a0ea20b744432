"""Every hand-written scanner: code that reads a text step by step, with texts that may be slow for it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import NamedTuple

from growth import SIZE, Shape, pairs, texts
from lxml import etree

from patchlang import extract, rules, strictjson
from patchlang.admission import literals
from patchlang.authoring.completion import celcursor, comments, computed, elements
from patchlang.authoring.completion.core import complete
from patchlang.authoring.lsp import actions, checking
from patchlang.authoring.lsp.positions import Lines, Point
from patchlang.cel import syntax, template
from patchlang.cel.compiled import compile_expression
from patchlang.cel.library import Names
from patchlang.cloudinit import (
    base64gzip,
    jinja,
    jsontext,
    mime,
    pointer,
    userformat,
    yamledit,
    yamlread,
)  # fmt: skip
from patchlang.cloudinit.pointer import PointerError
from patchlang.cloudinit.yamledit import UnwritableError
from patchlang.diagnostics import Diagnostic, PatchError
from patchlang.document import model, nested_source, scalar_offsets, yamltree
from patchlang.document.model import Position
from patchlang.domain import directives, fragment
from patchlang.domain.tree import parse as parse_domain
from patchlang.grammar.automaton import automaton
from patchlang.lint import fragments as lint_fragments
from patchlang.lint import values as lint_values
from patchlang.manifests import documents, jsontree
from patchlang.plan import jsonstream
from patchlang.source import SourceFile, Span, Text
from patchlang.suggestions import suggestion
from patchlang.validation import globs, ignores, toml
from patchlang.values import TooBigError
from patchlang.xpath import parser
from shim import documents as shim_documents

HEAD_OF_PATCH = "apiVersion: patchlang/v1\nkind: Patch\nmetadata: {name: p}\nspec:\n"
MOST = 600
"""The maximum number of shapes to try per scanner. If there are more, only every second, third, … is tried."""


class Scanner(NamedTuple):
    """``run`` gets repetitions of single ``letters`` and pairs of them, between ``leads`` and ``ends``."""

    name: str
    modules: Sequence[str]
    run: Callable[[str], object]
    letters: Sequence[str]
    leads: Sequence[str] = ("",)
    ends: Sequence[str] = ("",)
    size: int = SIZE

    def shapes(self) -> Sequence[Shape]:
        found = list(texts(pairs(self.letters), self.leads, self.ends))
        return found[:: 1 + len(found) // MOST]


def text(written: str) -> Text:
    source = SourceFile("text", written)
    return Text(written, lambda start, end: Span(source, start, len(written) if end is None else end))


_REFUSALS = (
    ValueError, RecursionError, TooBigError, literals.UnbalancedError,
    PatchError, PointerError, UnwritableError, parser.XPathSyntaxError,
    shim_documents.UnreadableError, jsonstream.NotJsonError,
)  # fmt: skip


def whole(run: Callable[[str], object]) -> Callable[[str], object]:
    """A scan may end with a refusal instead of a result."""

    def guarded(written: str) -> None:
        with suppress(*_REFUSALS):
            run(written)

    return guarded


def _edited(written: str) -> None:
    """A domain as text, with something added to some of its elements."""
    tree = parse_domain(written.encode())
    for element in [tree.root, *tree.root][:5]:
        if isinstance(element.tag, str):
            tree.set_attribute(element, "new", "x")
            tree.insert([etree.Element("new")], element, Position.APPEND)
    tree.result()


def _rewritten(written: str) -> None:
    """YAML with one more entry, written the way cloud-init reads it."""
    document = yamlread.read(written)
    old = document.value
    yamledit.rewrite(
        document, {**old, "new": 1} if isinstance(old, dict) else [*(old if isinstance(old, list) else [old]), 1]
    )


_MEMBER = gzip.compress(b"a", mtime=0)


def _followed(pattern: str, written: str) -> None:
    made = automaton(pattern)
    states = made.closed([0])
    for character in written:
        states = made.after(states, character)


def _expression(written: str) -> None:
    compile_expression(text(written[:4096]), Names())


SCANNERS = (
    Scanner(
        "scalar offsets",
        ["patchlang/document/scalar_offsets.py"],
        lambda t: scalar_offsets.offsets(t[1:], t),
        ["a", " ", "\n", "\r\n", "\\", "\\\n", "''", "\t"],
        ["|\n", ">\n", ">\n ", "'", '"', "a"],
        ["", "'", '"'],
    ),
    Scanner(
        "patch file",
        ["patchlang/document/yamltree.py"],
        whole(lambda t: yamltree.parse(SourceFile("text", t))),
        ["a", " ", "\n", "'", '"', "{", "[", "]", ":", "- ", ", ", "#", "|", "*a", "&a ", "? ", "\t", "$[", "!"],
        ["", "a: '", 'a: "', "a: |", "a: {", "- "],
    ),
    Scanner(
        "literals of CEL",
        ["patchlang/admission/literals.py"],
        whole(lambda t: literals.read(SourceFile("text", t))),
        ["a", " ", "'b'", "[", "]", "{", "}", "(", ")", ":", ",", "+", ".", "?", "\\n", "//", "'"],
        ["", "[", "{a: ", "'"],
        ["", "]", "}", "'"],
    ),
    Scanner(
        "tokens of CEL",
        ["patchlang/cel/syntax.py"],
        lambda t: [
            syntax.guard(t),
            list(syntax.chains(t)),
            syntax.opened_twice(t, 8),
            syntax.closing_bracket(t, 0),
        ],
        ["a", ".", "(", ")", "[", "]", "'", '"', '"""', "\\", "r'", "?", "//", "\n", ".map(", "a.map(x,", "0"],
        ["", '"', "'''", "a"],
        size=SIZE // 4,
    ),
    Scanner(
        "templates",
        ["patchlang/cel/template.py"],
        whole(lambda t: [list(template.pieces(text(t))), template.cut(text(t), lambda n: f"<{n}>")]),
        ["a", " ", "$[", "$$[", "$[a]", "]", "'", '"', "\\", "[", "$"],
    ),
    Scanner(
        "Jinja",
        ["patchlang/cloudinit/jinja.py"],
        whole(lambda t: list(jinja.pieces(t))),
        ["a", "{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "'", '"', "\\", " "],
        ["", "{{", "{{ '", "{%"],
    ),
    Scanner(
        "JSON of the request",
        ["patchlang/strictjson.py", "shim/documents.py"],
        whole(lambda t: [strictjson.read_strict(t), shim_documents.read_object(t.encode())]),
        ["[", "{", '"', "\\", ",", "0", "a", "-", " ", '"a":', "]", "\\ud800"],
        ["", '"', "{"],
    ),
    Scanner(
        "JSON with places",
        ["patchlang/manifests/jsontree.py"],
        whole(lambda t: jsontree.parse(SourceFile("text", t))),
        ["[", '{"a":', '"', "\\", "0,", " ", "1", "]", "'", '"a":0,', "[],"],
        ["", "[", "{", '["'],
        ["", "0]", "]", "}"],
    ),
    Scanner(
        "documents of manifests",
        ["patchlang/manifests/documents.py"],
        lambda t: [
            documents.may_concern_us(t.encode()),
            documents.is_manifest(t),
            documents.starts_as_patch(t),
            documents.read(SourceFile("text", t)),
        ],
        ["\n", " ", "{", "'", "kind", ":", "# \n", "---\n", "apiVersion", "ConfigMap", "...\n", "a"],
        ["", "patchlang: ", "---\n"],
    ),
    Scanner(
        "comments that ignore",
        ["patchlang/validation/ignores.py"],
        lambda t: [list(ignores.collect(SourceFile("text", t)))],
        [
            "# patchlang: ignore[PL301] a\n",
            "#",
            " ",
            "\n",
            "- a\n",
            "'",
            "a: |\n a\n",
            "# patchlang: ignore[",
            ",",
            "a ",
        ],
        ["", "# patchlang: ignore\n", "# patchlang: ignore["],
    ),
    Scanner(
        "pointers",
        ["patchlang/cloudinit/pointer.py"],
        whole(pointer.parse),
        ["/", "[", "]", "=", "'", '"', "~", "~1", "a", "[a=", "/[a=", "/[a='"],
        ["", "/", "/[", "/[a='", "/a"],
    ),
    Scanner(
        "base64",
        ["patchlang/cloudinit/base64gzip.py"],
        whole(lambda t: base64gzip.unwrap(t, lambda _: False)),
        ["A", "AAAA", "\n", "\r\n", "=", " ", "+"],
        ["", "A", "AAAAAAAAAAAA"],
    ),
    Scanner(
        "gzip of many members",
        ["patchlang/cloudinit/base64gzip.py"],
        lambda t: base64gzip.gunzip(_MEMBER * (len(t) // 4)),
        ["a"],
        size=20 * SIZE,
    ),
    Scanner(
        "MIME",
        ["patchlang/cloudinit/mime.py"],
        whole(mime.parse),
        [
            "\n",
            "\r",
            " ",
            ";",
            "=",
            '"',
            "\\",
            "--X",
            "\n--X\n",
            ": ",
            "a",
            "\n ",
            "'",
            "%",
            "*0",
            "=?",
            "?=",
            "=?q?q?a?=",
            ",",
            "(",
            ")",
            "<",
            "@",
            ":",
            "; a=b",
        ],
        [
            "",
            "Content-Type: ",
            'Content-Type: a/b; x="',
            "Content-Type: multipart/mixed; boundary=X\n\n--X\n",
            "Content-Disposition: a; filename*=",
            "a: ",
        ],
        ["", "\n\nb"],
    ),
    Scanner(
        "formats of user data",
        ["patchlang/cloudinit/userformat.py", "patchlang/cloudinit/userdata.py"],
        userformat.detect,
        ["\n", "{", '"ignition":', " ", "#", ":", "a", "## template: jinja\n", "rem cmd"],
        ["", "a", "## template: jinja\n"],
    ),
    Scanner(
        "YAML of cloud-init",
        [
            "patchlang/cloudinit/yamlread.py",
            "patchlang/cloudinit/libyaml.py",
            "patchlang/cloudinit/textedit.py",
            "patchlang/cloudinit/yamledit.py",
            "patchlang/cloudinit/yamlblock.py",
            "patchlang/cloudinit/yamllines.py",
        ],
        whole(_rewritten),
        ["a", " ", "\n", "'", '"', "{", "[", "]", ":", "- ", ", ", "#", "|", "&a ", "? ", "!", "\t", "- |\n", "%"],
        ["", "a: '", 'a: "', "a: |", "a: |\n ", "a: {", "a: !t", "- ", "&a "],
        size=SIZE // 2,
    ),
    Scanner(
        "JSON of cloud-init",
        ["patchlang/cloudinit/jsontext.py"],
        whole(lambda t: jsontext.rewrite(t, {"a": jsontext.read(t)})),
        ["[", '{"a":', "0", ",", " ", "\n", '"', "]", "\\"],
        ["[", "{", '["'],
        ["", "0]", '"]'],
    ),
    Scanner(
        "start tags",
        ["patchlang/markup.py", "patchlang/domain/index.py", "patchlang/domain/splice.py", "patchlang/domain/read.py"],
        whole(_edited),
        [
            "a",
            " ",
            "\n",
            "x='' ",
            ">",
            "<a/>",
            "<a>",
            "</a>",
            "<!---->",
            "<?a?>",
            "<![CDATA[]]>",
            "xmlns:a='' ",
            "'",
            "=",
            "&lt;",
            '"',
        ],
        ["<domain", "<domain>", "<domain x='", "<domain><a"],
        ["/>", "</domain>", "'/>", "></domain>", "/></domain>"],
    ),
    Scanner(
        "fragments",
        ["patchlang/domain/directives.py", "patchlang/domain/written.py", "patchlang/lint/fragments.py"],
        whole(
            lambda t: [
                lint_fragments.read(t),
                directives.blanked(f"{t}patch:"),
                fragment.compile_fragment(text(t), {}, lambda e, **_: compile_expression(e, Names())),
            ]
        ),
        [
            "a",
            " ",
            "\n",
            "x='' ",
            "patch:when='1' ",
            "<!--",
            "<![CDATA[",
            "<a>",
            "</a>",
            "<a/>",
            "<",
            "$$[",
            "&lt;",
            "'",
        ],
        ["", "<a", "<a>", "<a x='"],
        ["", "/>", "</a>", "'/>"],
    ),
    Scanner(
        "what looks computed",
        ["patchlang/lint/values.py"],
        lambda t: [
            [list(lint_values._meant(t, kind, {"a"}, False)), list(lint_values._paths(t, kind, {"a"}, loop=True))]
            for kind in (model.Template, model.Fragment)
        ],
        ["a", ".", " ", "'", '"', ">", "<", "[", "]", "${", "}", "{{", "$(", "$a", "a.b", "vmi.spec"],
        ["", "'", ">"],
    ),
    Scanner(
        "XPath",
        ["patchlang/xpath/parser.py", "patchlang/xpath/constructive.py"],
        whole(lambda t: [parser.parse(t[:4096]), parser.is_ncname(t)]),
        ["a", "/", "//", "[", "]", "(", ")", "'", '"', "@", "*", ":", "|", "-", ".", "$a", "1", " ", "::"],
        ["", "a[", "'"],
    ),
    Scanner(
        "domains in logs",
        ["patchlang/extract.py"],
        whole(lambda t: [extract.read_domain(t.encode()), extract.read_vmi(t[: SIZE * 4].encode())]),
        ["a", "\n", "<domain>", "</domain>", "Domain XML generated. Base64 dump ", "A", " ", "<domain", "{", "[", "'"],
        ["", "{{", "a\n<domain>"],
    ),
    Scanner(
        "places in files",
        ["patchlang/source.py", "patchlang/document/nested_source.py"],
        lambda t: [
            nested_source.outermost(Span(nested_source.part_of(SourceFile("text", t), 0, len(t)), i, i + 1))
            for i in range(0, len(t), 50)
        ],
        ["a", "\n", "\r"],
    ),
    Scanner(
        "patterns of paths",
        ["patchlang/validation/globs.py"],
        lambda t: globs.decides(globs.read_globs(t.split("\n")), t[:255].split("/"), is_folder=True),
        ["a", "*", "**/", "/", "[", "]", "[:", ":]", "\\", "!", "\n"],
    ),
    Scanner(
        "places in TOML",
        ["patchlang/validation/toml.py"],
        whole(lambda t: toml._Tree(SourceFile("a.toml", t))),
        ["a", "=", "[", "]", "{", "}", '"', "'", '"""', "\\", "#", "\n", ",", "."],
        ["", "a = ", "[a]\n"],
    ),
    Scanner(
        "patterns of libvirt",
        ["patchlang/grammar/automaton.py"],
        lambda t: _followed("(a|b)*(aa|[0-9]{1,3}b?)*", t),
        ["a", "b", "0", "x"],
        size=SIZE // 4,
    ),
    Scanner(
        "expressions",
        [
            "patchlang/cel/optionals.py",
            "patchlang/cel/protowire.py",
            "patchlang/cel/tree.py",
            "patchlang/cel/compiled.py",
            "patchlang/cel/library.py",
            "patchlang/cel/refusals.py",
            "patchlang/cel/messages.py",
        ],
        whole(_expression),
        ["vmi", ".", "(", ")", "[", "+", "1", "&&", "?", "'", "a", ",", "==", "[0]", ".a"],
        ["", "vmi", "vmi.?a", "1"],
        size=SIZE // 4,
    ),
    Scanner(
        "the objects of a dump",
        ["patchlang/plan/jsonstream.py"],
        whole(lambda text: list(jsonstream.objects(BytesIO(text.encode()), ("a",)))),
        [
            '{"a": 1}',
            "[",
            "]",
            "}",
            ",",
            "\n",
            " ",
            '"a',
            '"',
            ":",
            "1",
            '{\n  "kind": "a",\n  "metadata": {',
            "\n },\n ",
        ],
        ["", '{"items": [', '{"items": [\n {\n  "kind": "a"', '{"items": [\n {\n  "metadata": 1,\n  "kind": "a"'],
        ["", "\n }\n]}"],
    ),
    Scanner(
        "outlines",
        [
            "patchlang/authoring/completion/core.py",
            "patchlang/authoring/completion/outline.py",
            "patchlang/authoring/completion/slots.py",
            "patchlang/authoring/completion/view.py",
        ],
        lambda t: [complete(t, at) for at in (0, len(t) // 2, len(t))],
        ["a", " ", "\n", "'", '"', "{", "[", "]", ":", "a: ", "- ", ", ", "#", " #", "|", "\n---", "\\", "''", "{{"],
        ["", HEAD_OF_PATCH + "  domain:\n    - ", HEAD_OF_PATCH + "  when: '", HEAD_OF_PATCH + "  when: >\n"],
        size=SIZE // 2,
    ),
    Scanner(
        "lines of editors",
        ["patchlang/authoring/lsp/positions.py", "patchlang/authoring/lsp/checking.py"],
        lambda t: [
            (lines := Lines(t)).point(len(t)),
            lines.offset(Point(0, len(t))),
            lines.offset(Point(len(t), 0)),
            checking.documents(t),
        ],
        ["a", "\n", "\r", "\r\n", "é", "😀", "\u2028", "\n---", "\n--- "],
    ),
    Scanner(
        "what was meant",
        ["patchlang/suggestions.py"],
        lambda t: suggestion(
            Diagnostic(rules.UNKNOWN_KEY, "", Span(SourceFile("text", t), 0, len(t)), "did you mean `" + t)
        ),
        ["a", "`", "?", "did you mean `", "`?", ":", "@", "-", "::", "'"],
        ends=["", "`?"],
    ),
    Scanner(
        "rules in comments",
        ["patchlang/authoring/completion/comments.py"],
        lambda t: [comments.complete(t, at) for at in (0, len(t) // 2, len(t))],
        ["a", " ", "#", "# ", "patchlang:", "ignore", "[", "]", "PL301,", "\n", "\t"],
        ["", "# patchlang: ignore[", "# patchlang:"],
    ),
    Scanner(
        "comments that editors write",
        ["patchlang/authoring/lsp/actions.py"],
        lambda t: actions.comment_above(t, 0, len(t)),
        ["a", " ", "#", "patchlang:", "ignore", "[", "]", "PL301,", "\n", "\t"],
        ["", "# patchlang: ignore[", "# patchlang:"],
    ),
    Scanner(
        "computed parts that are typed",
        ["patchlang/authoring/completion/computed.py"],
        lambda t: [computed.around(t, len(t)), computed.filled(t)],
        ["a", " ", "$[", "$$[", "$[a]", "]", "'", '"', "[", "$"],
    ),
    Scanner(
        "fragments that are typed",
        ["patchlang/authoring/completion/elements.py", "patchlang/authoring/completion/xpaths.py"],
        lambda t: elements.find(t, len(t)),
        [
            "a",
            " ",
            "\n",
            "<",
            ">",
            "/",
            "<a",
            "</a",
            "<a>",
            "</a>",
            "=",
            "'",
            '"',
            " a='b'",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
        ],
        ["", "<a ", '<a b="', "<!--"],
        size=SIZE // 2,
    ),
    Scanner(
        "expressions that are typed",
        ["patchlang/authoring/completion/celcursor.py", "patchlang/authoring/completion/expressions.py"],
        lambda t: celcursor.at_cursor(t, len(t)),
        ["a", ".", "(", ")", "[", "]", "{", "'", '"', "\\", "?", "//", "\n", ".map(x,", "cel.bind(x,", ",", "0"],
        ["", "a", "cel.bind(x, a, "],
        size=SIZE // 4,
    ),
)


NO_SCANNERS = {
    "patchlang/admission/conditions.py": "looks into an expression of 4096 characters at most",
    **dict.fromkeys(
        [
            "patchlang/domain/ensure.py",
            "patchlang/domain/ops.py",
            "patchlang/domain/merge.py",
            "patchlang/domain/relocate.py",
            "patchlang/domain/within.py",
        ],
        "asks the domain, by a method called find",
    ),
    **dict.fromkeys(
        [
            "patchlang/domain/tree.py",
            "patchlang/grammar/places.py",
            "patchlang/kubevirt/losses.py",
            "patchlang/lint/guards.py",
            "patchlang/lint/reading.py",
            "patchlang/lint/runs.py",
            "patchlang/rng/check.py",
            "patchlang/rng/schema.py",
            "patchlang/values.py",
            "patchlang/xpath/explain.py",
            "patchlang/xpath/match.py",
            "patchlang/xpath/query.py",
            "patchlang/xpath/tree.py",
            "patchlang/domain/provenance.py",
            "patchlang/cloudinit/plan.py",
            "patchlang/cloudinit/textnode.py",
            "patchlang/grammar/axes.py",
            "patchlang/quoting.py",
            "patchlang/plan/effects.py",
            "patchlang/authoring/derive/paths.py",
            "patchlang/authoring/derive/telling.py",
            "patchlang/authoring/derive/trees.py",
            "patchlang/kubevirt/boot.py",
        ],
        "walks over a tree",
    ),
    "patchlang/authoring/completion/texts.py": "asks another module, by a function called find",
    "patchlang/authoring/completion/pointers.py": "looks for the slashes around one place",
    "patchlang/authoring/completion/steps.py": "looks into a path of 4096 characters at most",
    "patchlang/authoring/derive/testing.py": "tries numbers for the name of a file",
    "patchlang/authoring/playground/exporting.py": "tries numbers for a delimiter",
    "patchlang/validation/nearest.py": "walks over the folders above one",
    "patchlang/rng/kinds.py": "halves a range of numbers",
    "patchlang/manifests/arguments.py": "walks over the arguments of a container",
    **dict.fromkeys(
        [
            "patchlang/authoring/hookrun.py",
            "patchlang/authoring/lsp/server.py",
            "patchlang/authoring/lsp/worker.py",
            "patchlang/authoring/playground/worker.py",
            "patchlang/plan/run.py",
            "patchlang/validation/processes.py",
            "shim/engine.py",
            "shim/frames.py",
            "shim/log.py",
            "shim/memory.py",
            "shim/programs.py",
        ],
        "waits for processes, or reads what they send",
    ),
}
"""Modules with loops that do not step through a text."""
