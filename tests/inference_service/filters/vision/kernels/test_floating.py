from __future__ import annotations

import pytest
import torch

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.vision.people.looking import CONTRASTED
from inference_service.filters.vision.poison import POISONED
from tests.inference_service.filters.vision.kernels.test_levels import LAYOUTS, pictures

pytestmark = pytest.mark.triton
DEVICE = kernels.device()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("dtype", "made_dtype"), [(torch.uint8, torch.float16), (torch.float32, torch.float32)]
)
def test_a_picture_of_a_broken_answer_has_no_number_left(
    dtype: torch.dtype, made_dtype: torch.dtype, layout: str
) -> None:
    given = pictures((34, 62), layout).to(dtype)
    poison = torch.tensor([torch.nan, 0.0], device=DEVICE)
    for form in (POISONED.plain, POISONED.load_kernel()):
        made = form(given, poison)
        assert made.dtype == made_dtype
        assert made[0].isnan().all()
        assert torch.equal(made[1].float(), given[1].float())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_contrast_is_the_same_by_the_kernel(layout: str) -> None:
    given = pictures((34, 62), layout)
    gain, mean, middle = torch.tensor([[1.0, 12.0], [90.5, 20.25], [90.5, 102.0]], device=DEVICE).unbind(0)
    made = CONTRASTED.load_kernel()(given, gain, mean, middle)
    require_alike("contrasted", made, CONTRASTED.plain(given, gain, mean, middle), 0.01)
