from __future__ import annotations

import pytest

from inference_service.filters.vision.at_once import parts


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1000, [(0, 12, 0, 3)]),
        (90, [(0, 8, 0, 2), (8, 12, 2, 3)]),
        (79, [(0, 4, 0, 1), (4, 8, 1, 2), (8, 12, 2, 3)]),
        (39, [(first, first + 2, first // 4, first // 4 + 1) for first in range(0, 12, 2)]),
        (1, [(first, first + 1, first // 4, first // 4 + 1) for first in range(12)]),
    ],
)
def test_a_part_has_all_places_of_some_pictures_or_some_of_one(
    most: int, expected: list[tuple[int, int, int, int]]
) -> None:
    found = [(of.start, of.stop, at.start, at.stop) for of, at in parts(3, 4, 10, most)]
    assert found == expected
