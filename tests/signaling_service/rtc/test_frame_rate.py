from __future__ import annotations

import pytest

from signaling_service.rtc.camera import BURST, FrameRate


@pytest.mark.parametrize(("comes_fps", "max_fps", "passes_fps"), [(30, 60, 30), (60, 30, 30), (59, 60, 59)])
def test_no_more_frames_pass_than_allowed(comes_fps: int, max_fps: int, passes_fps: int) -> None:
    rate = FrameRate(max_fps)
    passed = sum(rate.allows(1000 + number / comes_fps) for number in range(10 * comes_fps))
    assert passed == pytest.approx(10 * passes_fps, abs=BURST)


def test_frames_that_were_held_up_pass_together() -> None:
    rate = FrameRate(30)
    assert [rate.allows(1000.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
