from __future__ import annotations

import pytest
from pydantic import ValidationError

from inference_service.filters.densepose import DensePose


def test_parameters_are_checked_and_described() -> None:
    for wrong in (
        {"alpha": 1.1},
        {"colour_map": "puce"},
        {"parts": ["tail"]},
        {"min_score": -0.1},
        {"unknown": 1},
    ):
        with pytest.raises(ValidationError):
            DensePose.Params.model_validate(wrong)
    schema = DensePose.Params.model_json_schema()["properties"]
    assert all({"title", "description", "default"} <= set(one) for one in schema.values())
    assert DensePose.Params.model_validate({"parts": ["head"]}).parts == ("head",)
