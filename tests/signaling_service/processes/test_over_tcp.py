"""Several media processes and a worker over TCP with keys, each a process of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services, free_port
from shared import link_keys

LIMIT_S = 20.0


async def test_every_media_process_gets_results_over_tcp_with_keys(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "keys", tmp_path / "others"
    link_keys.make(ours)
    link_keys.make(theirs)
    async with Services(tmp_path, results=f"tcp://127.0.0.1:{free_port()}") as services:
        services.start_signaling("--processes", "2", "--link-keys", str(ours))
        # A worker with keys of another service is never heard, though it is there first.
        for filters, keys in (("passthrough", theirs), ("invert", ours)):
            bind = f"tcp://127.0.0.1:{free_port()}"
            services.start_light_worker(filters, "--frames-bind", bind, "--link-keys", str(keys))
        await services.ready({"invert": 1})
        async with AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(Peer(services.http, Picture(160, 120, number), 10))
                for number in range(2)
            ]
            for peer in peers:
                await peer.call(filter="invert")
            for peer in peers:
                await peer.frames(3, LIMIT_S)
            assert {peer.session[:2] for peer in peers} == {"00", "01"}
            served = (await services.http.get("/filters")).json()["filters"]
            assert [one["name"] for one in served] == ["invert"]
