from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from harness import kernels
from harness.counting import count
from harness.interpreted import interpreted
from harness.pretended_gpu import CUDA, on_gpu, pretended_gpu
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.vision.coco import CLASSES, NUMBERS
from inference_service.filters.vision.draw.labels import lettering
from inference_service.filters.vision.draw.things import THINGS, WORDS, Look, ThingPainter, class_colours
from inference_service.filters.vision.networks.rcnn import Things

pytestmark = pytest.mark.triton
DEVICE = kernels.device()


def scene(size: tuple[int, int] = (76, 130), count: int = 9, text: int = 10, seed: int = 1) -> dict[str, Any]:
    """Three pictures, each with a look of its own; as keywords of both forms."""
    random = torch.Generator().manual_seed(seed)
    height, width = size
    pictures = torch.randint(0, 256, (3, height, width, 3), dtype=torch.uint8, generator=random)
    corners = torch.rand((3, count, 2, 2), generator=random) * torch.tensor([width, height])
    boxes = torch.cat((corners.amin(2), corners.amax(2)), 2).to(DEVICE)
    named = torch.tensor(list(NUMBERS.values()))
    labels = named[torch.randint(0, len(named), (3, count), generator=random)].to(DEVICE)
    scores = torch.rand((3, count), generator=random).to(DEVICE)
    is_real = (torch.rand((3, count), generator=random) < 0.7).to(DEVICE)
    # Parts of rows, as those of `Wishes` are.
    rows = torch.tensor([[0.03, 1.0, 1.0], [0.001, 1.0, 0.0], [0.06, 0.0, 0.0]])
    rows = torch.cat((rows, torch.from_numpy(class_colours()).flatten().expand(3, -1)), 1).to(DEVICE)
    rows[1, 3:] = 140.5
    return {
        "pictures": pictures.permute(0, 3, 1, 2).to(DEVICE),
        "things": Things(boxes, boxes, labels, scores, is_real, is_real.sum(1)),
        "look": Look(rows[:, 0], rows[:, 1] > 0, rows[:, 2] > 0, rows[:, 3:].reshape(3, CLASSES, 3)),
        "poison": torch.zeros(3, device=DEVICE),
        "letters": lettering(WORDS, text, DEVICE),
        "widest": 0.06,
    }


def both(given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return THINGS.load_kernel()(*given.values()), THINGS.plain(*given.values())


def require_the_same_picture(given: dict[str, Any]) -> None:
    made, expected = both(given)
    require_alike("things", made, expected, 1e-3)
    assert (expected.round() != given["pictures"]).any((1, 2, 3)).all()


@pytest.mark.parametrize("size", [(76, 130), (16, 32), (7, 9), (150, 45)])
@pytest.mark.parametrize("text", [10, 14])
def test_things_are_drawn_alike_by_the_kernel(size: tuple[int, int], text: int) -> None:
    require_the_same_picture(scene(size, text=text))


def test_more_things_than_a_program_looks_at_are_drawn_in_their_order() -> None:
    require_the_same_picture(scene(count=40))


@pytest.mark.parametrize("layout", ["planes", "a part"])
def test_pictures_may_lie_otherwise(layout: str) -> None:
    given = scene()
    pictures = given["pictures"]
    given["pictures"] = (
        pictures.contiguous() if layout == "planes" else torch.cat((pictures, pictures), 3)[..., :130]
    )
    require_the_same_picture(given)


def test_boxes_may_be_empty_whole_or_out_of_the_picture() -> None:
    given = scene(count=6)
    given["things"].boxes[:] = torch.tensor(
        [
            [0.0, 0.0, 130.0, 76.0],
            [-20.0, -9.0, 40.0, 30.0],
            [100.0, 50.0, 300.0, 200.0],
            [60.5, 40.5, 60.5, 40.5],
            [129.9, 75.9, 130.0, 76.0],
            [200.0, 100.0, 220.0, 120.0],
        ]
    )
    given["things"].is_real[:] = True
    require_the_same_picture(given)


def test_nothing_is_drawn_where_nothing_is() -> None:
    given = scene()
    given["things"].is_real[:] = False
    made, expected = both(given)
    require_alike("things", made, expected, 0)
    require_alike("things", made, given["pictures"].float(), 0)


def test_scores_at_both_ends_are_written() -> None:
    given = scene()
    given["things"].scores[:, ::2], given["things"].scores[:, 1::2] = 1.0, 0.0
    require_the_same_picture(given)


def test_a_poisoned_picture_is_so_altogether() -> None:
    given = scene()
    given["poison"][1] = torch.nan
    made, expected = both(given)
    assert made[1].isnan().all()
    require_alike("things", made[::2], expected[::2], 1e-3)


def test_one_poison_may_stand_for_all_pictures() -> None:
    given = scene()
    given["poison"] = torch.full((1,), torch.nan, device=DEVICE).expand(len(given["pictures"]))
    assert both(given)[0].isnan().all()


def test_no_colour_of_a_class_is_where_rounding_makes_text_black_or_white() -> None:
    brightness = torch.from_numpy(class_colours()) @ torch.tensor([0.299, 0.587, 0.114])
    assert (brightness - 140).abs().min() > 1e-3


def test_a_gpu_is_waited_for_by_neither_form_and_starts_little_by_the_kernel() -> None:
    with pretended_gpu(), torch.inference_mode():
        pictures, things, look, poison, *_ = tree_map(
            lambda one: on_gpu(one.cpu()) if isinstance(one, Tensor) else one, tuple(scene().values())
        )
        painter = ThingPainter(CUDA)
        painter.draw(pictures, things, look, poison, 0.06)
        plain = count(lambda: painter.draw(pictures, things, look, poison, 0.06))
        with interpreted() as launched:
            besides = count(lambda: painter.draw(pictures, things, look, poison, 0.06))
    assert plain.waits == besides.waits == {}
    # What was counted and 5 %.
    assert plain.operators.total() <= 264
    assert (besides.operators.total(), launched.operators.total()) == (0, 2)
