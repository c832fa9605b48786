"""What a caller may be told: a fixed code, a sentence, an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import P2PCameraError


class SignalingError(P2PCameraError):
    """Base of the errors that a caller sees; the class knows the status and the code."""

    status = 500
    code = "internal"
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers that belong to the answer."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    def as_json(self) -> dict[str, Any]:
        """Return what a caller is told, by HTTP and on the control channel."""
        said: dict[str, Any] = {"code": self.code, "message": str(self)}
        more = {name: getattr(self, name, None) for name in ("field", "trouble")}
        return said | {name: value for name, value in more.items() if value}

    def as_map(self) -> dict[str, Any]:
        """Return what another process needs to say the same (`PassedOn`)."""
        names = ("status", "code", "retry_after_s", "field", "trouble")
        return {"message": str(self), **{name: getattr(self, name, None) for name in names}}


class PassedOn(SignalingError):
    """What a media process has refused, as it said it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(said["message"])
        self.status, self.code = said["status"], said["code"]
        self.retry_after_s, self.field = said["retry_after_s"], said["field"] or ""
        self.trouble = said.get("trouble")


class MalformedRequest(SignalingError):
    """The request is not what the call takes."""

    status = 400
    code = "malformed"


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


class UnknownSession(SignalingError):
    """No such session, or it has ended."""

    status = 404
    code = "unknown_session"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id[:64]!r}")


class UnknownFilter(SignalingError):
    """No worker ever served this filter."""

    status = 404
    code = "unknown_filter"

    def __init__(self, filters: Sequence[str], served: Sequence[str]) -> None:
        wanted = ", ".join(repr(name[:64]) for name in filters)
        super().__init__(f"no worker serves {wanted}; served are: {', '.join(served) or 'none'}")


class BodyTooLarge(SignalingError):
    """The body is over the limit."""

    status = 413
    code = "too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body may have at most {limit_bytes} bytes")


class UnsupportedMediaType(SignalingError):
    """The body is of a type that this call does not take."""

    status = 415
    code = "unsupported_media_type"

    def __init__(self, expected: str) -> None:
        super().__init__(f"expected Content-Type {expected}")


class UnusableOffer(SignalingError):
    """The SDP cannot be answered."""

    status = 422
    code = "unusable_offer"


class UnusableCandidates(SignalingError):
    """The trickled candidates cannot be added."""

    status = 422
    code = "unusable_candidates"


class InvalidParams(SignalingError):
    """A parameter is unknown or its value is not allowed; `field` names it."""

    status = 422
    code = "invalid_params"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"params.{field}: {expected}" if field else f"params: {expected}")
        self.field = field


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

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the token allows sessions of {limit_s:g} s")


class NoWorker(SignalingError):
    """No live worker serves the filter at this moment."""

    status = 503
    code = "no_worker"
    retry_after_s = 2

    def __init__(self, filters: Sequence[str]) -> None:
        super().__init__(f"no live worker serves {', '.join(filters)}; try again shortly")


class CannotRun(SignalingError):
    """A filter of the choice has failed on every worker that has it; `trouble` says why and what to do."""

    status = 503
    code = "cannot_run"

    def __init__(self, trouble: Mapping[str, str]) -> None:
        remedy = f" ({trouble['remedy']})" if trouble["remedy"] else ""
        super().__init__(f"the filter {trouble['filter']} {trouble['text']}{remedy}")
        self.trouble = dict(trouble)


class ServiceFull(SignalingError):
    """All places are taken, or one more session would make all others late."""

    status = 503
    code = "full"
    retry_after_s = 5

    def __init__(self, limit: int | None) -> None:
        if limit is None:
            super().__init__("this service has as many sessions as it can carry at present")
        else:
            super().__init__(f"all {limit} sessions of this service are taken")


class NoMediaProcess(SignalingError):
    """The process that would do this is gone or has not started; the front starts it again."""

    status = 503
    code = "no_media_process"
    retry_after_s = 2

    def __init__(self) -> None:
        super().__init__("the part of this service that carries media is starting again; try again shortly")


class MediaProcessLost(NoMediaProcess):
    """The process was gone, or did not answer in time, while it did this."""


class UdpPortsTaken(SignalingError):
    """No port of the range is left for this session's media."""

    status = 503
    code = "ports_taken"
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("all UDP ports of this service are taken")


class ShuttingDown(SignalingError):
    """The service is about to leave."""

    status = 503
    code = "shutting_down"
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("this service is shutting down")
