"""Composes the service; its lifespan opens and closes what it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaling_service.access.origins import ANY, Origins
from signaling_service.config import Settings
from signaling_service.errors import MalformedRequest, SignalingError
from signaling_service.http.answers import error_response
from signaling_service.http.body_limit import BodyLimit
from signaling_service.http.certificate import Certificate
from signaling_service.http.gate import Gate
from signaling_service.http.notice import tell_started
from signaling_service.http.proxies import TrustedProxies
from signaling_service.http.routes import create_routes
from signaling_service.http.static_files import StaticPages
from signaling_service.session.requests import explain
from signaling_service.session.session_host import SessionHost

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST")
"""All that any call takes."""


class Serving(Protocol):
    """What the application is put around: a Service, or the Front of several media processes."""

    @property
    def settings(self) -> Settings: ...

    @property
    def sessions(self) -> SessionHost: ...

    def bind(self) -> None:
        """Take the endpoint for results; raises ResultsNotBound."""

    async def open(self) -> None: ...

    async def drain(self, hurry: asyncio.Event) -> None:
        """Keep the sessions until they have moved to another service, within a limit, or `hurry` is set."""

    async def close(self) -> None: ...

    async def exposition(self) -> bytes:
        """Return all instruments in Prometheus' text format."""


def create_app(
    service: Serving, certificate: Certificate | None = None, hurry: asyncio.Event | None = None
) -> FastAPI:
    """Return the application around a service that may be bound already; it keeps the certificate new.

    With `hurry` the service drains when it is shut down, until that is set. Else it ends at once.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.open()
        renewing = asyncio.create_task(certificate.run()) if certificate else None
        # The port is taken already: who connects from now on is answered.
        tell_started()
        try:
            yield
        finally:
            if renewing is not None:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
            try:
                if hurry is not None and service.settings.drain_seconds > 0 and not hurry.is_set():
                    # The port is free already.
                    await service.drain(hurry)
            finally:
                await service.close()

    # FastAPI's interactive pages load scripts from a CDN, so they are not served: people have docs/.
    # Its own schema would be open to everybody, so `routes` serves that to callers who may use the API.
    app = FastAPI(
        title="p2pcamera signaling service",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.include_router(create_routes(service.settings, service.sessions, service.exposition))
    # Not mounted: a mounted folder would take each call whose path is known and whose method is another.
    app.router.default = StaticPages()
    app.add_exception_handler(SignalingError, _on_signaling_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_fault)
    app.add_middleware(BodyLimit)
    app.add_middleware(_HeadAsGet)
    app.add_middleware(Gate, origins=_origins(service.settings), checks_host=not service.settings.is_guarded)
    if service.settings.trusted_proxies:
        app.add_middleware(TrustedProxies, proxies=service.settings.trusted_proxies)
    return app


def _origins(settings: Settings) -> Origins:
    # Where a key or a token protects the calls, pages of every site may bring one, unless sites are named.
    named = settings.origins or ((ANY,) if settings.is_guarded else ())
    return Origins(named, [host for host in (settings.host, *settings.public_addresses) if host])


class _HeadAsGet:
    """Answers HEAD as GET, without the content (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)


async def _on_signaling_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SignalingError)
    return error_response(error)


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(MalformedRequest(explain(error.errors()[0])))


async def _on_disconnect(_: Request, error: Exception) -> Response:
    # Nobody reads it: the caller has gone away in the middle of its body.
    return error_response(MalformedRequest("the body has broken off"))


async def _on_fault(_: Request, error: Exception) -> Response:
    # What it was stands in the log alone.
    return error_response(SignalingError("internal error"))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refused = SignalingError(str(error.detail))
    refused.status = error.status_code
    refused.code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    response = error_response(refused)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods(request)) or "GET, HEAD"
    return response


def _methods(request: Request) -> list[str]:
    """Return the methods that a path takes; empty for a file."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if takes(method)]
