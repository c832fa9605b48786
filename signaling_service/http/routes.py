"""HTTP calls, and nothing else: what they take, what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from signaling_service.access.caller import both, preset
from signaling_service.config import Settings
from signaling_service.http import static_files
from signaling_service.http.access import Access, caller_of
from signaling_service.http.bodies import JSON, TRICKLE, content_type, json_body, text_body
from signaling_service.http.gate import check_origin
from signaling_service.http.live_routes import add_live_routes
from signaling_service.rtc.ice_servers import ice_servers_for_browser
from signaling_service.session.described import Described
from signaling_service.session.requests import Change, Offer, change_from_query, parsed
from signaling_service.session.session_host import SessionHost
from signaling_service.strict_json import without_endless
from signaling_service.workers.table import ServedFilter


def create_routes(
    settings: Settings, sessions: SessionHost, exposition: Callable[[], Awaitable[bytes]]
) -> APIRouter:
    """Return the calls of the service; guarded ones check origin and key before anything else."""
    router = APIRouter()
    access = Access(settings.key, settings.tokens)
    guarded = APIRouter(dependencies=[Depends(check_origin), Depends(access.check)])
    of_offers = APIRouter(dependencies=[Depends(check_origin), Depends(access.check_for_offer)])
    of_sessions = APIRouter(dependencies=[Depends(check_origin), Depends(access.check_for_session)])

    @of_offers.post("/offer", openapi_extra=_body_schema({JSON: Offer}))
    async def offer(
        request: Request, filter: str | None = None, params: str | None = None, outage: str | None = None
    ) -> dict[str, Any]:
        """Open a session: answer an SDP offer that sends and receives video."""
        sessions.check_room(caller_of(request))
        body = await json_body(request)
        query = change_from_query(filter, params, outage).model_dump(exclude_none=True)
        made = await sessions.open(parsed(Offer, {**query, **body}), caller_of(request))
        access.note_answered(request)
        return {"sdp": made.answer_sdp, "type": "answer", **_described(made)}

    @of_sessions.patch(
        "/sessions/{session_id}",
        openapi_extra=_body_schema({JSON: Change, TRICKLE: None}),
        responses={204: {"description": "candidates added"}},
    )
    async def change(session_id: str, request: Request) -> Response:
        """Change filter, parameters, policy or publishing, or add trickled ICE candidates (RFC 8840)."""
        caller = caller_of(request)
        if content_type(request) == TRICKLE:
            await sessions.add_candidates(session_id, await text_body(request), caller.subject)
            return Response(status_code=204)
        wanted = parsed(Change, await json_body(request, also=TRICKLE))
        return JSONResponse(_described(await sessions.change(session_id, wanted, caller)))

    add_live_routes(of_offers, guarded, of_sessions, settings, sessions, access)

    @of_sessions.delete("/sessions/{session_id}")
    async def end(session_id: str, request: Request) -> dict[str, str]:
        """End a session and free all that belongs to it."""
        await sessions.close(session_id, caller_of(request).subject)
        return {"session": session_id}

    @guarded.get("/filters")
    async def filters(request: Request) -> dict[str, Any]:
        """Every filter that a live worker serves and the caller may use."""
        allowed = both(settings.allowed, caller_of(request).grant.filters)
        served = [one for one in sessions.served_filters() if allowed is None or one.status.name in allowed]
        return {
            "filters": [_filter(one) for one in served],
            "default": preset(settings.default_filter, allowed),
        }

    @guarded.get("/ice-servers")
    async def ice_servers() -> dict[str, Any]:
        """STUN and TURN servers for the browser, with short-lived credentials where there is a secret."""
        return {"iceServers": ice_servers_for_browser(settings.ice_servers)}

    @guarded.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> dict[str, Any]:
        """The calls and their bodies as OpenAPI 3.1."""
        schema: dict[str, Any] = request.app.openapi()
        # Below a proxy's prefix.
        return {**schema, "servers": [{"url": request.scope.get("root_path") or "/"}]}

    @router.get("/watch/{stream}", include_in_schema=False)
    async def watch_page(stream: str) -> Response:
        """A page that shows what is published under a name; whether it may is asked by that page."""
        return static_files.watch_page(settings.frame_ancestors)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        """An offer would be accepted now."""
        sessions.check_ready()
        return {"status": "ready"}

    @router.get("/metrics")
    async def prometheus() -> Response:
        """Instruments in Prometheus' text format."""
        return Response(await exposition(), media_type=CONTENT_TYPE_LATEST)

    router.include_router(of_offers)
    router.include_router(guarded)
    router.include_router(of_sessions)
    return router


def _described(made: Described) -> dict[str, Any]:
    filters = list(made.filters)
    return {
        "session": made.session,
        "filter": filters[0] if len(filters) == 1 else filters,
        "params": made.params,
        "outage": made.outage.value,
        "generation": made.generation,
        "private": made.is_private,
        "first_rtp_timestamp": made.first_rtp_timestamp,
        **({"publish": made.publish} if made.publish else {}),
    }


def _filter(served: ServedFilter) -> dict[str, Any]:
    status = served.status
    return {
        "name": status.name,
        "title": status.title,
        "description": status.description,
        "schema": without_endless(status.schema),
        "keeps_state": status.keeps_state,
        "private": served.is_private,
        "state": status.state.value,
        "reason": status.reason,
        "reason_code": status.reason_code,
        "reason_cause": status.reason_cause,
        "reason_detail": status.reason_detail,
        "remedy": status.remedy,
        "size_bytes": status.size_bytes,
        "has_weights": status.has_weights,
        "workers": served.workers,
    }


def _body_schema(models: dict[str, type[Offer] | type[Change] | None]) -> dict[str, Any]:
    content = {
        media_type: {"schema": model.model_json_schema() if model else {"type": "string"}}
        for media_type, model in models.items()
    }
    return {"requestBody": {"required": True, "content": content}}
