"""The base of this project's errors, and the ones that both services meet."""

from __future__ import annotations

from pathlib import Path


class P2PCameraError(Exception):
    """Base of every error that this project raises on purpose."""


class WireError(P2PCameraError):
    """A message from a peer that cannot be used; counted and dropped, never raised into a loop.

    `reason` is one of a few fixed words, so that it can label a metric.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class EndpointError(P2PCameraError):
    """A ZeroMQ endpoint that cannot be used, with what was expected."""

    def __init__(self, endpoint: str, expected: str) -> None:
        super().__init__(f"endpoint {endpoint!r}: expected {expected}")
        self.endpoint = endpoint


class RunDirError(P2PCameraError):
    """The folder of sockets and lock files cannot be used."""

    def __init__(self, folder: Path, fault: str) -> None:
        super().__init__(f"{folder} {fault}; or set P2PCAMERA_RUN_DIR to a folder of this user alone")


class BindError(P2PCameraError):
    """An endpoint that cannot be bound, and why."""

    def __init__(self, endpoint: str, fault: str) -> None:
        super().__init__(f"cannot bind {endpoint}: {fault}")


class KeysError(P2PCameraError):
    """Keys of the link between the services that cannot be made or read."""
