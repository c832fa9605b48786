"""Who calls while a part is broken: cameras that call again when their connection is lost."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Protocol, Self

import httpx

from harness.chaos.outcome import Seen
from harness.deadline import eventually
from harness.peer import Peer, Returned
from harness.picture import Picture

FPS = 15
FILTER = "invert"
CALL_S = 5.0
AGAIN_S = 0.2
CHECK_AFTER_S, BROKEN_AFTER_S = 0.7, 3.0
"""A `closed` session shows its last frame or the card again and again, so silence is suspicious. After the
first time the service is asked for the session, after the second the connection is given up. So does the
shim (static/shim/connection/watch_policy.js)."""
CHECK_S = 1.0


class Caller(Protocol):
    """A call that lasts, whatever happens to its connection."""

    kind: str
    mark: int
    """Of its camera's picture."""
    calls: int
    """How many connections it has had."""

    async def seen(self) -> list[Seen]:
        """Return all readable frames so far."""


class PeerCaller:
    """One by aiortc; use as `async with`."""

    kind = "aiortc"

    def __init__(self, http: httpx.AsyncClient, mark: int, fps: int = FPS) -> None:
        self.mark, self.calls = mark, 0
        self._http, self._fps = http, fps
        self._picture = Picture(320, 240, mark)
        self._returned: list[Returned] = []
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._running is not None
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    async def seen(self) -> list[Seen]:
        return [Seen(one.at_s, one.reading) for one in self._returned if one.reading]

    async def _run(self) -> None:
        old: Peer | None = None
        try:
            while True:
                async with AsyncExitStack() as attempt:
                    peer = await attempt.enter_async_context(Peer(self._http, self._picture, self._fps))
                    if old is None:
                        peer.returned = self._returned
                    try:
                        async with asyncio.timeout(CALL_S):
                            await peer.call(filter=FILTER)
                    except (AssertionError, TimeoutError, httpx.HTTPError):
                        await asyncio.sleep(AGAIN_S)
                        continue
                    if old is not None:
                        # As the shim does: the old call shows until the new one has a picture.
                        await _shows(peer)
                        self._returned += peer.returned
                        peer.returned = self._returned
                        await old.__aexit__(None, None, None)
                        old = None
                    self.calls += 1
                    await self._until_lost(peer)
                    if _is_left(peer):
                        old = peer
                        attempt.pop_all()
        finally:
            if old is not None:
                await old.__aexit__(None, None, None)

    async def _until_lost(self, peer: Peer) -> None:
        """Return when the connection is lost, or its service drains."""
        began_s = time.monotonic()
        while peer.connection.connectionState == "connected" and not _is_left(peer):
            # A page looks at a timer too: what it waits for is that nothing happens.
            await asyncio.sleep(0.05)
            last_s = self._returned[-1].at_s if self._returned else 0.0
            silence_s = time.monotonic() - max(began_s, last_s)
            if silence_s > BROKEN_AFTER_S:
                return
            if silence_s > CHECK_AFTER_S and not await self._is_known(peer.session):
                return

    async def _is_known(self, session: str) -> bool:
        try:
            answer = await self._http.patch(f"/sessions/{session}", json={}, timeout=CHECK_S)
        except httpx.HTTPError:
            return False
        return answer.status_code != 404


async def _shows(peer: Peer) -> None:
    with suppress(AssertionError):
        await eventually(lambda: bool(peer.readable()), CALL_S, "a picture")


def _is_left(peer: Peer) -> bool:
    """Tell whether its service has said that it drains."""
    return any(isinstance(one, dict) and "draining_s" in one for one in peer.messages)
