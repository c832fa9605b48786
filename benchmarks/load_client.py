"""Many sessions at little cost: replays an encoded loop to a server, and says how old returned frames are.

    python -m benchmarks.load_client --url http://127.0.0.1:7860 --sessions 4 --seconds 10 [--body '{"filter": "invert"}']
    python -m benchmarks.load_client --url ... --calls 50          # offer to first frame, one call after another

For any server that answers an offer at POST /offer. Prints one JSON object. `why_not_counted` in it is not empty
where the figures say more of this process than of the server: the client sent late, or used its core up.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aioice.ice
import httpx

from benchmarks import matching, replay
from benchmarks.call import Call
from benchmarks.decoding import Decoded, decoded
from benchmarks.figures import Spread, slope_per_min, why_not_counted
from benchmarks.matching import Aged
from benchmarks.watching import Sample, Watched, memory, sample, udp_sockets
from tests.e2e.deadline import eventually
from tests.e2e.picture import FPS
from tests.e2e.services import in_namespace

CALIBRATE_FRAMES = 12
FIRST_FRAME_S = 15.0
MEMORY_EVERY_S = 5.0


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


async def run(wanted: Wanted, loop: replay.Loop) -> dict[str, Any]:
    """Hold the sessions, look at a stretch of time, and return what came of it."""
    calls = [Call(loop) for _ in range(wanted.sessions)]
    memories: list[tuple[float, dict[str, Any]]] = []
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
            before = sample(wanted.watched)
            end_s = before.at_s + wanted.seconds
            while (left_s := end_s - time.monotonic()) > 0:
                await asyncio.sleep(min(left_s, MEMORY_EVERY_S))
                if wanted.seconds > 4 * MEMORY_EVERY_S:
                    memories.append((time.monotonic(), _memory(wanted.watched)))
            after = sample(wanted.watched)
            found = {"memory_mib": _memory(wanted.watched), "udp_sockets": udp_sockets(wanted.watched, "media")}
            await _keep_some_more(calls)
        finally:
            await asyncio.gather(*(call.close() for call in calls))
    lateness_s = [one for call in calls for one in call.lateness_s]
    return {**_report(wanted, loop, calls, before, after, lateness_s), **found, **_growth(memories)}


async def first_frames(wanted: Wanted, loop: replay.Loop, count: int) -> dict[str, Any]:
    """Call again and again, and return how long each first frame took from the offer's POST."""
    took_s, connected_s, kinds = [], [], []
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
    return {
        "calls": count,
        "first_frame_ms": asdict(Spread.of_s(took_s)),
        "connected_ms": asdict(Spread.of_s(connected_s)),
        "readable_first_frames": len(kinds),
        "inverted_first_frames": sum(kinds),
    }


def _in_phase(began_s: float, number: int, sessions: int) -> float:
    """Return the session's next time: cameras are not in step, each has its own place within a frame's time."""
    phase_s = (number + 0.5) / sessions / FPS
    passed = int((time.monotonic() - began_s) * FPS) + 1
    return began_s + passed / FPS + phase_s


async def _keep_some_more(calls: list[Call]) -> None:
    """Get a key frame and what follows it, to see whether the constant of timestamps still holds."""
    for call in calls:
        call.keeps = True
        await call.ask_for_keyframe()
    counts = [len(call.received.frames) for call in calls]
    try:
        await eventually(
            lambda: all(
                len(call.received.frames) >= count + CALIBRATE_FRAMES
                for call, count in zip(calls, counts, strict=True)
            ),
            3.0,
            "frames behind a key frame",
        )
    except AssertionError:
        return  # An overloaded server; `ages_checked` tells.


def _memory(watched: list[Watched]) -> dict[str, Any]:
    return {role: asdict(one) for role, one in memory(watched).items()}


