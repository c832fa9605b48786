from __future__ import annotations

import pytest

from shared.frame import even, i420_size_bytes, is_usable_size


@pytest.mark.parametrize(("side", "expected"), [(640, 640), (641, 640), (1, 0)])
def test_odd_sides_lose_one(side: int, expected: int) -> None:
    assert even(side) == expected


def test_chroma_adds_half_of_luma() -> None:
    assert i420_size_bytes(640, 480) == 640 * 480 + 2 * 320 * 240


@pytest.mark.parametrize(
    ("size", "usable"),
    [((640, 480), True), ((16, 16), True), ((4096, 4096), True), ((641, 480), False), ((640, 14), False),
     ((4098, 480), False), ((0, 0), False)],
)  # fmt: skip
def test_a_usable_size_is_even_and_within_limits(size: tuple[int, int], usable: bool) -> None:
    assert is_usable_size(*size) is usable
