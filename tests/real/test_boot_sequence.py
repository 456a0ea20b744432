"""The runs of one boot, with a real libvirt between them, for every domain of the corpus and the examples.

libvirt defines and dumps the result of run 1. Run 2 sees the devices of that dump, as far as KubeVirt's own types know
them, with interfaces and everything else as before any edit. Run 3 sees the result of run 2, with its devices dumped
again. After each run the case's expectations are met, and the final machine equals the result of a single run.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import machine
import pytest
import test_corpus
import test_examples
from facts import facts, lost
from known import check, exceptions
from lxml import etree
from outcomes import runs
from realvirsh import acceptable, version_numbers

from patchlang.kubevirt.replay import second_run, with_placeholders
from patchlang.kubevirt.structs import releases


class Boot(NamedTuple):
    """One boot: the domain, the patch, and the check of its result."""

    name: str
    domain: bytes
    patch: Callable[[bytes], bytes]
    faults: Callable[[bytes], list[str]]


def boots() -> Iterator[Boot]:
    for name, run in runs().items():
        yield Boot(name, run.data, of_corpus(run), expectations(run))
    for folder in test_examples.DOMAINS:
        before, after = ((folder / name).read_bytes() for name in ("domain.xml", "expected.xml"))
        yield Boot(f"examples/{folder.name}", before, of_example(folder), written(before, after))


def of_corpus(run: test_corpus.Run) -> Callable[[bytes], bytes]:
    def patch(data: bytes) -> bytes:
        result, said = test_corpus.attempt(run, data)
        assert result is not None, said
        return result

    return patch


def of_example(folder: Any) -> Callable[[bytes], bytes]:
    return lambda data: test_examples.patched(folder, data, test_examples.vmi_of(folder))


def expectations(run: test_corpus.Run) -> Callable[[bytes], list[str]]:
    def faults(result: bytes) -> list[str]:
        look = test_corpus.in_domain(result)
        judged = ((assertion, test_corpus.judge(assertion, look)) for assertion in run.expect)
        return [f"{next(iter(assertion.values()))} {fault}" for assertion, fault in judged if fault]

    return faults


def written(before: bytes, after: bytes) -> Callable[[bytes], list[str]]:
    return lambda result: list(lost(before, after, result))


# -- libvirt in the middle ---------------------------------------------------------------------------------------------


def through(libvirt: machine.Libvirt, domains: dict[str, bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The domains as libvirt dumps them after defining them, and why it rejects the others.

    libvirt does not accept a TPM here, so the dump keeps the original one.
    """
    script, kept = [], {}
    for number, (name, document) in enumerate(domains.items()):
        kept[name] = etree.fromstring(document).findall("devices/tpm")
        root = machine.emulated(acceptable(document), machine.NOT_DEFINED)
        file = libvirt.folder / f"boot-{number}.xml"
        file.write_bytes(etree.tostring(root))
        called = root.findtext("name")
        script += [f"echo '=== {number} '", f"define {file}", f"dumpxml --inactive '{called}'"]
        script += [f"undefine --keep-nvram '{called}'"]
    command = [*libvirt.command, "; ".join(script)]
    done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    _, *answers = re.split(r"=== \d+ \s*", done.stdout)
    dumped, refused = {}, {}
    for name, answer in zip(domains, answers, strict=True):
        if answer.startswith("<domain"):
            root = etree.fromstring(answer[: answer.rindex("</domain>") + len("</domain>")])
            root.find("devices").extend(kept[name])
            dumped[name] = bytes(etree.tostring(root))
        else:
            refused[name] = " / ".join(line for line in answer.splitlines() if line.startswith("error: "))
    return dumped, refused


class Booted(NamedTuple):
    """The results of the boots by name and run, and the final machines next to those of a single run."""

    release: str
    said: list[tuple[str, str]]
    machines: dict[str, tuple[bytes, bytes]]


def boot_all(libvirt: machine.Libvirt, boots: Iterable[Boot], release: str) -> Booted:
    said: list[tuple[str, str]] = []
    by_name = {boot.name: boot for boot in boots}

    def define(run: str, results: dict[str, bytes]) -> dict[str, bytes]:
        dumped, refused = through(libvirt, results)
        said.extend((name, f"{run} is refused: {refusal}") for name, refusal in refused.items())
        return dumped

    def patch(run: str, inputs: dict[str, bytes]) -> dict[str, bytes]:
        results = {name: by_name[name].patch(data) for name, data in inputs.items()}
        said.extend((name, f"{run}: {fault}") for name in results for fault in by_name[name].faults(results[name]))
        return results

    rehearsals = {b.name: b.patch(with_placeholders(b.domain) or b.domain) for b in by_name.values()}
    first = define("run 1", rehearsals)
    read_back = {n: second_run(by_name[n].domain, dump, read_back_by=release) for n, dump in first.items()}
    second = patch("run 2", read_back)
    again = define("run 2", second)
    third = patch("run 3", {name: second_run(second[name], dump) for name, dump in again.items()})
    last = define("run 3", third)
    single = define("a single run", {name: by_name[name].patch(by_name[name].domain) for name in last})
    return Booted(release, said, {name: (single[name], last[name]) for name in last})


def plugged_anywhere(domain: bytes) -> Counter[str]:
    """Facts without addresses, PCI controllers and the UUID, which libvirt generates if there is none."""
    root = etree.fromstring(domain)
    for path in ("uuid", "devices/controller[@type='pci']", "devices/*/address"):
        for found in root.findall(path):
            found.getparent().remove(found)
    return facts(etree.tostring(root))


def changes(booted: Booted) -> list[tuple[str, str]]:
    """How the final machines of the boots differ from those of a single run."""
    found = []
    for name, (single, last) in booted.machines.items():
        one, other = plugged_anywhere(single), plugged_anywhere(last)
        found += [(name, f"doubled {fact}") for fact in other - one]
        found += [(name, f"missing {fact}") for fact in one - other]
    return found


@pytest.fixture(scope="module", params=[releases()[0], releases()[-1]])
def booted(request: pytest.FixtureRequest, libvirt: machine.Libvirt) -> Booted:
    return boot_all(libvirt, boots(), request.param)


def test_every_run_of_a_boot_is_as_expected(
    booted: Booted, libvirt: machine.Libvirt, said: Callable[..., None]
) -> None:
    check(booted.said, exceptions("boot", version_numbers()))
    said(
        libvirt.version(),
        f"{len(booted.machines)} domains booted in three runs by the types of KubeVirt {booted.release}",
    )


def test_nothing_is_doubled(booted: Booted) -> None:
    check(changes(booted), exceptions("single", version_numbers()))


def test_a_hook_that_doubles_is_noticed(libvirt: machine.Libvirt) -> None:
    domain = (test_examples.EXAMPLES / "smbios-annotation" / "domain.xml").read_bytes()
    sound = b'<sound model="ich9"></sound></devices>'
    careless = Boot("careless", domain, lambda data: data.replace(b"</devices>", sound), lambda result: [])
    booted = boot_all(libvirt, [careless], releases()[-1])
    assert booted.said == []
    assert set(changes(booted)) == {("careless", "doubled /domain/devices/sound/@model=ich9")}
