from __future__ import annotations

import threading

from signaling_service.media.decoder_queue import FEW, LONG_S, MOST, DecoderQueue


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_tasks_come_out_in_order() -> None:
    queue = DecoderQueue()
    assert all(queue.put(number) for number in range(3))
    assert [queue.get() for _ in range(3)] == [0, 1, 2]


def test_a_burst_is_taken_and_no_more() -> None:
    queue = DecoderQueue(Clock())
    assert all(queue.put(number) for number in range(MOST))
    assert not queue.put(MOST)
    # Nothing of what waited is left: it would be old, and what follows it is missing.
    assert queue.put("key frame")
    assert queue.get() == "key frame"


def test_more_than_a_few_do_not_wait_for_long() -> None:
    clock = Clock()
    queue = DecoderQueue(clock)
    for number in range(FEW):
        assert queue.put(number)
        clock.now_s += 1.01 * LONG_S / FEW
    assert not queue.put(FEW)


def test_a_few_may_wait_for_a_frame_that_takes_its_time() -> None:
    clock = Clock()
    queue = DecoderQueue(clock)
    for number in range(FEW - 1):
        assert queue.put(number)
    clock.now_s += 10 * LONG_S
    assert queue.put(FEW)


def test_the_end_comes_before_all_that_waits() -> None:
    queue = DecoderQueue()
    queue.put(1)
    queue.end()
    assert queue.get() is None
    queue.put(2)
    assert queue.get() is None


def test_a_thread_that_waits_ends_with_the_queue() -> None:
    queue = DecoderQueue()
    thread = threading.Thread(target=queue.get)
    thread.start()
    queue.end()
    thread.join(5)
    assert not thread.is_alive()
