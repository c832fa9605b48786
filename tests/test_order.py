from __future__ import annotations

from pathlib import Path

import pytest

from tests.order import first, pytest_ignore_collect, takes_browsers

FILES = [
    "tests/deploy/test_docs.py",
    "tests/inference_service/test_worker.py",
    "tests/e2e/own_pages/test_demo.py",
    "tests/inference_service/test_main.py",
    "tests/soak/test_soak.py",
    "tests/e2e/calls/test_leaving.py",
]


def order(has_browser: bool) -> list[int]:
    left = list(FILES)
    taken = []
    while (one := first(left, has_browser=has_browser)) is not None:
        taken.append(FILES.index(one))
        left.remove(one)
    return taken


def test_a_worker_with_browsers_takes_those_first_and_never_what_computes() -> None:
    assert order(has_browser=True) == [5, 2, 4, 0]


def test_the_other_takes_what_computes_first_and_what_has_a_browser_last() -> None:
    assert order(has_browser=False) == [1, 3, 4, 0, 5, 2]


@pytest.mark.parametrize(("count", "browsers"), [(1, 1), (2, 1), (3, 2), (4, 3)])
def test_two_thirds_of_the_workers_have_browsers(count: int, browsers: int) -> None:
    assert [takes_browsers(f"gw{place}", count) for place in range(count)] == [
        place < browsers for place in range(count)
    ]


class Config:
    """What the hook reads of a worker's configuration."""

    def __init__(self, **workerinput: object) -> None:
        if workerinput:
            self.workerinput = workerinput


@pytest.mark.parametrize(("worker", "ignored"), [("gw0", True), ("gw1", None), (None, None)])
def test_only_a_worker_with_browsers_leaves_out_what_computes(
    worker: str | None, ignored: bool | None
) -> None:
    given = Config(workerid=worker, workercount=2) if worker else Config()
    here = Path(__file__).parent

    def is_ignored(path: str) -> bool | None:
        return pytest_ignore_collect(here / path, given)  # type: ignore[arg-type]

    assert is_ignored("inference_service/test_main.py") is ignored
    assert is_ignored("inference_service") is ignored
    assert is_ignored("test_example_filter.py") is ignored
    assert is_ignored("e2e/test_demo.py") is None
    assert is_ignored("test_order.py") is None
