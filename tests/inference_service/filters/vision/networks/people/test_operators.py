from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.networks.people.operators import make
from inference_service.filters.vision.networks.people.structure import Step


def picture(channels: int = 4, height: int = 6, width: int = 8) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, channels, height, width).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1), (1, 2, 1, 2), (2, 0, 0, 3)])
@pytest.mark.parametrize("groups", [1, 4])
def test_lopsided_padding_is_that_of_a_padded_picture(pads: tuple[int, ...], groups: int) -> None:
    weight, bias = torch.randn(4, 4 // groups, 3, 3), torch.randn(4)
    step = Step("conv", (0,), 1, stride=2, pads=pads, groups=groups)
    found = make(step, {"weight": weight, "bias": bias}, (False,))(picture())
    expected = nnf.conv2d(nnf.pad(picture(), pads), weight, bias, 2, groups=groups)
    torch.testing.assert_close(found, expected)


def test_convolution_of_one_pixel_is_a_product() -> None:
    weight, bias = torch.randn(5, 4, 1, 1), torch.randn(5)
    found = make(Step("conv", (0,), 1), {"weight": weight, "bias": bias}, (False,))(picture())
    torch.testing.assert_close(found, nnf.conv2d(picture(), weight, bias))


@pytest.mark.parametrize("outputs", [1, 3])
def test_transposed_convolution_is_torchs(outputs: int) -> None:
    weight, bias = torch.randn(4, outputs, 2, 2), torch.randn(outputs)
    found = make(Step("upconv", (0,), 1), {"weight": weight, "bias": bias}, (False,))(picture())
    torch.testing.assert_close(found, nnf.conv_transpose2d(picture(), weight, bias, stride=2))


def test_depth_to_space_is_tensorflows() -> None:
    # tf.nn.depth_to_space of [[[[1, 2, 3, 4]]]] by 2 is [[[[1], [2]], [[3], [4]]]] (TensorFlow's
    # documentation).
    one = torch.tensor([1.0, 2, 3, 4]).reshape(1, 4, 1, 1)
    found = make(Step("depth_to_space", (0,), 1), {}, (False,))(one)
    assert found.tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]
    # Its second example: 12 values of one pixel become 2x2 pixels of three.
    twelve = torch.arange(1.0, 13).reshape(1, 12, 1, 1)
    rows = make(Step("depth_to_space", (0,), 1), {}, (False,))(twelve).permute(0, 2, 3, 1)
    assert rows.tolist() == [[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]]


def test_fewer_channels_are_added_to_the_first_ones() -> None:
    one, other = picture(4), picture(3)
    expected = one + nnf.pad(other, (0, 0, 0, 0, 0, 1))
    found = make(Step("add", (0, 1), 2), {}, (False, False))(one, other)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(one, picture(4))


@pytest.mark.parametrize("may_overwrite", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("op", ["add", "mul"])
def test_only_what_may_be_overwritten_is(op: str, may_overwrite: tuple[bool, bool]) -> None:
    one, other = picture(), picture() * 2
    if op == "mul":
        other = other[:, :, :1, :1].clone()
    befores = one.clone(), other.clone()
    found = make(Step(op, (1, 2), 3, act="relu"), {}, may_overwrite)(one, other)
    expected = (befores[0] + befores[1] if op == "add" else befores[0] * befores[1]).relu()
    torch.testing.assert_close(found, expected)
    for value, before, may in zip((one, other), befores, may_overwrite, strict=True):
        assert may or torch.equal(value, before)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("relu", [0.0, 0.0, 1.0, 7.0]),
        ("relu6", [0.0, 0.0, 1.0, 6.0]),
        ("hardswish", [0.0, -1 / 3, 2 / 3, 7.0]),
        ("sigmoid", [0.0179862, 0.2689414, 0.7310586, 0.9990889]),
        ("prelu", [-1.0, -0.25, 1.0, 7.0]),
    ],
)
def test_activations(act: str, expected: list[float]) -> None:
    value = torch.tensor([-4.0, -1, 1, 7]).reshape(1, 1, 2, 2)
    before = value.clone()
    found = make(Step("act", (0,), 1, act=act), {"slope": torch.tensor([0.25])}, (False,))(value)
    torch.testing.assert_close(found.flatten(), torch.tensor(expected))
    assert torch.equal(value, before)


def test_rows_are_in_the_order_row_column_channel() -> None:
    value = torch.arange(8.0).reshape(1, 2, 2, 2)  # channel 0: 0 1 / 2 3, channel 1: 4 5 / 6 7
    found = make(Step("rows", (0,), 1, width=2), {}, (False,))(value)
    assert found.tolist() == [[[0, 4], [1, 5], [2, 6], [3, 7]]]


def test_missing_tensor_is_named() -> None:
    with pytest.raises(KeyError, match="bias"):
        make(Step("conv", (0,), 1), {"weight": torch.randn(1, 1, 1, 1)}, (False,))
