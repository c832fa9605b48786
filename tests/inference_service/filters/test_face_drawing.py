"""Filters that draw on a face: a broken answer of a network shows nothing and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from harness.network_inputs import photograph
from inference_service.filters.animal import Animal
from inference_service.filters.base import Item
from inference_service.filters.makeup import Makeup
from inference_service.filters.vision.networks.people.face_mesh import Meshes


def photo() -> Tensor:
    return photograph("astronaut")[:, :, :400, 40:440].contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", [Animal, Makeup])
def test_an_answer_that_is_not_finite_is_withheld_and_leaves_nothing_behind(
    kind: type[Animal] | type[Makeup], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = kind()
    one.load(torch.device("cpu"))

    def shown(state: dict[str, Any], sequence: int) -> Tensor:
        made = one.apply(photo(), [Item(bytes(16), sequence, kind.Params(), state)])
        assert isinstance(made, Tensor)
        return made

    state: dict[str, Any] = {}
    other: dict[str, Any] = {}
    shown(state, 0)
    shown(other, 0)

    def broken(_: Tensor, where: Tensor, __: Tensor) -> Meshes:
        return Meshes(torch.full((len(where), 468, 3), torch.nan), torch.ones(len(where)))

    with monkeypatch.context() as patched:
        patched.setattr(one._follower, "_mesh", broken)
        assert shown(state, 1).isnan().all()
    after = shown(state, 2)
    assert torch.equal(after, shown(other, 2))
    assert not torch.equal(after, photo())
