"""Bodies of requests, by their type."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from signaling_service.errors import MalformedRequest, UnsupportedMediaType
from signaling_service.strict_json import read_json

JSON = "application/json"
SDP = "application/sdp"
TRICKLE = "application/trickle-ice-sdpfrag"


def content_type(request: Request) -> str:
    """Return the media type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_body(request: Request, also: str | None = None) -> dict[str, Any]:
    """Return a JSON object; `also` is another type that the call takes. Raises what the caller is told."""
    if content_type(request) != JSON:
        raise UnsupportedMediaType(f"{JSON} or {also}" if also else JSON)
    try:
        body = read_json(await request.body())
    except (ValueError, RecursionError) as exc:
        raise MalformedRequest("the body is not JSON") from exc
    if not isinstance(body, dict):
        raise MalformedRequest("the body is not a JSON object")
    return body


async def text_body(request: Request) -> str:
    """Return the body as text; raises MalformedRequest."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as exc:
        raise MalformedRequest("the body is not UTF-8") from exc
