"""Who makes a call: checked before anything else of a guarded call, and kept in the request's state."""

from __future__ import annotations

import hmac
import time
from dataclasses import replace

from fastapi import Request

from signaling_service.access.caller import Caller, Grant
from signaling_service.access.origins import is_loopback, is_on_loopback
from signaling_service.access.session_time import SessionTime, TimedToken
from signaling_service.access.tokens import LEEWAY_S, Tokens
from signaling_service.errors import TokenMissing, TokenWrong
from signaling_service.http.proxies import hides_its_caller


class Access:
    """Knows the key and what checks tokens; without either every caller may call."""

    def __init__(self, key: str | None, tokens: Tokens | None) -> None:
        self._key = key
        self._tokens = tokens
        self._time = SessionTime()

    async def check(self, request: Request) -> None:
        """Raise TokenMissing or what `Tokens.claims` raises; else `caller_of` knows the caller."""
        request.state.caller = await self._caller(request, may_be_over=False)

    async def check_for_offer(self, request: Request) -> None:
        """Do the same for an offer, which also needs time left of its token (TokenSpent).

        The session may last for what is left.
        """
        caller = await self._caller(request, may_be_over=False)
        timed: TimedToken | None = getattr(request.state, "timed", None)
        if timed is not None:
            left_s = self._time.left_s(timed, time.monotonic())
            caller = replace(caller, grant=replace(caller.grant, max_session_s=left_s))
        request.state.caller = caller

    def note_answered(self, request: Request) -> None:
        """Let the time of the token begin with whose offer a session was opened."""
        timed: TimedToken | None = getattr(request.state, "timed", None)
        if timed is not None:
            self._time.begin(timed, time.monotonic(), time.time())

    async def check_for_session(self, request: Request) -> None:
        """Do the same for a call on a session, where the token that opened it may have expired since."""
        request.state.caller = await self._caller(request, may_be_over=True)

    async def _caller(self, request: Request, *, may_be_over: bool) -> Caller:
        origin = request.headers.get("origin")
        subject, grant = "", Grant()
        if self._key is not None or self._tokens is not None:
            token = bearer(request)
            if self._key is None or not hmac.compare_digest(token.encode(), self._key.encode()):
                if self._tokens is None:
                    raise TokenWrong
                claims = await self._tokens.claims(token, origin, may_be_over=may_be_over)
                subject, grant = claims.sub, claims.grant
                if grant.max_session_s is not None:
                    request.state.timed = TimedToken.of(token, claims.exp + LEEWAY_S, grant.max_session_s)
        address = request.client.host if request.client else "unknown"
        is_here = is_loopback(address) and not hides_its_caller(request)
        if self._key is None and self._tokens is None and not is_here:
            # Whoever may use filters without a key shall not fill names, or watch those of others.
            grant = Grant(publish=frozenset(), watch=frozenset())
        return Caller(address, subject, grant, is_on_loopback(origin))


def caller_of(request: Request) -> Caller:
    """Return who makes this guarded call."""
    caller: Caller = request.state.caller
    return caller


def bearer(request: Request) -> str:
    """Return the token of `Authorization: Bearer TOKEN` (RFC 6750 section 2.1); raises TokenMissing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissing
    return token.strip()
