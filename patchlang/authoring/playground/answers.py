"""The requests of the page, by name: functions from the JSON of a request to the JSON of its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus

from ... import handbook
from . import booting, exporting, samples, trying, writing
from .request import Json, RequestError, given, item


def answer(name: str, body: bytes) -> tuple[int, bytes]:
    """The HTTP status and the JSON for a request; ``error`` says what is wrong with the request."""
    asked = ANSWERS.get(name)
    if asked is None:
        return refusal(HTTPStatus.NOT_FOUND, f"unknown request `{name}`")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return refusal(HTTPStatus.BAD_REQUEST, "the body of the request is not JSON in UTF-8")
    if not isinstance(data, dict):
        return refusal(HTTPStatus.BAD_REQUEST, "the body of the request is not a JSON object")
    try:
        return HTTPStatus.OK, json.dumps(asked(data), separators=(",", ":")).encode()
    except RequestError as e:
        return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(e))
    except MemoryError:
        return refusal(HTTPStatus.INSUFFICIENT_STORAGE, "there is not enough memory for this")


def refusal(status: int, message: str) -> tuple[int, bytes]:
    """A status, and JSON that says why."""
    return status, json.dumps({"error": message}).encode()


def _rule(asked: Json) -> Json:
    rule = handbook.find_rule(item(asked, "rule", str))
    if rule is None:
        raise RequestError("unknown rule")
    return {"rule": rule.id, "name": rule.slug, "text": handbook.page(rule).text}


ANSWERS: Mapping[str, Callable[[Json], Json]] = {
    "complete": writing.completions,
    "export": lambda asked: exporting.export(asked, given(asked)),
    "hover": writing.hovered,
    "replay": lambda asked: booting.replay(given(asked)),
    "rule": _rule,
    "run": lambda asked: trying.try_patches(given(asked)),
    "sample": samples.sample,
    "samples": lambda _: samples.listed(),
}
