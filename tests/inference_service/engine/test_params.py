from __future__ import annotations

from typing import ClassVar

import pytest

from inference_service.engine.params import CheckedParams, KeptParams
from inference_service.errors import BadParams
from inference_service.filters import base
from inference_service.filters.invert import BusyInvert as Invert
from inference_service.filters.passthrough import BusyPassthrough as Passthrough
from shared import wire
from shared.errors import WireError
from tests.inference_service.doubles import Brittle, Recorder, header


def keep(kept, params):
    head = header(params=params)
    kept.keep(head)
    return head.params_id


def test_parameters_are_known_by_their_hash_afterwards():
    kept = KeptParams()
    identity = keep(kept, {"busy_ms": 5})
    kept.keep(header(params=None, params_id=identity))
    assert kept.get(identity) == {"busy_ms": 5}
    assert kept.get(bytes(16)) is None


def test_a_session_cannot_give_parameters_the_name_of_others():
    kept = KeptParams()
    stolen = wire.params_id({"a": 1})
    with pytest.raises(WireError, match="params_id"):
        kept.keep(header(params={"a": 2}, params_id=stolen))
    assert kept.get(stolen) is None
    keep(kept, {"a": 1})
    kept.keep(header(params={"a": 2}, params_id=stolen))
    assert kept.get(stolen) == {"a": 1}


@pytest.mark.parametrize("params", [{"a": b"bytes"}, {"a": {1: 2, "b": 3}}])
def test_what_is_no_json_is_malformed(params):
    with pytest.raises(WireError, match="JSON"):
        KeptParams().keep(header(params=params, params_id=bytes(16)))


def test_the_longest_unused_are_forgotten_by_number():
    kept = KeptParams(max_kept=2)
    first, second = keep(kept, {"a": 1}), keep(kept, {"a": 2})
    assert kept.get(first)
    third = keep(kept, {"a": 3})
    assert kept.get(second) is None
    assert kept.get(first) == {"a": 1}
    assert kept.get(third) == {"a": 3}


def test_the_longest_unused_are_forgotten_by_size():
    kept = KeptParams(max_bytes=2500)
    identities = [keep(kept, {"a": str(number) * 1000}) for number in range(3)]
    assert [kept.get(one) is not None for one in identities] == [False, True, True]


def test_checked_parameters_are_models_in_the_order_of_the_chain():
    chain = (Passthrough(), Brittle())
    params = {"brittle": {"is_broken": True}}
    checked = CheckedParams().check(chain, wire.params_id(params), params)
    assert [one.model_dump() for one in checked.models] == [{"busy_ms": 0}, {"is_broken": True}]


def test_parameters_are_checked_once_per_chain():
    class Once(Brittle):
        calls = 0

        class Params(Brittle.Params):
            def model_post_init(self, context):
                Once.calls += 1

    checks = CheckedParams()
    for _ in range(3):
        checks.check((Once(),), bytes(16), {"is_broken": False})
    assert Once.calls == 1


@pytest.mark.parametrize(
    ("chain", "params", "field"),
    [
        ((Passthrough(),), {"busy_ms": -1}, "busy_ms"),
        ((Passthrough(),), {"busy_ms": 2001}, "busy_ms"),
        ((Passthrough(),), {"busy_ms": "x"}, "busy_ms"),
        ((Passthrough(),), {"other": 1}, "other"),
        ((Passthrough(), Invert()), {"invert": {"busy_ms": -1}}, "invert.busy_ms"),
        ((Passthrough(), Invert()), {"ink": {}}, "ink"),
        ((Passthrough(), Invert()), {"invert": 5}, "invert"),
    ],
)
def test_bad_parameters_name_their_field_each_time(chain, params, field):
    checks = CheckedParams()
    for _ in range(2):
        with pytest.raises(BadParams) as raised:
            checks.check(chain, bytes(16), params)
        assert raised.value.field == field
        assert str(raised.value).startswith(f"params.{field}: ")


def test_only_parameters_that_must_be_equal_part_batches():
    checks = CheckedParams()

    def key(params):
        return checks.check((Recorder(),), wire.params_id(params), params).batch_key

    assert key({"apart": 1}) == key({"apart": 1, "together": 2})
    assert key({"apart": 1}) != key({"apart": 2})


def test_all_parameters_must_be_equal_by_default():
    class Strict(Recorder):
        equal_params: ClassVar[frozenset[str] | None] = None

    checks = CheckedParams()

    def key(params):
        return checks.check((Strict(),), wire.params_id(params), params).batch_key

    assert key({"together": 1}) != key({"together": 2})
    assert key({}) == key({"together": 0})


def test_large_parameters_are_checked_again_where_too_many_would_be_kept():
    class Wordy(Recorder):
        class Params(base.Params):
            text: str = ""

    checks = CheckedParams(max_bytes=1000)

    def check(letter):
        params = {"text": letter * 600}
        return checks.check((Wordy(),), wire.params_id(params), params)

    first = check("a")
    assert check("a") is first
    check("b")
    assert check("a") == first
    assert check("a") is not first
