"""How much of bodies this process takes: of each, and of all that are coming at a time."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaling_service.errors import BodiesWait, BodyTooLarge
from signaling_service.http.answers import error_response

MAX_BODY_BYTES = 1024 * 1024
"""Parameters may be as long as a frame's header carries; see `requests.MAX_PARAMS_BYTES`."""
SMALL_BYTES = 64 * 1024
"""As long as an offer may be: one that slow bodies of others must not keep out."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of all requests that are not answered yet; a small one is taken all the same. A body has half a minute."""


class BodyLimit:
    """ASGI middleware: answers 413 to a body over the limit, announced or not, before anything reads it.

    It answers 503 to a large one while others wait.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._waiting_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            await error_response(BodyTooLarge(MAX_BODY_BYTES))(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            size_bytes = len(message.get("body", b""))
            received += size_bytes
            self._waiting_bytes += size_bytes
            if received > MAX_BODY_BYTES:
                raise BodyTooLarge(MAX_BODY_BYTES)
            if received > SMALL_BYTES and self._waiting_bytes > MAX_WAITING_BYTES:
                raise BodiesWait
            return message

        try:
            await self._app(scope, limited, send)
        finally:
            self._waiting_bytes -= received
