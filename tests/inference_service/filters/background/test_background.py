"""What is shown behind a person, with maps made by hand in place of a network's."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from inference_service.filters.background import Background
from inference_service.filters.background.compose import (
    edge_colours,
    gaussian,
    surroundings,
    wrapped_light,
)
from inference_service.filters.background.edges import alpha_of
from inference_service.filters.background.views import small_size
from inference_service.filters.base import Item

SIZE = (96, 128)
ROOM, SKIN = (40, 90, 160), (220, 170, 140)
CENTRE = (slice(None), slice(None), slice(40, 90), slice(50, 78))
CORNER = (slice(None), slice(None), slice(0, 30), slice(0, 20))


def scene(noise: float = 0.0, seed: int = 0) -> Tensor:
    """Return (1, 3, 96, 128) uint8: a person, an upright block, before a room with one lamp."""
    levels = torch.tensor(ROOM).view(1, 3, 1, 1).repeat(1, 1, *SIZE).float()
    levels[:, :, 4:16, 100:112] = 255
    levels[:, :, 24:, 40:88] = torch.tensor(SKIN).view(1, 3, 1, 1).float()
    random = torch.Generator().manual_seed(seed)
    return (levels + noise * torch.randn(levels.shape, generator=random)).clamp(0, 255).to(torch.uint8)


def block() -> Tensor:
    """Return (1, 1, 12, 16): the network's map of that person."""
    person = torch.zeros(1, 1, *(side // 8 for side in SIZE))
    person[:, :, 3:, 5:11] = 1
    return person


def items(*params: dict[str, Any]) -> list[Item]:
    return [Item(bytes([n] * 16), 0, Background.Params(**one)) for n, one in enumerate(params)]


def drawn(pictures: Tensor, person: Tensor, of: Sequence[Item]) -> Tensor:
    with torch.inference_mode():
        return Background().drawn(pictures, person, of)


def own_picture(colour: tuple[int, int, int]) -> str:
    into = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(into, "PNG")
    return base64.b64encode(into.getvalue()).decode()


def mean(levels: Tensor) -> list[float]:
    return levels.float().mean(dim=(0, 2, 3)).tolist()


@pytest.mark.parametrize(
    ("params", "behind"),
    [
        ({"mode": "green"}, (0, 255, 0)),
        ({"mode": "colour", "colour": "#10a0F0"}, (0x10, 0xA0, 0xF0)),
        ({"mode": "picture", "picture": own_picture((7, 80, 200))}, (7, 80, 200)),
        ({"mode": "picture", "colour": "#102030"}, (0x10, 0x20, 0x30)),
        ({"mode": "blur"}, ROOM),
    ],
)
def test_person_stays_and_the_room_becomes_what_was_chosen(
    params: dict[str, Any], behind: tuple[int, int, int]
) -> None:
    shown = drawn(scene(), block(), items(params))
    assert mean(shown[CORNER]) == pytest.approx(behind, abs=3)
    torch.testing.assert_close(shown[CENTRE].float(), scene()[CENTRE].float(), atol=1, rtol=0)


def test_green_is_pure_around_a_person_and_hard_at_edge_softness_0() -> None:
    def mixed(softness: float) -> int:
        shown = drawn(scene(), block(), items({"mode": "green", "edge_softness": softness}))
        is_green = (shown == torch.tensor([0, 255, 0]).view(1, 3, 1, 1)).all(dim=1)
        is_person = (shown.float() - torch.tensor(SKIN).view(1, 3, 1, 1)).abs().amax(dim=1) <= 4
        return int((~is_green & ~is_person).sum())

    assert mixed(0.0) < mixed(1.0)
    assert mixed(0.0) < 0.03 * SIZE[0] * SIZE[1]


def test_nobody_in_the_picture_is_all_background() -> None:
    shown = drawn(scene(), torch.zeros_like(block()), items({"mode": "green"}))
    assert (shown == torch.tensor([0, 255, 0]).view(1, 3, 1, 1)).all()


def test_blur_hides_the_lamp_and_more_of_it_the_stronger() -> None:
    def lamp(blur: float) -> float:
        shown = drawn(scene(), block(), items({"blur": blur}))[0].float()
        return float((shown[:, 10, 106] - torch.tensor(ROOM)).abs().mean())

    assert lamp(0.0) > lamp(0.5) > lamp(1.0)
    assert lamp(1.0) < 0.6 * lamp(0.0)


def test_person_does_not_bleed_into_the_blurred_room() -> None:
    shown = drawn(scene(), block(), items({"blur": 1.0}))
    beside = shown[:, :, 50:90, 20:34]
    assert mean(beside) == pytest.approx(ROOM, abs=8)


def test_margin_keeps_more_or_less_around_a_person() -> None:
    # An even picture, where no edge says better.
    even = torch.full((1, 3, *SIZE), 128, dtype=torch.uint8)

    def kept(margin: float) -> int:
        shown = drawn(even, block(), items({"mode": "green", "margin": margin}))
        return int((shown[:, 1] < 200).sum())

    assert kept(-1.0) < kept(0.0) < kept(1.0)


def test_frames_with_different_parameters_share_a_batch() -> None:
    params: list[dict[str, Any]] = [
        {"blur": 0.3},
        {"mode": "green", "edge_softness": 0.0},
        {"mode": "picture", "picture": own_picture((1, 2, 3)), "margin": 0.5},
        {"blur": 1.0, "steadiness": 1.0},
    ]
    together, alone = items(*params), items(*params)
    for frame in range(3):
        for item in (*together, *alone):
            item.sequence = frame
        pictures = torch.cat([scene(6.0, seed=4 * frame + n) for n in range(4)])
        random = torch.Generator().manual_seed(frame)
        person = block() * torch.rand((4, *block().shape[1:]), generator=random)
        at_once = drawn(pictures, person, together)
        singly = [drawn(pictures[n : n + 1], person[n : n + 1], alone[n : n + 1]) for n in range(4)]
        torch.testing.assert_close(at_once.float(), torch.cat(singly).float(), atol=1, rtol=0)


def test_picture_given_is_left_as_it_is() -> None:
    pictures = scene()
    drawn(pictures, block(), items({}))
    assert torch.equal(pictures, scene())


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_output_that_is_no_number_spoils_its_own_picture_and_no_other(wrong: float) -> None:
    pictures = torch.cat((scene(), scene()))
    person = block().repeat(2, 1, 1, 1)
    person[1, 0, 0, 0] = wrong
    shown = drawn(pictures, person, items({"mode": "green"}, {"mode": "green"}))
    assert shown[1].isnan().all()
    assert shown[0].isfinite().all()


def test_what_is_remembered_of_a_failed_picture_spoils_the_next_one_that_was_begun() -> None:
    (item,) = items({})
    broken = block()
    broken[0, 0, 0, 0] = float("nan")
    drawn(scene(), broken, [item])
    item.sequence += 1
    assert drawn(scene(), block(), [item]).isnan().all()


def flickering(of: Item, frames: range) -> list[Tensor]:
    """Return what is shown of a still scene whose network changes its mind with every frame."""
    shown = []
    for frame in frames:
        random = torch.Generator().manual_seed(frame)
        person = (block() * 0.8 + 0.2 * torch.rand(block().shape, generator=random) - 0.1).clamp(0, 1)
        person[:, :, 2, 5:11] = torch.rand(1, generator=random)
        of.sequence = frame
        shown.append(drawn(scene(1.0, seed=frame), person, [of]).float())
    return shown


def test_edges_flicker_less_the_steadier() -> None:
    def flicker(steadiness: float) -> float:
        one = items({"mode": "green", "steadiness": steadiness})[0]
        shown = flickering(one, range(30))
        return float(torch.stack([(b - a).abs().mean() for a, b in itertools.pairwise(shown[5:])]).mean())

    assert flicker(1.0) < 0.7 * flicker(0.0)


def test_moved_person_leaves_no_ghost() -> None:
    one = items({"mode": "green", "steadiness": 1.0})[0]
    for frame in range(10):
        one.sequence = frame
        drawn(scene(), block(), [one])
    one.sequence = 10
    away = torch.tensor(ROOM).view(1, 3, 1, 1).repeat(1, 1, *SIZE).to(torch.uint8)
    shown = drawn(away, torch.zeros_like(block()), [one])
    assert mean(shown[CENTRE]) == pytest.approx((0, 255, 0), abs=1)


def test_half_a_second_after_a_move_to_another_worker_nobody_sees_it() -> None:
    stayed, moved = (items({"mode": "green", "steadiness": 1.0})[0] for _ in range(2))
    flickering(stayed, range(20))
    after = list(zip(flickering(stayed, range(20, 36)), flickering(moved, range(20, 36)), strict=True))
    differences = [float((a - b).abs().mean()) for a, b in after]
    assert differences[0] > 0.2
    assert differences[15] < 0.1
    assert float((after[15][0] - after[15][1]).abs().max()) < 8


def test_state_is_small_and_of_its_own_memory() -> None:
    one = items({})[0]
    drawn(torch.zeros((1, 3, 480, 640), dtype=torch.uint8), block(), [one])
    kept = [value for value in one.state.values() if isinstance(value, Tensor)]
    assert sum(value.untyped_storage().nbytes() for value in kept) < 560_000


def test_filter_is_private_and_says_that_it_keeps_state() -> None:
    assert Background.is_private
    assert Background.keeps_state


def test_every_parameter_has_a_title_a_description_and_a_default() -> None:
    schema = Background.Params.model_json_schema()["properties"]
    for one in schema.values():
        assert one["title"]
        assert one["description"]
        assert "default" in one
    assert schema["picture"]["contentMediaType"] == "image/*"
    assert schema["picture"]["contentEncoding"] == "base64"


def test_alpha_is_a_smooth_step_around_the_middle() -> None:
    one = torch.zeros(1, 1, 1, 1)
    found = alpha_of(torch.tensor([0.0, 0.39, 0.45, 0.51, 1.0]).view(1, 1, 1, 5), one, one).flatten()
    assert found.tolist() == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-5)


def test_surroundings_are_means_of_what_is_no_person() -> None:
    both = torch.rand((2, 4, 20, 30), generator=torch.Generator().manual_seed(0))
    levels, alpha, deviation = both[:, :3] * 255, both[:, 3:] ** 4, torch.tensor([2.0, 5.0])
    even = surroundings(torch.full_like(levels, 77.0), alpha, deviation)
    torch.testing.assert_close(even, torch.full_like(even, 77.0))
    singly = [surroundings(levels[n : n + 1], alpha[n : n + 1], deviation[n : n + 1]) for n in (0, 1)]
    torch.testing.assert_close(surroundings(levels, alpha, deviation), torch.cat(singly))
    assert gaussian(9, torch.tensor([2.0]))[0, 4, 6].item() == pytest.approx(0.6065, abs=1e-3)


@pytest.mark.parametrize("softness", [0.0, 1.0])
@pytest.mark.parametrize("margin", [-1.0, 1.0])
def test_what_is_sure_stays_sure_whatever_is_wished(softness: float, margin: float) -> None:
    wish = [torch.full((1, 1, 1, 1), value) for value in (softness, margin)]
    found = alpha_of(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), *wish).flatten().tolist()
    assert found == pytest.approx([0, 1], abs=1e-5)


