from __future__ import annotations

import pytest

from shared.frame import CLOCK_RATE
from signaling_service.media.frame_pace import LATE, FramePace

FEW_FPS = 15


def sent_of(pace: FramePace, fps: float, jitter_s: float = 0.0, for_s: float = 10.0) -> list[float]:
    """Return when pictures are sent that come at this rate, every other one of them late."""
    comes = [(n / fps + jitter_s * (n % 2), round(n / fps * CLOCK_RATE)) for n in range(round(for_s * fps))]
    sent: list[float] = []
    waiting: int | None = None
    for tick in range(round(for_s * 1000)):
        while comes and comes[0][0] <= tick / 1000:
            waiting = comes.pop(0)[1]
        if waiting is not None and not pace.wait_s(waiting, tick / 1000):
            pace.note_sent(waiting, tick / 1000)
            sent.append(tick / 1000)
            waiting = None
    return sent


@pytest.mark.parametrize("jitter_s", [0.0, 0.015])
def test_every_second_picture_is_sent_and_none_of_these_waits(jitter_s: float) -> None:
    pace = FramePace()
    assert len(sent_of(pace, 30, jitter_s)) == pytest.approx(300, abs=3)
    pace = FramePace()
    pace.fps = FEW_FPS
    sent = sent_of(pace, 30, jitter_s)
    assert len(sent) == pytest.approx(150, abs=3)
    # The pictures with even numbers come in time.
    assert all(abs(at_s * FEW_FPS - round(at_s * FEW_FPS)) < 0.02 for at_s in sent)


@pytest.mark.parametrize("fps", [5, 10, 15, 19])
def test_pictures_that_are_rare_anyway_are_all_sent_at_once(fps: float) -> None:
    pace = FramePace()
    pace.fps = FEW_FPS
    assert len(sent_of(pace, fps)) == pytest.approx(10 * fps, abs=1)


def test_the_last_picture_of_a_scene_does_not_wait_for_ever() -> None:
    pace = FramePace()
    pace.fps = FEW_FPS
    pace.note_sent(0, 0.0)
    wait_s = pace.wait_s(3000, 0.033)
    assert 0 < wait_s <= LATE / FEW_FPS
    assert pace.wait_s(3000, 0.034 + wait_s) == 0.0


def test_times_of_another_camera_hold_nothing_for_long() -> None:
    pace = FramePace()
    pace.fps = FEW_FPS
    pace.note_sent(10**9, 0.0)
    assert pace.wait_s(0, 0.0) <= LATE / FEW_FPS


def test_what_begins_anew_waits_for_nothing() -> None:
    pace = FramePace()
    pace.fps = FEW_FPS
    pace.note_sent(0, 0.0)
    pace.begin_anew()
    assert pace.wait_s(10, 0.001) == 0.0
