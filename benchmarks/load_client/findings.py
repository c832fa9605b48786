"""What one run of the load client found, as it travels from the client to the benchmark."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.figures import Spread, slope_per_min, why_machine_not_counted, why_not_counted
from benchmarks.watching import Memory, Sample


@dataclass(frozen=True, slots=True)
class SessionRun:
    """One session of a run, within the stretch of time that was looked at."""

    ages_ms: Spread
    """From the sending of a camera frame's first packet to the arrival of its result's last."""
    new_fps: float
    """Different camera frames that came back in a second."""
    returned_mbit_s: float
    is_checked: bool
    """Whether counters read behind the stretch confirm how frames were matched within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All sessions of a run; CPU in percent of one core."""

    sessions: list[SessionRun]
    seconds: float
    codec: str
    ages_ms: Spread
    age_slope_ms_per_min: float
    frames_sent: int
    frames_returned: int
    sizes: list[str]
    is_inverted: list[bool]
    lost_packets: int
    keyframes_asked: int
    cpu_percent: dict[str, float]
    cpu_percent_by_process: dict[str, float]
    client_cpu_percent: float
    client_cpu_ms_per_frame: float
    others_cpu_percent: float
    stolen_percent: float
    lateness_ms: Spread
    memory: dict[str, Memory]
    memory_growth_mib_per_min: dict[str, float]
    """Empty for a run too short to tell."""
    udp_sockets: dict[str, int]
    stages_before: dict[str, Any] = field(default_factory=dict)
    stages_after: dict[str, Any] = field(default_factory=dict)

    @property
    def why_not_counted(self) -> str:
        return why_not_counted(
            self.lateness_ms, self.client_cpu_percent, self.others_cpu_percent, self.stolen_percent
        )

    @property
    def slowest_fps(self) -> float:
        return min(one.new_fps for one in self.sessions)

    @property
    def worst_p95_ms(self) -> float:
        """Of all sessions, the one with the longest tail; NaN where one got nothing."""
        tails = [one.ages_ms.p95 for one in self.sessions]
        return float("nan") if any(one != one for one in tails) else max(tails)

    @property
    def returned_mbit_s(self) -> float:
        """Of one session, on average."""
        return sum(one.returned_mbit_s for one in self.sessions) / len(self.sessions)

    def cpu_ms_per_frame(self, role: str = "media") -> float:
        """CPU time of a role per frame that came back."""
        return self.cpu_percent.get(role, 0.0) * 10 * self.seconds / max(self.frames_returned, 1)

    def as_json(self) -> str:
        return json.dumps({**dataclasses.asdict(self), "why_not_counted": self.why_not_counted})

    @classmethod
    def from_json(cls, text: str) -> Self:
        values = json.loads(text)
        del values["why_not_counted"]
        for name in ("ages_ms", "lateness_ms"):
            values[name] = Spread(**values[name])
        values["sessions"] = [
            SessionRun(**{**one, "ages_ms": Spread(**one["ages_ms"])}) for one in values["sessions"]
        ]
        values["memory"] = {role: Memory(**one) for role, one in values["memory"].items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class FirstFrames:
    """How long the first frames of many calls took from the offer's POST, one call after another."""

    calls: int
    first_frame_ms: Spread
    connected_ms: Spread
    inverted: int
    """First frames that were read and had passed the filter."""
    others_percent: float
    stolen_percent: float

    @property
    def why_not_counted(self) -> str:
        return why_machine_not_counted(self.others_percent, self.stolen_percent)

    @classmethod
    def from_json(cls, text: str) -> Self:
        values = json.loads(text)
        for name in ("first_frame_ms", "connected_ms"):
            values[name] = Spread(**values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used between two samples."""

    seconds: float
    cpu_percent: dict[str, float]
    by_process_percent: dict[str, float]
    client_percent: float
    others_percent: float
    stolen_percent: float

    @classmethod
    def between(cls, before: Sample, after: Sample) -> Self:
        took_s = after.at_s - before.at_s
        cpu_s = {role: after.cpu_s[role] - before.cpu_s[role] for role in after.cpu_s}
        own_s = after.own_cpu_s - before.own_cpu_s
        others_s = after.machine_cpu_s - before.machine_cpu_s - sum(cpu_s.values()) - own_s
        known = before.by_process_cpu_s
        return cls(
            took_s,
            {role: one / took_s * 100 for role, one in cpu_s.items()},
            {
                str(pid): (one - known.get(pid, 0.0)) / took_s * 100
                for pid, one in after.by_process_cpu_s.items()
            },
            own_s / took_s * 100,
            max(0.0, others_s) / took_s * 100,
            (after.stolen_s - before.stolen_s) / took_s * 100,
        )


def growth_mib_per_min(memories: list[tuple[float, dict[str, Memory]]]) -> dict[str, float]:
    """Return how fast each role's PSS grew in the second half of a long run, when all has been warmed up."""
    half = memories[len(memories) // 2 :]
    if len(half) < 3:
        return {}
    times = [at_s for at_s, _ in half]
    return {role: slope_per_min(times, [one[role].pss_mib for _, one in half]) for role in half[0][1]}
