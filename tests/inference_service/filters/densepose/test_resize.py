from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from inference_service.filters.densepose.resize import Blend, resize

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "new"),
    [
        ((240, 320), (192, 256)),
        ((480, 640), (300, 400)),
        ((480, 640), (800, 1067)),
        ((360, 640), (750, 1333)),
        ((100, 37), (41, 37)),
        ((100, 37), (100, 64)),
        ((5, 7), (64, 90)),
        ((90, 64), (5, 7)),
    ],
)
def test_every_level_is_pillows(size: tuple[int, int], new: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize(new[::-1], Image.Resampling.BILINEAR))
    across, down = Blend.between(size[1], new[1], CPU), Blend.between(size[0], new[0], CPU)
    got = resize(torch.from_numpy(picture).permute(2, 0, 1)[None], across, down)
    assert np.array_equal(got[0].permute(1, 2, 0).numpy(), expected)


def test_the_same_size_needs_no_blend() -> None:
    assert Blend.between(480, 480, CPU) is None
    picture = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4)
    assert resize(picture, None, None) is picture
