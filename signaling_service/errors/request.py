"""A request that is not what the call takes."""

from __future__ import annotations

from signaling_service.errors.base import SignalingError


class MalformedRequest(SignalingError):
    """The request is not what the call takes."""

    status = 400
    code = "malformed"


class UnknownSession(SignalingError):
    """No such session, or it has ended."""

    status = 404
    code = "unknown_session"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id[:64]!r}")


class PreconditionMissing(SignalingError):
    """Candidates that do not say for which ICE session they are (RFC 9725 section 4.3.1)."""

    status = 428
    code = "precondition_required"

    def __init__(self) -> None:
        super().__init__("expected If-Match with the ETag of the answer")


class PreconditionFailed(SignalingError):
    """Candidates for another ICE session than the present one (RFC 9725 section 4.3.1)."""

    status = 412
    code = "precondition_failed"

    def __init__(self) -> None:
        super().__init__("If-Match is not the ETag of the last answer; `*` restarts ICE")


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
