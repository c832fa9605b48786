"""A network on a GPU that is not there: tensors with shapes, types and device, and no values.

Whatever would need a value on the host (`item`, `nonzero`, a mask as an index) raises, so what runs through
with these never waits for a GPU.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from inference_service.filters.densepose.network import PERSON_ROUNDS, PROPOSAL_ROUNDS, Network

CUDA = torch.device("cuda", 0)


def move_to_pretended_gpu(network: Network) -> None:
    """Replace all tensors of `network`, in place; call it within a FakeTensorMode."""
    network.device = CUDA
    network.rounds = (PROPOSAL_ROUNDS, PERSON_ROUNDS)
    for name, value in list(vars(network).items()):
        if isinstance(value, Tensor):
            setattr(network, name, _pretended(value))
        elif isinstance(value, nn.Module):
            for module in value.modules():
                _replace(module._parameters)
                _replace(module._buffers)


def _replace(tensors: MutableMapping[str, Any]) -> None:
    for name, value in tensors.items():
        if value is not None and value.device != CUDA:
            tensors[name] = _pretended(value)


def _pretended(value: Tensor) -> Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=CUDA)
