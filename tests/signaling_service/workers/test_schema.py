from __future__ import annotations

from typing import Any

import pytest

from signaling_service.workers import schema as schemas
from signaling_service.workers.schema import first_fault


def _schema(**of_x: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": {"type": "number", **of_x}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("value", "step"),
    [(0.6, 0.1), (0.3, 0.1), (0.7, 0.05), (1e6, 0.1), (-0.6, 0.2), (0, 0.1), (6, 2), (1e12, 0.1)],
)
def test_decimal_multiples_are_multiples(value: float, step: float) -> None:
    assert first_fault({"x": value}, _schema(multipleOf=step)) is None


@pytest.mark.parametrize(("value", "step"), [(0.65, 0.1), (0.6001, 0.1), (7, 2), (0.33, 0.05)])
def test_what_lies_between_two_steps_is_refused(value: float, step: float) -> None:
    fault = first_fault({"x": value}, _schema(multipleOf=step))
    assert fault is not None
    assert fault.message == f"{value!r} is not a multiple of {step!r}"
    assert list(fault.path) == ["x"]


def test_a_step_says_nothing_of_what_is_no_number() -> None:
    schema = {"properties": {"x": {"multipleOf": 0.1}}}
    assert first_fault({"x": "0.6"}, schema) is None
    assert first_fault({"x": True}, schema) is None


def test_a_faulty_schema_lets_pass_what_the_worker_will_judge() -> None:
    assert first_fault({"x": 1}, _schema(type="no such type")) is None
    assert first_fault({"x": 1}, {"$ref": "http://127.0.0.1:9/schema"}) is None


def test_other_faults_are_found() -> None:
    fault = first_fault({"y": 1}, _schema())
    assert fault is not None
    assert "y" in fault.message


def test_a_schema_is_checked_once_however_many_offers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Any] = []
    check_schema = schemas._Tolerant.check_schema

    def counted(schema: Any) -> None:
        checked.append(schema)
        check_schema(schema)

    monkeypatch.setattr(schemas._Tolerant, "check_schema", counted)
    own, other = _schema(maximum=3.25), _schema(maximum=4.25)
    for _ in range(5):
        assert first_fault({"x": 4}, own) is not None
        assert first_fault({"x": 4}, other) is None
    assert checked == [own, other]


def test_what_is_no_json_is_a_faulty_schema() -> None:
    assert first_fault({"x": 1}, {"enum": [b"1"]}) is None
