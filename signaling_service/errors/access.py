"""What a caller may not do here, or not without a valid token."""

from __future__ import annotations

from collections.abc import Sequence

from signaling_service.errors.base import SignalingError


class TokenMissing(SignalingError):
    """The service asks for a key or a token, and the request brings none."""

    status = 401
    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("this service expects 'Authorization: Bearer TOKEN'")

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class TokenExpired(SignalingError):
    """The token was valid; the caller's own server can mint another one."""

    status = 401
    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("the token has expired")

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class TokenSpent(SignalingError):
    """The time that a token allows for sessions is over; the caller's own server can mint another one."""

    status = 401
    code = "token_spent"

    def __init__(self) -> None:
        super().__init__("the time that the token allows for sessions is over")

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class TokenWrong(SignalingError):
    """The token is neither the service's API key nor one that its keys have signed for it."""

    status = 403
    code = "forbidden"

    def __init__(self, why: str = "") -> None:
        super().__init__(f"the token is not valid here{': ' if why else ''}{why}")


class TokenKeysAway(SignalingError):
    """The keys that tokens are checked with cannot be fetched at present."""

    status = 503
    code = "token_keys_away"
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("the keys that tokens are checked with cannot be fetched; try again shortly")


class OriginRefused(SignalingError):
    """Pages of this origin may not call."""

    status = 403
    code = "origin_refused"

    def __init__(self, origin: str) -> None:
        super().__init__(f"pages of {origin[:200]!r} may not call; the operator can name them in --origins")


class HostRefused(SignalingError):
    """The request names a host that is none of this service's."""

    status = 403
    code = "host_refused"

    def __init__(self, host: str) -> None:
        super().__init__(f"{host[:200]!r} is no host of this service; the operator can name it in --origins")


class FilterNotAllowed(SignalingError):
    """This service, or this caller's token, does not allow a filter."""

    status = 403
    code = "filter_not_allowed"

    def __init__(self, filters: Sequence[str], allowed: Sequence[str]) -> None:
        wanted = ", ".join(repr(name[:64]) for name in filters)
        super().__init__(f"{wanted} may not be used here; allowed are: {', '.join(allowed) or 'none'}")


class PictureTooLarge(SignalingError):
    """The camera's picture is over the limit; said on the control channel."""

    status = 413
    code = "picture_too_large"


class TooManySessions(SignalingError):
    """A token's subject has as many sessions as its token allows."""

    status = 429
    code = "too_many_sessions"
    retry_after_s = 5

    def __init__(self, limit: int) -> None:
        super().__init__(f"the token allows {limit} sessions at a time, and as many are connected")


class SessionTimeOver(SignalingError):
    """A session has lasted as long as its token allows; said on the control channel."""

    status = 403
    code = "time_over"

    def __init__(self) -> None:
        super().__init__("the time that the token allows for sessions is over")
