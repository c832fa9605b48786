"""Several media processes behind one port, as separate processes with real workers."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from harness.chaos.parts import media
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDS_WITHIN_S = 3.0


async def test_a_media_process_that_dies_takes_its_own_calls_alone_and_none_outlives_the_front(
    services: Services,
) -> None:
    services.start_signaling("--processes", "2")
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    assert services.signaling is not None
    # In their order.
    processes = sorted(media(services), key=lambda child: child.pid)
    assert len(processes) == 2
    async with (
        Peer(services.http, Picture(320, 240, mark=1), fps=15) as one,
        Peer(services.http, Picture(320, 240, mark=2), fps=15) as other,
        Peer(services.http, Picture(320, 240, mark=3), fps=15) as third,
    ):
        await one.call(filter="invert")
        await other.call(filter="invert")
        await asyncio.gather(one.frames(5), other.frames(5))
        places = [int(peer.session[:2], 16) for peer in (one, other)]
        assert sorted(places) == [0, 1]

        processes[places[0]].kill()
        came = await other.frames(15)
        assert {frame.reading and (frame.reading.mark, frame.reading.is_inverted) for frame in came} == {
            (2, True)
        }
        assert (await services.http.patch(f"/sessions/{one.session}", json={})).status_code == 404

        await third.call(filter="invert")
        assert {reading.mark for frame in await third.frames(5) if (reading := frame.reading)} == {3}

        front = psutil.Process(services.signaling.pid)
        # With the server that forks them.
        await eventually(lambda: len(front.children(recursive=True)) == 3, 20, "the lost process is replaced")
        below = front.children(recursive=True)
        services.signaling.kill()
        await eventually(lambda: not any(map(is_left, below)), ENDS_WITHIN_S, "no process is left")
        await eventually(lambda: is_told(other) and is_told(third), 3, "the clients are told")


def is_left(child: psutil.Process) -> bool:
    """Where the tests are a container's first process, nobody takes note of an orphan's end."""
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_told(peer: Peer) -> bool:
    return peer.connection.connectionState in ("closed", "failed")