def test_mixture_at_an_edge_gives_back_the_persons_colour() -> None:
    person, room = 200.0, 40.0
    alpha = ((torch.arange(24) - 9.5) / 3).clamp(0, 1).expand(1, 1, 16, 24).contiguous()
    mixture = (room + alpha * (person - room)).expand(1, 3, 16, 24)
    found = alpha * mixture + (1 - alpha) * edge_colours(mixture, alpha)
    at_edge = (alpha > 0.3).expand_as(found)
    assert (found[at_edge] - person).abs().mean() < 0.6 * (mixture[at_edge] - person).abs().mean()


def test_light_of_a_new_room_falls_on_the_edge_and_not_on_the_middle() -> None:
    def shown(mode: str, light_wrap: float) -> Tensor:
        params = {"mode": mode, "colour": "#ffffff", "light_wrap": light_wrap}
        return drawn(scene(), block(), items(params)).float()

    lit = shown("colour", 1.0) - shown("colour", 0.0)
    assert lit.min() >= -1
    assert lit[:, :, 50:90, 42:44].mean() > 15
    assert lit[:, :, 50:90, 60:68].abs().max() <= 1
    assert torch.equal(shown("green", 1.0), shown("green", 0.0))
    assert torch.equal(shown("blur", 1.0), shown("blur", 0.0))


def test_a_dark_room_has_no_light() -> None:
    alpha = torch.rand(1, 1, 12, 16)
    assert not wrapped_light(torch.zeros(1, 3, 12, 16), alpha, torch.ones(1, 1, 1, 1)).any()


def test_size_may_change_in_mid_call_also_where_the_state_stays() -> None:
    one = items({"mode": "green", "steadiness": 1.0})[0]
    for sequence, size in enumerate([(96, 128), (128, 96), (480, 640), (96, 128)]):
        one.sequence = sequence
        picture = torch.zeros(1, 3, *size, dtype=torch.uint8)
        assert drawn(picture, block(), [one]).shape == picture.shape


def test_small_picture_is_a_whole_number_of_times_as_small() -> None:
    assert small_size((480, 640)) == (240, 320)
    assert small_size((720, 1280)) == (240, 427)
    assert small_size((240, 320)) == (240, 320)
    assert small_size((2, 2)) == (2, 2)
    assert small_size((1920, 1080)) == (480, 270)
