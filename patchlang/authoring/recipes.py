"""The recipes: patches for common wishes, which ship with the command line (``examples/corpus`` in the repository).

A recipe is a patch file with comment lines at its head: ``# title:``, ``# wish:`` (one sentence, as a user would say
it) and ``# tags:`` (of :data:`TAGS`, separated by commas). ``tests/NAME.test.yaml`` next to it is its test, and the
folder ``samples`` has the inputs of the tests.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ..patterns import pattern
from ..record import record

FOLDER = Path(__file__).resolve().parents[1] / "recipes"

TAGS = {
    "boot": "what the VM boots from",
    "clock": "clock and timers",
    "cloud-init": "user data, network data, and metadata",
    "commands": "commands and scripts that the guest runs",
    "confidential computing": "AMD SEV, Intel TDX, IBM Secure Execution",
    "console": "serial ports and consoles",
    "cpu": "CPU model, topology, pinning, features",
    "disk": "disks and CD-ROMs",
    "display": "VNC, SPICE and video devices",
    "files": "files that cloud-init writes",
    "firmware": "BIOS, UEFI, ROMs",
    "gpu": "GPUs and vGPUs",
    "guest agent": "the QEMU guest agent",
    "hostdev": "devices of the host in the guest",
    "input": "keyboards, mice and tablets",
    "arm64": "guests on arm64",
    "s390x": "guests on s390x",
    "macos": "macOS guests",
    "memory": "memory, huge pages, balloon",
    "metadata": "metadata and names of the domain",
    "network data": "the guest's network configuration",
    "nic": "network interfaces",
    "numa": "NUMA nodes",
    "packages": "packages and their repositories",
    "pci": "PCI addresses and controllers",
    "qemu args": "arguments of QEMU itself",
    "rng": "random numbers for the guest",
    "smbios": "SMBIOS strings",
    "sound": "sound devices",
    "storage": "shared folders, mounts, file systems",
    "tpm": "trusted platform modules",
    "usb": "USB controllers and devices",
    "users": "users, passwords, SSH keys",
    "watchdog": "watchdogs and panics",
    "windows": "Windows guests",
}
"""Every tag, with its description."""

_FRONT = pattern(r"# (title|wish|tags): (.+)")
_WORD = pattern(r"[\w.]+")


@record
class Recipe:
    """A patch that ships. ``patch`` is the text of its file, ``test`` the text of its test."""

    name: str
    title: str
    wish: str
    tags: tuple[str, ...]
    patch: str
    test: str

    @property
    def edits_domain(self) -> bool:
        """Whether it edits the domain, not cloud-init data."""
        return "cloud-init" not in self.tags


def front_matter(text: str) -> dict[str, str]:
    """``title``, ``wish`` and ``tags`` from the first comment lines of a patch file."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if (match := _FRONT.fullmatch(line)) is not None:
            found[match[1]] = match[2].strip()
    return found


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes by name, sorted; none if they are not installed, as in the sidecar's image."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.yaml"))}


def _read(path: Path) -> Recipe:
    text = path.read_text(encoding="utf-8")
    front = front_matter(text)
    test = path.parent / "tests" / f"{path.stem}.test.yaml"
    return Recipe(
        path.stem,
        front["title"],
        front["wish"],
        tuple(tag.strip() for tag in front["tags"].split(",")),
        text,
        test.read_text(encoding="utf-8") if test.is_file() else "",
    )


def search(words: str) -> list[Recipe]:
    """The recipes that have all words in their title, wish, tags, or name; those with most words in the title first."""
    wanted = [_stem(word) for word in _words(words)]
    found = [(_weight(recipe, wanted), recipe) for recipe in recipes().values()]
    return [recipe for weight, recipe in sorted(found, key=lambda one: -one[0]) if weight or not wanted]


def _weight(recipe: Recipe, wanted: list[str]) -> int:
    """How well a recipe matches: 0 if a word is in none of its texts."""
    weight = 0
    places = (3, recipe.title), (2, recipe.name), (2, " ".join(recipe.tags)), (1, recipe.wish)
    for word in wanted:
        here = [worth for worth, text in places if any(known.startswith(word) for known in _words(text))]
        if not here:
            return 0
        weight += sum(here)
    return weight


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _stem(word: str) -> str:
    """A word without the ending of a plural or of a verb form."""
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word.removesuffix(ending)
    return word
