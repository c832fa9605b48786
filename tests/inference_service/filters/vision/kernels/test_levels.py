from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.vision import levels
from inference_service.filters.vision.networks.people.fit import FITTED, Fit

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
LAYOUTS = ["planes", "channels last", "a part", "a part of channels last", "expanded"]
FORMS = [*((layout, 3) for layout in LAYOUTS), ("planes", 1)]


def pictures(size: tuple[int, int], layout: str = "planes", channels: int = 3, seed: int = 1) -> Tensor:
    """Return (2, C, H, W) uint8."""
    height, width = size
    random = torch.Generator().manual_seed(seed)
    made = torch.randint(0, 256, (2, channels, height + 3, width + 5), dtype=torch.uint8, generator=random)
    made = made.to(DEVICE)
    if layout == "a part of channels last":
        made = made.contiguous(memory_format=torch.channels_last)
    part = made[:, :, 1 : height + 1, 2 : width + 2]
    if layout.startswith("a part"):
        return part
    if layout == "expanded":
        return part[:1].expand(2, -1, -1, -1)
    last = layout == "channels last"
    return part.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def require_one_layout(made: Tensor, plain: Tensor, layout: str) -> None:
    """What follows is then as fast after both; a single channel lies in either way."""
    if layout in ("planes", "channels last") and made.shape[1] > 1:
        assert made.stride() == plain.stride()


@pytest.mark.parametrize(("layout", "channels"), FORMS)
@pytest.mark.parametrize(
    ("size", "to"), [((24, 30), (61, 47)), ((48, 66), (16, 22)), ((5, 3), (1, 40)), ((1, 2), (7, 9))]
)
def test_stretched_pictures_are_the_same_by_the_kernel(
    size: tuple[int, int], to: tuple[int, int], channels: int, layout: str
) -> None:
    given = pictures(size, layout, channels)
    made, plain = levels.STRETCHED.load_kernel()(given, to), levels.STRETCHED.plain(given, to)
    require_alike("stretched", made, plain, 1)
    require_one_layout(made, plain, layout)


@pytest.mark.parametrize(("layout", "channels"), FORMS)
@pytest.mark.parametrize(
    ("size", "to"), [((48, 66), (24, 33)), ((47, 64), (20, 23)), ((9, 12), (1, 2)), ((7, 5), (6, 5))]
)
def test_shrunk_pictures_are_the_same_by_the_kernel(
    size: tuple[int, int], to: tuple[int, int], channels: int, layout: str
) -> None:
    given = pictures(size, layout, channels)
    made, plain = levels.SHRUNK.load_kernel()(given, to), levels.SHRUNK.plain(given, to)
    assert torch.equal(made, plain)
    require_one_layout(made, plain, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_grey_is_the_same_by_the_kernel(dtype: torch.dtype, layout: str) -> None:
    given = pictures((34, 62), layout)
    require_alike("grey", levels.GREY.load_kernel()(given, dtype), levels.GREY.plain(given, dtype), 1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("is_even", [False, True])
def test_mixtures_are_the_same_by_the_kernel(layout: str, is_even: bool) -> None:
    below, above = pictures((34, 62), layout), pictures((34, 62), "planes", seed=2)
    share = torch.rand(2, 1, 34, 62, generator=torch.Generator().manual_seed(3)).to(DEVICE)
    share[0, 0, 0, :4] = torch.tensor([0.0, 1.0, 0.5, 0.25])
    if is_even:
        share = share[:, :, :1, :1].expand(-1, -1, 34, 62)
    mixed = levels.MIXED.load_kernel()
    require_alike("mixed", mixed(below, above, share), levels.MIXED.plain(below, above, share), 1)
    require_alike("mixed", mixed(above, below, share), levels.MIXED.plain(above, below, share), 1)
    assert torch.equal(mixed(below, above, torch.ones_like(share)), above)
    assert torch.equal(mixed(below, above, torch.zeros_like(share)), below)


def test_a_share_that_is_no_number_shows_neither_picture() -> None:
    bright = pictures((4, 6)).clamp(min=1)
    share = torch.full((2, 1, 4, 6), torch.nan, device=DEVICE)
    assert levels.MIXED.load_kernel()(bright, bright, share).unique().tolist() == [0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_light_is_the_same_by_the_kernel(layout: str) -> None:
    given, light = pictures((34, 62), layout), pictures((34, 62), "channels last", seed=2)
    lit = levels.LIT.load_kernel()
    require_alike("lit", lit(given, light), levels.LIT.plain(given, light), 1)
    assert torch.equal(lit(given, torch.zeros_like(light)), given)
    assert lit(given, torch.full_like(light, 255)).unique().tolist() == [255]


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [
        *((torch.uint8, layout) for layout in LAYOUTS),
        (torch.float16, "channels last"),
        (torch.float32, "channels last"),
    ],
)
@pytest.mark.parametrize(
    "fit",
    [
        Fit.letterboxed((48, 66), (32, 32)),
        Fit.letterboxed((40, 24), (128, 128)),
        Fit.stretched((20, 36), (64, 48)),
    ],
)
def test_a_networks_input_is_the_same_by_the_kernel(fit: Fit, dtype: torch.dtype, layout: str) -> None:
    given = pictures(fit.picture, layout).to(dtype)
    args = fit.inside, fit.offset, fit.size, -1.0, 1.0
    made, plain = FITTED.load_kernel()(given, *args), FITTED.plain(given.cpu().float(), *args).to(DEVICE)
    require_alike("fitted", made, plain, 0.001)
    require_one_layout(made, plain, layout)
