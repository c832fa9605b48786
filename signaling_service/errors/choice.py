"""A choice of filters and parameters that cannot be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from signaling_service.errors.base import SignalingError


class UnknownFilter(SignalingError):
    """No worker ever served this filter."""

    status = 404
    code = "unknown_filter"

    def __init__(self, filters: Sequence[str], served: Sequence[str]) -> None:
        wanted = ", ".join(repr(name[:64]) for name in filters)
        super().__init__(f"no worker serves {wanted}; served are: {', '.join(served) or 'none'}")


class InvalidParams(SignalingError):
    """A parameter is unknown or its value is not allowed; `field` names it."""

    status = 422
    code = "invalid_params"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"params.{field}: {expected}" if field else f"params: {expected}")
        self.field = field


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
