from __future__ import annotations

import pytest

from inference_service.engine.health import HOPELESS_AFTER_S, HOPELESS_FAILURES, Health


@pytest.fixture
def told():
    return []


@pytest.fixture
def health(told):
    return Health(lambda: told.append(True))


def fail(health, times, from_s, to_s):
    for number in range(times):
        health.failed(from_s + (to_s - from_s) * number / max(1, times - 1))


def test_many_failures_over_a_while_are_hopeless_and_told_once(health, told):
    fail(health, HOPELESS_FAILURES * 3, 0.0, HOPELESS_AFTER_S * 2)
    assert told == [True]


def test_many_failures_at_once_are_not_yet(health, told):
    fail(health, HOPELESS_FAILURES * 3, 0.0, HOPELESS_AFTER_S - 0.1)
    assert not told
    health.failed(HOPELESS_AFTER_S)
    assert told


def test_a_few_failures_over_a_long_time_are_not(health, told):
    fail(health, HOPELESS_FAILURES - 1, 0.0, HOPELESS_AFTER_S * 100)
    assert not told


def test_one_success_in_between_begins_the_count_anew(health, told):
    fail(health, HOPELESS_FAILURES - 1, 0.0, HOPELESS_AFTER_S)
    health.succeeded()
    fail(health, HOPELESS_FAILURES - 1, HOPELESS_AFTER_S, HOPELESS_AFTER_S * 3)
    assert not told
