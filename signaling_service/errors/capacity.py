"""The service has no place, no port or no process for a session."""

from __future__ import annotations

from signaling_service.errors.base import SignalingError


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


class BodiesWait(SignalingError):
    """Too many large bodies are on their way at a time."""

    status = 503
    code = "busy"
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("too many large requests come at a time")


class NoMediaProcess(SignalingError):
    """The process that would do this is gone or has not started; the front starts it again."""

    status = 503
    code = "no_media_process"
    retry_after_s = 2

    def __init__(self) -> None:
        super().__init__("the part of this service that carries media is starting again; try again shortly")


class MediaProcessLost(NoMediaProcess):
    """The process was gone, or did not answer in time, while it did this."""


class OfferGivenUp(SignalingError):
    """It was still being answered when a newer offer got its turn."""

    status = 503
    code = "given_up"
    retry_after_s = 2

    def __init__(self) -> None:
        super().__init__("too many offers wait to connect at a time: a newer one has the turn of this one")


class AnswerLate(SignalingError):
    """This service could not answer an offer in time; nothing is known against the offer."""

    status = 503
    code = "answer_late"
    retry_after_s = 5

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the offer could not be answered within {limit_s:.0f} s")


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
