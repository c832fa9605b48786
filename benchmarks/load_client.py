"""Many sessions at little cost: replays an encoded loop to a server, and says how old returned frames are.

    python -m benchmarks.load_client --url http://127.0.0.1:7860 --sessions 4 --body '{"filter": "invert"}'
    python -m benchmarks.load_client --url ... --calls 50     # offer to first frame, call after call

For any server that answers an offer at POST /offer. Prints one JSON object (benchmarks/run.py). Where its
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

from benchmarks import matching, replay
from benchmarks.call import Call
from benchmarks.decoding import Decoded, decoded
from benchmarks.figures import Spread, slope_per_min
from benchmarks.matching import Aged
from benchmarks.run import FirstFrames, Run, SessionRun, Usage, growth_mib_per_min
from benchmarks.watching import Memory, Sample, Watched, memory, sample, udp_sockets
from tests.e2e.deadline import eventually
from tests.e2e.picture import FPS
from tests.e2e.services import in_namespace

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


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time that is looked at."""

    before: Sample
    after: Sample
    memories: list[tuple[float, dict[str, Memory]]]
    udp_sockets: dict[str, int]

    def holds(self, at_s: float) -> bool:
        return self.before.at_s <= at_s < self.after.at_s


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
    return _report(wanted, loop, calls, stretch, lateness_s)


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


def _report(
    wanted: Wanted, loop: replay.Loop, calls: list[Call], stretch: Stretch, lateness_s: list[float]
) -> Run:
    usage = Usage.between(stretch.before, stretch.after)
    sessions: list[SessionRun] = []
    aged: list[Aged] = []
    pictures: list[Decoded] = []
    for call in calls:
        found, read = _matched(call, loop.codec, wanted.reads_all, stretch)
        size_bytes = sum(frame.size_bytes for frame in call.received.frames if stretch.holds(frame.at_s))
        sessions.append(
            SessionRun(
                Spread.of_s([one.age_s for one in found]),
                len(found) / usage.seconds,
                size_bytes * 8 / 1e6 / usage.seconds,
                bool(read),
            )
        )
        aged += found
        pictures += read
    sent = sum(stretch.holds(sent_s) for call in calls for sent_s in call.sent.sent_s.values())
    return Run(
        sessions=sessions,
        seconds=usage.seconds,
        codec=loop.codec,
        ages_ms=Spread.of_s([one.age_s for one in aged]),
        age_slope_ms_per_min=slope_per_min([one.at_s for one in aged], [one.age_s * 1e3 for one in aged]),
        frames_sent=sent,
        frames_returned=sum(stretch.holds(frame.at_s) for call in calls for frame in call.received.frames),
        sizes=sorted({f"{one.width}x{one.height}" for one in pictures}),
        is_inverted=sorted({one.is_inverted for one in pictures}),
        lost_packets=sum(call.received.lost_packets for call in calls),
        keyframes_asked=sum(call.keyframes_asked for call in calls),
        cpu_percent=usage.cpu_percent,
        cpu_percent_by_process=usage.by_process_percent,
        client_cpu_percent=usage.client_percent,
        client_cpu_ms_per_frame=usage.client_percent * 10 * usage.seconds / max(sent, 1),
        others_cpu_percent=usage.others_percent,
        stolen_percent=usage.stolen_percent,
        lateness_ms=Spread.of_s(lateness_s),
        memory=stretch.memories[-1][1],
        memory_growth_mib_per_min=growth_mib_per_min(stretch.memories),
        udp_sockets=stretch.udp_sockets,
        stages_before=stretch.before.stages,
        stages_after=stretch.after.stages,
    )


def _matched(call: Call, codec: str, reads_all: bool, stretch: Stretch) -> tuple[list[Aged], list[Decoded]]:
    """Return the frames of the stretch with their ages, and the pictures read within or behind it."""
    frames = call.received.frames
    if reads_all:
        read = decoded(frames, codec)
        aged = matching.by_counter([one.seen for one in read], call.sent)
        return [one for one in aged if stretch.holds(one.at_s)], [
            one for one in read if stretch.holds(one.seen.at_s)
        ]
    early = decoded([one for one in frames if one.at_s < stretch.before.at_s], codec)
    late = decoded([one for one in frames if one.at_s >= stretch.after.at_s], codec)
    added = matching.constant([one.seen for one in early], call.sent)
    if added is None:
        return [], late
    if not matching.fits([one.seen for one in late], added, call.sent):
        raise RuntimeError("the server's timestamps moved during the run: measure with --reads-all")
    aged = matching.by_timestamp(((one.timestamp, one.at_s) for one in frames), added, call.sent)
    return [one for one in aged if stretch.holds(one.at_s)], late


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
