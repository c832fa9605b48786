from __future__ import annotations

import pytest
import torch

from harness import early_torch
from inference_service.filters.vision.networks import graphs


@pytest.mark.parametrize(
    ("version", "records", "says"),
    [("2.6.0", False, False), ("2.11.0+cu126", True, True), ("2.13.0", True, False), ("2.14.1", True, False)],
)
def test_what_measures_records_with_a_torch_that_a_worker_does_not_record_with(
    monkeypatch: pytest.MonkeyPatch, version: str, records: bool, says: bool
) -> None:
    monkeypatch.setattr(graphs, "LEAST_TORCH", graphs.LEAST_TORCH)
    monkeypatch.setattr(torch, "__version__", version)
    for _ in range(2):
        assert bool(early_torch.record_with_it()) is says
        assert graphs.can_record() is records
