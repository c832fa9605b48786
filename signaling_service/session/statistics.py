"""What a session counts, and tells its page once a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.session.latency import LatencyWindow
from signaling_service.session.remarks import Remarks


@dataclass(slots=True)
class Statistics:
    """Frames of both ways and their times. Event loop only."""

    returned: ReturnedTrack
    latency: LatencyWindow = field(default_factory=LatencyWindow)
    remarks: Remarks = field(default_factory=Remarks)
    frames_in: int = 0
    _taken_s: float = field(default_factory=time.monotonic)
    _taken_in: int = 0
    _taken_out: int = 0

    @property
    def frames_out(self) -> int:
        return self.returned.frames_returned

    @property
    def state(self) -> str:
        """What the returned picture is now."""
        return self.returned.showing.value

    def take(self) -> dict[str, Any]:
        """Return the figures since the last call, as the control channel names them."""
        now_s, frames_in, frames_out = time.monotonic(), self.frames_in, self.frames_out
        elapsed_s = now_s - self._taken_s
        latency_ms, worker = self.latency.take()
        figures = {
            "state": self.state,
            "fps_in": round((frames_in - self._taken_in) / elapsed_s, 1),
            "fps_out": round((frames_out - self._taken_out) / elapsed_s, 1),
            "frames_in": frames_in,
            "frames_out": frames_out,
            "latency_ms": latency_ms,
            "worker": worker,
            **({"remarks": said} if (said := self.remarks.take()) else {}),
        }
        self._taken_s, self._taken_in, self._taken_out = now_s, frames_in, frames_out
        return figures
