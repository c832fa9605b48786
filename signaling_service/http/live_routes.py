"""Publishing by WHIP (RFC 9725), watching by WHEP (draft-ietf-wish-whep).

Addresses in `Location` are relative, so that they hold behind a proxy with a path prefix.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from signaling_service.access.caller import Caller
from signaling_service.config import Settings
from signaling_service.errors import PreconditionMissing, UnsupportedMediaType
from signaling_service.http.access import Access, caller_of
from signaling_service.http.bodies import JSON, SDP, TRICKLE, content_type, json_body, text_body
from signaling_service.rtc.ice_restart import name_in
from signaling_service.rtc.ice_servers import ice_servers_for_browser
from signaling_service.session.requests import Change, Offer, change_from_query, parsed
from signaling_service.session.session_host import SessionHost

CREATED = 201
BEFORE = {"Accept-Post": SDP, "Access-Control-Allow-Methods": "POST, PATCH, DELETE"}
"""RFC 9725 section 4.2; MediaMTX trickles where it reads the second, though it is no page."""


def add_live_routes(
    of_offers: APIRouter,
    guarded: APIRouter,
    of_sessions: APIRouter,
    settings: Settings,
    sessions: SessionHost,
    access: Access,
) -> None:
    """Add the calls to routers that check who calls."""

    @of_offers.post("/whip", status_code=CREATED, openapi_extra=_sdp_body())
    async def publish(
        request: Request,
        stream: str | None = None,
        filter: str | None = None,
        params: str | None = None,
        outage: str | None = None,
    ) -> Response:
        """Publish a camera: its filtered picture may be watched under the name `stream`."""
        sessions.check_room(caller_of(request))
        sdp = await _offer(request)
        query = change_from_query(filter, params, outage).model_dump(exclude_none=True)
        wanted = {**query, "type": "offer", "sdp": sdp, "publish": stream or True}
        made = await sessions.open(parsed(Offer, wanted), caller_of(request))
        access.note_answered(request)
        watch = {"Link": f'<whep/{made.publish}>; rel="alternate"'}
        return _created(made.answer_sdp, f"whip/{made.session}", settings, watch)

    @guarded.options("/whip", status_code=204)
    @guarded.options("/whep/{stream}", status_code=204)
    async def told_before() -> Response:
        """What a client may know before it offers: ICE servers, and that candidates may be trickled."""
        response = Response(status_code=204, headers=BEFORE)
        _add_links(response, settings)
        return response

    @of_offers.post("/whep/{stream}", status_code=CREATED, openapi_extra=_sdp_body())
    async def watch(stream: str, request: Request) -> Response:
        """Watch what is published under a name."""
        made = await sessions.watch(stream, await _offer(request), caller_of(request))
        access.note_answered(request)
        return _created(made.answer_sdp, f"{stream}/{made.session}", settings)

    @of_sessions.patch("/whip/{session_id}")
    async def change_publisher(session_id: str, request: Request) -> Response:
        """Add trickled ICE candidates, restart ICE, or change filter, parameters or outage policy (JSON)."""
        caller = caller_of(request)
        if content_type(request) != JSON:
            return await _trickle(request, sessions, session_id, caller, needs_tag=True)
        wanted = parsed(Change, await json_body(request, also=TRICKLE))
        made = await sessions.change(session_id, wanted, caller)
        return JSONResponse({"filter": list(made.filters), "params": made.params, "private": made.is_private})

    @of_sessions.patch("/whep/{stream}/{session_id}")
    async def trickle_to_viewer(stream: str, session_id: str, request: Request) -> Response:
        """Add trickled ICE candidates, or restart ICE."""
        # whip-whep's viewer names no tag. RFC 9725 asks for one; the draft of WHEP does not.
        return await _trickle(request, sessions, session_id, caller_of(request), needs_tag=False)

    @of_sessions.delete("/whip/{session_id}")
    async def end_publishing(session_id: str, request: Request) -> Response:
        """End it; viewers see the card until somebody publishes under the name again."""
        await sessions.close(session_id, caller_of(request).subject)
        return Response()

    @of_sessions.delete("/whep/{stream}/{session_id}")
    async def end_watching(stream: str, session_id: str, request: Request) -> Response:
        """Watch no longer."""
        await sessions.close(session_id, caller_of(request).subject)
        return Response()


async def _offer(request: Request) -> str:
    if content_type(request) != SDP:
        raise UnsupportedMediaType(SDP)
    return await text_body(request)


async def _trickle(
    request: Request, sessions: SessionHost, session_id: str, caller: Caller, *, needs_tag: bool
) -> Response:
    if content_type(request) != TRICKLE:
        raise UnsupportedMediaType(f"{TRICKLE} or {JSON}" if needs_tag else TRICKLE)
    named = request.headers.get("if-match")
    if named is None and needs_tag:
        raise PreconditionMissing
    # RFC 9725 writes the asterisk both with and without quotes.
    tags = None if named is None else [one.strip().strip('"') for one in named.split(",")]
    fragment = await sessions.add_candidates(session_id, await text_body(request), caller.subject, tags)
    if fragment is None:
        return Response(status_code=204)
    return Response(fragment, headers={"ETag": _tag(fragment)}, media_type=TRICKLE)


def _created(
    answer_sdp: str, location: str, settings: Settings, more: dict[str, str] | None = None
) -> Response:
    headers = {"Location": location, "ETag": _tag(answer_sdp), "Accept-Patch": TRICKLE, **(more or {})}
    response = Response(answer_sdp, CREATED, headers, SDP)
    _add_links(response, settings)
    return response


def _add_links(response: Response, settings: Settings) -> None:
    for link in _links(ice_servers_for_browser(settings.ice_servers)):
        response.headers.append("Link", link)


def _tag(sdp: str) -> str:
    # An ICE session is known by this side's user name.
    return f'"{name_in(sdp)}"'


def _links(servers: list[dict[str, Any]]) -> list[str]:
    """Return STUN and TURN servers as RFC 9725 section 4.6 has them."""
    links = []
    for server in servers:
        urls = server["urls"]
        for url in [urls] if isinstance(urls, str) else urls:
            link = f'<{url}>; rel="ice-server"'
            if server.get("username"):
                link += f'; username="{server["username"]}"; credential="{server["credential"]}"'
                link += '; credential-type="password"'
            links.append(link)
    return links


def _sdp_body() -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}}}
