"""The signaling service with its media path measured from outside: CPU and wall time by stage.

    python -m benchmarks.designs.staged_service --stages FILE [flags of signaling_service]

On SIGUSR1 the counters are written to FILE (benchmarks/watching.py asks for them). The functions are wrapped
before the service starts; it runs unchanged otherwise, in one process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiortc.codecs
from aiortc import rtcrtpsender

from benchmarks.designs.stage_clock import Stages
from signaling_service.media import planes
from signaling_service.rtc import decoder_thread, packets, returned_track
from signaling_service.workers import lane, results

WAIT = "filter wait"
_TICKS_A_S = os.sysconf("SC_CLK_TCK")


def wrap(stages: Stages) -> None:
    """Measure the functions that a frame passes, in the order of its way."""
    _replace(packets.Arriving, "take_next", stages.timed_async("packets in", packets.Arriving.take_next))
    _replace(decoder_thread, "get_decoder", _measured_codec(stages, "decode", aiortc.codecs.get_decoder))
    _replace(planes.DecodedPlanes, "write", stages.timed("pack", planes.DecodedPlanes.write))
    _replace(lane.Lane, "send", stages.timed("lane", lane.Lane.send))
    _replace(results.ResultListener, "_drain", stages.timed("deliver", results.ResultListener._drain))
    _replace(returned_track.ReturnedTrack, "offer_result", _noting_wait(stages))
    _replace(returned_track, "video_frame", stages.timed("unpack", planes.video_frame))
    _replace(aiortc.codecs, "get_encoder", _measured_codec(stages, "encode", aiortc.codecs.get_encoder))
    sender = rtcrtpsender.RTCRtpSender
    _replace(sender, "_run_rtp", stages.timed_async("packets out", sender._run_rtp))


def thread_cpu_s() -> dict[str, float]:
    """Return the CPU time of this process's threads by name, Python's where they have one."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except FileNotFoundError:
            continue
        name, _, rest = text.partition("(")[2].rpartition(")")
        times = rest.split()
        name = names.get(int(task.name), name)
        found[name] = found.get(name, 0.0) + (int(times[11]) + int(times[12])) / _TICKS_A_S
    return found


def _replace(owner: Any, name: str, function: Any) -> None:
    # A name that is gone must fail here, loudly, and not leave a stage at nought.
    assert hasattr(owner, name), f"{owner} has no {name}"
    setattr(owner, name, function)


def _measured_codec(stages: Stages, verb: str, get: Any) -> Any:
    def measured(codec: Any) -> Any:
        made = get(codec)
        setattr(made, verb, stages.timed(verb, getattr(made, verb)))
        return made

    return measured


def _noting_wait(stages: Stages) -> Any:
    offer_result = returned_track.ReturnedTrack.offer_result

    def noting(self: returned_track.ReturnedTrack, result: results.Result) -> bool:
        is_taken = offer_result(self, result)
        if is_taken:
            stages.add_wait(WAIT, time.monotonic() - result.header.captured_ns / 1e9)
        return is_taken

    return noting


def main() -> int:
    from signaling_service.__main__ import main as serve

    assert sys.argv[1] == "--stages", "the first flag is --stages FILE"
    path = Path(sys.argv[2])
    del sys.argv[1:3]
    stages = Stages()
    wrap(stages)
    number = 0

    def write(*_: Any) -> None:
        nonlocal number
        number += 1
        totals = {name: asdict(total) for name, total in list(stages.totals.items())}
        report = {"number": number, "stages": totals, "threads": thread_cpu_s(), "cpu_s": time.process_time()}
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(report))
        unfinished.rename(path)

    signal.signal(signal.SIGUSR1, write)
    return serve()


if __name__ == "__main__":
    sys.exit(main())
