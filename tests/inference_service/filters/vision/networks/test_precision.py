from __future__ import annotations

import pytest
import torch
from torch import nn

from inference_service.errors import NotFinite
from inference_service.filters.vision.networks.folding import fold_norm
from inference_service.filters.vision.networks.precision import require_finite


def test_a_norm_of_tiny_variance_is_found_that_half_precision_cannot_hold() -> None:
    layer, norm = nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0.0)
    nn.init.ones_(layer.weight)
    assert norm.running_var is not None
    norm.running_var.copy_(torch.tensor([1.0, 1e-12]))
    fold_norm(layer, norm)
    require_finite(layer, torch.float32)
    with pytest.raises(NotFinite, match="weight is not finite as float16"):
        require_finite(layer, torch.float16)
