"""Sessions dealt to media processes that are played here."""

from __future__ import annotations

from typing import Any

import pytest

from signaling_service.access.caller import Caller
from signaling_service.config import Settings
from signaling_service.errors import MediaProcessLost, ServiceFull, UnusableOffer
from signaling_service.metrics import Metrics
from signaling_service.processes.costly import MOST
from signaling_service.processes.dealt_sessions import DealtSessions
from signaling_service.session.requests import Offer
from signaling_service.workers.table import Workers

CALLER = Caller("192.0.2.1")


class Losing:
    """A media process that is lost over whatever it is asked."""

    load, room, is_ready, is_silent = (0, 0.0), 1, True, False

    def __init__(self, place: int) -> None:
        self.place = place
        self.sessions: set[str] = set()
        self.viewers: set[str] = set()
        self.asked = 0

    async def call(self, name: str, value: Any, limit_s: float = 0.0) -> Any:
        self.asked += 1
        raise MediaProcessLost


def dealing(processes: list[Losing], **settings: Any) -> DealtSessions:
    metrics = Metrics()
    return DealtSessions(Settings(**settings), processes, Workers(metrics), metrics)  # type: ignore[arg-type]


async def test_there_is_room_for_what_the_processes_take_and_the_limit_of_all_allows() -> None:
    processes = [Losing(place) for place in range(3)]
    for process in processes:
        process.room = 5
    processes[2].is_ready = False
    assert dealing(processes).room() == 10
    assert dealing(processes, max_sessions=4).room() == 4
    processes[0].room = processes[1].room = 1
    assert dealing(processes, max_sessions=4).room() == 2
    sessions = dealing(processes)
    sessions.refuse_from_now_on()
    assert sessions.room() == 0


async def test_where_every_process_has_said_that_it_is_full_none_is_asked() -> None:
    processes = [Losing(place) for place in range(3)]
    processes[2].is_ready = False
    sessions = dealing(processes)
    processes[0].room = 0
    sessions.check_room(CALLER)
    processes[1].room = 0
    with pytest.raises(ServiceFull):
        sessions.check_room(CALLER)
    with pytest.raises(ServiceFull):
        await sessions.open(Offer(sdp="v=0", type="offer"), CALLER)
    assert [process.asked for process in processes] == [0, 0, 0]
    refused = sessions._metrics.registry.get_sample_value("p2pcamera_offers_total", {"outcome": "full"})
    assert refused == 1


async def test_an_offer_that_cost_a_process_is_never_dealt_again() -> None:
    processes = [Losing(place) for place in range(3)]
    sessions = dealing(processes)
    with pytest.raises(MediaProcessLost):
        await sessions.open(Offer(sdp="v=0 the one", type="offer"), CALLER)
    with pytest.raises(UnusableOffer, match="lost over this offer"):
        await sessions.open(Offer(sdp="v=0 the one", type="offer"), CALLER)
    assert [process.asked for process in processes] == [1, 0, 0]
    # Whoever watches makes offers too.
    for error in (MediaProcessLost, UnusableOffer):
        with pytest.raises(error):
            await sessions.watch("show", "v=0 another", CALLER)
    for number in range(2 * MOST):
        with pytest.raises(MediaProcessLost):
            await sessions.open(Offer(sdp=f"v=0 {number}", type="offer"), CALLER)
    assert len(sessions._costly._digests) == MOST


async def test_an_offer_over_a_limit_reaches_no_process() -> None:
    processes = [Losing(0)]
    sessions = dealing(processes)
    with pytest.raises(UnusableOffer, match="bytes"):
        await sessions.open(Offer(sdp="a=ssrc:1 x\r\n" * 40_000, type="offer"), CALLER)
    assert processes[0].asked == 0
