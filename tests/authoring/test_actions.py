"""What an editor offers to do about a finding ends that finding, however the text is written."""

from __future__ import annotations

import json

import pytest

from patchlang.authoring.lsp.actions import actions
from patchlang.authoring.lsp.buffers import Buffer, Buffers
from patchlang.authoring.lsp.checking import Checker, Finding, Folder
from patchlang.authoring.lsp.convert import range_from

HEAD = "apiVersion: patchlang/v1\nkind: Patch\nmetadata:\n  name: x\nspec:\n"
PATCH = f"{HEAD}  domain:\n    - op: set\n      path: /domain/devces/@x\n      value: y\n"
TITLE = "  domain:\n    - {op: remove, path: /domain/title}\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  p.yaml: "
MACHINE = (
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm}\nspec:\n  template:\n    metadata:\n"
    "      annotations:\n        hooks.kubevirt.io/hookSidecars: "
)
SIDECARS = json.dumps([{"image": "registry.example.test/patchlang", "args": ["--versoin", "v1alpha3"]}])


def indented(text: str, by: int = 4) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def in_quotes(text: str) -> str:
    """In double quotes, with a line for each line."""
    lines = (f"\\{line}" if line.startswith(" ") else line for line in text.splitlines())
    return '"' + "\\n\\\n    ".join(lines) + '"\n'


TEXTS = {
    "block style": PATCH,
    "braces": f"{HEAD}  domain: [{{op: set, path: /domain/devces/@x, value: y}}]\n",
    "braces over lines": f"{HEAD}  domain: [\n    {{op: set,\n     path: /domain/devces/@x, value: y}}]\n",
    "one line": "{apiVersion: patchlang/v1, kind: Patch, metadata: {name: x}, "
    "spec: {domain: [{op: remove, path: /domain/devces}]}}",
    "carriage returns": PATCH.replace("\n", "\r\n"),
    "a byte order mark": f"\ufeff{PATCH}",
    "no line break at the end": f"{HEAD}  domain:\n    - {{op: remove, path: /domain/devces}}",
    "outside the basic plane": f"{HEAD}  domain:\n"
    "    - {op: set, name: '😀', path: \"/domain/description[. = '😀']/@x\", value: y}\n",
    "an escape": f'{HEAD}  domain:\n    - op: remove\n      path: "/domain/\\x64evces"\n',
    "quotes over lines": f'{HEAD}  domain:\n    - op: remove\n      path: "/domain/\\\n        devces"\n',
    "folded": f"{HEAD}  domain:\n    - op: remove\n      path: >-\n        /domain/devces\n        /disk\n",
    "below its key": f"{HEAD}  domain:\n    - op: remove\n      path:\n        /domain/devces/disk\n",
    "a block below its key": f"{HEAD}  when:\n    |\n    vmi.spec.domian == 1\n{TITLE}",
    "quotes below their key": f"{HEAD}  when:\n    'vmi.spec.domian == 1'\n{TITLE}",
    "expressions over lines": f"{HEAD}  when: >\n    vmi.spec.domian == 1\n    && vmi.spec.volums == 2\n{TITLE}",
    "blocks in a list": f"{HEAD}  domain:\n    - op: qemuArgs\n      args:\n"
    "        - |\n          $[ vmi.spec.domian ]\n        - >-\n          a\n          $[ vmi.spec.volums ]\n",
    "a fragment": f"{HEAD}  domain:\n    - op: add\n      path: /domain/devices\n      xml: |\n        <disk>\n"
    "          <tagret/>\n        </disk>\n",
    "a comment above": PATCH.replace("      path", "      # patchlang: ignore[PL301] why\n      path"),
    "a comment behind": PATCH.replace("/@x", "/@x  # patchlang: ignore[PL301] why"),
    "a second document": f"{HEAD}{TITLE}---\n{PATCH.replace('name: x', 'name: y')}",
    "a ConfigMap": f"{MAP}|\n{indented(PATCH)}",
    "a block of a ConfigMap below its key": f"{MAP}\n    |\n{indented(PATCH)}",
    "a folded ConfigMap": f"{MAP}>\n" + indented(PATCH).replace("\n", "\n\n"),
    "a quoted ConfigMap": f"{MAP}{json.dumps(PATCH)}\n",
    "a ConfigMap in quotes over lines": MAP + in_quotes(PATCH),
    "a ConfigMap in JSON": json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"p.yaml": PATCH}}),
    "a fragment in a ConfigMap": f"{MAP}|\n"
    + indented(f"{HEAD}  domain:\n    - op: add\n      path: /domain\n      xml: |\n        <devics/>\n"),
    "an annotation": f"{MACHINE}'{SIDECARS}'\n",
    "an annotation in a block": f"{MACHINE}|\n{indented(json.dumps(json.loads(SIDECARS), indent=2), 10)}",
    "an annotation with escapes": f"{MACHINE}{json.dumps(SIDECARS)}\n",
    "a test": "apiVersion: patchlang/v1\nkind: PatchTest\nmetadata: {name: x}\nspec:\n  domain: <domain/>\n"
    "  cases:\n    - name: x\n      unchnged: true\n",
}


def found_in(buffer: Buffer) -> list[Finding]:
    return [*Checker().full(Folder(buffer.folder, {buffer.path: buffer.text}))[buffer.path]]


def edited(buffer: Buffer, text: str, start: int, end: int) -> Buffer:
    return Buffers().open(buffer.uri, buffer.text[:start] + text + buffer.text[end:], 1)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_action_ends_its_finding(text: str) -> None:
    buffer = Buffers().open("untitled:x", text, 1)
    found = found_in(buffer)
    known = [(one.rule, one.message) for one in found]
    done = 0
    for finding in found:
        offered = actions(buffer, [finding], finding.range, str)
        assert any(one.title.startswith("Write") for one in offered) == ("did you mean" in finding.message)
        for action in offered:
            assert action.edit is not None
            assert action.edit.changes is not None
            [edit] = action.edit.changes["untitled:x"]
            place = range_from(edit.range)
            changed = edited(buffer, edit.new_text, buffer.lines.offset(place.start), buffer.lines.offset(place.end))
            left = [(one.rule, one.message) for one in found_in(changed)]
            mine = (finding.rule, finding.message)
            assert left.count(mine) < known.count(mine), changed.text
            assert not {rule for rule, _ in left} & {"PL003", "PL801", "PL802", "PL803"}, changed.text
            done += 1
    assert done
