"""Publishing and watching that cannot be."""

from __future__ import annotations

from signaling_service.errors.base import SignalingError


class StreamForbidden(SignalingError):
    """The caller may not publish, or watch, under this name."""

    status = 403
    code = "stream_forbidden"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(
            f"this caller may not {what} {name!r}: without a key only programs and pages on this host may, "
            "and a token has to name it"
        )


class StreamTaken(SignalingError):
    """Somebody else publishes under this name."""

    status = 409
    code = "stream_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is another publisher's")


class TakenOver(SignalingError):
    """Another session publishes under the same name now; said on the control channel."""

    status = 409
    code = "taken_over"

    def __init__(self) -> None:
        super().__init__("another session publishes under this name now")


class StreamElsewhere(SignalingError):
    """The name belongs to another media process than the session that is to publish."""

    status = 409
    code = "stream_elsewhere"

    def __init__(self, name: str) -> None:
        super().__init__(f"this session cannot publish as {name!r}: name it in a new offer")


class UnknownStream(SignalingError):
    """Nobody publishes under this name."""

    status = 404
    code = "unknown_stream"

    def __init__(self, name: str) -> None:
        super().__init__(f"nobody publishes {name[:64]!r} now")


class TooManyViewers(SignalingError):
    """As many watch as may."""

    status = 503
    code = "too_many_viewers"
    retry_after_s = 10

    def __init__(self, limit: int) -> None:
        super().__init__(f"all {limit} places of viewers are taken")
