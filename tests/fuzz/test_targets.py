"""Some made-up inputs for each target, the same in every run, and all that the corpus keeps."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.spoiling import spoilt
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"

COUNTS = [40, pytest.param(400, marks=pytest.mark.slow)]
each_target = pytest.mark.parametrize("name", TARGETS)
# Each example is quick, but not on a machine that does something else too.
made_up = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@each_target
def test_good_input_is_taken_and_each_beginning_of_it_is_no_fault(name: str) -> None:
    for good in seeds(name):
        for end in range(0, len(good) + 1, max(1, len(good) // 25)):
            TARGETS[name](good[:end])
        TARGETS[name](good)


@each_target
@pytest.mark.parametrize("count", COUNTS)
def test_spoilt_input_is_taken_or_refused(name: str, count: int) -> None:
    @settings(made_up, max_examples=count)
    @given(seed=st.integers(0, 2**64))
    def take(seed: int) -> None:
        random = Random(seed)
        TARGETS[name](spoilt(random.choice(seeds(name)), random))

    take()


@each_target
@pytest.mark.parametrize("count", COUNTS)
def test_any_bytes_are_taken_or_refused(name: str, count: int) -> None:
    @settings(made_up, max_examples=count)
    @given(made=st.binary(max_size=200))
    def take(made: bytes) -> None:
        TARGETS[name](made)

    take()


@each_target
def test_what_was_found_once_is_taken_or_refused(name: str) -> None:
    for kept in sorted((CORPUS / name).glob("*")):
        TARGETS[name](kept.read_bytes())
