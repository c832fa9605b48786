from __future__ import annotations

import threading
import time

import pytest

from inference_service.engine import answers
from inference_service.link import publisher as module
from inference_service.link.publisher import Publisher
from inference_service.metrics import Metrics
from shared.endpoints import Endpoint, parse
from shared.wire import LoopState, StatusHeader
from tests.inference_service.doubles import header, noise, session, signaling, until

TCP = "tcp://127.0.0.1:*"


class Self:
    """A worker's own account of itself."""

    def __init__(self):
        self.draining = False
        self.calls = 0

    def status(self):
        self.calls += 1
        return StatusHeader(
            worker=str(self.calls),
            frames_endpoint="tcp://127.0.0.1:1",
            device="cpu",
            filters=(),
            busy=0.0,
            batch_size=0.0,
            loop_state=LoopState.IDLE,
            loop_state_ms=0.0,
            loop_usual_ms=0.0,
            draining=self.draining,
        )


@pytest.fixture
def myself():
    return Self()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def opened(myself, metrics):
    made = []

    def make(*endpoints):
        one = Publisher([parse(text) for text in endpoints], myself.status, metrics)
        made.append(one)
        one.open()
        return one

    yield make
    for one in made:
        one.close()


def picture(who, sequence=0):
    head = header(session=who, sequence=sequence)
    return answers.picture(head, "w", noise(), wait_ms=0, batch_ms=0, filter_ms=0)


def test_status_comes_four_times_a_second(opened):
    with signaling(TCP) as service:
        opened(service.endpoint)
        service.status()
        started_s = time.monotonic()
        for _ in range(4):
            service.status()
        assert 0.4 < time.monotonic() - started_s < 10


def test_status_goes_to_every_configured_service(opened):
    with signaling(TCP) as one, signaling(TCP) as two:
        opened(one.endpoint, two.endpoint)
        assert one.status()
        assert two.status()


def test_results_are_published_at_once_and_in_order(opened, metrics):
    with signaling(TCP) as service:
        publisher = opened(service.endpoint)
        service.status()
        who = session()
        publisher.publish(picture(who, number) for number in range(3))
        got = service.results(3)
        assert [head.sequence for head, _ in got] == [0, 1, 2]
        assert got[0][1] == noise()
        until(lambda: metrics.results_published == 3)


def test_an_announcement_does_not_wait_for_its_turn(opened, myself, monkeypatch):
    monkeypatch.setattr(module, "STATUS_EVERY_S", 3600.0)
    with signaling(TCP) as service:
        publisher = opened(service.endpoint)
        # The first status may be gone before the subscription came.
        until(lambda: publisher.announce() or service._sub.poll(50))
        service.status()
        myself.draining = True
        publisher.announce()
        assert service.status(lambda status: status.draining)


def test_closing_publishes_what_is_left_and_a_last_status(opened, myself):
    with signaling(TCP) as service:
        publisher = opened(service.endpoint)
        service.status()
        myself.draining = True
        publisher.publish([picture(session(), number) for number in range(20)])
        publisher.close()
        publisher.close()
        assert len(service.results(20)) == 20
        assert service.status(lambda status: status.draining)


def test_a_frame_from_the_host_of_a_configured_service_is_answered_where_it_asks(opened, metrics):
    with signaling(TCP) as front, signaling(TCP) as media:
        publisher = opened(front.endpoint)
        publisher.saw(header(reply_to=media.endpoint))
        assert media.status()
        assert metrics.replies_refused == 0


def test_a_frame_that_asks_for_a_foreign_host_is_counted_and_not_answered_there(opened, metrics):
    with signaling(TCP) as front, signaling("tcp://127.0.0.2:*") as foreign:
        publisher = opened(front.endpoint)
        for _ in range(2):
            publisher.saw(header(reply_to=foreign.endpoint))
        front.status()
        front.status()
        assert not foreign._sub.poll(400)
        assert metrics.replies_refused == 2


def test_a_service_that_starts_later_is_found(opened):
    with signaling(TCP) as first:
        endpoint = first.endpoint
    opened(endpoint)
    with signaling(endpoint) as again:
        assert again.status()


def test_a_dns_name_that_hangs_holds_up_nobody(opened, myself, metrics):
    hangs = threading.Event()
    with signaling(TCP) as service:
        publisher = Publisher(
            [parse(service.endpoint), parse("tcp://slow.invalid:1")], myself.status, metrics
        )

        def resolve(endpoint):
            hangs.wait(20)
            return []

        publisher._look_up._resolve = resolve
        publisher.open()
        try:
            service.status()
            service.status()
        finally:
            publisher.close()
            hangs.set()


def test_a_name_is_all_its_addresses(opened, myself, metrics):
    with signaling(TCP) as one, signaling("tcp://127.0.0.2:*") as two:
        publisher = Publisher([parse("tcp://signaling.invalid:1")], myself.status, metrics)
        publisher._look_up._resolve = lambda endpoint: [parse(one.endpoint), parse(two.endpoint)]
        publisher.open()
        try:
            assert one.status()
            assert two.status()
        finally:
            publisher.close()


def test_a_service_that_reads_nothing_does_not_make_the_outbox_grow(myself, metrics):
    publisher = Publisher([Endpoint("tcp", "127.0.0.1", 1)], myself.status, metrics)
    publisher.publish([picture(bytes(16))] * (module.MAX_OUTBOX + 5))
    assert len(publisher._outbox) == module.MAX_OUTBOX
    assert metrics.results_discarded == 5
    publisher.open()
    publisher.close()
    assert metrics.results_published == module.MAX_OUTBOX


def test_a_status_that_cannot_be_made_does_not_end_the_thread(opened, myself):
    with signaling(TCP) as service:
        usual, myself.status = myself.status, lambda: 1 / 0
        publisher = opened(service.endpoint)
        publisher._status = lambda: 1 / 0
        publisher.announce()
        until(lambda: publisher._thread.is_alive())
        publisher._status = usual
        assert service.status()
