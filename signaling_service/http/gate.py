"""The first to see a request: checks its `Host`, answers preflights, and says which pages may read answers.

Which pages may call is checked by the guarded calls themselves (`routes.py`): files are for everybody.
"""

from __future__ import annotations

import logging

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaling_service.access.origins import Origins
from signaling_service.errors import HostRefused, OriginRefused, SignalingError
from signaling_service.http.answers import error_response

logger = logging.getLogger(__name__)

EXEMPT = frozenset({"/healthz", "/readyz", "/metrics"})
"""Of both checks: a load balancer names hosts of its own."""
MAX_TOLD = 32
"""So many refused origins and hosts are named in the log, each once."""
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    # A public page asks the browser's leave for a private address.
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Max-Age": "600",
}


class Gate:
    """ASGI middleware; without `checks_host` the key or a token protects the calls."""

    def __init__(self, app: ASGIApp, origins: Origins, *, checks_host: bool) -> None:
        self._app = app
        self._origins = origins
        self._checks_host = checks_host
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _guarded(send)
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        is_exempt = scope["path"].removeprefix(scope.get("root_path", "")) in EXEMPT
        if self._checks_host and not is_exempt and not self._origins.takes_host(host, _reached_at(scope)):
            await self._refuse(HostRefused(host), f"host {host!r}", scope, receive, send)
            return
        is_taken = self._origins.takes(origin, host, scope["scheme"])
        scope.setdefault("state", {})["takes_origin"] = is_taken
        if origin is None:
            await self._app(scope, receive, send)
            return
        if not is_taken and not is_exempt:
            self._tell(f"pages of {origin!r}")
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            if not is_taken:
                await error_response(OriginRefused(origin))(scope, receive, send)
                return
            answer: Response = PlainTextResponse("OK", headers=PREFLIGHT)
            await answer(scope, receive, self._readable(send, origin))
            return
        await self._app(scope, receive, self._readable(send, origin) if is_taken else send)

    def _readable(self, send: Send, origin: str) -> Send:
        async def send_readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if self._origins.takes_all:
                    headers["Access-Control-Allow-Origin"] = "*"
                elif "Access-Control-Allow-Origin" not in headers:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers.add_vary_header("Origin")
                headers["Access-Control-Expose-Headers"] = "ETag, Link, Location, Retry-After"
            await send(message)

        return send_readable

    async def _refuse(
        self, error: SignalingError, who: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._tell(who)
        await error_response(error)(scope, receive, send)

    def _tell(self, who: str) -> None:
        who = who[:200]
        if len(self._told) < MAX_TOLD and who not in self._told:
            self._told.add(who)
            logger.warning("calls are refused: %s; --origins names those that may call", who)


def check_origin(request: Request) -> None:
    """Raise OriginRefused for a call that a page of a foreign origin has made."""
    if not request.state.takes_origin:
        raise OriginRefused(request.headers["origin"])


def _guarded(send: Send) -> Send:
    """Add what every answer has: nobody keeps it, guesses its type, or embeds it elsewhere."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        await send(message)

    return send_guarded


def _reached_at(scope: Scope) -> str:
    server = scope.get("server")
    return str(server[0]) if server else ""
