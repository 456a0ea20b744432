"""How fast the playground answers for a big domain, from the request to the answer of its worker process."""

from __future__ import annotations

import asyncio
import json
import time
from http import HTTPStatus

from patchlang.authoring.playground.workers import TIME_LIMIT, Worker

from . import documents
from .results import Figure, Row

ROUNDS = 10
REACH = 500
"""Maximum milliseconds for an answer."""
_PATHS = {
    "480 nodes changed": "/domain/devices/disk/driver/@cache",
    "nothing changed": "/domain/devices/disk/driver/@none",
}


def rows() -> list[Row]:
    """The time of each part of an answer: findings, diff and trace."""
    return [
        Row(f"the playground on 137 KB, {name}", "ms", Figure.of(taken), reach=REACH)
        for name, taken in asyncio.run(_taken()).items()
    ]


async def _taken() -> dict[str, list[float]]:
    worker = Worker(TIME_LIMIT)
    asked = {name: json.dumps(_request(path)).encode() for name, path in _PATHS.items()}
    taken: dict[str, list[float]] = {name: [] for name in _PATHS}
    try:
        for number in range(ROUNDS + 1):
            for name, body in asked.items():
                start = time.perf_counter()
                status, _ = await worker.ask("run", body)
                if status != HTTPStatus.OK:
                    raise RuntimeError(f"the playground answers with status {status}")
                if number:  # the first round warms up
                    taken[name].append(1000 * (time.perf_counter() - start))
    finally:
        await worker.stop()
    return taken


def _request(path: str) -> dict[str, object]:
    edit = f"{{op: set, path: {path}, value: unsafe, expect: '0+'}}"
    patch = f"apiVersion: patchlang/v1\nkind: Patch\nmetadata: {{name: p}}\nspec:\n  domain:\n    - {edit}\n"
    machine = {"domain": documents.domain("many-disks").decode(), "vmi": documents.vmi("many-disks").decode()}
    return {"patches": [{"name": "p.yaml", "text": patch}], **machine, "cloudInit": ""}
