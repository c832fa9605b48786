from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import tracking

CPU = torch.device("cpu")


def squares(*centres: float) -> Tensor:
    """Squares of side 10 in a row, one picture's."""
    return torch.tensor([[[centre, 0.0, 10, 0] for centre in centres]])


def flags(*values: int) -> Tensor:
    return torch.tensor([values], dtype=torch.bool)


def test_found_ones_fill_free_places_best_first() -> None:
    regions, is_tracked = tracking.start(1, 3, CPU)
    regions, is_tracked = tracking.join(regions, is_tracked, squares(40, 80), flags(1, 1))
    assert is_tracked.tolist() == [[True, True, False]]
    assert torch.equal(regions[:, :2], squares(40, 80))


def test_tracked_ones_keep_their_place() -> None:
    regions, is_tracked = squares(0, 40, 80), flags(0, 1, 0)
    regions, is_tracked = tracking.join(regions, is_tracked, squares(41, 200), flags(1, 1))
    # 41 is the one at 40; 200 takes the first free place.
    assert is_tracked.tolist() == [[True, True, False]]
    assert torch.equal(regions[:, :2], squares(200, 40))


def test_what_was_not_found_is_not_taken() -> None:
    _, is_tracked = tracking.join(squares(0, 0), flags(0, 0), squares(5, 50), flags(0, 0))
    assert not is_tracked.any()


def test_more_than_there_are_places_are_left_out() -> None:
    regions, is_tracked = tracking.join(squares(0, 0), flags(0, 0), squares(10, 30, 50), flags(1, 1, 1))
    assert is_tracked.all()
    assert torch.equal(regions, squares(10, 30))


def test_low_score_frees_a_place() -> None:
    regions, is_tracked = tracking.keep(squares(0, 40), flags(1, 1), torch.tensor([[0.9, 0.49]]))
    assert is_tracked.tolist() == [[True, False]]
    assert regions[0, 1, 2] == 0


def test_free_place_stays_free_whatever_its_score() -> None:
    _, is_tracked = tracking.keep(squares(0, 40), flags(1, 0), torch.tensor([[0.9, 0.9]]))
    assert is_tracked.tolist() == [[True, False]]


def test_two_that_came_upon_one_person_become_one() -> None:
    _, is_tracked = tracking.keep(squares(0, 1, 40), flags(1, 1, 1), torch.tensor([[0.9, 0.9, 0.9]]))
    assert is_tracked.tolist() == [[True, False, True]]


def test_pictures_do_not_mix() -> None:
    regions, is_tracked = tracking.start(2, 2, CPU)
    found = torch.cat((squares(0, 40), squares(80, 120)))
    regions, is_tracked = tracking.join(
        regions, is_tracked, found, torch.tensor([[True, False], [True, True]])
    )
    assert is_tracked.tolist() == [[True, False], [True, True]]
    assert torch.equal(regions[1], found[1])
