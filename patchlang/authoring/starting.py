"""A patch to start from: the files of ``patchlang new``, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from .. import __version__
from ..manifests.arguments import VERSIONS
from ..manifests.writing import annotation, annotation_comment, config_map, key_of, plain
from ..patterns import pattern
from .recipes import FOLDER, Recipe

STARTER = "my-patch"
IMAGE = f"registry.example.test/patchlang:{__version__}"
"""The image in the annotation; users replace it, because everybody has a different registry."""

_HERE = Path(__file__).parent
_LONGEST = 53
_SAMPLE = pattern(r"\.\./(samples/[\w.-]+)")


def name_for(recipe: Recipe | None, stem: str | None) -> str:
    """The name of the patch: from its file, as far as a ConfigMap's name allows; otherwise from the recipe."""
    return kubernetes_name(stem or "", _LONGEST) or (recipe.name if recipe else STARTER)


def kubernetes_name(text: str, longest: int = 63) -> str:
    """A text as a name that Kubernetes accepts; empty if none of its characters is allowed."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].strip("-")


def patch_text(recipe: Recipe | None, name: str) -> str:
    """The patch, with comments at the start that say what it is for."""
    if recipe is None:
        return _renamed((_HERE / "starter.yaml").read_text(encoding="utf-8"), STARTER, name)
    return f"# {recipe.title}\n#\n# {recipe.wish}\n" + _renamed(_without_comments(recipe.patch), recipe.name, name)


def files(recipe: Recipe | None, name: str, file: str, *, with_config_map: bool) -> dict[PurePosixPath, bytes]:
    """All files to write, by path in the folder: the patch ``file``, its test, the test's samples, and the ConfigMap.

    The ConfigMap is in a separate folder: a folder of patches holds nothing else, as in the sidecar.
    """
    patch = patch_text(recipe, name)
    stem, ending = PurePosixPath(file).stem, PurePosixPath(file).suffix
    if recipe is None:
        test = (_HERE / "starter.test.yaml").read_text(encoding="utf-8")
        test = _renamed(test, STARTER, name).replace(f"[{STARTER}.yaml]", f"[{plain(file)}]")
    else:
        test = f"# {recipe.title}: what the patch must do.\n" + _renamed(
            _without_comments(recipe.test), recipe.name, name
        ).replace(f"[../{recipe.name}.yaml]", f"[{plain(file)}]")
    samples = {match[1] for match in _SAMPLE.finditer(test)}
    made = {file: patch, f"{stem}.test{ending}": _SAMPLE.sub(r"\1", test)}
    if with_config_map:
        made[f"manifests/{stem}.configmap{ending}"] = _config_map(name, file, patch)
    found = {PurePosixPath(path): text.encode() for path, text in made.items()}
    return found | {PurePosixPath(path): (FOLDER / path).read_bytes() for path in sorted(samples)}


def _config_map(name: str, file: str, patch: str) -> str:
    key = key_of([file])
    return config_map(name, None, key, patch) + annotation_comment(annotation(IMAGE, VERSIONS[-1], name, key))


def _without_comments(text: str) -> str:
    """The file of a recipe without its first comments, which are for the repository."""
    lines = text.splitlines(keepends=True)
    return "".join(lines[next(number for number, line in enumerate(lines) if not line.startswith("#")) :])


def _renamed(text: str, old: str, new: str) -> str:
    for line in ("metadata: {{name: {}}}\n", "metadata:\n  name: {}\n"):
        text = text.replace(line.format(old), line.format(plain(new)), 1)
    return text


def write_new(folder: Path, made: Mapping[PurePosixPath, bytes]) -> None:
    """Write files that do not exist yet, all or none. A file that exists with the same content may stay.

    Raises FileExistsError, with nothing written, if a file has different content; raises OSError if writing fails,
    after removing all that was written.
    """
    targets = {folder / path: data for path, data in made.items()}
    missing = {path: data for path, data in targets.items() if not _is_there(path, data)}
    written: list[Path] = []
    folders: list[Path] = []
    try:
        for path, data in missing.items():
            for parent in reversed([path.parent, *path.parent.parents]):
                if not parent.exists():
                    parent.mkdir()
                    folders.append(parent)
            with path.open("xb") as file:
                written.append(path)
                file.write(data)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        for parent in reversed(folders):
            with suppress(OSError):
                parent.rmdir()
        raise


def _is_there(path: Path, data: bytes) -> bool:
    """Whether the file exists with this content. Raises FileExistsError if it has different content."""
    if not path.exists() and not path.is_symlink():
        return False
    if path.parent.name == "samples" and path.is_file() and path.read_bytes() == data:
        return True
    raise FileExistsError(str(path))
