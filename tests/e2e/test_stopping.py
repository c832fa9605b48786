"""Services that end, are restarted alone, or are started by `make run`'s launcher."""

from __future__ import annotations

import signal
import sys
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import START_S, Process, Services, free_port, in_namespace

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDS_WITHIN_S = 3.0
LONGEST_GAP_S = 0.5
"""At 20 fps a frame comes each 0.05 s; a worker that is lost without a word costs a second."""


async def test_ctrl_c_ends_both_services_within_three_seconds_in_the_middle_of_a_call(tmp_path: Path) -> None:
    port = free_port()
    env = {"PORT": str(port), "FILTER": "passthrough"}
    env |= {"INFERENCE_DEVICE": "cpu"} | ({} if in_namespace() else {"SIGNALING_ICE_ADDRESSES": "127.0.0.1"})
    launcher = Process("launcher", [sys.executable, "-m", "deploy.launch"], tmp_path / "launcher.log", env)
    launcher.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def is_ready() -> bool:
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(is_ready, START_S, "the launcher's services are ready")
            async with Peer(http, Picture(320, 240), fps=20) as peer:
                await peer.call()
                await peer.frames(10)
                services = psutil.Process(launcher.pid).children(recursive=True)
                assert len(services) >= 2
                launcher.interrupt()
                assert await launcher.ended(ENDS_WITHIN_S) == 0
                assert not any(service.is_running() for service in services)
    finally:
        print(launcher.output())
        if launcher.is_running:
            launcher.kill()


async def test_signaling_service_ends_on_sigterm_and_finds_its_worker_again_when_restarted_alone(
    services: Services,
) -> None:
    await services.start_light("passthrough")
    signaling = services.signaling
    assert signaling is not None
    async with Peer(services.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(10)
        signaling.signal(signal.SIGTERM)
        # uvicorn ends as the signal would have ended it, once it has shut down.
        assert await signaling.ended(ENDS_WITHIN_S) == 0
        assert "Application shutdown complete" in signaling.output()
        await eventually(
            lambda: peer.connection.connectionState in ("closed", "failed"), 3, "the client is told"
        )

    signaling.start()
    await services.ready({"passthrough": 1})
    async with Peer(services.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(10)


async def test_call_goes_on_without_a_gap_when_a_worker_drains_and_after_all_were_away(
    services: Services,
) -> None:
    first, second = await services.start("passthrough", workers=2)
    async with Peer(services.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        since_s = (await peer.frames(20))[-1].at_s
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        await services.ready({"passthrough": 1})
        await peer.frames(20)
        times_s = [one.at_s for one in peer.readable(since_s)]
        assert max(later - earlier for earlier, later in pairwise(times_s)) < LONGEST_GAP_S

        assert await second.stop() == 0
        first.start()
        await peer.frames(10, within_s=START_S)
