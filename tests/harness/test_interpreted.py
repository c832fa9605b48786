from __future__ import annotations

import pytest
import torch

from harness import kernels
from harness.interpreted import interpreted
from harness.pretended_gpu import on_gpu, pretended_gpu
from inference_service.device.kernels import twin
from inference_service.device.kernels.twin import Twin

pytestmark = pytest.mark.triton


def scaled(values: torch.Tensor, by: float) -> torch.Tensor:
    return values * by


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Twin[[torch.Tensor, float], torch.Tensor]:
    """A twin, which is the only one."""
    monkeypatch.setattr(kernels, "import_all", lambda: None)
    monkeypatch.setattr(twin, "_ALL", [])
    return Twin("scaled", scaled, lambda: scaled, lambda device: [(torch.ones(2, device=device), 1.0)])


def test_a_call_as_a_sample_is_served(one: Twin[[torch.Tensor, float], torch.Tensor]) -> None:
    with pretended_gpu(), interpreted():
        assert one(on_gpu(torch.ones(3)), 2.0).cpu().tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("values", "by"), [(torch.ones(3), 2), (torch.ones(3, dtype=torch.float16), 2.0)], ids=["int", "half"]
)
def test_a_call_that_would_be_compiled_in_its_middle_is_refused(
    one: Twin[[torch.Tensor, float], torch.Tensor], values: torch.Tensor, by: float
) -> None:
    with pretended_gpu(), pytest.raises(RuntimeError, match="scaled: TypeError"), interpreted():
        one(on_gpu(values), by)
