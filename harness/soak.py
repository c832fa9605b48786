"""Calls that come, go, switch and change size over a bad network, for as long as one likes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import httpx
from aiortc.exceptions import InvalidStateError

from harness.bad_network import BadNetwork
from harness.peer import Peer
from harness.picture import Picture

FPS = 15
SIZES = ((320, 240), (160, 120), (256, 192), (320, 168))
FILTERS = ("invert", "passthrough")
LASTS_S = (2.0, 6.0)
STEP_S = 0.7
FRAMES_WITHIN_S = 30.0


@dataclass(slots=True)
class Tally:
    """What the calls did."""

    calls: int = 0
    switches: int = 0
    sizes: int = 0
    frames: int = 0
    foreign: int = 0
    """Frames of another call's camera."""
    faults: list[str] = field(default_factory=list)
    """Why calls failed."""


async def callers(
    http: httpx.AsyncClient,
    seconds: float,
    lanes: int,
    tally: Tally,
    network: BadNetwork = BadNetwork(),  # noqa: B008 - frozen
    seed: int = 0,
) -> None:
    """Keep `lanes` calls going for so long, one after the other in each lane."""
    until_s = time.monotonic() + seconds
    await asyncio.gather(
        *(_lane(http, until_s, place, tally, network, Random(seed + place)) for place in range(lanes))
    )


async def _lane(
    http: httpx.AsyncClient, until_s: float, place: int, tally: Tally, network: BadNetwork, random: Random
) -> None:
    # Two lanes never show the same mark, and no lane the mark of its last call.
    mark = place
    while time.monotonic() < until_s:
        mark = (mark + 16) % 256
        try:
            await _call(http, mark, until_s, tally, network, random)
        except (AssertionError, httpx.HTTPError, InvalidStateError) as exc:
            # The last is of a channel that has closed: the call was lost.
            tally.faults.append(f"{type(exc).__name__}: {exc}".partition("\n")[0])
            await asyncio.sleep(STEP_S)


async def _call(
    http: httpx.AsyncClient, mark: int, until_s: float, tally: Tally, network: BadNetwork, random: Random
) -> None:
    size = random.choice(SIZES)
    async with Peer(http, Picture(*size, mark), FPS) as peer:
        await peer.call(filter=random.choice(FILTERS))
        tally.calls += 1
        network.spoil(peer.connection, random)
        await peer.control_open()
        await peer.frames(1, FRAMES_WITHIN_S)
        ends_s = min(until_s, time.monotonic() + random.uniform(*LASTS_S))
        while time.monotonic() < ends_s:
            await asyncio.sleep(STEP_S)
            if random.random() < 0.5:
                peer.send({"type": "filter", "name": random.choice(FILTERS)})
                tally.switches += 1
            else:
                size = random.choice(SIZES)
                peer.camera.show(Picture(*size, mark))
                tally.sizes += 1
        # Some leave by the API, some just close, as pages do.
        if random.random() < 0.5:
            await http.delete(f"/sessions/{peer.session}")
        readings = [one.reading for one in peer.returned if one.reading]
        tally.frames += len(readings)
        tally.foreign += sum(reading.mark != mark for reading in readings)


def growth(memory_mib: Sequence[tuple[float, float]], from_s: float) -> float:
    """Return the share by which memory grew after `from_s`, from pairs of seconds and MiB.

    By the means of the first and the last fifth of that time, since calls come and go meanwhile.
    """
    later = [mib for at_s, mib in memory_mib if at_s >= from_s]
    part = max(1, len(later) // 5)
    first, last = sum(later[:part]) / part, sum(later[-part:]) / part
    return last / first - 1


async def sampled(every_s: float, look: Callable[[], float], into: list[tuple[float, float]]) -> None:
    """Note `look()` again and again, with the seconds since the first, until cancelled."""
    began_s = time.monotonic()
    while True:
        into.append((time.monotonic() - began_s, await asyncio.to_thread(look)))
        await asyncio.sleep(every_s)
