"""One session in Chromium, busy_ms 0: the article's design, aiortc's echo bare and patched, this service."""

from __future__ import annotations

import sys
from dataclasses import asdict

from benchmarks.designs.servers import ARTICLE, ECHO, FASTRTC, PATCHED_ECHO, SERVICE, Design
from benchmarks.goals.clients import Clients
from benchmarks.goals.outcome import Goal, Outcome, doubt, number
from benchmarks.media import glass_to_glass
from benchmarks.media.glass_to_glass import Measured
from harness.picture import Picture, write_camera

DESIGNS = (ARTICLE, ECHO, PATCHED_ECHO, SERVICE)
MOST_P50_MS, MOST_P95_MS = 42.0, 60.0
MOST_OF_ARTICLE = 0.33
MOST_OVER_ECHO_MS = 5.0
LEAST_MBIT_S = 1.2
SIZE = "640x480"


async def measure(clients: Clients, *, with_fastrtc: bool) -> Outcome:
    camera = clients.folder / "camera.y4m"
    write_camera(camera, Picture())
    found: dict[Design, Measured] = {}
    for design in (*DESIGNS, *([FASTRTC] if with_fastrtc else [])):
        print(f"  {design.title} ...", file=sys.stderr)
        found[design] = await glass_to_glass.measure(
            design, camera, clients.folder / "glass", clients.seconds
        )
    outcome = Outcome(
        "glass",
        "Glass to glass in Chromium, one session, busy_ms 0",
        ("design", "p50 ms", "p95 ms", "p99 ms", "fps back", "sent", "returned", "CPU %, media", "counts"),
        [_line(one) for one in found.values()],
        [_goal(found[SERVICE], found[ARTICLE], found[PATCHED_ECHO])],
        data=[asdict(one) for one in found.values()],
    )
    for one in found.values():
        figures = " / ".join(number(value) for value in (one.p50_ms, one.p95_ms, one.p99_ms))
        outcome.add_fact(one.design, "glass to glass p50 / p95 / p99 ms", figures)
        outcome.add_fact(one.design, "new fps", number(one.shown_fps, 1))
    return outcome


def _line(one: Measured) -> tuple[str, ...]:
    return (
        one.design,
        number(one.p50_ms),
        number(one.p95_ms),
        number(one.p99_ms),
        number(one.fps, 1),
        f"{one.sent_size}, {one.sent_mbit_s:.2f} Mbit/s",
        f"{one.codec} {one.returned_size}, {one.returned_mbit_s:.2f} Mbit/s",
        number(one.cpu_percent["media"]),
        one.why_not_counted or "yes",
    )


def _goal(ours: Measured, article: Measured, echo: Measured) -> Goal:
    ratio = ours.p50_ms / article.p50_ms
    over_ms = ours.p50_ms - echo.p50_ms
    is_reached = (
        ours.p50_ms <= MOST_P50_MS
        and ours.p95_ms <= MOST_P95_MS
        and ratio <= MOST_OF_ARTICLE
        and over_ms <= MOST_OVER_ECHO_MS
        and ours.returned_mbit_s >= LEAST_MBIT_S
        and ours.sent_size == ours.returned_size == SIZE
    )
    return Goal(
        f"glass to glass p50 / p95 in Chromium, one session, busy_ms 0, {SIZE}",
        f"at most {MOST_P50_MS:.0f} / {MOST_P95_MS:.0f} ms, at most {MOST_OF_ARTICLE} of the article's, "
        f"within {MOST_OVER_ECHO_MS:.0f} ms of the patched echo, {LEAST_MBIT_S} Mbit/s back",
        f"{ours.p50_ms:.0f} / {ours.p95_ms:.0f} ms; {ratio:.2f} of the article's {article.p50_ms:.0f} ms; "
        f"{over_ms:+.0f} ms to the echo's {echo.p50_ms:.0f}; {ours.codec} {ours.returned_size}, "
        f"{ours.returned_mbit_s:.2f} Mbit/s",
        is_reached,
        doubt(ours.why_not_counted, article.why_not_counted, echo.why_not_counted),
    )
