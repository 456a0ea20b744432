"""Remove everything unused from a virtual environment: python slim.py FOLDER, for the image.

It removes the symbols of compiled modules, which only a debugger reads: wheels contain them, and the image has no strip
program. It also removes the parts of packages that neither the sidecar nor the command line imports. The image's tests
start both.
"""

from __future__ import annotations

import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

UNUSED = (
    "bazel-project",  # the build tree of cel-expr-python's wheel
    "cel_expr_python/ext/ext_encoders.*",
    "cel_expr_python/ext/ext_proto.*",
    "google/protobuf/compiler",
    "grpc/_cython/_credentials",  # certificates; the socket has no TLS
    "grpc/beta",
    "lxml/html",
    "lxml/includes",  # headers of C
    "lxml/isoschematron",
    "lxml/objectify.*",
    "lxml/*.pxi",
    "lxml/*.pyx",
    "lxml/*.h",
)
"""Patterns relative to the folder of packages."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ALLOCATED = 2
_NO_BITS = 8


def stripped(data: bytes) -> bytes:
    """A little-endian 64-bit ELF library without the data after its loaded parts and without the section headers, which
    the loader does not read. Any other file, and one with loaded parts at the end, is unchanged."""
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        return data
    header = list(_HEADER.unpack_from(data))
    segments = [_SEGMENT.unpack_from(data, header[5] + n * header[9]) for n in range(header[10])]
    sections = [_SECTION.unpack_from(data, header[6] + n * header[11]) for n in range(header[12])]
    end = max([header[5] + header[9] * header[10], *(offset + size for _, _, offset, _, _, size, *_ in segments)])
    loaded = [
        offset + size for _, kind, flags, _, offset, size, *_ in sections if flags & _ALLOCATED and kind != _NO_BITS
    ]
    if not sections or max(loaded, default=0) > end or end >= len(data):
        return data
    header[6] = header[12] = header[13] = 0
    return _HEADER.pack(*header) + data[_HEADER.size : end]


def slim(folder: Path) -> Iterator[str]:
    """Shrink the packages of an environment; returns one line for each change."""
    for site in sorted(folder.glob("lib/python3*/site-packages")):
        for pattern in UNUSED:
            for path in sorted(site.glob(pattern)):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                yield f"removed {path.relative_to(site)}"
        for path in sorted(site.rglob("*.so*")):
            data = path.read_bytes()
            less = stripped(data)
            if len(less) < len(data):
                path.write_bytes(less)
                yield f"stripped {path.relative_to(site)}: {len(data) - len(less):,} bytes"


if __name__ == "__main__":
    for line in slim(Path(sys.argv[1])):
        print(line)
