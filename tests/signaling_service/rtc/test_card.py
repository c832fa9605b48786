from __future__ import annotations

import numpy as np
import pytest

from signaling_service.media.planes import plane_views
from signaling_service.rtc.card import KEPT_SIZES, Card


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1920, 1080), (16, 16), (34, 900)])
def test_the_card_fills_any_size(size: tuple[int, int]) -> None:
    planes = Card().planes(*size)
    assert len(planes) == size[0] * size[1] * 3 // 2


def test_the_card_shows_something_in_its_middle_and_nothing_at_its_edges() -> None:
    luma, u, v = plane_views(np.frombuffer(Card().planes(640, 480), np.uint8), 640, 480)
    assert luma[200:330].std() > 15
    assert luma[:50].std() < 1
    assert abs(int(u.mean()) - 128) < 6
    assert abs(int(v.mean()) - 128) < 6
    # The letterbox is the picture's own background: no visible border.
    assert abs(int(luma[5, 320]) - int(luma[64, 320])) <= 2


def test_the_card_has_two_lines_in_each_of_two_languages() -> None:
    luma = plane_views(np.frombuffer(Card().planes(640, 480), np.uint8), 640, 480)[0]
    # Below the drawn camera; levels of the background are 27.
    is_written = np.diff((luma[220:].max(1) > 80).astype(int), prepend=0)
    starts = np.flatnonzero(is_written == 1)
    heights = np.flatnonzero(is_written == -1) - starts
    assert len(starts) == 4
    assert heights.min() >= 12


def test_few_sizes_are_kept() -> None:
    card = Card()
    for width in range(16, 16 + 4 * KEPT_SIZES, 2):
        card.planes(width, 16)
    assert len(card._by_size) <= KEPT_SIZES
