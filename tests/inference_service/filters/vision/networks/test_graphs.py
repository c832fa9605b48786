from __future__ import annotations

import gc

from inference_service.filters.vision.networks.graphs import _no_garbage_collected, bucket


def test_a_count_goes_into_the_smallest_bucket_that_holds_it() -> None:
    buckets = (1, 2, 4, 8)
    assert [bucket(count, buckets) for count in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 9]


def test_no_garbage_is_collected_during_a_capture() -> None:
    assert gc.isenabled()
    with _no_garbage_collected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with _no_garbage_collected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
