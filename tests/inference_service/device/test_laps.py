from __future__ import annotations

import pytest
import torch

from inference_service.device.laps import Stages, lap

CPU = torch.device("cpu")


def work():
    torch.ones(300, 300) @ torch.ones(300, 300)


def test_laps_of_a_stage_add_up():
    stages = Stages(CPU)
    with stages.lap("one"):
        work()
    once = stages.totals_ms()["one"]
    assert once > 0
    with stages.lap("one"):
        work()
    with stages.lap("other"):
        work()
    totals = stages.totals_ms()
    assert totals["one"] > once
    assert set(totals) == {"one", "other"}


def test_a_filter_may_divide_its_stage():
    stages = Stages(CPU)
    with stages.of_filter("filter"):
        with lap("network"):
            work()
        with lap("paint"):
            work()
    totals = stages.totals_ms()
    assert set(totals) == {"filter", "network", "paint"}
    assert totals["network"] + totals["paint"] <= totals["filter"]


def test_a_lap_outside_of_a_batch_only_does_its_work():
    stages = Stages(CPU)
    with pytest.raises(ZeroDivisionError), stages.of_filter("filter"):
        raise ZeroDivisionError
    with lap("network"):
        work()
    assert set(stages.totals_ms()) <= {"filter"}


@pytest.mark.gpu
def test_a_gpus_own_time_is_counted():
    stages = Stages(torch.device("cuda", 0))
    with stages.lap("spin"):
        torch.cuda._sleep(10_000_000)
    assert stages.totals_ms()["spin"] > 1
