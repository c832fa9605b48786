from __future__ import annotations

import logging

import pytest
import torch

from inference_service.engine import telling
from inference_service.engine.health import Health
from inference_service.engine.pipeline import Pipeline
from inference_service.filters import base
from inference_service.filters.invert import Invert
from inference_service.metrics import Metrics
from shared import wire
from shared.wire.data import Box, Data, unpack_data
from tests.inference_service.doubles import ready, session


class Counts(base.Filter):
    """Tells the sequence numbers of the batch, as a list or later."""

    name, title = "counts", "Counts"

    class Params(base.Params):
        is_later: bool = False
        too_few: bool = False
        boxes: int = 1

    def apply(self, batch, items):
        params = items[0].params
        if params.is_later:
            rows = torch.tensor([[float(item.sequence)] for item in items])
            return base.Filtered(batch, base.Later(rows, lambda row: Data(numbers={"n": float(row[0])})))
        told = [Data(boxes=[Box(0, 0, 1, 1)] * params.boxes, numbers={"n": item.sequence}) for item in items]
        return base.Filtered(batch, told[params.too_few :])


@pytest.fixture
def pipeline(monkeypatch):
    monkeypatch.setattr(telling, "_told", set())
    return Pipeline(torch.device("cpu"), "worker", Metrics(), Health(lambda: None))


def heads(pipeline, *batch):
    return [wire.unpack_result(result.message)[0] for result in pipeline.run(batch)]


def frames(chain, count=3, **params):
    return [ready(chain, session=session(), sequence=n, wants_data=True, params=params) for n in range(count)]


@pytest.mark.parametrize("is_later", [False, True])
def test_each_picture_has_its_own_data(pipeline, is_later):
    results = heads(pipeline, *frames((Counts(),), is_later=is_later))
    assert [unpack_data(head.data)["counts"].numbers for head in results] == [{"n": n} for n in (0, 1, 2)]


def test_only_a_frame_that_asks_has_data(pipeline):
    wants, does_not = ready((Counts(),), wants_data=True), ready((Counts(),), session=session())
    results = heads(pipeline, wants, does_not)
    assert [bool(head.data) for head in results] == [True, False]


def test_a_chain_has_the_data_of_each_of_its_filters(pipeline):
    class Other(Counts):
        name, title = "other", "Other"

    params = {"other": {"is_later": True}}
    (head,) = heads(pipeline, ready((Counts(), Invert(), Other()), wants_data=True, params=params))
    assert set(unpack_data(head.data)) == {"counts", "other"}


def test_data_of_another_number_of_pictures_is_the_filters_fault(pipeline):
    results = heads(pipeline, *frames((Counts(),), too_few=True))
    assert {head.code for head in results} == {"filter_failed"}


def test_too_much_data_is_left_out_and_told_once(pipeline, caplog):
    caplog.set_level(logging.WARNING, logger=telling.logger.name)
    for _ in range(3):
        results = heads(pipeline, *frames((Counts(),), boxes=2000))
        assert [(head.kind, head.data) for head in results] == [(wire.ResultKind.FRAME, b"")] * 3
    (record,) = caplog.records
    assert "filter counts: its data cannot travel" in record.getMessage()
