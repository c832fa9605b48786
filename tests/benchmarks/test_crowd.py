"""Crowds who publish, watch and connect: the calls inside go on, and nothing of a crowd stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.crowd import FPS, Found, run
from signaling_service.sockets.strangers import MOST
from signaling_service.sockets.tcp_port import BACKLOG

SECONDS = 3.0


async def crowded(folder: Path, way: str) -> Found:
    """Have a crowd of bounded size and time; the run itself waits until the descriptors are free again."""
    found = await run(folder, way, SECONDS, every_s=0.01, alone_s=1.0)
    print(found)
    assert found.lost == 0
    # All four: the one that is published, and the one that comes by TCP.
    assert found.meanwhile.least_frames > SECONDS * FPS / 3
    return found


@pytest.mark.slow
@pytest.mark.parametrize("way", ["whip", "whep"])
async def test_who_publishes_and_watches_without_end_takes_no_call_its_picture(
    tmp_path: Path, way: str
) -> None:
    found = await crowded(tmp_path, way)
    assert found.statuses["201"] > 0
    # What is refused is refused with a reason; nothing fails within.
    assert not [status for status in found.statuses if "500" in status]


@pytest.mark.slow
async def test_connections_of_strangers_are_ended_and_take_no_call_its_picture(tmp_path: Path) -> None:
    found = await crowded(tmp_path, "tcp")
    assert found.statuses["closed"] > 0
    assert max(found.descriptors) < found.descriptors[0] + MOST + BACKLOG
