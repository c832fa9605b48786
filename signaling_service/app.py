"""Composes the service; its lifespan opens and closes what it is made of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import zmq
from aiortc import RTCConfiguration
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import endpoints
from signaling_service import aiortc_patches
from signaling_service.card import Card
from signaling_service.choices import explain
from signaling_service.config import AUTO, Settings
from signaling_service.encoding import Encoding, usable_cores
from signaling_service.errors import BodyTooLarge, MalformedRequest, SignalingError
from signaling_service.ice_servers import ice_servers_for_aiortc
from signaling_service.metrics import Metrics
from signaling_service.results import ResultListener
from signaling_service.routes import create_routes, error_response
from signaling_service.session import Surroundings
from signaling_service.sessions import LocalSessions
from signaling_service.workers import Workers

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
MAX_BODY_BYTES = 64 * 1024


class Service:
    """The parts of one signaling process: `open` before the first request, `close` after the last."""

    def __init__(self, settings: Settings) -> None:
        assert settings.public_ip != AUTO  # Asking for it is the entry point's.
        self.settings = settings
        self.metrics = Metrics()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.workers = Workers(self.metrics)
        self.listener = ResultListener(
            self._context, settings.results_bind, self.metrics, self.workers.update
        )
        self._encoding = Encoding(usable_cores(), has_h264="h264" in settings.video_codecs)
        around = Surroundings(
            context=self._context,
            workers=self.workers,
            listener=self.listener,
            metrics=self.metrics,
            card=Card(),
            encoding=self._encoding,
            video_codecs=settings.video_codecs,
            rtc=self._rtc_configuration,
            public_ip=settings.public_ip,
            bitrates=settings.bitrates,
        )
        self.sessions = LocalSessions(around, settings.default_filter, settings.max_sessions)
        self._watching: asyncio.Task[None] | None = None

    def bind(self) -> None:
        """Take the endpoint for results; raises ResultsNotBound. `open` does it too."""
        self.listener.bind()
        if not endpoints.parse(self.settings.results_bind).is_loopback_only:
            logger.warning(
                "results are bound to %s without encryption: keep that network private",
                self.settings.results_bind,
            )

    async def open(self) -> None:
        await self._encoding.open()
        aiortc_patches.apply(self.settings.ice_addresses, self._encoding.nvenc)
        if self.settings.udp_ports is not None:
            aiortc_patches.bind_within(self.settings.udp_ports)
        self.listener.start(asyncio.get_running_loop())
        self._watching = asyncio.create_task(self.workers.run())

    async def close(self) -> None:
        await self.sessions.close_all()
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        self._encoding.close()
        self.listener.close()
        self._context.destroy(linger=0)

    def _rtc_configuration(self) -> RTCConfiguration:
        # Where the public address is known, every page can reach it, through its own relay if need be: there
        # is nothing to ask a server, and nothing to wait for.
        servers = () if self.settings.public_ip else self.settings.ice_servers
        return RTCConfiguration(iceServers=ice_servers_for_aiortc(servers))


def create_app(settings: Settings) -> FastAPI:
    """Return the ASGI application of one service."""
    return create_app_for(Service(settings))


def create_app_for(service: Service) -> FastAPI:
    """Return the application around a service that may be bound already."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.open()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(title="p2pcamera signaling service", lifespan=lifespan)
    app.include_router(create_routes(service.settings, service.sessions, service.metrics))
    app.mount("/", _Static(directory=STATIC, html=True), name="static")
    app.add_exception_handler(SignalingError, _on_signaling_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(_BodyLimit)
    # Any page may use the service: what protects it is the token, not the origin.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After"],
        allow_private_network=True,  # A public page asks the browser's leave for a private address.
        max_age=600,
    )
    return app


class _Static(StaticFiles):
    """The pages and the shim, checked for a newer version at each load."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


class _BodyLimit:
    """Answers 413 to a body over the limit, announced or not, before anything reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise BodyTooLarge(MAX_BODY_BYTES)
            return message

        await self._app(scope, limited, send)


async def _on_signaling_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SignalingError)
    return error_response(error)


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(MalformedRequest(explain(error.errors()[0])))


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refused = SignalingError(str(error.detail))
    refused.status = error.status_code
    refused.code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return error_response(refused)
