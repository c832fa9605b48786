"""Believes the proxies that the operator names: whose call it is, by which scheme, and below which path.

page ── https://cam.example.org/cam/offer ──> proxy ── http://127.0.0.1:7860/offer ──> this service
                                              X-Forwarded-For: the page's address
                                              X-Forwarded-Proto: https
                                              X-Forwarded-Prefix: /cam
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

MAX_PREFIX_CHARS = 200
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
"""No `//`, which a browser would take for another host."""

_BELIEVED = "p2pcamera.proxy_is_believed"
"""In the scope of a request from a named proxy."""
_TELLS = "x-forwarded-for"
_PASSED_ON = ("forwarded", _TELLS, "x-real-ip")


def hides_its_caller(request: Request) -> bool:
    """Tell whether a request was passed on, and the address that it seems to come from is only a proxy's."""
    if _TELLS in request.headers and request.scope.get(_BELIEVED, False):
        return False
    return any(name in request.headers for name in _PASSED_ON)


class TrustedProxies:
    """ASGI middleware: the headers of a request that comes from one of `proxies`, and of nobody else."""

    def __init__(self, app: ASGIApp, proxies: Sequence[str]) -> None:
        self._app = app
        # uvicorn's replaces the address of the peer, by which the proxy is known.
        self._forwarded = ProxyHeadersMiddleware(app, list(proxies))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if scope["type"] == "http" and peer and peer[0] in self._forwarded.trusted_hosts:
            prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
            if len(prefix) <= MAX_PREFIX_CHARS and _PREFIX.fullmatch(prefix):
                # The proxy has taken it from the path; by ASGI's rule the path has it.
                scope = {**scope, "root_path": prefix, "path": prefix + scope["path"]}
            scope = {**scope, _BELIEVED: True}
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]
