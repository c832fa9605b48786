from __future__ import annotations

import pytest
import torch

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.frame.crop import ENLARGED, WHOLE

pytestmark = pytest.mark.triton
DEVICE = kernels.device()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(34, 62), (20, 2), (1, 9)])
def test_parts_are_enlarged_the_same_by_the_kernel(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    height, width = size
    batch = torch.randint(
        0, 256, (4, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    batch = batch.to(DEVICE).contiguous(memory_format=layout)
    shares = torch.tensor([[0.5, 0.5], [0.4, 0.43], [0.25, 0.25], [1.0, 0.0]], device=DEVICE)
    centre = shares * torch.tensor([width, height], device=DEVICE)
    zoom = torch.tensor([1.001, 1.3, 2.0, 3.1], device=DEVICE)
    made = ENLARGED.load_kernel()(batch, centre, zoom, WHOLE)
    require_alike("enlarged", made, kernels.by_torch(ENLARGED.plain, batch, centre, zoom, WHOLE), 1)
    assert torch.equal(made[0], batch[0])
    assert made.stride() == batch.stride()
