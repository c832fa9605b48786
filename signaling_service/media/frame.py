"""A decoded camera frame, as the lane sends it and the returned track shows it in an outage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.frame import ColourMatrix, ColourRange


class Planes(Protocol):
    """A source of packed I420 planes (shared.frame)."""

    @property
    def size_bytes(self) -> int: ...

    def write(self, into: memoryview) -> None:
        """Write the planes into a buffer of `size_bytes` bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFrame:
    """A decoded camera frame, ready to be sent.

    `captured_ns` is this process's monotonic clock at decoding, `pts` in units of 1/90000 s.
    """

    planes: Planes
    width: int
    height: int
    pts: int
    captured_ns: int
    colour_range: ColourRange = ColourRange.LIMITED
    colour_matrix: ColourMatrix = ColourMatrix.BT601
