from __future__ import annotations

import logging
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from inference_service.engine import growth
from inference_service.engine.health import Health
from inference_service.engine.pipeline import Pipeline
from inference_service.errors import BadResult
from inference_service.filters import base
from inference_service.filters.installed import installed
from inference_service.metrics import Metrics
from tests.inference_service.doubles import ready


def made(function, keeps_state=False, works_on="rgb"):
    def apply(self, batch, items):
        return function(batch, items[0].state)

    names = {"name": "made", "title": "Made", "keeps_state": keeps_state, "works_on": works_on}
    return type("Made", (base.Filter,), {**names, "apply": apply})()


@pytest.fixture
def pipeline():
    return Pipeline(torch.device("cpu"), "worker", Metrics(), Health(lambda: None))


def normalised(batch, state):
    return (batch.float() / 255 - 0.45) / 0.225


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda batch, state: batch.float() / 255, "from 0 to 1, expected 0 to 255: multiply by 255"),
        (lambda batch, state: (batch / 255).half(), "multiply by 255"),
        (lambda batch, state: batch.float() / 127.5 - 1, "from -1 to 1, expected 0 to 255: undo the norm"),
        (normalised, "undo the normalisation"),
        (lambda batch, state: batch.float() * 257, "from 0 to 6.55e+04, expected 0 to 255"),
        (lambda batch, state: (batch > 99).to(torch.uint8), "uint8 values of 0 and 1 alone"),
        (lambda batch, state: batch > 99, "torch.bool, expected uint8 or floats"),
        (lambda batch, state: batch.int(), "torch.int32, expected uint8 or floats"),
        (lambda batch, state: batch[..., ::2], "a batch of shape (1, "),
        (lambda batch, state: None, "returned NoneType"),
        (lambda batch, state: batch.numpy(), "returned ndarray"),
        (lambda batch, state: state.update(count=1) or batch, "set keeps_state = True"),
    ],
)
@pytest.mark.parametrize("works_on", ["rgb", "i420"])
def test_a_usual_mistake_is_told_before_the_first_camera_s_frame(pipeline, function, told, works_on):
    with pytest.raises(BadResult) as raised:
        pipeline.warm(made(function, works_on=works_on))
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "function",
    [
        lambda batch, state: state.update(before=batch) or batch.clone(),
        lambda batch, state: state.update(before=batch[0, :, ::2]) or batch.clone(),
        lambda batch, state: state.update(before=deque([{"a": batch[0]}])) or batch.clone(),
        lambda batch, state: state.update(before=SimpleNamespace(mean=(mean := batch.float()))) or mean,
    ],
)
def test_a_state_that_shares_memory_with_the_batch_or_the_result_is_told(pipeline, function):
    with pytest.raises(BadResult, match=r"state\['before'\]: \.clone\(\) it"):
        pipeline.warm(made(function, keeps_state=True))


@pytest.mark.parametrize(
    "function",
    [
        lambda batch, state: batch,
        lambda batch, state: torch.zeros_like(batch),
        lambda batch, state: torch.zeros_like(batch).float(),
        lambda batch, state: torch.full_like(batch, 1).float(),
        lambda batch, state: batch.float() * 1.4 - 40,
        lambda batch, state: (batch.float() - 128) * 3 + 128,
        lambda batch, state: batch.float().mean(1, keepdim=True).expand_as(batch),
        lambda batch, state: state.update(before=batch.clone()) or batch,
    ],
)
def test_what_is_right_or_merely_unusual_is_taken(pipeline, function):
    pipeline.warm(made(function, keeps_state=True))


def test_one_picture_for_all_channels_may_be_written_over_by_the_next_filter(pipeline):
    spread = made(lambda batch, state: batch[:, :1].expand_as(batch))
    darkens = made(lambda batch, state: batch.sub_(1))
    (result,) = pipeline.run([ready((spread, darkens))])
    assert b"filter_failed" not in result.message


def test_a_state_that_grows_is_told_once(pipeline, caplog):
    caplog.set_level(logging.WARNING, logger=growth.logger.name)

    def keeps_all(batch, state):
        state.setdefault("all", []).append(batch.float().mean(dim=(1, 2, 3)).clone())
        return batch

    one = made(keeps_all, keeps_state=True)
    for _ in range(growth.LOOKS[-1] + 10):
        pipeline.run([ready((one,)), ready((one,), session=bytes([1] * 16))])
    (record,) = caplog.records
    assert "filter made: the state of a session grows" in record.getMessage()


@pytest.mark.parametrize("kept", [1, 15, 60])
def test_a_state_that_is_bounded_is_not_told(pipeline, caplog, kept):
    caplog.set_level(logging.WARNING, logger=growth.logger.name)

    def keeps_some(batch, state):
        state.setdefault("some", deque(maxlen=kept)).append(batch[0, 0, 0].clone())
        return batch

    one = made(keeps_some, keeps_state=True)
    for _ in range(growth.LOOKS[-1]):
        pipeline.run([ready((one,))])
    assert caplog.records == []


def test_the_size_of_a_state_counts_each_memory_once():
    mebibyte = torch.zeros(1 << 20, dtype=torch.uint8)
    state: dict[str, Any] = {"a": mebibyte, "b": [mebibyte[5:], (mebibyte,)]}
    state["itself"] = state
    assert 1 << 20 < growth.size_bytes(state) < (1 << 20) + 2000


def test_the_filters_of_the_project_make_no_such_mistake(pipeline):
    for name in ("invert", "passthrough", "grade", "frame"):
        pipeline.warm(_loaded(installed()[name].load()))


def _loaded(cls):
    one = cls()
    one.load(torch.device("cpu"))
    return one
