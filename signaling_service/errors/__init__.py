"""What a caller may be told: a fixed code, a sentence, an HTTP status."""

from __future__ import annotations

from signaling_service.errors.access import (
    FilterNotAllowed,
    HostRefused,
    OriginRefused,
    PictureTooLarge,
    SessionTimeOver,
    TokenExpired,
    TokenKeysAway,
    TokenMissing,
    TokenSpent,
    TokenWrong,
    TooManySessions,
)
from signaling_service.errors.base import PassedOn, SignalingError
from signaling_service.errors.capacity import (
    AnswerLate,
    BodiesWait,
    MediaProcessLost,
    NoMediaProcess,
    OfferGivenUp,
    ServiceFull,
    ShuttingDown,
    UdpPortsTaken,
)
from signaling_service.errors.choice import CannotRun, InvalidParams, NoWorker, UnknownFilter
from signaling_service.errors.request import (
    BodyTooLarge,
    MalformedRequest,
    PreconditionFailed,
    PreconditionMissing,
    UnknownSession,
    UnsupportedMediaType,
    UnusableCandidates,
    UnusableOffer,
)
from signaling_service.errors.streams import (
    StreamElsewhere,
    StreamForbidden,
    StreamTaken,
    TakenOver,
    TooManyViewers,
    UnknownStream,
)

__all__ = [
    "AnswerLate",
    "BodiesWait",
    "BodyTooLarge",
    "CannotRun",
    "FilterNotAllowed",
    "HostRefused",
    "InvalidParams",
    "MalformedRequest",
    "MediaProcessLost",
    "NoMediaProcess",
    "NoWorker",
    "OfferGivenUp",
    "OriginRefused",
    "PassedOn",
    "PictureTooLarge",
    "PreconditionFailed",
    "PreconditionMissing",
    "ServiceFull",
    "SessionTimeOver",
    "ShuttingDown",
    "SignalingError",
    "StreamElsewhere",
    "StreamForbidden",
    "StreamTaken",
    "TakenOver",
    "TokenExpired",
    "TokenKeysAway",
    "TokenMissing",
    "TokenSpent",
    "TokenWrong",
    "TooManySessions",
    "TooManyViewers",
    "UdpPortsTaken",
    "UnknownFilter",
    "UnknownSession",
    "UnknownStream",
    "UnsupportedMediaType",
    "UnusableCandidates",
    "UnusableOffer",
]
