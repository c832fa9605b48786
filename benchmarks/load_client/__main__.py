"""Many sessions at little cost: replays an encoded loop to a server, and says how old returned frames are.

    python -m benchmarks.load_client --url http://127.0.0.1:7860 --sessions 4 --body '{"filter": "invert"}'
    python -m benchmarks.load_client --url ... --calls 50     # offer to first frame, call after call

For any server that answers an offer at POST /offer. Prints one JSON object (`findings.py`). Where its
`why_not_counted` is not empty the figures say more of this process or the machine than of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aioice.ice
import httpx

from benchmarks.figures import Spread
from benchmarks.load_client import replay
from benchmarks.load_client.call import Call
from benchmarks.load_client.decoding import decoded
from benchmarks.load_client.findings import FirstFrames, Run, Usage
from benchmarks.load_client.summary import Stretch, summed_up
from benchmarks.watching import Watched, memory, sample, udp_sockets
from harness.deadline import eventually
from harness.picture import FPS
from harness.services import in_namespace

CHECK_FRAMES = 12
CHECK_S = 3.0
FIRST_FRAME_S = 15.0
MEMORY_EVERY_S = 5.0
LONG_RUN_S = 30.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do; see the flags."""

    url: str
    sessions: int
    seconds: float
    warm_up: float
    body: dict[str, Any]
    reads_all: bool
    watched: list[Watched]


async def hold(wanted: Wanted, loop: replay.Loop) -> Run:
    """Hold the sessions, look at a stretch of time, and return what came of it."""
    calls = [Call(loop) for _ in range(wanted.sessions)]
    async with httpx.AsyncClient(base_url=wanted.url, trust_env=False, timeout=20) as http:
        try:
            began_s = time.monotonic()
            for number, call in enumerate(calls):
                await call.connect(http, wanted.body)
                call.start(_in_phase(began_s, number, wanted.sessions))
            for call in calls:
                await call.first_frame(FIRST_FRAME_S)
            await asyncio.sleep(wanted.warm_up)
            for call in calls:
                call.keeps = wanted.reads_all
                call.lateness_s.clear()
            gc.collect()
            gc.freeze()
            stretch = await _look(wanted)
            lateness_s = [one for call in calls for one in call.lateness_s]
            if ended := sum(not call.is_open for call in calls):
                raise RuntimeError(f"{ended} of {len(calls)} sessions were ended during the run")
            await _keep_some_more(calls)
        finally:
            await asyncio.gather(*(call.close() for call in calls))
    return summed_up(calls, loop, stretch, lateness_s, reads_all=wanted.reads_all)


async def first_frames(wanted: Wanted, loop: replay.Loop, count: int) -> FirstFrames:
    """Call again and again."""
    took_s, connected_s, kinds = [], [], []
    before = sample(wanted.watched)
    async with httpx.AsyncClient(base_url=wanted.url, trust_env=False, timeout=20) as http:
        for _ in range(count):
            call = Call(loop)
            try:
                await call.connect(http, wanted.body)
                call.start(time.monotonic())
                frame = await call.first_frame(FIRST_FRAME_S)
            finally:
                await call.close()
            took_s.append(frame.at_s - call.offered_s)
            connected_s.append(call.connected_s - call.offered_s)
            kinds += [one.is_inverted for one in decoded([frame], loop.codec)]
    usage = Usage.between(before, sample(wanted.watched))
    return FirstFrames(
        count,
        Spread.of_s(took_s),
        Spread.of_s(connected_s),
        sum(kinds),
        usage.others_percent,
        usage.stolen_percent,
    )


def _in_phase(began_s: float, number: int, sessions: int) -> float:
    """Return the session's first time: cameras are not in step, each has its place within a frame's time."""
    passed = int((time.monotonic() - began_s) * FPS) + 1
    return began_s + (passed + (number + 0.5) / sessions) / FPS


async def _look(wanted: Wanted) -> Stretch:
    memories = []
    before = sample(wanted.watched)
    end_s = before.at_s + wanted.seconds
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(min(left_s, MEMORY_EVERY_S))
        if wanted.seconds > LONG_RUN_S:
            memories.append((time.monotonic(), memory(wanted.watched)))
    after = sample(wanted.watched)
    memories.append((time.monotonic(), memory(wanted.watched)))
    sockets = {str(pid): count for pid, count in udp_sockets(wanted.watched, "media").items()}
    return Stretch(before, after, memories, sockets)


async def _keep_some_more(calls: list[Call]) -> None:
    """Get a key frame and what follows it, to see whether the constant of timestamps still holds."""
    for call in calls:
        call.keeps = True
        await call.ask_for_keyframe()
    goals = [(call, len(call.received.frames) + CHECK_FRAMES) for call in calls]
    # A server that is overloaded may not make it; `is_checked` tells.
    with contextlib.suppress(AssertionError):
        await eventually(
            lambda: all(len(call.received.frames) >= count for call, count in goals),
            CHECK_S,
            "a few more frames",
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument(
        "--calls", type=int, default=0, help="measure the first frames of so many calls instead"
    )
    parser.add_argument("--body", type=json.loads, default={}, help="JSON that is added to the offer's")
    parser.add_argument("--codec", choices=replay.CODECS, default="VP8")
    parser.add_argument("--loop", type=Path, help="the encoded loop; made there if it does not exist")
    parser.add_argument(
        "--reads-all",
        action="store_true",
        help="decode all that returned, afterwards; for servers that stamp anew",
    )
    parser.add_argument("--watch", action="append", default=[], type=Watched.parse, help="ROLE=PID[=STAGES]")
    parser.add_argument("--core", type=int, help="run on this core alone")
    flags = parser.parse_args()
    if flags.core is not None:
        os.sched_setaffinity(0, {flags.core})
    if not in_namespace():
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    # aioice gives a server up whose answers take over 0.5 s for half a minute; a browser does not.
    aioice.ice.CONSENT_FAILURES = 1000
    loop = replay.Loop.read(flags.loop) if flags.loop and flags.loop.exists() else replay.encode(flags.codec)
    if flags.loop and not flags.loop.exists():
        loop.save(flags.loop)
    # A clock should not wait for what it measures; without the right to do so it says how late it was.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    wanted = Wanted(
        flags.url, flags.sessions, flags.seconds, flags.warm_up, flags.body, flags.reads_all, flags.watch
    )
    try:
        if flags.calls:
            print(json.dumps(dataclasses.asdict(asyncio.run(first_frames(wanted, loop, flags.calls)))))
        else:
            print(asyncio.run(hold(wanted, loop)).as_json())
    except (RuntimeError, TimeoutError, httpx.HTTPError) as exc:
        sys.exit(f"the run failed: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    main()
