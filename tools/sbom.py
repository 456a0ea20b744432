"""Print an image's bill of materials as CycloneDX 1.6 JSON: Debian's packages, Python and its packages.

    sbom.py NAME VERSION [ROOT]

The Dockerfile runs it inside the image, with the interpreter that has the packages. The same root gives the same bytes:
there is no timestamp and no random number. Licenses are as declared by the packages, with SPDX names where those are
certain.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Where a root may hold Python packages.
SITES = (
    "opt/*/lib/python3*/site-packages",
    "usr/lib/python3/dist-packages",
    "usr/lib/python3*/site-packages",
    "usr/local/lib/python3*/dist-packages",
    "usr/local/lib/python3*/site-packages",
)

# How packages spell licenses, in lower case, and the SPDX name. Ambiguous spellings ("BSD") are left out.
SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsl-1.0": "BSL-1.0",
    "cc0-1.0": "CC0-1.0",
    "expat": "MIT",
    "isc": "ISC",
    "mit": "MIT",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl-2.0": "MPL-2.0",
    "psf-2.0": "PSF-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "zlib": "Zlib",
}
GNU = re.compile(r"(GPL-[123]|LGPL-[23]|LGPL-2\.1|AGPL-3)(?:\.0)?(?:(\+|-or-later)|-only)?")
EXTRA = re.compile(r";.*\bextra\s*==")


@dataclass(frozen=True)
class Part:
    """One component; ``needs`` has the purls of the components it depends on."""

    type: str
    name: str
    version: str
    purl: str
    licences: list[dict[str, Any]] = field(default_factory=list)
    needs: frozenset[str] = frozenset()

    def component(self) -> dict[str, Any]:
        shown = {"type": self.type, "bom-ref": self.purl, "name": self.name, "version": self.version}
        return shown | ({"licenses": self.licences} if self.licences else {}) | {"purl": self.purl}


def spdx(name: str) -> str | None:
    """The SPDX name of a license, if the spelling is unambiguous."""
    if match := GNU.fullmatch(name):
        version = match[1] if "." in match[1] else f"{match[1]}.0"
        return f"{version}-{'or-later' if match[2] else 'only'}"
    return SPELLINGS.get(name.lower())


def licences(names: Iterable[str]) -> list[dict[str, Any]]:
    """CycloneDX's list of licenses that apply together."""
    known = {name: spdx(name) for name in names}
    ids = sorted({identifier for identifier in known.values() if identifier})
    rest = sorted(name for name, identifier in known.items() if not identifier)
    return [{"license": {"id": i}} for i in ids] + [{"license": {"name": name}} for name in rest]


def python_licence(distribution: metadata.Distribution) -> list[dict[str, Any]]:
    """What a Python package declares: an expression, otherwise one short line, otherwise classifiers."""
    about = distribution.metadata
    if expression := about.get_all("License-Expression"):
        return [{"expression": expression[0]}]
    line = "".join(about.get_all("License") or []).strip()
    if line and "\n" not in line:
        return licences([line])
    classifiers = about.get_all("Classifier") or []
    return licences([text.split(" :: ")[-1] for text in classifiers if text.startswith("License :: ")])


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a Debian control file, with the first line of each field."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield dict(re.findall(r"^(\S+?):[ \t]*(.*)$", paragraph, re.MULTILINE))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def system(root: Path) -> dict[str, str]:
    """os-release, without the quotes."""
    return {key: value.strip("\"'") for key, value in re.findall(r"^(\w+)=(.*)$", read(root / "etc/os-release"), re.M)}


def debian_licence(root: Path, package: str) -> list[dict[str, Any]]:
    """The license from the package's copyright file, if it is machine-readable."""
    text = read(root / "usr/share/doc" / package / "copyright")
    if not text.startswith("Format:"):
        return []
    return licences(name.strip() for name in re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE))


