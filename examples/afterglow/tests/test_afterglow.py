"""A filter needs no worker to be tested: give `apply` a batch and its items."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from p2pcamera_afterglow import Afterglow
from pydantic import ValidationError

from inference_service.filters.base import Item

GREY = 100
SIDE = 16
NO_ROUNDING: dict[str, Any] = {"rtol": 0, "atol": 0.01}


def filter_with(**settings: Any) -> Afterglow:
    one = Afterglow()
    one.settings = Afterglow.Settings(**settings)
    one.load(torch.device("cpu"))
    return one


def item(**params: Any) -> Item:
    return Item(session=bytes(16), sequence=0, params=Afterglow.Params(**params))


def square_at(x: int) -> torch.Tensor:
    """Return (3, 48, 96) RGB: a white square of 16 pixels on grey, its left edge at `x`."""
    picture = torch.full((3, 48, 96), GREY, dtype=torch.uint8)
    picture[:, 16 : 16 + SIDE, x : x + SIDE] = 255
    return picture


def shown(one: Afterglow, owner: Item, picture: torch.Tensor, frames_later: int = 1) -> torch.Tensor:
    owner.sequence += frames_later
    return one.apply(picture[None].clone(), [owner])[0]


def behind(picture: torch.Tensor) -> torch.Tensor:
    """Return the RGB in the middle of where the square was when it stood at 0."""
    return picture[:, 24, 8]


def test_a_scene_that_stands_still_stays_as_it_came_from_the_first_frame_on():
    one, owner = filter_with(), item()
    noise = torch.randint(-4, 5, (5, 3, 48, 96), generator=torch.Generator().manual_seed(0))
    for each in noise:
        picture = (square_at(0).int() + each).clamp(0, 255).to(torch.uint8)
        torch.testing.assert_close(shown(one, owner, picture), picture.float())


def test_what_has_moved_leaves_a_trail_that_fades_by_the_decay():
    one, owner = filter_with(), item(tint="#ff0000", strength=0.5, decay=0.8)
    shown(one, owner, square_at(0))
    first = shown(one, owner, square_at(40))
    # The place changes at this very moment, and is left clear.
    assert behind(first).tolist() == [GREY] * 3
    covers = []
    for _ in range(4):
        red, green, blue = behind(shown(one, owner, square_at(40))).tolist()
        assert green == blue
        covers.append((GREY - green) / GREY)
        assert red == pytest.approx(GREY + covers[-1] * (255 - GREY))
    assert covers == pytest.approx([0.5 * 0.8**n for n in range(1, 5)])


def test_what_changes_at_this_moment_stays_clear():
    one, owner = filter_with(), item(decay=1.0, strength=1.0)
    for x in (0, SIDE, 2 * SIDE):
        picture = shown(one, owner, square_at(x))
        assert picture[:, 24, x + SIDE // 2].tolist() == [255] * 3


def test_frames_that_never_came_fade_the_trail_too():
    pictures = []
    for frames_later in ([1, 1, 1, 1], [4]):
        one, owner = filter_with(), item(decay=0.7)
        shown(one, owner, square_at(0))
        shown(one, owner, square_at(40))
        for step in frames_later:
            last = shown(one, owner, square_at(40), step)
        pictures.append(last)
    torch.testing.assert_close(pictures[0], pictures[1], **NO_ROUNDING)
    assert behind(pictures[0]).tolist() != [GREY] * 3


def test_sessions_of_different_looks_share_a_batch():
    one = filter_with()
    looks: list[dict[str, Any]] = [
        {"tint": "#ff0000"},
        {"tint": "#00ff00", "decay": 0.5},
        {"strength": 0.3},
        {"tint": "#0000ff", "decay": 1.0},
    ]
    alone = [item(**look) for look in looks]
    together = [item(**look) for look in looks]
    for step in range(4):
        # Each square goes its own way, so that a trail in another's picture would be seen.
        batch = torch.stack([square_at(step * (4 + 8 * n) % 80) for n in range(4)])
        single = torch.stack(
            [shown(one, owner, picture) for owner, picture in zip(alone, batch, strict=True)]
        )
        for owner in together:
            owner.sequence += 1
        torch.testing.assert_close(one.apply(batch.clone(), together), single, **NO_ROUNDING)


@pytest.mark.parametrize("divisor", [1, 4, 16])
def test_any_size_keeps_its_shape_and_its_trail(divisor):
    one, owner = filter_with(divisor=divisor), item(decay=1.0)
    shown(one, owner, square_at(0)[:, :46, :90])
    shown(one, owner, square_at(40)[:, :46, :90])
    picture = shown(one, owner, square_at(40)[:, :46, :90])
    assert picture.shape == (3, 46, 90)
    assert behind(picture).tolist() != [GREY] * 3
    assert owner.state["kept"].shape == (4, -(-46 // divisor), -(-90 // divisor))


@pytest.mark.parametrize("params", [{"tint": "red"}, {"tint": "#12345"}, {"decay": 1.1}, {"strength": -0.1}])
def test_what_is_out_of_bounds_is_refused(params):
    with pytest.raises(ValidationError):
        Afterglow.Params(**params)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_gpu():
    one, device = filter_with(), torch.device("cuda")
    owners = [item(tint="#ff0000"), item(decay=0.5)]
    batches = [torch.stack([square_at(x), square_at(2 * x)]).to(device) for x in (0, 8, 16, 24)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches:
            for owner in owners:
                owner.sequence += 1
            result = one.apply(batch, owners)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert result.cpu()[0, 1, 24, 2].item() < GREY - 5
