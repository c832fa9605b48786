"""Who makes a call: checked before anything else of a guarded call, and kept in the request's state."""

from __future__ import annotations

import hmac

from fastapi import Request

from signaling_service.access.caller import Caller
from signaling_service.access.origins import is_on_loopback
from signaling_service.errors import TokenMissing, TokenWrong


class Access:
    """Knows the key; without one every caller may call."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    async def check(self, request: Request) -> None:
        """Raise TokenMissing or TokenWrong; else `caller_of` knows the caller from now on."""
        if self._key is not None and not hmac.compare_digest(bearer(request).encode(), self._key.encode()):
            raise TokenWrong
        address = request.client.host if request.client else "unknown"
        is_local = is_on_loopback(request.headers.get("origin"))
        request.state.caller = Caller(address, is_on_loopback=is_local)


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
