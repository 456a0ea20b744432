"""The inputs on the page, read as the command line reads them; cloud-init data may also be YAML."""

from __future__ import annotations

import json

from ... import rules
from ...diagnostics import PatchError, fail
from ...document.decode import decode_part
from ...document.yamltree import parse
from ...extract import read_domain, read_vmi, text_timestamps
from ...files import source_of
from ...patchtest.inputs import facts_of
from ...patchtest.model import FactsInput
from ...podfacts import Given as Facts
from ...source import SourceFile
from .request import Given

_YAML_HELP = "write KubeVirt's CloudInitData as JSON, or the same in YAML: `UserData: |` and so on"


def sources(given: Given) -> list[SourceFile]:
    """The patch files. Raises PatchError (PL0xx) for one that the sidecar would not read."""
    return [source_of(one.name, encoded(one.text)) for one in given.patches]


def domain(given: Given) -> tuple[bytes, int | None]:
    """The domain, and the number of characters (in UTF-16) before it; None if it was encoded there.

    Raises PatchError (PL501).
    """
    text = encoded(given.domain)
    found = read_domain(text)
    if found.where is None:
        return found.data, 0
    at = text.find(found.data)
    return found.data, len(text[:at].decode(errors="replace").encode("utf-16-le")) // 2 if at >= 0 else None


def vmi(given: Given) -> bytes:
    """The VMI as JSON; by default an empty one. Raises PatchError (PL504)."""
    return read_vmi(encoded(given.vmi)) if given.vmi.strip() else b"{}"


def cloud_init(given: Given) -> bytes:
    """The cloud-init data as JSON. Raises PatchError (PL505)."""
    import yaml

    text = given.cloud_init
    if text.lstrip().startswith("{"):
        return encoded(text)
    if text.lstrip().startswith("<"):
        raise fail(rules.BAD_CLOUD_INIT, "the cloud-init data is XML, but must be JSON or YAML", None, _YAML_HELP)
    try:
        data = yaml.load(encoded(text), Loader=text_timestamps())  # noqa: S506 (it is a safe one)
        if isinstance(data, dict):
            return json.dumps(data).encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as e:
        mark = getattr(e, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise fail(
            rules.BAD_CLOUD_INIT, f"the cloud-init data is neither JSON nor YAML{place}", None, _YAML_HELP
        ) from None
    raise fail(rules.BAD_CLOUD_INIT, "the cloud-init data is not a map", None, _YAML_HELP)


def facts(given: Given, declared: frozenset[str]) -> Facts:
    """The facts of the pod, as a test has them. Raises PatchError, also for one that no patch declares (PL206)."""
    found: list[FactsInput] = []
    for root in parse(source_of("facts.yaml", encoded(given.facts))):
        read, wrong = decode_part(root, FactsInput)
        if read is None or wrong:
            raise PatchError(wrong[0])
        found.append(read)
    return facts_of(found, declared)


def encoded(text: str) -> bytes:
    """The text as a file would contain it; lone surrogates stay, and every reader refuses them."""
    return text.encode(errors="surrogatepass")
