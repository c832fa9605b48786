"""What a run's calls came to, made when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Spread, slope_per_min
from benchmarks.load_client import matching
from benchmarks.load_client.call import Call
from benchmarks.load_client.decoding import Decoded, decoded
from benchmarks.load_client.findings import Run, SessionRun, Usage, growth_mib_per_min
from benchmarks.load_client.matching import Aged
from benchmarks.load_client.replay import Loop
from benchmarks.watching import Memory, Sample


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time that is looked at."""

    before: Sample
    after: Sample
    memories: list[tuple[float, dict[str, Memory]]]
    udp_sockets: dict[str, int]

    def holds(self, at_s: float) -> bool:
        return self.before.at_s <= at_s < self.after.at_s


def summed_up(
    calls: Sequence[Call], loop: Loop, stretch: Stretch, lateness_s: list[float], *, reads_all: bool
) -> Run:
    """Return what came of the calls within the stretch; decodes what was kept of returned frames.

    `reads_all`: every returned frame was kept, and is matched by its counter.
    """
    usage = Usage.between(stretch.before, stretch.after)
    sessions: list[SessionRun] = []
    aged: list[Aged] = []
    pictures: list[Decoded] = []
    for call in calls:
        found, read = _matched(call, loop.codec, reads_all, stretch)
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
    """Return the frames of the stretch with their ages, and the pictures read within or behind it.

    Nothing where those behind it do not confirm how frames were matched.
    """
    frames = call.received.frames
    if reads_all:
        read = decoded(frames, codec)
        aged = matching.by_counter([one.seen for one in read], call.sent)
        return [one for one in aged if stretch.holds(one.at_s)], [
            one for one in read if stretch.holds(one.seen.at_s)
        ]
    early = decoded([one for one in frames if one.at_s < stretch.before.at_s], codec)
    late = decoded([one for one in frames if one.at_s >= stretch.after.at_s], codec)
    # Voted for by both: where the loop was begun anew, some frames alone could tell two constants as well.
    added = matching.constant([one.seen for one in [*early, *late]], call.sent)
    if added is None or not matching.fits([one.seen for one in late], added, call.sent):
        return [], []  # What cannot be confirmed counts as nothing, and a session with nothing does not hold.
    aged = matching.by_timestamp(((one.timestamp, one.at_s) for one in frames), added, call.sent)
    return [one for one in aged if stretch.holds(one.at_s)], late
