"""What can go wrong in a worker; what a session is told has a fixed code and a sentence."""

from __future__ import annotations

from enum import StrEnum

from shared.errors import P2PCameraError


class Cause(StrEnum):
    """A fixed word for what a filter's trouble comes from; docs/reference.md explains each."""

    CONNECTION = "connection"
    REFUSED = "refused"
    OFFLINE = "offline"
    NO_SUM = "no_sum"
    WRONG_SIZE = "wrong_size"
    WRONG_FILE = "wrong_file"
    DISK_FULL = "disk_full"
    NOT_KEPT = "not_kept"
    DAMAGED = "damaged"
    UNFIT = "unfit"
    INCOMPLETE = "incomplete"
    UNIMPORTABLE = "unimportable"
    MISFIT = "misfit"


class InferenceError(P2PCameraError):
    """Base of the errors that this service raises on purpose."""


class DeviceError(InferenceError):
    """The device that the operator asked for cannot be had."""


class HttpPortNotTaken(InferenceError):
    """Nothing can listen for HTTP where the operator wants it; the text says why."""


class FilterNotUsable(InferenceError):
    """A filter's class does not keep the rules of `filters/base.py`."""


class WeightsError(InferenceError):
    """Weights cannot be had or do not fit; the text tells the operator what to do."""

    def __init__(self, text: str, *, public: str = "", cause: Cause = Cause.UNFIT, subject: str = "") -> None:
        """`public` is what a page may be told of it, `subject` the file or host that it is about: no path."""
        super().__init__(text)
        self.public = public
        self.cause = cause
        self.subject = subject


class DownloadError(WeightsError):
    """Weights could not be downloaded, or not be kept: the next try may succeed."""


class NotFinite(InferenceError):
    """A network gives values that are no numbers: in half precision they may have been too large."""


class MissingPackage(InferenceError):
    """A filter needs a package that is not installed here; the text tells the operator how to get it."""

    def __init__(
        self, text: str, package: str, remedy: str, why: str = "", cause: Cause | None = None
    ) -> None:
        """`remedy`: how to install `package`; `why` and `cause`: what is wrong with one that is installed."""
        super().__init__(text)
        self.package = package
        self.remedy = remedy
        self.why = why
        self.cause = cause


class SessionError(InferenceError):
    """A fault that one session is told of, by the fixed word `code`; it ends nothing else."""

    code = "internal"
    field = ""
    """The parameter that it is about, where it is about one."""


class UnknownFilter(SessionError):
    """No filter of this name is known here."""

    code = "unknown_filter"

    def __init__(self, name: str) -> None:
        super().__init__(f"this worker has no filter {name!r}")


class BadParams(SessionError):
    """Parameters that the filter's model refuses; `field` names the first of them."""

    code = "bad_params"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"params.{field}: {expected}" if field else f"params: {expected}")
        self.field = field
        self.expected = expected


class FilterFailed(SessionError):
    """The filter could not be loaded, raised, or returned something else than it must."""

    code = "filter_failed"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"filter {name!r} {reason}")
        self.name = name
        self.reason = reason


class BadResult(FilterFailed):
    """What a filter returned is no batch of pictures: a fault of the filter, not its answer to a session."""


class FrameLate(SessionError):
    """The worker was too busy for this frame, which had grown too old."""

    code = "late"

    def __init__(self, max_wait_ms: float) -> None:
        super().__init__(f"the frame waited for more than {max_wait_ms:.0f} ms, so the worker dropped it")