def _growth(memories: list[tuple[float, dict[str, Any]]]) -> dict[str, Any]:
    """Return how fast each role's memory grew in the second half of a long run, where all has been warmed up."""
    half = memories[len(memories) // 2 :]
    if len(half) < 3:
        return {}
    times = [at_s for at_s, _ in half]
    return {
        "memory_growth_mib_per_min": {
            role: slope_per_min(times, [one[role]["pss_mib"] for _, one in half]) for role in half[0][1]
        }
    }


def _report(
    wanted: Wanted, loop: replay.Loop, calls: list[Call], before: Sample, after: Sample, lateness_s: list[float]
) -> dict[str, Any]:
    took_s = after.at_s - before.at_s
    sessions = [_session(call, loop.codec, wanted.reads_all, before.at_s, after.at_s) for call in calls]
    ages_s = [one.age_s for aged, _ in sessions for one in aged]
    rates = [len(aged) / took_s for aged, _ in sessions]
    pictures = [one for _, read in sessions for one in read]
    frames = [one for call in calls for one in call.received.frames if before.at_s <= one.at_s < after.at_s]
    sent_frames = sum(before.at_s <= sent_s < after.at_s for call in calls for sent_s in call.sent.sent_s.values())
    own_percent = (after.own_cpu_s - before.own_cpu_s) / took_s * 100
    cpu_s = {role: after.cpu_s[role] - before.cpu_s[role] for role in after.cpu_s}
    others_s = after.machine_cpu_s - before.machine_cpu_s - sum(cpu_s.values()) - own_percent / 100 * took_s
    stolen_percent = (after.stolen_s - before.stolen_s) / took_s * 100
    lateness = Spread.of_s(lateness_s)
    counted = [one for aged, _ in sessions for one in aged]
    return {
        "sessions": len(calls),
        "seconds": took_s,
        "codec": loop.codec,
        "read": "every picture" if wanted.reads_all else "timestamps",
        "transit_ms": asdict(Spread.of_s(ages_s)),
        "p95_ms_by_session": [Spread.of_s([one.age_s for one in aged]).p95 for aged, _ in sessions],
        "new_fps_by_session": rates,
        "age_slope_ms_per_min": slope_per_min([a.at_s for a in counted], [a.age_s * 1e3 for a in counted]),
        "ages_checked": sum(bool(read) for _, read in sessions),
        "frames_sent": sent_frames,
        "frames_returned": len(frames),
        "frames_matched": len(counted),
        "returned_mbit_s_each": sum(one.size_bytes for one in frames) * 8 / 1e6 / took_s / len(calls),
        "sent_mbit_s_each": loop.bits_per_s / 1e6,
        "sizes": sorted({f"{one.width}x{one.height}" for one in pictures}),
        "inverted": sorted({one.is_inverted for one in pictures}),
        "lost_packets": sum(call.received.lost_packets for call in calls),
        "keyframes_asked": sum(call.keyframes_asked for call in calls),
        "cpu_percent": {role: one / took_s * 100 for role, one in cpu_s.items()},
        "cpu_ms_per_frame": {role: one * 1e3 / max(len(frames), 1) for role, one in cpu_s.items()},
        "cpu_percent_by_process": {
            pid: (one - before.by_process_cpu_s.get(pid, 0.0)) / took_s * 100
            for pid, one in after.by_process_cpu_s.items()
        },
        "client_cpu_percent": own_percent,
        "client_cpu_ms_per_frame": own_percent / 100 * took_s * 1e3 / max(sent_frames, 1),
        "others_cpu_percent": max(0.0, others_s) / took_s * 100,
        "stolen_cpu_percent": stolen_percent,
        "lateness_ms": asdict(lateness),
        "why_not_counted": why_not_counted(lateness, own_percent, stolen_percent),
        "stages": {"before": before.stages, "after": after.stages},
    }


def _session(
    call: Call, codec: str, reads_all: bool, begin_s: float, end_s: float
) -> tuple[list[Aged], list[Decoded]]:
    """Return the frames of the window with their ages, and what was read of pictures behind it, as a check."""
    frames = call.received.frames
    if reads_all:
        read = decoded(frames, codec)
        aged = matching.by_counter([one.seen for one in read], call.sent)
        return [one for one in aged if begin_s <= one.at_s < end_s], read
    early = decoded([one for one in frames if one.at_s < begin_s], codec)
    added = matching.constant([one.seen for one in early], call.sent)
    if added is None:
        return [], early
    late = decoded([one for one in frames if one.at_s >= end_s], codec)
    aged = matching.by_timestamp(((one.timestamp, one.at_s) for one in frames), added, call.sent)
    now_added = matching.constant([one.seen for one in late], call.sent)
    if now_added is not None and not matching.is_same_constant(added, now_added):
        raise RuntimeError("the server's timestamps moved during the run: measure with --reads-all")
    return [one for one in aged if begin_s <= one.at_s < end_s], late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument("--calls", type=int, default=0, help="measure the first frames of so many calls instead")
    parser.add_argument("--body", type=json.loads, default={}, help="JSON that is added to the offer's")
    parser.add_argument("--codec", choices=replay.CODECS, default="VP8")
    parser.add_argument("--loop", type=Path, help="the encoded loop; made there if it does not exist")
    parser.add_argument(
        "--reads-all", action="store_true", help="decode every returned frame afterwards; for servers that stamp anew"
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
    wanted = Wanted(
        flags.url, flags.sessions, flags.seconds, flags.warm_up, flags.body, flags.reads_all, flags.watch
    )
    work = first_frames(wanted, loop, flags.calls) if flags.calls else run(wanted, loop)
    try:
        print(json.dumps(asyncio.run(work)))
    except (RuntimeError, TimeoutError, httpx.HTTPError) as exc:
        sys.exit(f"the run failed: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    main()
