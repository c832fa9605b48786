from __future__ import annotations

from tests.order import first

FILES = [
    "tests/deploy/test_docs.py",
    "tests/inference_service/test_worker.py",
    "tests/e2e/test_demo.py",
    "tests/inference_service/test_main.py",
]


def test_a_worker_takes_files_of_its_own_kind_first_and_those_that_compute_stay_together() -> None:
    def order(has_browser: bool) -> list[int]:
        left = list(FILES)
        taken = []
        while left:
            taken.append(FILES.index(one := first(left, has_browser=has_browser)))
            left.remove(one)
        return taken

    assert order(has_browser=True) == [2, 0, 1, 3]
    assert order(has_browser=False) == [1, 3, 0, 2]
