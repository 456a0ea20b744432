"""Advice: the patches that get it and those that do not. Advice about runs of a boot is compared with real runs."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from casefile import cases

from patchlang import handbook, lint
from patchlang.compile import Program
from patchlang.diagnostics import Diagnostic, Severity
from patchlang.document import model
from patchlang.engine import patch_domain
from patchlang.kubevirt.replay import differences, second_run
from patchlang.lint import advise, celtruth
from patchlang.loading import decode_source, load_sources
from patchlang.render import render
from patchlang.source import SourceFile

ROOT = Path(__file__).resolve().parents[1]
DOMAIN = (ROOT / "tests/corpus/base/linux-min.domain.xml").read_bytes()
# the rules about runs of a boot
RUNS = {"PL303", "PL304", "PL305"}


def source(text: str, name: str = "example") -> SourceFile:
    """A patch from its edits, or from the keys of its spec."""
    text = textwrap.dedent(text).lstrip("\n")
    body = "domain:\n" + textwrap.indent(text, "  ") if text.startswith("- ") else text
    head = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: {name}}}\nspec:\n"
    return SourceFile(f"{name}.yaml", head + textwrap.indent(body, "  "))


def compiled(*sources: SourceFile) -> tuple[list[model.Patch], Program]:
    program, diagnostics = load_sources(sources)
    assert program is not None, render(diagnostics)
    return [patch for one in sources for patch in decode_source(one)[0]], program


def advice(*texts: str) -> list[Diagnostic]:
    names = ("example", "other", "third")
    return advise(*compiled(*(source(text, name) for text, name in zip(texts, names, strict=False))))


# -- samples -----------------------------------------------------------------------------------------------------------

# rule → patches that get its advice and no other
BAD: dict[str, list[str]] = {
    "PL301": [
        "- {op: set, path: '/domain/devices/disk[1]/driver/@cache', value: none}",
        "- {op: set, path: '/domain/devices/disk[last()]/driver/@cache', value: none}",
        "- {op: set, path: '/domain/devices/disk[last() - 1]/driver/@cache', value: none}",
        "- {op: set, path: '/domain/devices/disk[position() = 2]/driver/@cache', value: none}",
        "- {op: set, path: '/domain/devices/disk[position() > 1]/driver/@cache', value: none}",
        "- {op: set, path: '(//disk)[2]/driver/@cache', value: none}",
        "- {op: remove, path: '/domain/devices/console[1]'}",
        "- {op: remove, path: '/domain/devices/serial[1]/log'}",
        "- {op: ensure, in: '/domain/devices/video[1]', path: model/@type, value: none}",
        "- {op: add, path: '/domain/devices/disk[1]', unless: readonly, xml: <readonly/>}",
        "- {op: set, path: /domain/title, value: \"$[ xpath('string(/domain/devices/disk[1]/target/@dev)') ]\"}",
        "- {op: set, forEach: '[1, 2]', path: '/domain/devices/disk[$index + 1]/driver/@cache', value: none}",
        """
        variables:
          - {name: first, expression: "xpath('string(//disk[1]/target/@dev)')"}
        domain:
          - {op: set, path: /domain/title, value: "$[ variables.first ]"}
        """,
    ],
    "PL302": [
        "- {op: remove, path: \"/domain/devices/disk[//target/@bus='sata']/address\", expect: 0+}",
        "- {op: remove, path: \"/domain/devices/disk[.//@bus='sata']/address\", expect: 0+}",
        "- {op: remove, path: \"/domain/devices/disk[descendant::target/@bus='sata']/address\", expect: 0+}",
        '- {op: remove, path: /domain/devices/disk/address, expect: 0+, unless: "../../disk[count(//disk) > 1]"}',
        "- {op: test, expression: \"xpath('//disk[//boot]') != []\"}",
    ],
    "PL311": [
        '- {op: test, path: "//a[/domain/b[/domain/c]]", expect: 0+}',
        '- {op: test, path: "/domain/*[/domain/*/@type = /domain/*/@dev]", expect: 0+}',
        '- {op: test, path: "/domain/a[/domain/b[count(/domain/c) > 1]]", expect: 0+}',
        "- {op: test, expression: \"xpath('//disk[/domain/os/boot[following-sibling::*]]') != []\"}",
    ],
    "PL303": [
        '- {op: add, path: /domain/devices, xml: "<sound patch:when=\\"!has(vmi.kind)\\"/>"}',
        "- {op: within, path: /domain/devices, edits: [{op: add, path: ., xml: <sound/>}]}",
        "- op: within\n  path: /domain/devices/serial\n"
        "  edits: [{op: set, path: source/@path, value: '$[ node.text ].1'}]",
        "- {op: add, path: /domain/devices, xml: <sound model='ich9'/>}",
        "- {op: add, path: /domain, xml: <memoryBacking/>}",
        "- {op: add, path: /domain/devices/console, position: after, xml: <sound model='ich9'/>}",
        "- {op: copy, from: /domain/devices/rng, path: /domain/devices}",
        "- {op: add, when: \"vmi.?metadata.?name.orValue('') == ''\", path: /domain/devices, xml: <sound/>}",
        "- {op: add, when: \"xpath('/domain/cpu') != []\", path: /domain/devices, xml: <sound/>}",
        "- {op: add, forEach: \"['a', 'b']\", path: /domain/devices, xml: '<sound model=\"$[ item ]\"/>'}",
        "- {op: add, forEach: xpath('//disk/alias/@name'), path: /domain/devices, xml: '<sound model=\"$[ item ]\"/>'}",
        "- {op: set, path: /domain/vcpu, value: '$[ int(node.text) * 2 ]'}",
        "- {op: set, path: /domain/devices/serial/source/@path, value: \"$[ node.text + '?' ]\"}",
        "- {op: set, path: /domain/devices/serial/source/@path, value: \"$[ 'a' + (node . text) ]\"}",
        "- {op: add, when: \"xpath('/domain[@type=\\\\'kvm\\\\']') != []\", path: /domain/devices, xml: <sound/>}",
        "- {op: ensure, in: //console, expect: 0+, path: console}",
        "- {op: merge, path: //features, expect: 1+, xml: <apic/><features/>}",
        "- {op: add, path: //console, expect: 0+, unless: console, xml: <console/>}",
        "- {op: set, path: /domain/devices/serial/source/@path, value: '$[ node.text ].1'}",
        "- {op: set, path: /domain/devices/serial/source/@path, value: \"$[ node.text + '.1' ]\"}",
        "- {op: remove, path: /domain/devices/sound, expect: 0+}\n"
        "- {op: add, path: /domain/devices, xml: <sound/><watchdog/>}",
    ],
    "PL304": [
        "- {op: rename, path: /domain/devices/memballoon, expect: 1, to: balloon}",
        "- {op: rename, path: /domain/vcpu/@placement, expect: 1+, to: place}",
        "- {op: remove, path: /domain/devices/rng, expect: 1}",
        "- {op: remove, path: /domain/iothreads, expect: 1+}",
        "- {op: move, from: /domain/devices/rng, expect: 1, path: /domain/devices/memballoon}",
        "- {op: replace, path: /domain/devices/memballoon, xml: <watchdog model='i6300esb'/>}",
        "- {op: replace, path: \"/domain/devices/graphics[@type='vnc']\", xml: <graphics type='spice'/>}",
        "- {op: replace, allowProtected: true, path: \"/domain/devices/disk[boot]\", xml: <disk type='file'/>}",
        "- {op: set, path: \"/domain/devices/controller[@model='none']/@model\", value: qemu-xhci}",
        "- {op: set, path: \"/domain/devices/disk[target/@dev='vda']/target/@dev\", value: vdx}",
        "- {op: set, path: \"/domain/devices/disk/target[@dev='vda' and @bus='virtio']/@bus\", value: sata}",
        '- {op: set, path: "/domain/devices/disk[not(@rawio) and boot]/@rawio", value: yes}',
        "- {op: set, path: \"/domain/vcpu[.='2']\", value: 4}",
        '- {op: ensure, in: "/domain/devices/disk[not(serial) and boot]", path: serial, value: a}',
        "- {op: merge, path: \"/domain/devices/disk[driver/@type='qcow2']\", xml: <driver type='raw'/>}",
        '- {op: add, path: "/domain/devices/disk[boot and not(readonly)]", xml: <readonly/>}',
    ],
    "PL305": [
        "- {op: move, from: /domain/devices/rng, path: /domain}",
        "- {op: move, from: /domain/vcpu, path: /domain/devices}",
        """
        when: xpath('//qemu:arg') == []
        domain:
          - {op: add, path: /domain/devices, xml: <sound/>}
          - {op: qemuArgs, args: [-x]}
        """,
        """
        when: xpath("/domain/devices/sound") == []
        domain:
          - {op: ensure, path: "/domain/devices/sound[@model='ich9']"}
          - {op: qemuArgs, args: [-x]}
        """,
        """
        - {op: add, when: "xpath('count(/domain/memoryBacking)') == 0", path: /domain/devices, xml: <sound/>}
        """,
        """
        - {op: set, path: /domain/vcpu, value: 4, unless: /domain/devices/tpm}
        - {op: ensure, path: /domain/devices/tpm/@model, value: tpm-crb}
        """,
        """
        - {op: add, path: /domain/devices, unless: /domain/metadata/done, xml: <sound/>}
        - {op: ensure, path: /domain/metadata/done}
        """,
    ],
    "PL306": [
        "- {op: set, when: 'false', path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.metadata.annotations['a'] == true\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.metadata.labels['a'] != 5\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.metadata.name == 'a' && vmi.metadata.name == 'b'\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.metadata.name != 'a' || vmi.metadata.name != 'b'\", path: /domain/vcpu, value: 4}",
        '- {op: set, when: "!(vmi.metadata.name in [])", path: /domain/vcpu, value: 4}',
        "- {op: set, when: \"xpath('/domain/vcpu') == '4'\", path: /domain/vcpu, value: 4}",
        "- {op: test, expression: 1 == 1}",
        "- {op: set, forEach: '[]', path: /domain/vcpu, value: 4}",
        "- {op: remove, path: \"/domain/devices/disk[@device='disk' and @device='cdrom']\"}",
        "- {op: remove, path: \"/domain/devices/disk[@device='disk'][@device='cdrom']\"}",
        "- {op: remove, path: \"/domain/devices/disk['vda']/serial\", expect: 0+}",
        "- {op: remove, path: /domain/devices/disk/serial, expect: 0+, unless: \"'vda'\"}",
        """
        variables:
          - {name: on, expression: "vmi.metadata.annotations['a']"}
        when: variables.on == true
        domain:
          - {op: set, path: /domain/vcpu, value: 4}
        """,
    ],
    "PL309": [
        "variables:\n  - {name: port, expression: '5'}\ndomain:\n  - {op: set, path: /domain/vcpu, value: $port}",
        "variables:\n  - {name: port, expression: '5'}\ndomain:\n  - {op: set, path: /domain/vcpu, value: '${ port }'}",
        "- {op: set, path: /domain/vcpu, value: '{{ vmi.metadata.name }}'}",
        "- {op: qemuArgs, forEach: '[1]', args: [-x, id=$item]}",
        "- {op: set, path: /domain/title, value: 'of $(vmi.metadata.name)'}",
        "variables:\n  - {name: p, expression: '5'}\ncloudInit:\n"
        "  - {op: ensure, target: userData, path: /port, value: $p}",
        "- {op: set, path: /domain/title, value: vmi.metadata.name}",
        "- {op: set, path: /domain/title, value: \"vmi.metadata.annotations['a.b/c']\"}",
        "- {op: set, path: /domain/devices/disk/source/@file, expect: 0+, value: node.text}",
        "- {op: ensure, forEach: vmi.spec.volumes, path: /domain/title, value: item.name}",
        "- {op: add, path: /domain/devices, unless: sound, xml: <sound><a b='vmi.metadata.name'/></sound>}",
        "- {op: add, path: /domain, unless: title, xml: <title> vmi.metadata.name </title>}",
        "variables:\n  - {name: p, expression: '5'}\ndomain:\n  - {op: set, path: /domain/title, value: variables.p}",
        "cloudInit:\n  - {op: ensure, target: userData, path: /hostname, value: vmi.metadata.name}",
        "- {op: remove, forEach: \"['a']\", path: \"/domain/devices/disk[alias/@name='ua-$item']/serial\"}",
        "- {op: ensure, forEach: \"['a']\", path: \"/domain/devices/disk[@type='$item']/serial\", value: a}",
        "variables:\n  - {name: p, expression: '5'}\n"
        'when: "xpath(\'count(/domain/devices/disk[alias/@name=\\"ua-$p\\"])\') == 0"\n'
        "domain:\n  - {op: remove, path: /domain/title}",
        "- {op: set, path: /domain/title, value: '{{ .Values.title }}'}",
        "- {op: set, path: /domain/title, value: '{{- include \"chart.name\" . }}'}",
    ],
    "PL313": [
        "- {op: remove, forEach: \"['a']\", path: \"/domain/devices/disk[alias/@name = 'ua-' + $item]/serial\"}",
        "- {op: remove, path: \"/domain/devices/disk[alias/@name = concat('a', target/@dev) + 'b']/serial\"}",
        "- {op: add, path: /domain/devices, unless: \"sound[alias/@name = ('ua-') + 's']\", xml: <sound/>}",
        "- {op: remove, path: \"/domain/devices/disk[@index = 'a' * 2]/serial\"}",
        '- {op: remove, path: /domain/title, when: "xpath(\'count(/domain/devices/disk[. = \\"a\\" + 1])\') == 0"}',
    ],
    "PL312": [
        "- {op: qemuArgs, args: ['-device virtio-rng-pci']}",
        "- {op: qemuArgs, args: [-s, '--set device.x.y=1']}",
        "- {op: qemuArgs, args: ['-device $[ vmi.metadata.name ]']}",
    ],
    "PL310": [
        "- op: set\n  path: /domain/title\n  value: |\n    a\n",
        "- op: ensure\n  path: /domain/title\n  value: >\n    a\n",
        "- op: qemuArgs\n  args:\n    - -x\n    - |\n      a\n",
    ],
}

# rule → patches that come close but get no advice
GOOD: dict[str, list[str]] = {
    "PL301": [
        "- {op: set, path: \"/domain/devices/disk[alias/@name='ua-a']/driver/@cache\", value: none}",
        "- {op: add, path: '/domain/devices/controller[last()]', position: after, unless: ../sound, xml: <sound/>}",
        "- {op: remove, path: '/domain/devices/console[position() > 1]', expect: 0+}",
        "- {op: remove, path: '/domain/devices/console[not(position() = 1)]', expect: 0+}",
        "- {op: remove, path: \"//qemu:arg[starts-with(following-sibling::qemu:arg[1]/@value, 'a')]\", expect: 0+}",
        '- {op: set, path: "/domain/devices/disk[position]/driver/@cache", value: none}',
        '- {op: set, path: "/domain/devices/controller[@index=1]/@ports", value: 2}',
    ],
    "PL311": [
        '- {op: remove, path: "//disk[alias/@name=/domain/devices/interface/alias/@name]/address", expect: 0+}',
        '- {op: remove, path: "//disk[following-sibling::disk]", expect: 0+}',
    ],
    "PL302": [
        "- {op: remove, path: \"//disk[target/@bus='sata']/address\", expect: 0+}",
        '- {op: remove, path: "//disk[alias/@name=/domain/devices/interface/alias/@name]/address", expect: 0+}',
    ],
    "PL303": [
        '- {op: add, path: /domain/devices, xml: "<sound patch:when=\\"xpath(\'sound\') == []\\"/>"}',
        "- {op: within, path: /domain/devices, edits: [{op: add, path: ., unless: sound, xml: <sound/>}]}",
        "- {op: within, path: /domain/devices, unless: sound, edits: [{op: add, path: ., xml: <sound/>}]}",
        "- {op: within, path: /domain/devices, when: \"xpath('//sound') == []\", "
        "edits: [{op: add, path: ., xml: <sound/>}]}",
        "- {op: add, path: /domain/devices, unless: sound, xml: <sound model='ich9'/>}",
        "- {op: add, when: \"xpath('/domain/devices/sound') == []\", path: /domain/devices, xml: <sound/>}",
        "- {op: add, when: \"xpath('count(/domain/devices/sound)') < 1\", path: /domain/devices, xml: <sound/>}",
        "- {op: add, when: \"[] == (xpath(r'/domain/devices/sound'))\", path: /domain/devices, xml: <sound/>}",
        "- {op: add, when: \"xpath('//sound[@a=\\\\'b\\\\']') == []\", path: /domain/devices, xml: <sound a='b'/>}",
        "- {op: remove, path: /domain/devices/sound, expect: 0+}\n- {op: add, path: /domain/devices, xml: <sound/>}",
        "- {op: remove, path: //watchdog | //sound, expect: 0+}\n- {op: add, path: /domain/devices, xml: <sound/>}",
        "- {op: remove, path: /domain/devices/*, expect: 0+}\n- {op: add, path: /domain/devices, xml: <sound/>}",
        "- {op: add, path: /domain/devices, xml: <sound/>}\n- {op: remove, path: /domain/devices/sound, expect: 0+}",
        "- {op: replace, path: /domain/devices/rng, xml: <rng/>}\n- {op: add, path: /domain/devices/rng, xml: <rate/>}",
        "- {op: add, path: '/domain/devices/disk[not(serial)]', expect: 0+, xml: <serial>a</serial>}",
        "- {op: merge, path: /domain, xml: <memoryBacking/>}",
        "- {op: set, path: /domain/devices/serial/source/@path, value: \"$[ node.text.split('.')[0] ].1\"}",
        "- {op: set, path: /domain/vcpu, value: '$[ node.text ]'}",
        "- {op: ensure, in: //disk, expect: 0+, path: driver/@cache, value: none}",
        "- {op: ensure, in: '//console[target]', expect: 0+, path: console}",
        "- {op: add, path: //console, position: after, unless: ../console, expect: 0+, xml: <console/>}",
        """
        variables:
          - {name: cards, expression: "xpath('/domain/devices/hostdev[not(address)]/alias/@name')"}
        domain:
          - {op: add, forEach: variables.cards, path: /domain/devices, xml: '<sound model="$[ item ]"/>'}
        """,
        """
        variables:
          - {name: there, expression: "xpath('/domain/devices/sound')"}
        when: variables.there == []
        domain:
          - {op: add, path: /domain/devices, xml: <sound/>}
        """,
    ],
    "PL304": [
        "- {op: rename, path: /domain/devices/memballoon, to: balloon}",
        "- {op: move, from: /domain/devices/rng, path: /domain/devices/memballoon}",
        "- {op: rename, path: /domain/devices/memballoon, when: \"xpath('//balloon') == []\", to: balloon}",
        "- {op: remove, path: /domain/devices/rng}",
        "- {op: remove, path: /domain/devices/rng, expect: 1}\n- {op: add, path: /domain/devices, xml: <rng/>}",
        "- {op: move, from: /domain/devices/rng, path: /domain/devices, position: prepend}",
        "- {op: replace, path: /domain/devices/graphics, xml: <graphics type='spice'/>}",
        "- {op: replace, path: \"/domain/devices/graphics[@type='vnc']\", xml: <graphics type='vnc' port='1'/>}",
        "- {op: set, path: \"/domain/devices/disk[target/@dev='vda']/target/@bus\", value: sata}",
        "- {op: set, path: \"/domain/devices/controller[@model='none']/@model\", expect: 0..1, value: qemu-xhci}",
        "- {op: set, path: \"/domain/devices/controller[@model='none' or @type='usb']/@model\", value: qemu-xhci}",
        "- {op: merge, path: \"/domain/devices/disk[alias/@name='ua-containerdisk']\", xml: <serial>a</serial>}",
        "- {op: set, path: /domain/vcpu, value: 4}",
    ],
    "PL305": [
        """
        when: xpath('/domain/cpu/numa/cell') == [] && xpath('/domain/devices/sound') == []
        domain:
          - {op: add, path: /domain/devices, xml: <sound/>}
        """,
        """
        - {op: add, path: /domain/devices, unless: sound, xml: <sound/>}
        - {op: qemuArgs, args: [-x]}
        """,
        """
        - {op: qemuArgs, when: "xpath('//qemu:arg') == []", args: [-x]}
        """,
        """
        - {op: ensure, when: "xpath('/domain/devices/tpm') == []", path: /domain/features/tdx}
        """,
    ],
    "PL306": [
        "- {op: set, when: \"vmi.metadata.annotations['a'] == 'true'\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.metadata.name == 'a' || vmi.metadata.name == 'b'\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.metadata.name != 'a' && vmi.metadata.name != 'b'\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"xpath('string(/domain/vcpu)') == '2'\", path: /domain/vcpu, value: 4}",
        "- {op: set, when: \"vmi.?metadata.?name.orValue('') in ['a', '']\", path: /domain/vcpu, value: 4}",
        "- {op: remove, path: \"/domain/devices/disk[@device='disk' or @device='cdrom']/serial\", expect: 0+}",
        "- {op: remove, path: \"/domain/devices/disk[target/@dev='a' and target/@dev='b']/serial\", expect: 0+}",
    ],
    "PL309": [
        "variables:\n  - {name: p, expression: '5'}\ndomain:\n"
        "  - {op: ensure, path: \"/domain/a[@b=$p]\", value: '$[ variables.p ] $other ${HOME} {{ v1.name }}'}",
        "variables:\n  - {name: p, expression: '5'}\ncloudInit:\n"
        "  - {op: addPart, contentType: text/x-shellscript, filename: a, content: 'p=1; echo $p ${p}'}",
        "- {op: set, path: /domain/title, value: see vmi.metadata.name}",
        "- {op: set, path: /domain/title, value: vmi.example.test}",
        "- {op: set, path: /domain/title, value: item.name}",
        "- {op: set, path: /domain/title, value: node.example}",
        "- {op: set, path: /domain/title, value: variables.p}",
        "- {op: set, path: /domain/title, value: 'vmi.metadata.name + 1'}",
        "- {op: qemuArgs, args: [-device, 'vmi.json']}",
        "- {op: add, path: /domain, unless: title, xml: <title>of vmi.metadata.name</title>}",
        "variables:\n  - {name: p, expression: \"'5'\"}\ndomain:\n"
        "  - {op: remove, path: \"/domain/devices/disk[alias/@name=concat('ua-$other', $p, '$')]/serial\"}",
        "- {op: set, path: /domain/title, value: '{{ ds.meta_data.name }} {{ v1.region }}'}",
    ],
    "PL313": [
        "- {op: remove, path: \"/domain/devices/disk[count(source) + '1' = 2]/serial\"}",
        "- {op: remove, forEach: '[1]', path: \"/domain/devices/controller[@index = $item + 1]/alias\"}",
        '- {op: remove, path: "/domain/devices/controller[@index = substring(alias/@name, 4) + 1]/alias"}',
    ],
    "PL312": [
        "- {op: qemuArgs, args: [-device, virtio-rng-pci, -append, console=ttyS0 ro]}",
        "- {op: qemuArgs, args: [-append, '- -x'], env: {A: -x y}}",
        "- {op: qemuArgs, args: ['$[ vmi.metadata.name ] -x', '-x ']}",
    ],
    "PL310": [
        "- op: set\n  path: /domain/title\n  value: |-\n    a\n",
        "- op: add\n  path: /domain/devices\n  unless: sound\n  xml: |\n    <sound/>\n",
        "- op: test\n  path: /domain\n  message: |\n    a\n",
    ],
}


def samples(table: dict[str, list[str]]) -> list[object]:
    return [
        pytest.param(rule, text, id=f"{rule}-{number}")
        for rule, texts in table.items()
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(("rule", "text"), samples(BAD))
def test_what_it_finds(rule: str, text: str) -> None:
    found = advice(text)
    assert {d.rule.id for d in found} == {rule}, render(found)
    for d in found:
        assert d.severity is Severity.ADVICE
        assert d.help
        assert d.span is not None
        assert d.patch == "example"


@pytest.mark.parametrize(("rule", "text"), samples(GOOD))
def test_what_it_leaves_alone(rule: str, text: str) -> None:
    assert render(advice(text)) == ""


def test_every_rule_has_samples() -> None:
    of_kubevirt = {"PL320", "PL321", "PL322", "PL323", "PL324"}  # tests/test_kubevirt.py
    rules = {rule for rule in handbook.all_rules() if rule.startswith("PL3")} - of_kubevirt
    assert rules == BAD.keys() | {"PL307", "PL308"} == GOOD.keys() | {"PL307", "PL308"}


def test_every_check_says_what_it_finds() -> None:
    assert [check.__name__ for check in lint.CHECKS if not (check.__doc__ or "").strip()] == []


# -- compared with the runs of a boot ----------------------------------------------------------------------------------


def boot(text: str) -> str:
    """The result of three runs of one boot with a patch: ``stable``, ``changes`` or ``fails``."""
    _, program = compiled(source(text))
    results: list[bytes] = []
    for number in range(3):
        data = DOMAIN if number == 0 else second_run(DOMAIN, results[0]) if number == 1 else results[1]
        outcome = patch_domain(program, data, b"{}")
        if outcome.data is None:
            assert number > 0, f"not a sample, the first run fails:\n{render(outcome.diagnostics)}"
            return "fails"
        results.append(outcome.data)
    same = results[2] == results[1] and not differences(results[0], results[1], ("run 1", "run 2"))
    return "stable" if same else "changes"


@pytest.mark.parametrize(("rule", "text"), [p for p in samples(BAD) if p.values[0] in RUNS])  # type: ignore[attr-defined]
def test_it_is_right_about_the_runs_of_a_boot(rule: str, text: str) -> None:
    assert boot(text) in (("fails",) if rule == "PL304" else ("changes", "fails"))


@pytest.mark.parametrize(("rule", "text"), [p for p in samples(GOOD) if p.values[0] in RUNS])  # type: ignore[attr-defined]
def test_what_it_leaves_alone_is_stable(rule: str, text: str) -> None:
    assert boot(text) == "stable"


# -- several patches ---------------------------------------------------------------------------------------------------

CLASHES = [
    ("- {op: set, path: /domain/vcpu, value: 2}", "- {op: set, path: /domain/vcpu, value: 4}"),
    ("- {op: set, path: /domain/vcpu, value: 2}", "- {op: ensure, path: ' / domain / vcpu ', value: 4}"),
    (
        "- {op: set, path: \"/domain/a[@b='1' and @c='2']/@d\", value: 2}",
        '- {op: set, path: \'/domain/a[@c="2"][@b="1"]/@d\', value: 4}',
    ),
    ("- {op: remove, path: /domain/cpu}", "- {op: set, path: /domain/cpu/@mode, value: host-model}"),
    ("- {op: ensure, in: /domain/cpu, path: '@mode', value: a}", "- {op: set, path: /domain/cpu/@mode, value: b}"),
    ("- {op: replace, path: /domain/cpu, xml: <cpu/>}", "- {op: replace, path: /domain/cpu, xml: <cpu mode='a'/>}"),
]
NO_CLASHES = [
    ("- {op: set, path: /domain/vcpu, value: 2}", "- {op: set, path: /domain/vcpu, value: 2}"),
    ("- {op: set, path: /domain/vcpu, value: 2}", "- {op: set, path: /domain/memory, value: 4}"),
    (
        "- {op: ensure, path: /domain/title, value: '$[ vmi.metadata.name ]'}",
        "- {op: set, path: /domain/title, value: '$[ vmi.metadata.name ]'}",
    ),
    ("- {op: remove, path: /domain/cpu}", "- {op: remove, path: /domain/cpu}"),
    ("- {op: replace, path: /domain/cpu, xml: <cpu/>}", "- {op: replace, path: /domain/cpu, xml: <cpu/>}"),
    ("- {op: remove, path: /domain/cpu}", "- {op: remove, path: /domain/cpu/feature, expect: 0+}"),
    ("- {op: ensure, path: /domain/features/acpi}", "- {op: ensure, path: /domain/features/acpi}"),
    (
        "when: vmi.metadata.labels['size'] == 'big'\ndomain:\n  - {op: set, path: /domain/vcpu, value: 8}",
        "when: vmi.metadata.labels['size'] == 'small'\ndomain:\n  - {op: set, path: /domain/vcpu, value: 2}",
    ),
    (
        "variables:\n  - {name: a, expression: \"'x'\"}\ndomain:\n  - {op: set, path: '/domain/x[@a=$a]/@b', value: 1}",
        "variables:\n  - {name: a, expression: \"'y'\"}\ndomain:\n  - {op: set, path: '/domain/x[@a=$a]/@b', value: 2}",
    ),
]


@pytest.mark.parametrize(("one", "other"), CLASHES)
def test_two_patches_that_write_one_place(one: str, other: str) -> None:
    [found] = advice(one, other)
    assert found.rule.id == "PL307"
    assert found.patch == "other"
    assert found.related


@pytest.mark.parametrize(("one", "other"), NO_CLASHES)
def test_two_patches_that_do_not_meet(one: str, other: str) -> None:
    assert render(advice(one, other)) == ""


def test_it_says_which_patch_decides() -> None:
    [found] = advice(
        "priority: 60\ndomain:\n  - {op: set, path: /domain/vcpu, value: 2}",
        "- {op: set, path: /domain/vcpu, value: 4}",
    )
    assert found.patch == "example"
    assert "`example` wins" in found.message
    assert "priority 50 before 60" in found.message


def test_with_errors_it_does_not_say_how_patches_meet() -> None:
    patches = compiled(source(CLASHES[0][0]), source(CLASHES[0][1], "other"))[0]
    assert advise(patches, None) == []


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_places_are_those_of_the_file() -> None:
    [found] = advice("- op: set\n  path: >-\n    /domain/devices/disk[\n      1]/@a\n  value: b")
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == "1"


def known(condition: str, variables: Mapping[str, str]) -> bool | None:
    read = celtruth.read(condition, variables)
    return celtruth.truth(read) if read is not None else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a ? b : c", None),
        ("true || a", True),
        ("a && false", False),
        ("!(a == 1) && a == 1", False),
        ("has(a.b) || !has(a.b)", True),
        ("(a == 'x' || a == 'y')", None),
        ("'a' in ['a', 'b']", True),
        ("'c' in ['a', 'b']", False),
        ("c in ['a', 'b']", None),
        ("vmi.metadata.annotations[?'x'].orValue('') == 'y'", None),
        ("vmi.metadata.annotations[?'x'].orValue('') == 3", False),
        ("xpath('count(/a)') == '1'", False),
        ("xpath('/a') == []", None),
        ("variables.v == 5", False),
        ("variables.unknown == 5", None),
        ("a.?b.orValue(c) == d", None),
        ("[1, 2].exists(x, x == 1 && x == 2)", None),
        ("'||' == a", None),
        ("!" * 4000 + "true", True),
        # one value, written in two ways
        ("'x' == r'x'", True),
        ("'x' != r'x'", False),
        ("0x10 == 16", True),
        ("1e3 == 1000.0", True),
        ("1.5 == 15e-1", True),
        ("2 == 2u", True),
        ("'\\u0061' == 'a'", True),
        ("'a' == '\\u0062'", False),
        ("'it\\'s' == \"it's\"", True),
        ('"""a\'b""" == \'a\\x27b\'', True),
        ("r'\\n' == '\\n'", False),
        ("b'a' == b'\\x61'", True),
        ("'a' in [r'a', 'b']", True),
        ("0x1 in [1]", True),
        ("a == 'x' && a == r'x'", None),
        ("a == 'x' && a != r'x'", False),
        ("a == 16 && 0x10 == a", None),
        ("a['k'] == 'x' && a[\"k\"] == 'y'", False),
        ("a[r'k'] == 'x' && a['\\x6b'] == 'y'", False),
        ("vmi.metadata.annotations[r'x'] == 1", False),
        ("vmi.metadata.annotations[variables.w] == 1", False),
        # a sign is part of a number, parentheses make no difference
        ("-1 == -1", True),
        ("a == -1 && a == -2", False),
        ("-1 in [1, 2]", False),
        ("(a) == 'x' && a == ('y')", False),
        ("!!a && !a", False),
        # neither of the two
        ("b'a' == vmi.metadata.name", False),
        ("b'a' == vmi.spec.a", None),
        ("a == b == c", None),
        ("1 + 1 == 2", None),
        ("a == 'x' ? true : false", None),
        ("[1, 2].all(x, x == 1) && ![1, 2].all(y, y == 1)", None),
        ("[1, 2].all(x, x == 1) && ![1, 2].all(x, x == 1)", False),
        ("has(a.b) && a.b == true", None),
    ],
)
def test_what_is_known_of_a_condition(text: str, value: bool | None) -> None:
    assert known(text, {"v": "vmi.metadata.name", "w": "'k'"}) is value


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("variables.a", {"a": "variables.b", "b": "variables.a"}),
        ("variables.v9", {f"v{n}": " + ".join([f"variables.v{n - 1}"] * 50) for n in range(10)}),
        ("(" * 2000 + "true" + ")" * 2000, {}),
        ("!(" * 1000 + "true" + ")" * 1000, {}),
        ("variables.a", {"a": ".optMap(x, x)".join(["m.?k"] * 2) + ".optMap(x, x)" * 40}),
        ("[" * 31 + "]" * 31 + " == variables.a", {"a": "[" * 31 + "variables.a" + "]" * 31}),
        ("true && " * 500 + "a", {}),
        ("variables.", {}),
        ("'", {}),
        ("", {}),
    ],
)
def test_conditions_that_would_take_long_are_left_alone(text: str, variables: dict[str, str]) -> None:
    assert known(text, variables) is None


