"""What all these errors have: a fixed code, a sentence, an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import P2PCameraError

MAX_TEXT = 2000
"""Characters of what a caller is told, by the data channel too: it may quote what the caller has sent."""


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
        said: dict[str, Any] = {"code": self.code, "message": str(self)[:MAX_TEXT]}
        more = {"field": getattr(self, "field", "")[:MAX_TEXT], "trouble": getattr(self, "trouble", None)}
        return said | {name: value for name, value in more.items() if value}

    def as_map(self) -> dict[str, Any]:
        """Return what another process needs to say the same (`PassedOn`)."""
        names = ("status", "code", "retry_after_s", "field", "trouble")
        return {"message": str(self)[:MAX_TEXT], **{name: getattr(self, name, None) for name in names}}


class PassedOn(SignalingError):
    """What a media process has refused, as it said it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(said["message"])
        self.status, self.code = said["status"], said["code"]
        self.retry_after_s, self.field = said["retry_after_s"], said["field"] or ""
        self.trouble = said.get("trouble")
