"""The engine alone, compared with bare lxml, and how it scales."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lxml import etree

from patchlang.compile import Program
from patchlang.domain.tree import parse
from patchlang.engine import patch_domain
from patchlang.loading import load_sources
from patchlang.source import SourceFile

from .. import documents
from ..context import Context
from ..hotspots import hotspots
from ..measure import figures, interleaved, quickest, rounded
from ..results import Breakdown, Curve, Figure, Group, Row

ROUNDS = 300
SIZES = {"numa-gpu": ("8 KB", 3.0), "many-disks": ("128 KB", 2.0)}
GROWN = [1 << shift for shift in range(13, 21)]
LINEAR = 1.1
"""The exponent that still counts as linear: a tenth for noise, and for documents that outgrow the caches."""
HEAD = documents.WITHOUT_CEL.split("    - op: ensure\n", 1)[0]
PROFILED_RUNS = 200

ABOUT = """\
`engine.patch_domain`, from bytes to bytes, next to lxml that parses the same domain, evaluates the same three XPath
expressions, adds the three entries, and serializes the result, with no check of the input, no condition, and no VMI,
and rewriting all bytes. Growth is measured in one dimension at a time, with everything else constant, and given as
the exponent at the end of the curve: 1 is linear."""

_BOARD = etree.XPath("/domain/sysinfo[@type='smbios']/baseBoard")
_ENTRIES = {
    name: (value, etree.XPath(f"/domain/sysinfo[@type='smbios']/baseBoard/entry[@name='{name}']"))
    for name, value in {"manufacturer": documents.MANUFACTURER, "product": "Bebop", "version": "26"}.items()
}


def measure(_: Context) -> Group:
    rows: list[Row] = []
    samples: dict[str, list[float]] = {}
    breakdowns: list[Breakdown] = []
    for name, (label, reach) in SIZES.items():
        domain, vmi = documents.domain(name), documents.vmi(name)
        with_cel, literal = compiled([documents.WITH_CEL]), compiled([documents.WITHOUT_CEL])
        taken = interleaved(
            {
                "with": partial(run, with_cel, domain, vmi),
                "literal": partial(run, literal, domain, vmi),
                "lxml": partial(bare, domain),
                "parse": partial(etree.fromstring, domain),
                "read": partial(parse, domain),
            },
            ROUNDS,
        )
        found = figures(taken)
        size = f"{len(domain) / 1000:.1f} KB of domain, {len(vmi) / 1000:.1f} KB of VMI"
        rows += [
            Row(f"three edits with CEL at {label} ({size})", "ms", found["with"], "bare lxml", found["lxml"], reach),
            Row(f"three edits without CEL at {label}", "ms", found["literal"], "bare lxml", found["lxml"], reach),
            Row(f"reading with all checks at {label}", "ms", found["read"], "lxml's parse", found["parse"]),
        ]
        samples |= {f"{what} at {label}": values for what, values in rounded(taken).items()}
        title = f"Self time by function, three edits with CEL at {label}"
        breakdowns.append(hotspots(title, partial(run, with_cel, domain, vmi), PROFILED_RUNS))
    curves = tuple(growth())
    rows += [Row(f"growth with the {c.name}", "exponent", _exponent(c), reach=LINEAR) for c in curves]
    theirs = _curve("size of the domain", "bytes", GROWN, lambda n: partial(bare, documents.grown_domain(n)))
    rows.append(Row("growth of bare lxml with the size of the domain", "exponent", _exponent(theirs)))
    return Group("engine", "The engine alone", ABOUT, tuple(rows), curves, tuple(breakdowns), samples)


def _exponent(curve: Curve) -> Figure:
    return Figure(curve.exponent, curve.exponent, 1)


def compiled(texts: list[str]) -> Program:
    program, wrong = load_sources([SourceFile(f"{number:04}.yaml", text) for number, text in enumerate(texts)])
    if program is None:
        raise AssertionError(f"the patches do not compile: {wrong[0]}")
    return program


def run(program: Program, domain: bytes, vmi: bytes) -> bytes:
    outcome = patch_domain(program, domain, vmi)
    if outcome.data is None:
        raise AssertionError(f"the patch fails: {outcome.diagnostics[0]}")
    return outcome.data


def bare(domain: bytes) -> bytes:
    """What anyone would write with plain lxml."""
    root = etree.fromstring(domain)
    for name, (value, path) in _ENTRIES.items():
        if not path(root):
            boards = _BOARD(root)
            board = boards[0] if boards else _new_board(root)  # type: ignore[index]
            etree.SubElement(board, "entry", name=name).text = value  # type: ignore[arg-type]
    return bytes(etree.tostring(root))


def _new_board(root: etree._Element) -> etree._Element:
    return etree.SubElement(etree.SubElement(root, "sysinfo", type="smbios"), "baseBoard")


# -- growth ------------------------------------------------------------------------------------------------------------


def growth() -> list[Curve]:
    vmi = documents.vmi()
    literal = compiled([documents.WITHOUT_CEL])
    return [
        _curve("size of the domain", "bytes", GROWN, lambda n: _patching(literal, documents.grown_domain(n), vmi)),
        _curve("number of edits", "edits", [1, 3, 10, 30, 100, 300, 1000], lambda n: _edits(n, vmi)),
        _curve("number of documents", "documents", [1, 3, 10, 30, 50, 100, 200], lambda n: _documents(n, vmi)),
        _curve("number of matches", "matches", [1, 10, 100, 1000, 2500, 5000, 10_000], lambda n: _matches(n, vmi)),
    ]


def _curve(name: str, label: str, numbers: list[int], case: Callable[[int], Callable[[], object]]) -> Curve:
    return Curve(name, label, tuple((number, round(quickest(case(number)), 4)) for number in numbers))


def _patching(program: Program, domain: bytes, vmi: bytes) -> Callable[[], bytes]:
    return partial(run, program, domain, vmi)


def _edits(count: int, vmi: bytes) -> Callable[[], object]:
    """Edits that each set another attribute, or the same one again."""
    domain = documents.grown_domain(64 * 1024)
    disks = domain.count(b"<disk ")
    edits = "".join(
        f"    - {{op: set, path: '/domain/devices/disk[{number % disks + 1}]/driver/@cache', value: mode-{number}}}\n"
        for number in range(count)
    )
    return _patching(compiled([HEAD + edits]), domain, vmi)


def _documents(count: int, vmi: bytes) -> Callable[[], object]:
    return _patching(
        compiled([documents.named(documents.WITHOUT_CEL, number) for number in range(count)]), documents.domain(), vmi
    )


def _matches(count: int, vmi: bytes) -> Callable[[], object]:
    """One edit that matches ``count`` of 10,000 elements: the domain is the same at every point of the curve."""
    features = "".join(
        f'\t\t<feature name="f{number:05}" policy="{"require" if number < count else "optional"}"></feature>\n'
        for number in range(10_000)
    )
    domain = f'<domain type="kvm">\n\t<cpu>\n{features}\t</cpu>\n</domain>'.encode()
    edit = "    - {op: set, path: \"/domain/cpu/feature[@policy='require']/@policy\", value: disable, expect: '1+'}\n"
    return _patching(compiled([HEAD + edit]), domain, vmi)
