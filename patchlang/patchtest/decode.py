"""Documents of ``kind: PatchTest`` from YAML: decoded like patches, then checked for conflicting keys."""

from __future__ import annotations

from collections.abc import Iterator

from .. import rules
from ..cloudinit.pointer import PointerError, parse
from ..diagnostics import Diagnostic, PatchError, Rule
from ..document import model, yamltree
from ..document.decode import decode_document
from ..loading import is_test
from ..source import SourceFile
from .model import Case, PatchTest, PointerExpectation, XPathExpectation


def tests_of(source: SourceFile) -> tuple[list[PatchTest], list[Diagnostic]]:
    """The tests of one file and their problems; its patches are skipped."""
    tests: list[PatchTest] = []
    found: list[Diagnostic] = []
    try:
        roots = [root for root in yamltree.parse(source) if is_test(root)]
    except PatchError as e:
        return [], [e.diagnostic]
    for root in roots:
        test, wrong = _decode(root)
        found += wrong
        if test is not None and not wrong:
            tests.append(test)
    return tests, found


def _decode(root: yamltree.Node) -> tuple[PatchTest | None, list[Diagnostic]]:
    return decode_document(root, PatchTest, _check)


def _check(test: PatchTest) -> Iterator[Diagnostic]:
    if not test.spec.cases:
        yield Diagnostic(rules.BAD_VALUE, "the test has no case", test.metadata.name.span(), "add one under `cases`")
    for file in test.spec.patches:
        if "\0" in file.text:
            yield Diagnostic(rules.BAD_VALUE, "a file name cannot contain U+0000", file.span())
    seen: set[str] = set()
    for case in test.spec.cases:
        name = case.name
        if name.text in seen:
            yield Diagnostic(rules.DUPLICATE_NAME, f"two cases are named `{name.text}`", name.span())
        seen.add(name.text)
        yield from _check_case(test, case)


def _check_case(test: PatchTest, case: Case) -> Iterator[Diagnostic]:
    has_domain, has_cloud_init = bool(case.domain or test.spec.domain), bool(case.cloud_init or test.spec.cloud_init)
    if not has_domain and not has_cloud_init:
        help = "give the test or the case an input: `domain: domain.xml`"
        yield Diagnostic(rules.MISSING_KEY, "`domain` or `cloudInit` is missing", case.name.span(), help)
    if not (case.expect or case.golden or case.unchanged or case.error):
        help = "add an expected result: `expect`, `golden`, `unchanged: true` or `error`"
        yield Diagnostic(rules.MISSING_KEY, "the case expects nothing", case.name.span(), help)
    if case.error and (case.expect or case.golden or case.unchanged or not case.idempotent):
        message = "`error` cannot be combined with other expectations: an error has no result"
        yield Diagnostic(rules.KEY_CONFLICT, message, case.name.span())
    if case.golden and has_domain and has_cloud_init:
        message = "`golden` needs a case with one input, but this one has a domain and cloud-init data"
        yield Diagnostic(rules.KEY_CONFLICT, message, case.golden.span(), "split it into two tests")
    if case.golden and case.unchanged:
        yield Diagnostic(rules.KEY_CONFLICT, "`golden` and `unchanged` cannot be used together", case.golden.span())
    yield from _check_refusal(case)
    for name, _ in case.set:
        try:
            parse(name.text)
        except PointerError as e:
            yield Diagnostic(e.rule, e.message, name.span(e.start, e.end), e.help)
    for expectation in case.expect:
        has_input, input_key = (
            (has_domain, "domain") if isinstance(expectation, XPathExpectation) else (has_cloud_init, "cloudInit")
        )
        if not has_input:
            message = f"no `{input_key}` to check"
            yield Diagnostic(rules.MISSING_KEY, message, _key_of(expectation).span(), f"give the test a `{input_key}`")
        yield from _check_expectation(expectation)


def _check_refusal(case: Case) -> Iterator[Diagnostic]:
    refusal = case.refusal
    if refusal is None:
        return
    if refusal.rule is None and refusal.message is None:
        yield Diagnostic(rules.MISSING_KEY, "`error` needs a `rule` or a `message`", case.name.span())
    known = {value.id for value in vars(rules).values() if isinstance(value, Rule)}
    if (rule := refusal.rule) is not None and rule.text not in known:
        help = "write its id, such as PL401, or `error: {message: …}`"
        yield Diagnostic(rules.BAD_VALUE, f"no rule `{rule.text}`", rule.span(), help)


def _check_expectation(expectation: XPathExpectation | PointerExpectation) -> Iterator[Diagnostic]:
    key = _key_of(expectation)
    checks = {name: getattr(expectation, name) for name in ("equals", "contains", "matches")}
    if isinstance(expectation, XPathExpectation):
        checks["count"] = expectation.count
    elif expectation.part and expectation.target is not model.Target.USER_DATA:
        yield Diagnostic(rules.KEY_CONFLICT, "`part` needs `target: userData`", key.span())
    given = [name for name, value in checks.items() if value is not None]
    if not given and not expectation.absent:
        words = ", ".join(f"`{name}`" for name in checks)
        yield Diagnostic(rules.MISSING_KEY, f"one of {words} or `absent` is missing", key.span())
    if given and expectation.absent:
        yield Diagnostic(rules.KEY_CONFLICT, f"`absent` and `{given[0]}` cannot be used together", key.span())


def _key_of(expectation: XPathExpectation | PointerExpectation) -> model.XPath | model.Pointer:
    return expectation.xpath if isinstance(expectation, XPathExpectation) else expectation.pointer