def debian(root: Path) -> list[Part]:
    """The installed packages, from dpkg's own list."""
    release = system(root)
    distribution = release.get("ID", "debian")
    distro = f"{distribution}-{release['VERSION_ID']}" if "VERSION_ID" in release else distribution
    installed = [
        stanza
        for stanza in stanzas(read(root / "var/lib/dpkg/status"))
        if stanza.get("Status", "").endswith(" installed")
    ]

    def purl(stanza: Mapping[str, str]) -> str:
        source, _, version = stanza.get("Source", "").partition(" ")
        upstream = source + (f"@{version.strip('()')}" if version else "")
        qualifiers = {"arch": stanza["Architecture"], "distro": distro} | ({"upstream": upstream} if upstream else {})
        options = "&".join(f"{key}={quote(value, safe='')}" for key, value in qualifiers.items())
        return f"pkg:deb/{distribution}/{quote(stanza['Package'])}@{quote(stanza['Version'], safe='')}?{options}"

    purls = {stanza["Package"]: purl(stanza) for stanza in installed}

    def needs(stanza: Mapping[str, str]) -> frozenset[str]:
        wanted = re.split(r"[,|]", f"{stanza.get('Pre-Depends', '')},{stanza.get('Depends', '')}")
        names = {re.split(r"[\s:(]", text.strip())[0] for text in wanted}
        return frozenset(purls[name] for name in names & purls.keys())

    return [
        Part("library", s["Package"], s["Version"], purl(s), debian_licence(root, s["Package"]), needs(s))
        for s in installed
    ]


def owned(root: Path) -> set[str]:
    """All paths that belong to Debian packages."""
    return {line for path in root.glob("var/lib/dpkg/info/*.list") for line in read(path).splitlines()}


def python(root: Path, known: set[str], bundled: Mapping[str, Iterable[Part]]) -> list[Part]:
    """Python packages that did not come from Debian, and the libraries known to be compiled into them."""
    folders = [path for pattern in SITES for site in root.glob(pattern) for path in site.glob("*.dist-info")]
    found = {}
    for path in folders:
        if f"/{path.relative_to(root)}" not in known:
            distribution = metadata.Distribution.at(path)
            name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
            found[name] = (distribution, f"pkg:pypi/{name}@{quote(distribution.version)}")

    def needs(distribution: metadata.Distribution) -> Iterator[str]:
        for requirement in distribution.requires or []:
            name = re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()
            if name in found and not EXTRA.search(requirement):
                yield found[name][1]

    parts = []
    for name, (distribution, purl) in found.items():
        inside = list(bundled.get(name, ()))
        wanted = frozenset([*needs(distribution), *(part.purl for part in inside)])
        parts += [Part("library", name, distribution.version, purl, python_licence(distribution), wanted), *inside]
    return parts


def generic(kind: str, name: str, version: str, licence: str) -> Part:
    return Part(kind, name, version, f"pkg:generic/{name}@{quote(version)}", [{"license": {"id": licence}}])


def compiled_in() -> dict[str, list[Part]]:
    """Libraries inside wheels that report their version; scanners cannot see them. Others are not listed."""
    import yaml
    from lxml import etree

    xml, xslt = (".".join(map(str, v)) for v in (etree.LIBXML_COMPILED_VERSION, etree.LIBXSLT_COMPILED_VERSION))
    return {
        "lxml": [generic("library", "libxml2", xml, "MIT"), generic("library", "libxslt", xslt, "MIT")],
        "pyyaml": [generic("library", "libyaml", yaml._yaml.get_version_string(), "MIT")],
    }


def bill(name: str, version: str, root: Path, bundled: Mapping[str, Iterable[Part]]) -> dict[str, Any]:
    """The whole document, as JSON."""
    known = owned(root)
    parts = debian(root) + python(root, known, bundled)
    if not any(path.startswith("/usr/bin/python3.") for path in known):
        parts.append(generic("platform", "python", platform.python_version(), "PSF-2.0"))
    parts.sort(key=lambda part: part.purl)
    image = {"type": "container", "bom-ref": "image", "name": name, "version": version}
    release = system(root)
    os = {"type": "operating-system", "bom-ref": "os", "name": release.get("ID", "linux")}
    edges = {"image": ["os", *(part.purl for part in parts)], **{part.purl: sorted(part.needs) for part in parts}}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": image},
        "components": [os | {"version": release.get("VERSION_ID", "")}, *(part.component() for part in parts)],
        "dependencies": [{"ref": ref, "dependsOn": needs} for ref, needs in edges.items()],
    }


def main() -> None:
    name, version, *rest = sys.argv[1:]
    json.dump(bill(name, version, Path(*rest or ["/"]), compiled_in()), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
