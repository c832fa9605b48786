from __future__ import annotations

import json

import pytest

from inference_service.errors import WeightsError
from inference_service.filters.vision.networks.people.structure import Step, Structure, dump, parse

FORKED = Structure(
    (3, 8, 8),
    {"left": 2, "right": 3},
    (
        Step("conv", (0,), 1, stride=2, pads=(0, 1, 0, 1), act="relu"),
        Step("resize", (1,), 2, size=(8, 8)),
        Step("mean", (1,), 3, act="sigmoid"),
    ),
)


def test_written_structure_reads_back_the_same() -> None:
    assert parse(dump(FORKED)) == FORKED


def test_defaults_are_not_written() -> None:
    (_, resize, _) = json.loads(dump(FORKED))["steps"]
    assert resize == {"op": "resize", "inputs": [1], "output": 2, "size": [8, 8]}


def test_pruned_structure_has_what_its_outputs_need() -> None:
    pruned = FORKED.pruned(["right"])
    assert [step.output for step in pruned.steps] == [1, 3]
    assert pruned.outputs == {"right": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": [{"op": "lstm", "inputs": [0], "output": 1}]}, "unknown here"),
        ({"steps": [{"op": "conv", "inputs": [0], "output": 1, "act": "gelu"}]}, "unknown here"),
        ({"steps": [{"op": "conv", "inputs": [7], "output": 1}]}, "no earlier step makes"),
        ({"steps": [{"op": "conv", "inputs": [0], "output": 0}]}, "two steps make 0"),
        ({"steps": [{"op": "conv", "inputs": [0], "output": 1, "colour": 3}]}, "is no network"),
        ({"steps": []}, "no step makes the output left, right"),
        ({"input": [3, 8]}, "is no network"),
    ],
)
def test_faulty_structure_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        parse(json.dumps({**json.loads(dump(FORKED)), **change}))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "null", '{"steps": 3}'])
def test_text_that_is_no_structure_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="is no network"):
        parse(text)