def test_faulty_patches_are_read_as_well() -> None:
    """Advice is given in addition to errors, on the parts that could be read."""
    for case in cases("reject"):
        for part in case.named(r"patch.*\.yaml"):
            if not part.generated:
                patches, _ = decode_source(SourceFile(part.name, part.text))
                advise(patches, None)


# -- examples ----------------------------------------------------------------------------------------------------------


def test_every_example_is_as_advised_or_says_why_not() -> None:
    """Each file separately: nobody would load all patches of the corpus together."""
    files = sorted([*(ROOT / "examples").rglob("patch.yaml"), *(ROOT / "examples/corpus").glob("*.yaml")])
    said = []
    for path in files:
        patches, program = compiled(SourceFile(path.name, path.read_text()))
        for d in advise(patches, program):
            assert d.span is not None
            start = d.span.source.text.rfind("\n", 0, d.span.start)
            above = d.span.source.text[:start].rsplit("\n", 1)[-1]
            if not re.search(rf"# patchlang: ignore\[{d.rule.id}\] \w", above):
                said.append(str(d))
    assert said == []


def test_the_sidecar_has_none_of_it() -> None:
    code = (
        "import sys, shim.__main__; print([m for m in sys.modules if 'lint' in m or 'handbook' in m or 'schema' in m])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == "[]\n"
