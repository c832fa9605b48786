"""Whose frame is next, so that each session gets the same number of pixels filtered, whatever their sizes.

Start-time fair queueing (Goyal, Vin, Cheng, "Start-Time Fair Queueing", SIGCOMM 1996), with pixels as the
cost. A frame's start tag is the finish tag of its session's last frame, and never less than the virtual
time. The virtual time is the start tag of the frame that was served last. So a session that was silent
saves nothing up.
"""

from __future__ import annotations

from collections import OrderedDict

MAX_SESSIONS = 1024
"""Those whose last turn is remembered; one that is forgotten counts as new."""


class Turns:
    """The order of sessions. The loop's thread only."""

    def __init__(self) -> None:
        self._virtual_time = 0
        self._finish: OrderedDict[bytes, int] = OrderedDict()
        # Among equal tags the one served longest ago comes first.
        self._served: dict[bytes, int] = {}
        self._count = 0

    def start_tag(self, session: bytes) -> int:
        """Return the tag of a frame that begins to wait now, in pixels."""
        return max(self._virtual_time, self._finish.get(session, 0))

    def served_at(self, session: bytes) -> int:
        """Return the number of its last turn; 0 if it has had none."""
        return self._served.get(session, 0)

    def serve(self, session: bytes, start_tag: int, pixels: int) -> None:
        """Take note of a frame that is filtered now."""
        self._virtual_time = max(self._virtual_time, start_tag)
        self._finish[session] = start_tag + pixels
        self._finish.move_to_end(session)
        # A number of its own: of two that were served together, one would else come first each time.
        self._count += 1
        self._served[session] = self._count
        if len(self._finish) > MAX_SESSIONS:
            forgotten, _ = self._finish.popitem(last=False)
            del self._served[forgotten]
