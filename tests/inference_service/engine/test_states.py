from __future__ import annotations

from inference_service.engine.states import States
from tests.inference_service.doubles import session

SIZE = (64, 48)


def test_a_state_is_kept_from_frame_to_frame_per_session_place_and_filter():
    states = States()
    one, other = session(), session()
    states.get((one, 0, "a"), SIZE, 0)["x"] = 1
    assert states.get((one, 0, "a"), SIZE, 1) == {"x": 1}
    assert states.get((other, 0, "a"), SIZE, 1) == {}
    assert states.get((one, 1, "a"), SIZE, 1) == {}
    assert states.get((one, 0, "b"), SIZE, 1) == {}


def test_a_state_is_new_when_the_size_changes():
    states = States()
    key = (session(), 0, "a")
    states.get(key, SIZE, 0)["x"] = 1
    assert states.get(key, (48, 64), 1) == {}
    assert states.get(key, SIZE, 2) == {}
    assert len(states) == 1


def test_the_longest_unused_state_goes_first():
    states = States(max_states=2)
    keys = [(session(), 0, "a") for _ in range(3)]
    states.get(keys[0], SIZE, 0)["x"] = 0
    states.get(keys[1], SIZE, 1)["x"] = 1
    states.get(keys[0], SIZE, 2)
    states.get(keys[2], SIZE, 3)["x"] = 2
    assert len(states) == 2
    assert states.get(keys[0], SIZE, 4) == {"x": 0}
    assert states.get(keys[2], SIZE, 5) == {"x": 2}


def test_a_state_not_used_for_long_is_forgotten():
    states = States(max_age_ns=100)
    old, used = (session(), 0, "a"), (session(), 0, "a")
    states.get(old, SIZE, 0)["x"] = 1
    states.get(used, SIZE, 0)["x"] = 2
    states.get(used, SIZE, 60)
    states.forget_old(101)
    assert len(states) == 1
    assert states.get(used, SIZE, 102) == {"x": 2}


def test_what_one_filter_remembers_can_be_let_go_alone():
    states = States()
    for name in ("ink", "face"):
        states.get((b"a", 0, name), (64, 48), 0)["name"] = name
    states.forget_filter("face")
    assert states.get((b"a", 0, "ink"), (64, 48), 0) == {"name": "ink"}
    assert states.get((b"a", 0, "face"), (64, 48), 0) == {}


def test_a_forgotten_state_begins_anew():
    states = States()
    key = (session(), 0, "a")
    states.get(key, SIZE, 0)["x"] = 1
    states.forget(key)
    states.forget(key)
    assert states.get(key, SIZE, 0) == {}
