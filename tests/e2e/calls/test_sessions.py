"""Several cameras on several workers, which come and go: nobody sees another's picture."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

FPS = 12
"""Four encoders and four decoders of the test share two cores with the services."""
CALLS: tuple[tuple[int, str | list[str]], ...]
CALLS = ((11, "invert"), (22, "passthrough"), (33, "invert"), (44, ["passthrough", "invert"]))


async def all_go_on(peers: list[Peer]) -> None:
    await asyncio.gather(*(peer.frames(8, within_s=15) for peer in peers))


async def test_no_session_sees_a_frame_of_another_while_workers_die_and_return(services: Services) -> None:
    filters = "invert,passthrough"
    workers = await services.start(filters, workers=2)
    async with AsyncExitStack() as stack:
        peers = []
        for mark, name in CALLS:
            peer = await stack.enter_async_context(Peer(services.http, Picture(320, 240, mark), FPS))
            await peer.call(filter=name)
            peers.append(peer)
        await all_go_on(peers)

        workers[0].kill()
        await all_go_on(peers)

        workers[0].start()
        await services.ready(dict.fromkeys(filters.split(","), 2))
        await all_go_on(peers)

        # Now everything hangs on the one that was started again.
        workers[1].kill()
        await all_go_on(peers)

        for peer, (mark, name) in zip(peers, CALLS, strict=True):
            readings = [one.reading for one in peer.returned if one.reading]
            assert {reading.mark for reading in readings} == {mark}
            assert {reading.is_inverted for reading in readings} == {"invert" in name}
            assert len(readings) > 0.8 * len(peer.returned)
