"""Notices that a page is gone, though it could not say so: killed, or its network lost."""

from __future__ import annotations

import asyncio
import time

from aioice.stun import TransactionError
from aiortc import RTCPeerConnection

from signaling_service.rtc.aiortc_patches import Connection, heard_s, ice_connections

ASK_AFTER_S = 2.5
"""A page with a muted camera has little to say, and is asked before it is given up."""
RETRANSMISSIONS = 2
"""At 0, 0.5 and 1.5 s: one datagram that is lost on the way ends no session."""
LATE_S = 0.02
"""Who wakes later than that has stood still: what pages sent meanwhile is still to be read."""
READING_S = 0.05


class Silence:
    """How long nothing at all has come from one session's page: no STUN, RTCP or RTP."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._connections = ice_connections(pc)
        self._heard_s = 0.0
        self._stood_still_s = 0.0
        """For how long this process did, since it heard the page last: that says nothing of the page."""

    async def lasts(self, limit_s: float) -> None:
        """Return once nothing has come for so long, not even an answer to a consent check (RFC 7675).

        Never, where the arrival of datagrams is not noted: consent alone ends such a session.
        """
        while (silent_s := self._so_far_s()) < limit_s:
            if silent_s < ASK_AFTER_S:
                await self._wait(ASK_AFTER_S - silent_s)
                continue
            asking = [asyncio.create_task(_ask(connection)) for connection in self._connections]
            try:
                await self._wait(limit_s - silent_s)
            finally:
                for task in asking:
                    task.cancel()

    def _so_far_s(self) -> float:
        last_s = max(map(heard_s, self._connections))
        if last_s != self._heard_s:
            self._heard_s, self._stood_still_s = last_s, 0.0
        return time.monotonic() - last_s - self._stood_still_s

    async def _wait(self, for_s: float) -> None:
        began_s = time.monotonic()
        await asyncio.sleep(for_s)
        late_s = time.monotonic() - began_s - for_s
        if late_s > LATE_S:
            self._stood_still_s += late_s
            await asyncio.sleep(READING_S)


async def _ask(connection: Connection) -> None:
    for pair in list(connection._nominated.values()):
        try:
            await pair.protocol.request(
                connection.build_request(pair, nominate=False),
                pair.remote_addr,
                integrity_key=(connection.remote_password or "").encode(),
                retransmissions=RETRANSMISSIONS,
            )
        except TransactionError:
            return  # What counts is whether anything comes, and that is noted elsewhere.
