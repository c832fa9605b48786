"""What authors of filters are given for their own tests."""

from __future__ import annotations

import runpy
import sys

import pytest
import torch
from pydantic import Field

from inference_service import testing
from inference_service.errors import BadResult
from inference_service.filters import base
from inference_service.testing import *  # noqa: F403 - fixtures, as an author's conftest.py has them


class Dims(base.Filter):
    name, title = "dims", "Dims"

    class Params(base.Params):
        by: float = Field(0.5, ge=0, le=1)

    class Settings(base.Settings):
        is_inverted: bool = False

    def apply(self, batch, items):
        factors = torch.tensor([item.params.by for item in items])[:, None, None, None]
        return 255 - batch.float() if self.settings.is_inverted else batch.float() * factors


class Mixes(Dims):
    def apply(self, batch, items):
        return batch.float() - batch.float().mean() + 128


class Averages(base.Filter):
    name, title, keeps_state = "averages", "Averages", True

    def apply(self, batch, items):
        for item, picture in zip(items, batch.float(), strict=True):
            item.state["mean"] = (item.state.get("mean", picture) + picture) / 2
        return torch.stack([item.state["mean"] for item in items])


class Forgets(Averages):
    """Keeps the mean of the last batch on the object."""

    before: torch.Tensor | None = None

    def apply(self, batch, items):
        before = batch.float() if self.before is None else self.before
        self.before = batch.float().mean(0)
        return (batch.float() + before) / 2


class Grows(Averages):
    def apply(self, batch, items):
        for item in items:
            item.state.setdefault("all", []).append(item.sequence)
        return batch


class Luma(base.Filter):
    name, title, works_on = "luma", "Luma", "i420"

    def apply(self, batch, items):
        batch[:, batch.shape[1] * 2 // 3 :] = 128
        return batch


class Spoils(Dims):
    def apply(self, batch, items):
        return batch.float() / 0 * 0


def test_the_batch_has_four_pictures_that_differ(batch):
    assert batch.shape == (4, 3, 48, 64)
    assert batch.dtype == torch.uint8
    assert all(not torch.equal(batch[a], batch[b]) for a in range(4) for b in range(a))


def test_a_filter_is_run_as_a_worker_runs_it(batch, run_filter):
    before = batch.clone()
    result = run_filter(Dims, batch, params=[{"by": 0.25}, {"by": 1}, {}, {}])
    assert result.dtype == torch.uint8
    assert torch.equal(result[1], batch[1])
    assert torch.equal(result[0], (batch[0].float() * 0.25).round().to(torch.uint8))
    assert torch.equal(batch, before)
    assert torch.equal(run_filter(Dims, batch, settings={"is_inverted": True}), 255 - batch)


def test_frames_of_several_sessions_keep_their_state(batch, run_filter):
    frames = torch.stack([batch, torch.zeros_like(batch)])
    shown = run_filter(Averages, frames)
    torch.testing.assert_close(shown[1], (batch.float() / 2).round().to(torch.uint8))


def test_an_i420_filter_gets_i420(batch, run_filter):
    result = run_filter(Luma, batch)
    assert result.shape == batch.shape
    assert int((result[:, 0].int() - result[:, 1].int()).abs().max()) <= 1


def test_an_instance_is_taken_as_it_is(batch, run_filter):
    one = Dims()
    one.settings = Dims.Settings(is_inverted=True)
    assert torch.equal(run_filter(one, batch), 255 - batch)
    with pytest.raises(AssertionError, match="hand over its class"):
        run_filter(one, batch, settings={"is_inverted": False})


def test_what_a_worker_refuses_is_refused(batch, run_filter):
    class Small(Dims):
        def apply(self, batch, items):
            return batch / 255

    with pytest.raises(BadResult, match="multiply by 255"):
        run_filter(Small, batch)
    with pytest.raises(AssertionError, match="no numbers"):
        run_filter(Spoils(), batch)
    with pytest.raises(AssertionError, match="3 sets of parameters for 4"):
        run_filter(Dims, batch, params=[{}] * 3)
    with pytest.raises(AssertionError, match="expected uint8"):
        run_filter(Dims, batch.float())


def test_pictures_that_are_mixed_are_found(batch, assert_batched_equals_single):
    assert_batched_equals_single(Dims, batch, params=[{"by": n / 4} for n in range(4)])
    assert_batched_equals_single(Averages, torch.stack([batch, batch.flip(0)]))
    with pytest.raises(AssertionError, match="does dims mix pictures"):
        assert_batched_equals_single(Mixes, batch)
    with pytest.raises(AssertionError, match="frame 0: picture 0"):
        assert_batched_equals_single(Forgets(), batch)
    with pytest.raises(AssertionError, match="says nothing"):
        assert_batched_equals_single(Dims, batch[:1])


def test_a_state_that_grows_is_found(batch, assert_state_is_bounded):
    assert_state_is_bounded(Averages, batch, frames=8)
    with pytest.raises(AssertionError, match="the state of averages has"):
        assert_state_is_bounded(Grows, batch, frames=32)


def test_without_pytest_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(ImportError) as raised:
        runpy.run_path(testing.__file__)
    assert str(raised.value) == "inference_service.testing needs pytest: python -m pip install pytest"
    assert raised.value.__suppress_context__
