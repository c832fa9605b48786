"""What kernels leave unwritten shows in their tests."""

from __future__ import annotations

import pytest
import torch

from harness import kernels

pytestmark = pytest.mark.triton


@pytest.mark.skipif(kernels.device().type == "cuda", reason="a GPU's memory is as it comes")
def test_new_memory_holds_garbage_in_tests_of_kernels() -> None:
    assert torch.empty(3).isnan().all()
    assert torch.empty_like(torch.zeros(3, dtype=torch.uint8)).tolist() == [255] * 3
